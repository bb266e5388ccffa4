// What a check found, the hints that were asked for, and one button for the next. Text comes as safe HTML.
const KEYS = 'data-lm-suppress-shortcuts="true"'; // Enter presses the button, it is no shortcut of JupyterLab's

function render({ model, el }) {
  const box = document.createElement("section");
  box.className = "dl dl-box dl-notyet";
  box.setAttribute("aria-label", model.get("label"));
  box.innerHTML = `${model.get("facts")}<div role="status" aria-live="polite"></div><button type="button" ${KEYS}></button>`;
  const told = box.querySelector("[role=status]");
  const button = box.querySelector("button");
  const hints = model.get("hints");

  function draw() {
    const read = model.get("read");
    for (const [name, text] of hints.slice(told.querySelectorAll(".dl-hint").length, read)) {
      const hint = document.createElement("p");
      hint.className = "dl-hint";
      hint.tabIndex = -1;
      hint.innerHTML = `<b>${name}</b><br>${text}`;
      told.append(hint);
    }
    if (read < hints.length) {
      button.textContent = hints[read][0];
    } else if (button.isConnected) {
      if (button === document.activeElement) told.lastElementChild.focus();
      button.remove();
      const after = document.createElement("p");
      after.className = "dl-from";
      after.innerHTML = model.get("after");
      box.append(after);
    }
  }

  button.addEventListener("click", () => {
    model.set("read", model.get("read") + 1);
    model.save_changes();
  });
  model.on("change:read", draw);
  el.append(box);
  draw();
  return () => model.off("change:read", draw);
}

export default { render };

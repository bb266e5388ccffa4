// A card: shows the picture that the kernel draws, and the raw form of a thing that is clicked.
function render({ model, el }) {
  const box = document.createElement("div");
  const raw = document.createElement("pre");
  raw.className = "dl-raw";
  raw.tabIndex = 0;
  raw.hidden = true;
  const frame = document.createElement("div");
  frame.className = `dl dl-${model.get("kind")}`;
  frame.append(box, raw);
  el.append(frame);

  let known = null;
  const draw = () => {
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.show : null;
    box.innerHTML = model.get("markup");
    const here = new Set([...box.querySelectorAll("[data-show]")].map((thing) => thing.dataset.show));
    for (const thing of box.querySelectorAll("[data-show]")) {
      if (known && !known.has(thing.dataset.show)) thing.classList.add("dl-new");
      if (thing.dataset.show === focused) thing.focus();
    }
    known = here;
  };
  const answer = (message) => {
    raw.textContent = message.raw;
    raw.hidden = false;
  };
  box.addEventListener("click", (event) => {
    const thing = event.target.closest("[data-show]");
    if (thing) model.send({ show: thing.dataset.show });
  });
  model.on("change:markup", draw);
  model.on("msg:custom", answer);
  draw();
  return () => {
    model.off("change:markup", draw);
    model.off("msg:custom", answer);
  };
}

export default { render };

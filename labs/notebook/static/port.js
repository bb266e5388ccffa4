// The page of a published port, through JupyterLab's own address. Its scripts do not run here (the server says so too).
function base() {
  const data = document.getElementById("jupyter-config-data");
  return data ? JSON.parse(data.textContent).baseUrl || "/" : "/";
}

function render({ model, el }) {
  const box = document.createElement("section");
  box.className = "dl dl-box dl-port";
  box.setAttribute("aria-label", model.get("title"));
  box.innerHTML = model.get("markup");
  // the machine's name in this browser: its ports are there, too
  for (const link of box.querySelectorAll("a[href^='http://127.0.0.1:']")) {
    if (!["localhost", "127.0.0.1"].includes(location.hostname)) {
      const address = new URL(link.href);
      address.hostname = location.hostname;
      link.href = address.href;
    }
  }
  const frame = document.createElement("iframe");
  frame.title = model.get("title");
  frame.setAttribute("sandbox", "allow-forms allow-same-origin allow-popups allow-downloads");
  frame.src = base() + model.get("page");
  const around = document.createElement("div");
  around.className = "dl-frame";
  around.append(frame);
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = "처음 페이지로";
  again.dataset.lmSuppressShortcuts = "true";
  again.addEventListener("click", () => { frame.src = base() + model.get("page"); });
  const note = document.createElement("small");
  note.textContent = "이 틀 안에서는 페이지의 자바스크립트가 돌지 않아요. 새 탭에서는 돌아요.";
  const tools = document.createElement("div");
  tools.className = "dl-tools";
  tools.append(again, note);
  box.append(around, tools);
  el.append(box);
}

export default { render };

// A card: shows the picture that the kernel draws, and the raw form of a thing that is clicked, passes on what a button
// is to do, and asks for the line of source that is clicked. What the reader has folded, focused or scrolled stays so when the picture is drawn again. Says
// to the kernel for as long as it is on a page.
const TICK = 250; // milliseconds
const BEAT = 20000;
const MOVE = 240;

// a thing is known by what a click on it asks for, a fold by its step
const name = (thing) => thing && (thing.dataset.show ?? thing.dataset.do ?? thing.closest("[data-fold]")?.dataset.fold);

function folds(box) {
  const found = new Map();
  for (const fold of box.querySelectorAll("[data-fold]")) {
    const page = fold.querySelector("pre");
    const atEnd = !page || page.scrollTop + page.clientHeight >= page.scrollHeight - 4;
    found.set(fold.dataset.fold, { open: fold.open, scroll: atEnd ? Infinity : page.scrollTop });
  }
  return found;
}

function unfold(box, before) {
  for (const fold of box.querySelectorAll("[data-fold]")) {
    const known = before.get(fold.dataset.fold);
    if (known) fold.open = known.open;
    const page = fold.querySelector("pre");
    if (page) page.scrollTop = Math.min(known?.scroll ?? Infinity, page.scrollHeight);
  }
}

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// what stands in a place ("running", "exited"), and where on the page that is now
function standing(box) {
  const found = new Map();
  for (const thing of box.querySelectorAll("[data-place]")) {
    const where = thing.getBoundingClientRect();
    if (where.width) found.set(thing.dataset.who, { place: thing.dataset.place, where });
  }
  return found;
}

// only what has changed its place is seen to move; what is pushed about by others is just there
function move(box, before) {
  for (const thing of still() ? [] : box.querySelectorAll("[data-place]")) {
    const known = before.get(thing.dataset.who);
    const where = thing.getBoundingClientRect();
    if (!known || !where.width || known.place === thing.dataset.place) continue;
    const from = `translate(${known.where.x - where.x}px, ${known.where.y - where.y}px)`;
    thing.animate([{ transform: from }, { transform: "none" }], { duration: MOVE, easing: "ease-in-out" });
  }
}

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
  let drawn = 0;
  let chosen = null;
  const mark = () => {
    for (const thing of box.querySelectorAll("[data-show]")) {
      thing.classList.toggle("dl-chosen", thing.dataset.show === chosen);
    }
  };
  const draw = () => {
    const focused = box.contains(document.activeElement) ? name(document.activeElement) : null;
    const before = folds(box);
    const stood = standing(box);
    box.innerHTML = model.get("markup");
    drawn = performance.now();
    unfold(box, before);
    const here = new Set([...box.querySelectorAll("[data-show]")].map(name));
    for (const thing of box.querySelectorAll("[data-show], [data-do], summary")) {
      if (thing.dataset.show && known && !known.has(thing.dataset.show)) thing.classList.add("dl-new");
      if (focused && name(thing) === focused) thing.focus({ preventScroll: true });
    }
    known = here;
    mark();
    move(box, stood);
  };
  // what runs gets older also while it says nothing
  const tick = () => {
    for (const clock of box.querySelectorAll("[data-ticking]")) {
      const seconds = Number(clock.dataset.ticking) + (performance.now() - drawn) / 1000;
      clock.textContent = `${seconds.toFixed(1)}초`;
    }
  };
  const answer = (message) => {
    raw.textContent = message.raw;
    raw.hidden = false;
  };
  const ask = (event) => {
    // a line of source is opened by the extension of the page around us (labextensions/docker-labs)
    const source = event.target.closest("[data-source]");
    if (source) return void window.dispatchEvent(new CustomEvent("docker-labs:open", { detail: source.dataset.source }));
    const button = event.target.closest("[data-do]");
    if (button) {
      // once: what comes next is drawn with buttons of its own
      for (const one of box.querySelectorAll("[data-do]")) one.disabled = true;
      return void model.send({ do: button.dataset.do });
    }
    const thing = event.target.closest("[data-show]");
    if (!thing) return;
    event.preventDefault();
    chosen = thing.dataset.show;
    mark();
    model.send({ show: chosen });
  };
  box.addEventListener("click", ask);
  // a thing inside a picture is no button of the browser's
  box.addEventListener("keydown", (event) => {
    if (["Enter", " "].includes(event.key) && event.target.closest("g[data-show]")) ask(event);
  });
  const me = `${Math.random()}`;
  const tell = (what) => {
    try {
      model.send({ [what]: me });
    } catch {
      // the kernel has been started again: this picture stays what it is
    }
  };
  const here = () => {
    if (!document.hidden) tell("here");
  };
  model.on("change:markup", draw);
  model.on("msg:custom", answer);
  const clock = setInterval(tick, TICK);
  const beat = setInterval(here, BEAT);
  document.addEventListener("visibilitychange", here);
  draw();
  here();
  return () => {
    clearInterval(clock);
    clearInterval(beat);
    document.removeEventListener("visibilitychange", here);
    tell("gone");
    model.off("change:markup", draw);
    model.off("msg:custom", answer);
  };
}

export default { render };

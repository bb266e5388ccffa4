// Questions with choices: a prediction (explanation on demand) or a quiz (an answer at once). Text comes as safe HTML.
// on what has the focus itself: there JupyterLab's shortcuts are off, arrow keys choose an answer and not another cell
const KEYS = { "data-lm-suppress-shortcuts": "true" };

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "html") made.innerHTML = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function verdict(choice) {
  const word = choice.right ? "맞아요." : "아니에요.";
  return `<span class="dl-${choice.right ? "right" : "wrong"}">${word}</span> ${choice.reply}`;
}

function field(model, group, question, at, answered) {
  const predicting = model.get("mode") === "predict";
  const name = `${group}-${at}`;
  const reply = element("div", { class: "dl-reply", role: "status", "aria-live": "polite" });
  const choices = element("ul", { class: "dl-choices" });
  question.choices.forEach((choice, index) => {
    const input = element("input", { type: "radio", name, value: index, ...KEYS });
    input.addEventListener("change", () => answered(choice, index, reply));
    choices.append(element("li", {}, element("label", {}, input, element("span", { html: choice.text }))));
  });
  const legend = element("legend", { html: question.text });
  const set = element("fieldset", { class: "dl-question" }, legend, choices, reply);
  if (predicting) {
    const button = element("button", { type: "button", disabled: "", ...KEYS }, "풀이 보기");
    button.addEventListener("click", () => {
      const chosen = set.querySelector("input:checked");
      const own = chosen ? question.choices[chosen.value] : null;
      const right = question.choices.find((choice) => choice.right);
      const also = own === right ? "" : `<p>답은 <b>${right.text}</b>이에요.</p>`;
      reply.innerHTML = `<p>${own ? verdict(own) : ""}</p>${also}${question.explanation}`;
    });
    set.append(button);
  }
  return set;
}

function render({ model, el }) {
  const predicting = model.get("mode") === "predict";
  const questions = model.get("questions");
  const score = element("p", { role: "status", "aria-live": "polite" });
  const right = new Map();
  const group = crypto.randomUUID ? crypto.randomUUID() : `${Math.random()}`; // radio buttons are one group a question
  const box = element("section", { class: `dl dl-box dl-${model.get("mode")}`, "aria-label": model.get("title") });
  box.append(element("h4", {}, model.get("title")));
  questions.forEach((question, at) => {
    const set = field(model, group, question, at, (choice, index, reply) => {
      model.set("chosen", { ...model.get("chosen"), [at]: index });
      model.save_changes();
      if (predicting) {
        reply.textContent = "좋아요. 이제 아래 셀을 실행해서 확인해 보세요.";
        set.querySelector("button").removeAttribute("disabled");
        return;
      }
      reply.innerHTML = verdict(choice) + (choice.right ? question.explanation : "");
      right.set(at, choice.right);
      const count = [...right.values()].filter(Boolean).length;
      score.textContent = `${questions.length}문제 가운데 ${count}문제를 맞혔어요.`;
    });
    box.append(set);
    const before = model.get("chosen")[at];
    if (before !== undefined) set.querySelectorAll("input")[before].click();
  });
  if (!predicting) box.append(score);
  el.append(box);
}

export default { render };

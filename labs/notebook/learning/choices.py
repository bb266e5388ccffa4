"""`먼저 예상해 보세요` and the quiz: questions with choices, as a widget, as HTML that folds, and as text."""

from __future__ import annotations

from html import escape
from typing import Any

import anywidget
import traitlets

from labs.directives import Choice, Question
from labs.notebook.learning import markup

LETTERS = "가나다라마바사아"
PREDICT = "먼저 예상해 보세요"
QUIZ = "세 문제"


class Choices(anywidget.AnyWidget):
    """`chosen`: question number (as text) → index of the choice."""

    _esm = markup.STATIC / "choices.js"
    _css = markup.style("predict")
    mode = traitlets.Unicode("predict").tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    questions: traitlets.List[Any] = traitlets.List([]).tag(sync=True)
    chosen = traitlets.Dict({}).tag(sync=True)

    def __repr__(self) -> str:
        return f"Choices({self.mode})"


def show_prediction(question: Question) -> None:
    _show("predict", PREDICT, (question,))


def show_quiz(questions: tuple[Question, ...]) -> None:
    _show("quiz", QUIZ, questions)


def _show(mode: str, title: str, questions: tuple[Question, ...]) -> None:
    widget = None
    if not markup.still():
        widget = Choices(mode=mode, title=title, questions=[_as_data(question) for question in questions])
    markup.show(text=as_text(title, questions), html=as_html(mode, title, questions), widget=widget)


def as_text(title: str, questions: tuple[Question, ...]) -> str:
    """The questions without their answers."""
    lines = [title]
    for at, question in enumerate(questions, 1):
        number = f"{at}. " if len(questions) > 1 else ""
        lines.append(f"{number}{markup.plain(question.text)}")
        choices = zip(LETTERS, question.choices, strict=False)
        lines += [f"  {letter}. {markup.plain(choice.text)}" for letter, choice in choices]
    return "\n".join(lines)


def as_html(mode: str, title: str, questions: tuple[Question, ...]) -> str:
    """Each choice unfolds its answer: no script, no kernel, and the keyboard is enough."""
    fields = "".join(_field(question) for question in questions)
    return markup.section(mode, f"<h4>{escape(title)}</h4>{fields}", label=title)


def _field(question: Question) -> str:
    choices = "".join(
        f"<li><details><summary {markup.KEYS}>{letter}. {markup.inline(choice.text)}</summary>"
        f'<div class="dl-reply">{_verdict(choice)}{markup.paragraphs(question.explanation) if choice.right else ""}'
        "</div></details></li>"
        for letter, choice in zip(LETTERS, question.choices, strict=False)
    )
    asked = markup.paragraphs(question.text)
    return f'<div class="dl-question"><b>{asked}</b><ul class="dl-choices">{choices}</ul></div>'


def _verdict(choice: Choice) -> str:
    word, kind = ("맞아요.", "right") if choice.right else ("아니에요.", "wrong")
    return f'<span class="dl-{kind}">{word}</span> {markup.inline(choice.reply)}'


def _as_data(question: Question) -> dict[str, Any]:
    return {
        "text": markup.inline(" ".join(question.text.split())),
        "choices": [
            {"text": markup.inline(choice.text), "right": choice.right, "reply": markup.inline(choice.reply)}
            for choice in question.choices
        ],
        "explanation": markup.paragraphs(question.explanation),
    }

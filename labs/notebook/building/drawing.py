"""Draws a build: a row for each step, by stage where there are several, what it prints folded beneath it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from kernel_engine.cli import korean
from labs.notebook.building import words
from labs.notebook.building.progress import Build, Step
from labs.notebook.learning.markup import KEYS
from labs.notebook.learning.picture import LINES, in_words, thing
from labs.notebook.learning.picture import sign as picture_sign

READ_FROM = "POST /build의 단계 소식"
#: so much of a failed step's output stands in the fixed text
TAIL = 10
_SIGNS = {
    "waiting": '<circle cx="10" cy="10" r="6"/>',
    "running": '<circle cx="10" cy="10" r="6"/><circle cx="10" cy="10" r="3" fill="currentColor"/>',
    "cached": '<path d="M4 10a6 6 0 1 0 2-4.5M6 2v4h4"/>',
    "done": '<path d="M4 10.5l4 4 8-9"/>',
    "failed": '<path d="M5 5l10 10M15 5L5 15"/>',
    "stopped": '<rect x="5" y="5" width="10" height="10"/>',
    "skipped": '<path d="M4 10h12" stroke-dasharray="3 2"/>',
    "left": '<path d="M4 10h12" stroke-dasharray="3 2"/>',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A build and what stands around it. `file`: where the cell's text is and what became of it, a sentence each."""

    title: str
    file: str
    wrote: str
    source: tuple[str, ...]  #: the file's lines
    build: Build
    size: int = 0  #: of the image, in bytes


# as text -------------------------------------------------------------------------------------------------------------
def as_text(shown: Shown) -> str:
    """The facts in fixed lines: no id, no time, no size."""
    build = shown.build
    lines = [f"{shown.title} · {shown.file}: {shown.wrote}."]
    for stage, steps in _stages(build):
        lines += [f"  스테이지(stage) {stage}"] if stage else []
        lines += [f"    {line}" for step in steps for line in _step_lines(step)]
    lines += [f"  {remark}" for remark in build.remarks]
    lines += [f"  {line}" for line in _end_lines(shown)]
    return "\n".join(lines)


def _step_lines(step: Step) -> list[str]:
    number = f"{step.step}. " if step.step else "-. "
    lines = [" · ".join(filter(None, [f"{number}{step.text}", words.STATES[step.state], why(step)]))]
    if step.state == "failed":
        lines += [f"     {line}" for line in step.lines[-TAIL:]]
    return lines


def _end_lines(shown: Shown) -> list[str]:
    build = shown.build
    if not build.error:
        return [ended(build)] if build.image else []
    place, line = place_of(shown)
    said = [f"실패: {place}", f"  {line}"] if place else ["실패"]
    return [*said, *build.error.splitlines(), *help_with(build).splitlines()]


def why(step: Step) -> str:
    if step.state == "skipped":
        return words.NOT_NEEDED
    if step.instruction == "FROM":
        return words.BASE.get(step.state, "")
    return words.reason(step.reason, step.detail)


def ended(build: Build) -> str:
    """What was made, without what differs from run to run."""
    names = ", ".join(build.tags)
    return f"이미지를 만들었어요: {names}" if names else "이름 없는 이미지를 만들었어요. 이름은 -t로 붙여요."


def help_with(build: Build) -> str:
    """The Korean lines for what ended the build; of a base image that could not be had, what to write instead."""
    failed = build.failed
    if failed is None or failed.instruction != "FROM":
        return korean.line(build.error)
    named = [word for word in failed.text.split()[1:] if not word.startswith("--") and "$" not in word]
    return korean.line(build.error, ["pull", *named[:1]]).replace("docker pull ", "FROM ")


def place_of(shown: Shown) -> tuple[str, str]:
    """Where it went wrong in the file and in the cell, and that line; ("", "") where nobody knows."""
    number = shown.build.error_line
    if not 0 < number <= len(shown.source):
        return "", ""
    return f"{shown.file}의 {number}번째 줄 (이 셀의 {number + 1}번째 줄)", shown.source[number - 1]


def _stages(build: Build) -> Iterator[tuple[str, list[Step]]]:
    """Steps by stage; the stage is "" where there is only one, and for what stands before the first FROM."""
    several = len({step.stage for step in build.steps if step.stage}) > 1
    for stage in build.stages:
        yield stage if several else "", [step for step in build.steps if step.stage == stage]


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(shown: Shown, *, outputs: bool = True) -> str:
    """The picture without its style. Without `outputs` only what a failed step printed last is shown."""
    build = shown.build
    rows = "".join(
        (f"<h5>스테이지 {escape(stage)}</h5>" if stage else "")
        + f"<ol>{''.join(_row(step, outputs=outputs) for step in steps)}</ol>"
        for stage, steps in _stages(build)
    )
    remarks = "".join(f'<p class="dl-remark">{escape(remark)}</p>' for remark in build.remarks)
    return (
        f"<h4>{escape(shown.title)}</h4>"
        f'<p class="dl-wrote"><code>{escape(shown.file)}</code> {escape(shown.wrote)}.{_sent(build)}{_count(build)}</p>'
        f'{rows}{remarks}{_end(shown)}<p class="dl-from">읽은 곳: {escape(READ_FROM)}</p>'
    )


def _sent(build: Build) -> str:
    return f" <span>보낸 컨텍스트 {in_words(build.sent)}</span>" if build.sent else ""


def _count(build: Build) -> str:
    return f' <span class="dl-count">{build.over}/{build.total}단계</span>' if build.total else ""


def _row(step: Step, *, outputs: bool) -> str:
    number = str(step.step) if step.step else ""
    reason = f'<small class="dl-why">{escape(why(step))}</small>' if why(step) else ""
    pulling = f'<small class="dl-why">{escape(step.pulling)}</small>' if step.pulling else ""
    return (
        f'<li class="dl-step dl-{step.state}" title="{escape(_title(step))}">'
        f'<span class="dl-state">{sign(step.state)}{words.STATES[step.state]}</span>'
        f'<span class="dl-number">{number}</span>'
        f'<span class="dl-text"><code>{escape(step.text)}</code>{reason}{pulling}</span>'
        f'<span class="dl-made">{_made(step)}</span><span class="dl-seconds">{_seconds(step)}</span>'
        f"{_output(step, outputs=outputs)}</li>"
    )


def _title(step: Step) -> str:
    place = f"{step.line}번째 줄" if step.line == step.end_line else f"{step.line}–{step.end_line}번째 줄"
    return f"{place}\n레이어 {step.layer}" if step.layer else place


def _made(step: Step) -> str:
    """The sheet that the step laid, with its size; a dotted line for a setting."""
    if step.layer and step.state in ("cached", "done"):
        return f"{picture_sign('layer')}{in_words(step.size)}"
    return ""


def _seconds(step: Step) -> str:
    if step.state == "running":
        return f'<span data-ticking="{step.seconds:.1f}">{step.seconds:.1f}초</span>'
    return in_seconds(step.seconds) if step.state in ("done", "failed") else ""


def in_seconds(seconds: float) -> str:
    return f"{seconds:.2f}초" if seconds < 1 else f"{seconds:.1f}초"


def _output(step: Step, *, outputs: bool) -> str:
    """Unfolded while the step runs and where it failed."""
    lines = step.lines if outputs else step.lines[-TAIL:] if step.state == "failed" else ()
    if not lines:
        return ""
    unfolded = " open" if step.state in ("running", "failed") else ""
    cut = step.dropped + len(step.lines) - len(lines)
    before = f"… 앞의 {cut}줄\n" if cut else ""
    return (
        f'<details data-fold="{step.step} {step.state}"{unfolded}><summary {KEYS}>출력 {len(lines)}줄</summary>'
        f'<pre class="dl-output" tabindex="0">{escape(before + chr(10).join(lines))}</pre></details>'
    )


def _end(shown: Shown) -> str:
    build = shown.build
    if build.error:
        return _failure(shown)
    if not build.image:
        return ""
    facts = f"{in_words(shown.size)} · {escape(build.image.removeprefix('sha256:')[:12])}"
    said = f"<b>{escape(', '.join(build.tags) or '이름 없는 이미지')}</b><small>이미지 · {facts}</small>"
    return thing("image", "image", f"image:{build.image}", f"이미지 {build.image}", said)


def _failure(shown: Shown) -> str:
    place, line = place_of(shown)
    where = f"<p><b>{escape(place)}</b></p><pre>{escape(line)}</pre>" if place else ""
    help = "".join(f"<p>{escape(line)}</p>" for line in help_with(shown.build).splitlines())
    return f'<div class="dl-failure" role="status">{where}<pre>{escape(shown.build.error)}</pre>{help}</div>'


def sign(state: str) -> str:
    return f'<svg {LINES} aria-hidden="true">{_SIGNS[state]}</svg>'

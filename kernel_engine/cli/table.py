"""Lists as Docker prints them: a table whose columns line up, or what --format makes of each row."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

MINIMUM = 10
PADDING = 3


def columns(rows: Sequence[Sequence[str]], *, minimum: int = MINIMUM, padding: int = PADDING) -> str:
    """Go's tabwriter: every column as wide as its widest cell, at least `minimum`; the last one is not filled up."""
    if not rows:
        return ""
    widths = [
        max(minimum, *(display_width(row[at]) + padding for row in rows if at < len(row)))
        for at in range(max(map(len, rows)) - 1)
    ]
    lines = []
    for row in rows:
        filled = [cell + " " * (widths[at] - display_width(cell)) for at, cell in enumerate(row[:-1])]
        lines.append("".join(filled) + (row[-1] if row else ""))
    return "\n".join(lines) + "\n"


def display_width(text: str) -> int:
    """Cells on a terminal: Korean takes two. Go's tabwriter counts letters, which puts Korean names out of line."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


class Listing:
    """One kind of list: the columns shown by default, and every field's heading (for `table TEMPLATE`)."""

    def __init__(self, kind: str, headings: Mapping[str, str]) -> None:
        self.kind = kind  #: the Go type that errors name
        self.headings = headings

    def try_out(self, form: str) -> None:
        """Whether a template can be carried out, before the engine is asked, as `docker ps` does. Failed."""
        from kernel_engine.formats.templates import Fields, TemplateError, compile_template

        try:
            template = compile_template(form)
        except TemplateError as error:
            raise Failed(f"failed to parse template: {error}") from error
        try:
            template.execute(Fields(_blank(self.headings), self.kind))
        except TemplateError as error:
            raise Failed(f"failed to execute template: {error}") from error

    def text(self, form: str, default: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
        """`form` is --format ("" or "table": the default columns; "table TEMPLATE", "json", a template)."""
        if form in ("", "table"):
            cells = [[_cell(row[name]) for name in default] for row in rows]
            return columns([[self.headings[name] for name in default], *cells])
        table = form.startswith("table ")
        source = "{{json .}}" if form == "json" else form.removeprefix("table ").strip()
        source = source.replace("\\t", "\t").replace("\\n", "\n") if form != "json" else source
        return self._templated(source, rows, table=table)

    def _templated(self, source: str, rows: Sequence[Mapping[str, Any]], *, table: bool) -> str:
        from kernel_engine.formats.templates import Fields, TemplateError, compile_template

        try:
            template = compile_template(source)
            lines = [template.execute(Fields(row, self.kind)) for row in rows]
            if not rows and not table:
                template.execute(Fields(_blank(self.headings), self.kind))
            if not table:
                return "".join(f"{line}\n" for line in lines)
            heading = template.execute(Fields(_headed(self.headings), self.kind), _HEADER_FUNCTIONS)
        except TemplateError as error:
            raise Failed(f"template parsing error: {error}") from error
        return columns([line.split("\t") for whole in (heading, *lines) for line in whole.split("\n")])


def _cell(value: Any) -> str:
    return str(value() if callable(value) else value)


def _blank(headings: Mapping[str, str]) -> dict[str, Any]:
    return {**dict.fromkeys(headings, ""), "Label": lambda name: ""}


def _headed(headings: Mapping[str, str]) -> dict[str, Any]:
    return {**headings, "Label": lambda name: name.replace("-", " ").replace("_", " ")}


def _as_it_is(value: Any, *arguments: Any) -> Any:
    return value


#: over the heading the functions change nothing, so that `table {{lower .ID}}` is still headed CONTAINER ID
_HEADER_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: _as_it_is for name in ("json", "lower", "pad", "title", "truncate", "upper")
} | {"join": lambda values, separator: values, "split": lambda text, separator: text}


def short_id(text: str, *, whole: bool = False) -> str:
    """`sha256:` and all but twelve digits away."""
    return text if whole else text.removeprefix("sha256:")[:12]


def shortened(text: str, length: int) -> str:
    """At most `length` letters, the last of them an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"

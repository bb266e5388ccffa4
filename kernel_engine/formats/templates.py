"""Go templates over JSON-like values: what `--format` understands. Pure.

The language is text/template with Docker's functions (json join lower pad split title truncate upper). Values are
dicts, lists, strings, numbers, booleans, None and `Fields` (a table's row). Printing follows Go's fmt: `[a b]`,
`map[k:v]`, `<no value>`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from kernel_engine.formats.go_printf import printf, show
from kernel_engine.formats.template_syntax import Node, Operand, Pipeline, TemplateError, read

__all__ = ["Fields", "Template", "TemplateError", "compile_template", "go_json"]


class Fields:
    """A table's row: values by field name, or functions (fields that are computed or take an argument).

    `kind` is the Go type that an error names: "*formatter.ContainerContext".
    """

    __slots__ = ("kind", "values")

    def __init__(self, values: Mapping[str, Any], kind: str) -> None:
        self.values = values
        self.kind = kind

    def plain(self) -> dict[str, Any]:
        """What `{{json .}}` shows: every field that needs no argument, by name."""
        return {name: value for name, value in sorted(self.values.items()) if not callable(value)}


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Template:
    """A read template; `execute` may be called for many values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._nodes = read(text, frozenset(FUNCTIONS))

    def execute(self, data: Any, functions: Mapping[str, Callable[..., Any]] | None = None) -> str:
        """TemplateError with Go's words for what cannot be evaluated. `functions` replace Docker's (table headers)."""
        return _Run(self._text, data, functions).nodes(self._nodes)


@lru_cache(maxsize=64)
def compile_template(text: str) -> Template:
    return Template(text)


def go_json(value: Any) -> str:
    """encoding/json as Docker's `json` function: compact, <>& escaped, Korean left as it is."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=lambda item: item.plain())
    for letter, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(letter, code)
    return text


class _Run:
    """One execution: dot, variables, and the place that an error names."""

    def __init__(self, text: str, data: Any, functions: Mapping[str, Callable[..., Any]] | None) -> None:
        self._text = text
        self._functions = {**FUNCTIONS, **(functions or {})}
        self._dot = data
        self._variables: list[tuple[str, Any]] = [("$", data)]

    def nodes(self, nodes: tuple[Node, ...]) -> str:
        return "".join(self._node(node) for node in nodes)

    def _node(self, node: Node) -> str:
        if node.kind == "text":
            return node.text
        if node.kind == "break":
            raise _Break
        if node.kind == "continue":
            raise _Continue
        assert node.pipeline is not None
        if node.kind == "action":
            value = self._pipeline(node.pipeline)
            return "" if node.pipeline.declares else show(value)
        scope = len(self._variables)
        try:
            return self._range(node) if node.kind == "range" else self._choice(node)
        finally:
            del self._variables[scope:]

    def _choice(self, node: Node) -> str:
        assert node.pipeline is not None
        value = self._pipeline(node.pipeline)
        if not truth(value):
            return self.nodes(node.otherwise)
        if node.kind == "if":
            return self.nodes(node.body)
        return self._with_dot(value, node.body)

    def _with_dot(self, dot: Any, nodes: tuple[Node, ...]) -> str:
        before, self._dot = self._dot, dot
        try:
            return self.nodes(nodes)
        finally:
            self._dot = before

    def _range(self, node: Node) -> str:
        assert node.pipeline is not None
        value = self._pipeline(Pipeline(node.pipeline.commands))
        if isinstance(value, dict):
            pairs: list[tuple[Any, Any]] = sorted(value.items())
        elif isinstance(value, list | tuple):
            pairs = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            pairs = [(number, number) for number in range(value)]
        elif value is None:
            pairs = []
        else:
            raise self._error(node.pipeline.commands[0][0], f"range can't iterate over {show(value)}")
        if not pairs:
            return self.nodes(node.otherwise)
        return self._rounds(node, pairs)

    def _rounds(self, node: Node, pairs: list[tuple[Any, Any]]) -> str:
        assert node.pipeline is not None
        names = node.pipeline.declares
        parts = []
        scope = len(self._variables)
        for key, item in pairs:
            values = (item,) if len(names) == 1 else (key, item)
            self._declare(names, values, assigns=node.pipeline.assigns)
            try:
                parts.append(self._with_dot(item, node.body))
            except _Continue:
                continue
            except _Break:
                break
            finally:
                del self._variables[scope:]
        return "".join(parts)

    def _declare(self, names: tuple[str, ...], values: tuple[Any, ...], *, assigns: bool) -> None:
        for name, value in zip(names, values, strict=False):
            if not assigns:
                self._variables.append((name, value))
                continue
            place = max(at for at, (known, _) in enumerate(self._variables) if known == name)
            self._variables[place] = (name, value)

    # values -------------------------------------------------------------------------------------------------------
    def _pipeline(self, pipeline: Pipeline) -> Any:
        value: Any = None
        for stage, command in enumerate(pipeline.commands):
            value = self._command(command, (value,) if stage else ())
        self._declare(pipeline.declares, (value,), assigns=pipeline.assigns)
        return value

    def _command(self, command: tuple[Operand, ...], last: tuple[Any, ...]) -> Any:
        first, *rest = command
        if first.kind == "name":
            if first.value in ("and", "or"):
                return self._shortcut(str(first.value), rest, last)
            arguments = [self._operand(item) for item in rest]
            value = self._call(first, self._functions[str(first.value)], [*arguments, *last])
            return self._walk(first, value, first.path)
        if first.kind in ("field", "variable", "dot") and first.path:
            return self._operand(first, tuple(self._operand(item) for item in rest) + last)
        if rest or last:
            raise self._error(first, f"can't give argument to non-function {first.source}")
        return self._operand(first)

    def _shortcut(self, name: str, operands: list[Operand], last: tuple[Any, ...]) -> Any:
        value: Any = None
        for operand in operands:
            value = self._operand(operand)
            if truth(value) == (name == "or"):
                return value
        return last[0] if last else value

    def _operand(self, operand: Operand, arguments: tuple[Any, ...] = ()) -> Any:
        kind = operand.kind
        if kind == "constant":
            return operand.value
        if kind == "pipe":
            assert isinstance(operand.value, Pipeline)
            value = self._pipeline(operand.value)
        elif kind == "variable":
            value = next(known for name, known in reversed(self._variables) if name == operand.value)
        elif kind == "name":
            value = self._call(operand, self._functions[str(operand.value)], [])
        else:
            value = self._dot
        return self._walk(operand, value, operand.path, arguments)

    def _walk(self, operand: Operand, value: Any, path: tuple[str, ...], arguments: tuple[Any, ...] = ()) -> Any:
        """The fields of `path`, one after another; the last may be a function that takes the arguments."""
        for at, name in enumerate(path):
            value = self._field(operand, value, name)
            last = at == len(path) - 1
            if callable(value):
                value = self._call(operand, value, list(arguments) if last else [])
            elif last and arguments:
                raise self._error(operand, f"{name} has arguments but cannot be invoked as function")
        return value

    def _field(self, operand: Operand, value: Any, name: str) -> Any:
        if isinstance(value, Fields):
            if name not in value.values:
                raise self._error(operand, f"can't evaluate field {name} in type {value.kind}")
            return value.values[name]
        if isinstance(value, Mapping):
            if name not in value:
                raise self._error(operand, f'map has no entry for key "{name}"')
            return value[name]
        if value is None:
            raise self._error(operand, f"nil pointer evaluating interface {{}}.{name}")
        raise self._error(operand, f"can't evaluate field {name} in type interface {{}}")

    def _call(self, operand: Operand, function: Callable[..., Any], arguments: list[Any]) -> Any:
        try:
            return function(*arguments)
        except TemplateError:
            raise
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            name = str(operand.value) if operand.kind == "name" else (operand.path or ("",))[-1]
            raise self._error(operand, f"error calling {name}: {error}") from error

    def _error(self, operand: Operand, message: str) -> TemplateError:
        line = self._text.count("\n", 0, operand.at) + 1
        column = operand.at - (self._text.rfind("\n", 0, operand.at) + 1)
        return TemplateError(f'template: :{line}:{column}: executing "" at <{operand.source}>: {message}')


# functions ----------------------------------------------------------------------------------------------------------
def truth(value: Any) -> bool:
    return bool(value) or isinstance(value, Fields)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if value is None:
            raise ValueError("index of untyped nil")
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list | tuple | str):
            if not isinstance(key, int):
                raise ValueError(f"cannot index slice/array with type {type(key).__name__}")
            if not 0 <= key < len(value):
                raise ValueError(f"index out of range: {key}")
            value = value[key] if not isinstance(value, str) else ord(value[key])
        else:
            raise ValueError(f"can't index item of type {type(value).__name__}")
    return value


def _slice(value: Any, *ends: int) -> Any:
    start, end = (*ends, *(0, len(value))[len(ends) :]) if len(ends) < 2 else ends[:2]
    if not 0 <= start <= end <= len(value):
        raise ValueError(f"index out of range: {end if end > len(value) else start}")
    return value[start:end]


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise ValueError("missing argument for comparison")
    return any((type(first) is type(other) and first == other) or _numbers_equal(first, other) for other in others)


def _numbers_equal(first: Any, other: Any) -> bool:
    numbers = (int, float)
    return isinstance(first, numbers) and isinstance(other, numbers) and first == other


def _pad(text: str, before: int, after: int) -> str:
    return f"{' ' * before}{text}{' ' * after}" if text else text


def _title(text: str) -> str:
    return "".join(
        letter.upper() if not at or not (text[at - 1].isalnum() or text[at - 1] in "_'") else letter
        for at, letter in enumerate(text)
    )


def _println(*values: Any) -> str:
    return " ".join(show(value) for value in values) + "\n"


def _print(*values: Any) -> str:
    """fmt.Sprint: a blank between two values of which neither is a string."""
    parts = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return "".join(parts)


def _html(value: Any) -> str:
    text = show(value)
    for letter, code in (("&", "&amp;"), ('"', "&#34;"), ("'", "&#39;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, code)
    return text


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *values: values[-1],  # `and` and `or` are carried out by _shortcut
    "or": lambda *values: values[-1],
    "eq": _equal,
    "ge": lambda left, right: left >= right,
    "gt": lambda left, right: left > right,
    "html": _html,
    "index": _index,
    "join": lambda values, separator: separator.join(values),
    "json": go_json,
    "le": lambda left, right: left <= right,
    "len": len,
    "lower": lambda text: text.lower(),
    "lt": lambda left, right: left < right,
    "ne": lambda left, right: not _equal(left, right),
    "not": lambda value: not truth(value),
    "pad": _pad,
    "print": _print,
    "printf": printf,
    "println": _println,
    "slice": _slice,
    "split": lambda text, separator: text.split(separator) if separator else list(text),
    "title": _title,
    "truncate": lambda text, length: text[:length],
    "upper": lambda text: text.upper(),
    "urlquery": lambda value: quote_plus(show(value)),
}

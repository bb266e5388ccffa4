"""Go templates over JSON-like values: what `--format` understands. Pure.

The language is text/template with Docker's functions (json join lower pad split title truncate upper). Values are
dicts, lists, strings, numbers, booleans, None and `Fields` (a table's row). Printing follows Go's fmt: `[a b]`,
`map[k:v]`, `<no value>`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from kernel_engine.formats.go_printf import show
from kernel_engine.formats.template_functions import (
    FUNCTIONS,
    Fields,
    Function,
    Nil,
    Struct,
    Words,
    go_json,
    truth,
    type_name,
)
from kernel_engine.formats.template_syntax import Node, Operand, Pipeline, TemplateError, read, source_of

__all__ = ["Fields", "Template", "TemplateError", "compile_template", "go_json"]

#: templates within templates (Go's own limit is 100000)
_DEEPEST = 100


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Template:
    """A read template; `execute` may be called for many values."""

    def __init__(self, text: str, name: str = "") -> None:
        self._text = text
        self._name = name
        try:
            self._nodes, self._defined = read(text, frozenset(FUNCTIONS))
        except TemplateError as error:
            raise self._named(error) from error

    def execute(self, data: Any, functions: Mapping[str, Callable[..., Any]] | None = None) -> str:
        """TemplateError with Go's words for what cannot be evaluated. `functions` replace Docker's (table headers)."""
        try:
            return _Run(self._text, self._defined, data, functions or {}).nodes(self._nodes)
        except TemplateError as error:
            raise self._named(error) from error

    def _named(self, error: TemplateError) -> TemplateError:
        """Go names the template in front and where it was carried out; most of Docker's have no name."""
        place = str(error).replace("template: :", f"template: {self._name}:", 1)
        return TemplateError(place.replace('executing ""', f'executing "{self._name}"', 1))


@lru_cache(maxsize=64)
def compile_template(text: str, name: str = "") -> Template:
    return Template(text, name)


class _Run:
    """One execution: dot, variables, and the place that an error names."""

    def __init__(
        self,
        text: str,
        defined: Mapping[str, tuple[Node, ...]],
        data: Any,
        functions: Mapping[str, Callable[..., Any]],
    ) -> None:
        self._text = text
        self._defined = defined
        self._functions = {**FUNCTIONS, **{name: Function(call, 0) for name, call in functions.items()}}
        # a row's fields have Go's types, what comes from JSON has none
        self._typed = isinstance(data, Fields)
        self._depth = 0
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
        if node.kind == "template":
            return self._template(node)
        assert node.pipeline is not None
        if node.kind == "action":
            value = self._pipeline(node.pipeline)
            return "" if node.pipeline.declares else show(value)
        scope = len(self._variables)
        try:
            return self._range(node) if node.kind == "range" else self._choice(node)
        finally:
            del self._variables[scope:]

    def _template(self, node: Node) -> str:
        source = f'{{{{template "{node.text}"{" " + node.pipeline.source if node.pipeline else ""}}}}}'
        here = Operand("name", node.text, (), node.at, source)
        if node.text not in self._defined:
            raise self._error(here, f'template "{node.text}" not defined')
        if self._depth >= _DEEPEST:
            raise self._error(here, f"exceeded maximum template depth ({_DEEPEST})")
        dot = self._pipeline(node.pipeline) if node.pipeline else None
        before, self._variables = self._variables, [("$", dot)]
        self._depth += 1
        try:
            return self._with_dot(dot, self._defined[node.text])
        finally:
            self._depth -= 1
            self._variables = before

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
            name = str(first.value)
            self._check_count(first, self._functions[name], len(rest) + len(last))
            if name in ("and", "or"):
                return self._shortcut(name, rest, last)
            arguments = [*(self._operand(item) for item in rest), *last]
            if name == "call":
                what = f"non-function {rest[0].source if rest else 'value'} of type {type_name(arguments[0])}"
                raise self._error(first, f"error calling call: {what}", command)
            value = self._call(first, self._functions[name].call, arguments, command)
            return self._walk(first, value, first.path)
        if first.kind == "nil":
            raise self._error(first, "nil is not a command")
        if first.kind in ("field", "variable", "dot") and first.path:
            return self._operand(first, tuple(self._operand(item) for item in rest) + last)
        if rest or last:
            raise self._error(first, f"can't give argument to non-function {first.source}")
        return self._operand(first)

    def _check_count(self, name: Operand, function: Function, count: int) -> None:
        if count >= function.least and (function.most is None or count <= function.most):
            return
        wanted = str(function.least) if function.most is not None else f"at least {function.least}"
        raise self._error(name, f"wrong number of args for {name.value}: want {wanted} got {count}")

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
        if kind == "nil":
            return None
        if kind == "pipe":
            assert isinstance(operand.value, Pipeline)
            value = self._pipeline(operand.value)
        elif kind == "variable":
            value = next(known for name, known in reversed(self._variables) if name == operand.value)
        elif kind == "name":
            function = self._functions[str(operand.value)]
            self._check_count(operand, function, 0)
            value = self._call(operand, function.call, [], (operand,))
        else:
            value = self._dot
        return self._walk(operand, value, operand.path, arguments)

    def _walk(self, operand: Operand, value: Any, path: tuple[str, ...], arguments: tuple[Any, ...] = ()) -> Any:
        """The fields of `path`, one after another; the last may be a function that takes the arguments."""
        for at, name in enumerate(path):
            of = value
            value = self._field(operand, value, name)
            last = at == len(path) - 1
            if callable(value):
                value = self._call(operand, value, list(arguments) if last else [], (operand,))
            elif last and arguments:
                if isinstance(of, Fields):
                    raise self._error(operand, f"wrong number of args for {name}: want 0 got {len(arguments)}")
                raise self._error(operand, f"{name} is not a method but has arguments")
        return value

    def _field(self, operand: Operand, value: Any, name: str) -> Any:
        if isinstance(value, Fields):
            if name not in value.values:
                raise self._error(operand, f"can't evaluate field {name} in type {value.kind}")
            return value.values[name]
        if isinstance(value, Mapping):
            if name not in value:
                if isinstance(value, Struct) and name in value.others:
                    return value.others[name]
                if isinstance(value, Words):
                    return None
                raise self._error(operand, f'map has no entry for key "{name}"')
            return value[name]
        if isinstance(value, Nil):
            raise self._error(operand, f'map has no entry for key "{value.name}"')
        if value is None:
            raise self._error(operand, f"nil pointer evaluating interface {{}}.{name}")
        kind = type_name(value) if self._typed else "interface {}"
        raise self._error(operand, f"can't evaluate field {name} in type {kind}")

    def _call(
        self, operand: Operand, function: Callable[..., Any], arguments: list[Any], command: tuple[Operand, ...]
    ) -> Any:
        name = str(operand.value) if operand.kind == "name" else (operand.path or ("",))[-1]
        try:
            return function(*arguments)
        except TemplateError:
            raise
        except ValueError as error:
            raise self._error(operand, f"error calling {name}: {error}", command) from error
        except (TypeError, IndexError, KeyError, AttributeError) as error:
            kinds = ", ".join(type_name(value) for value in arguments)
            raise self._error(operand, f"wrong type for value; {name} got {kinds}", command) from error

    def _error(self, operand: Operand, message: str, command: tuple[Operand, ...] = ()) -> TemplateError:
        line = self._text.count("\n", 0, operand.at) + 1
        column = operand.at - (self._text.rfind("\n", 0, operand.at) + 1)
        source = source_of(command) if command else operand.source
        return TemplateError(f'template: :{line}:{column}: executing "" at <{source}>: {message}')

"""Values as Go's fmt prints them: `%v` and Sprintf. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

_VERB = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+))?(.)", re.DOTALL)


def show(value: Any, *, inside: bool = False) -> str:
    """`%v`: true, 3, `[a b]`, `map[k:v]`; nothing is `<no value>` in a template and `<nil>` inside another value."""
    if value is None:
        return "<nil>" if inside else "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{show(value[key], inside=True)}' for key in sorted(value))}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(show(item, inside=True) for item in value)}]"
    if hasattr(value, "plain"):
        if value.plain() is None:
            return "<nil>"
        return f"{{{' '.join(show(item, inside=True) for item in value.plain().values())}}}"
    return str(value)


def number(value: float) -> str:
    """A float64 as %v: the shortest that reads back, an exponent from 1e21 on."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}" if exponent[0] in "+-" else f"{mantissa}e+{exponent:0>2}"


def printf(form: str, *values: Any) -> str:
    """Sprintf for the verbs that templates use: v s q d x X o b c U t f e g T %."""
    left = list(values)

    def one(found: re.Match[str]) -> str:
        flags, width, precision, verb = found.groups()
        if verb == "%":
            return "%"
        if width == "*":
            width = str(left.pop(0)) if left else "0"
        if precision == "*":
            precision = str(left.pop(0)) if left else "0"
        if not left:
            return f"%!{verb}(MISSING)"
        text = _formatted(verb, flags, precision, left.pop(0))
        fill = "0" if "0" in flags and "-" not in flags and verb in "dxXobfeg" else " "
        size = int(width or 0)
        if fill == "0" and text[:1] in "+-" and len(text) < size:
            return text[0] + text[1:].rjust(size - 1, "0")
        return text.ljust(size) if "-" in flags else text.rjust(size, fill)

    text = _VERB.sub(one, form)
    if left:
        text += f"%!(EXTRA {', '.join(f'{_type(item)}={show(item)}' for item in left)})"
    return text


def _formatted(verb: str, flags: str, precision: str | None, value: Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    real = isinstance(value, float)
    if verb == "v":
        return show(value, inside=True)
    if verb == "s" and not whole and not real and not isinstance(value, bool):
        text = show(value, inside=True) if value is not None else "%!s(<nil>)"
        return text[: int(precision)] if precision is not None else text
    if verb == "q" and isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if verb == "T":
        return _type(value)
    if verb == "t" and isinstance(value, bool):
        return show(value)
    if whole and verb in "dxXob":
        return ("+" if "+" in flags and value >= 0 else "") + format(value, verb)
    if whole and verb in "cU":
        return chr(value) if verb == "c" else f"U+{value:04X}"
    if isinstance(value, str) and verb in "xX":
        return value.encode().hex() if verb == "x" else value.encode().hex().upper()
    if real and verb in "feg":
        return format(value, f"{'+' if '+' in flags else ''}.{precision or 6}{verb}")
    return f"%!{verb}({_type(value)}={show(value, inside=True)})"


def _type(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float64", str: "string", type(None): "<nil>"}
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list | tuple):
        return "[]interface {}"
    return names.get(type(value), type(value).__name__)

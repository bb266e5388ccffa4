"""Plain values → YAML text in go-yaml's style, which `docker compose config` prints in. Pure.

Two spaces, lists one step deeper than their key, words that YAML would take for something else in double quotes,
several lines as a block.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from kernel_engine.compose.documents import resolved

_ENDLESS = 10**9  #: columns: lines are not folded
#: words that YAML 1.1 readers take for truths, numbers to base 60 or dates
_OLD = re.compile(
    r"[yYnN]|yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"
)
#: letters that YAML takes for the end of a line, beside the newline
_BREAKS = re.compile("[\r\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _word(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _BREAKS.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif not isinstance(resolved(text), str) or _OLD.fullmatch(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _nothing(dumper: yaml.SafeDumper, _: None) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "null")


def _real(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    if value.is_integer() and abs(value) < 1e15:
        return dumper.represent_scalar("tag:yaml.org,2002:int", str(int(value)))
    return dumper.represent_float(value)


_Dumper.add_representer(str, _word)
_Dumper.add_representer(type(None), _nothing)
_Dumper.add_representer(float, _real)


def written(values: Any) -> str:
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=_ENDLESS, allow_unicode=True)

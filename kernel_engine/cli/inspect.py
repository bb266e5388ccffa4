"""`docker inspect`: objects as the engine knows them, as JSON or through a template."""

from __future__ import annotations

import json
import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError
from kernel_engine.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from kernel_engine.cli.grammar import Call
    from kernel_engine.client import Client

#: in the order in which a name without --type is looked for
TYPES = ("container", "image", "network", "volume")
KNOWN = ("config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume")
PATHS = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "network": "/networks/{}",
    "volume": "/volumes/{}",
}
#: Go prints a list or map that is absent as an empty one; in JSON it stays null
LISTS = frozenset("Args Binds CapAdd CapDrop Cmd Entrypoint Env Mounts OnBuild RepoDigests RepoTags Shell".split())
MAPS = frozenset("ExposedPorts Labels Options PortBindings Ports Volumes".split())


def inspect(call: Call) -> int:
    kind = call.words["type"]
    if kind and kind not in KNOWN:
        names = ", ".join(f'"{name}"' for name in KNOWN)
        raise Failed(f'unknown type: "{kind}": must be one of {names}')
    kinds = (kind,) if kind else TYPES
    return _show(call, lambda name: _find(call.client, name, kinds, size=call.words["size"]))


def inspect_containers(call: Call) -> int:
    return _show(call, lambda name: _find(call.client, name, ("container",), size=call.words["size"]))


def inspect_images(call: Call) -> int:
    return _show(call, lambda name: _find(call.client, name, ("image",), size=False))


def inspect_networks(call: Call) -> int:
    return _show(call, lambda name: _find(call.client, name, ("network",), size=False))


def inspect_volumes(call: Call) -> int:
    return _show(call, lambda name: _find(call.client, name, ("volume",), size=False))


def _find(client: Client, name: str, kinds: tuple[str, ...], *, size: bool) -> Any:
    """The first kind of object that has this name. APIError, or Failed when no kind has it."""
    for kind in kinds:
        if kind not in PATHS:
            continue
        try:
            return client.get(PATHS[kind].format(name), query={"size": (size and kind == "container") or None}).json()
        except APIError as error:
            if len(kinds) == 1:
                raise Failed(f"Error response from daemon: {error.message}", about=error.message) from error
            if error.status != 404:
                raise
    raise Failed(f"Error: No such object: {name}")


def check_template(form: str) -> None:
    """Failed with code 64, as Docker's, for a template that cannot be read."""
    from kernel_engine.formats.templates import TemplateError, compile_template

    try:
        compile_template(form)
    except TemplateError as error:
        raise Failed(f"template parsing error: {error}", 64) from error


def _show(call: Call, find: Callable[[str], Any]) -> int:
    return show_all(call, find, call.arguments)


def show_all(call: Call, find: Callable[[str], Any], names: list[str]) -> int:
    """All that were found, then the refusals of the others."""
    form = call.words["format"]
    if form and form != "json":
        check_template(form)
    found: list[Any] = []
    refusals: list[Failed] = []
    for name in names:
        try:
            found.append(find(name))
        except Failed as failure:
            refusals.append(failure)
        except APIError as error:
            refusals.append(Failed(f"Error response from daemon: {error.message}", about=error.message))
        except EngineError as error:
            refusals.append(Failed(error.message))
    if not form:
        print(json.dumps(found, indent=4, ensure_ascii=False))
    else:
        for text in formatted(found, form):
            print(text)
        if not found:
            print()
    if refusals:
        sys.stdout.flush()
        raise Failed("\n".join(refusal.message for refusal in refusals), about=refusals[0].about)
    return 0


def formatted(found: list[Any], form: str) -> Iterator[str]:
    """Each object through the template; Failed with Go's sentence."""
    from kernel_engine.formats.templates import TemplateError, compile_template, go_json

    if form == "json":
        yield go_json(found)
        return
    try:
        template = compile_template(form)
        for item in found:
            yield template.execute(_as_struct(item))
    except TemplateError as error:
        print(flush=True)
        raise Failed(f"template parsing error: {error}") from error


def _as_struct(value: Any) -> Any:
    """An object as Go's struct, with the names of its fields."""
    from kernel_engine.formats.template_functions import Nil, Struct

    whole = _as_go(value)
    others = {name: Nil(name) for name in ("SizeRw", "SizeRootFs") if "State" in whole}
    if "Id" in whole:
        others["ID"] = whole["Id"]
    if "State" in whole:
        whole["State"] = Struct(whole["State"], {"Health": Nil("Health")})
    return Struct(whole, others)


def _as_go(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_go(item) for item in value]
    return {key: _part(key, item) for key, item in value.items()} if isinstance(value, dict) else value


def _part(key: str, item: Any) -> Any:
    """What a field holds: lists and maps that are null, and maps from words to words, are told by the field's name."""
    from kernel_engine.formats.template_functions import NilList, NilWords, Words

    if item is None:
        return NilList() if key in LISTS else NilWords() if key in MAPS else None
    return Words(item) if key in MAPS and isinstance(item, dict) else _as_go(item)

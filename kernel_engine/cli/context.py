"""`docker context …`: engines by name, so that the next commands speak to another server. Texts are Docker's."""

from __future__ import annotations

import os
import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.table import Listing, shortened
from kernel_engine.client import context_store as store
from kernel_engine.client.context_store import DEFAULT_DESCRIPTION, DOCKER, IN_MEMORY, Context, ContextError
from kernel_engine.client.credentials import CredentialsError
from kernel_engine.client.default_context import DEFAULT_CONTEXT
from kernel_engine.client.target import overriding_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Call

CONTEXTS = Listing(
    "*formatter.clientContextContext",
    {
        "Name": "NAME",
        "Description": "DESCRIPTION",
        "DockerEndpoint": "DOCKER ENDPOINT",
        "Current": "CURRENT",
        "Error": "ERROR",
    },
)
COLUMNS = ("Name", "Description", "DockerEndpoint", "Error")
WIDEST_ERROR = 45


def create(call: Call) -> int:
    from kernel_engine.cli.context_endpoint import endpoint

    words, name = call.words, call.arguments[0]
    if words["from"] and "docker" in words.given:
        raise Failed("cannot use --docker flag when --from is set")
    store.check_name(name)
    if store.exists(name):
        raise Failed(f'context "{name}" already exists')
    if "docker" in words.given:
        made = endpoint(name, words["docker"], words["description"])
    else:
        made = _copied(_known(call, words["from"] or call.context), name)
        made.description = words["description"] or made.description
    store.write(made)
    print(name, flush=True)
    print(f'Successfully created context "{name}"', file=sys.stderr)
    return 0


def update(call: Call) -> int:
    from kernel_engine.cli.context_endpoint import endpoint

    words, name = call.words, call.arguments[0]
    store.check_name(name)
    made = store.read(name)
    if words["docker"]:
        made = endpoint(name, words["docker"], made.description)
    made.description = words["description"] or made.description
    store.write(made)
    print(name, flush=True)
    print(f'Successfully updated context "{name}"', file=sys.stderr)
    return 0


def use(call: Call) -> int:
    name = call.arguments[0]
    if name != DEFAULT_CONTEXT:
        store.check_name(name)
        store.read(name)
    _choose(name)
    print(name, flush=True)
    print(f'Current context is now "{name}"', file=sys.stderr)
    if name != DEFAULT_CONTEXT and overriding_host():
        _warn(f'"{name}"')
    return 0


def show(call: Call) -> int:
    print(call.context)
    return 0


def list_(call: Call) -> int:
    words = call.words
    found = [_default(call), *store.all_contexts()]
    if all(context.name != call.context for context in found):
        found.append(Context(call.context))  # chosen, and not there
    found.sort(key=lambda context: context.name)
    table = words["format"] in ("", "table") or words["format"].startswith("table ")
    if words["quiet"]:
        text = "".join(f"{context.name}\n" for context in found)
    else:
        text = CONTEXTS.text(words["format"], COLUMNS, [_row(context, call.context, table) for context in found])
    print(text, end="", flush=True)
    if overriding_host():
        _warn("a context")
    return 0


def _row(context: Context, current: str, table: bool) -> dict[str, Any]:
    chosen = context.name == current
    error = ""
    if not store.exists(context.name):
        try:
            store.read(context.name)
        except ContextError as missing:
            error = missing.message
    return {
        "Name": f"{context.name} *" if chosen and table else context.name,
        "Description": context.description,
        "DockerEndpoint": context.host,
        "Current": chosen,
        "Error": shortened(error, WIDEST_ERROR),
    }


def remove(call: Call) -> int:
    """All that may go, then the refusals of the others."""
    refusals = []
    for name in call.arguments:
        refusal = _refusal(call, name)
        if refusal:
            refusals.append(refusal)
            continue
        if name == call.context:
            _choose(DEFAULT_CONTEXT)
        store.remove(name)
        print(name, flush=True)
    if refusals:
        raise Failed("\n".join(refusals))
    return 0


def _refusal(call: Call, name: str) -> str:
    if name == DEFAULT_CONTEXT:
        return 'context "default" cannot be removed'
    if call.words["force"]:
        return ""
    if name == call.context:
        return f'context "{name}" is in use, set -f flag to force remove'
    return "" if store.exists(name) else f'context "{name}" does not exist'


def inspect(call: Call) -> int:
    from kernel_engine.cli.inspect import show_all

    return show_all(call, lambda name: _facts(_known(call, name)), call.arguments or [call.context])


def _facts(context: Context) -> dict[str, Any]:
    default = context.name == DEFAULT_CONTEXT
    return {
        **context.meta(),
        **({"Metadata": {}} if default else {}),
        "TLSMaterial": {DOCKER: sorted(context.tls)} if context.tls else {},
        "Storage": {
            "MetadataPath": IN_MEMORY if default else store.meta_folder(context.name),
            "TLSPath": IN_MEMORY if default else store.tls_folder(context.name),
        },
    }


def export(call: Call) -> int:
    from kernel_engine.cli.context_archive import packed

    name = call.arguments[0]
    place = call.arguments[1] if len(call.arguments) > 1 else f"{name}.dockercontext"
    data = packed(_known(call, name))
    if place == "-":
        if sys.stdout.isatty():
            raise Failed("cowardly refusing to export to a terminal, specify a file path")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failed(f"open {place}: {(error.strerror or '').lower()}") from error
    with open(descriptor, "wb") as file:
        file.write(data)
    print(f'Written file "{place}"', file=sys.stderr)
    return 0


def import_(call: Call) -> int:
    from kernel_engine.cli.context_archive import LIMIT, unpacked

    name, place = call.arguments
    store.check_name(name)
    if store.exists(name):
        raise Failed(f'context "{name}" already exists')
    try:
        if place == "-":
            data = sys.stdin.buffer.read(LIMIT + 1)
        else:
            with open(place, "rb") as file:
                data = file.read(LIMIT + 1)
    except OSError as error:
        raise Failed(f"open {place}: {(error.strerror or '').lower()}") from error
    store.write(_copied(unpacked(data), name))
    print(name, flush=True)
    print(f'Successfully imported context "{name}"', file=sys.stderr)
    return 0


# ---------------------------------------------------------------------------------------------------------------------
def _known(call: Call, name: str) -> Context:
    return _default(call) if name == DEFAULT_CONTEXT else store.read(name)


def _default(call: Call) -> Context:
    """It has the address that -H or the environment names."""
    return Context(DEFAULT_CONTEXT, host=call.client.host, description=DEFAULT_DESCRIPTION)


def _copied(context: Context, name: str) -> Context:
    return Context(
        name,
        host=context.host,
        description=context.description,
        skip_verify=context.skip_verify,
        tls=context.tls,
    )


def _choose(name: str) -> None:
    try:
        store.use(name)
    except CredentialsError as error:
        raise Failed(str(error)) from error


def _warn(what: str) -> None:
    print(
        "Warning: DOCKER_HOST environment variable overrides the active context. "
        f"To use {what}, either set the global --context flag, or unset DOCKER_HOST environment variable.",
        file=sys.stderr,
    )

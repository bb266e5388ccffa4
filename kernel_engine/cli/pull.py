"""`docker pull` and `docker push`: the request, and its progress by the rules of Docker's own display."""

from __future__ import annotations

import sys

from kernel_engine.cli.failures import Failed, raise_error
from kernel_engine.cli.login import auth_header
from kernel_engine.cli.progress import Display
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.reference import Reference, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.cli.grammar import Call
    from kernel_engine.client import Client, Response


def pull(call: Call) -> int:
    words = call.words
    reference = read_reference(call.arguments[0])
    if words["all-tags"] and (reference.tag or reference.digest):
        raise Failed("tag can't be used with --all-tags/-a")
    if not words["all-tags"] and not reference.tag and not reference.digest and not words["quiet"]:
        print("Using default tag: latest", flush=True)
    pull_image(
        call.client, call.arguments[0], platform=words["platform"], quiet=words["quiet"], all_tags=words["all-tags"]
    )
    print(str(reference if words["all-tags"] else reference.tagged()), flush=True)
    return 0


def pull_image(
    client: Client, image: str, *, platform: str = "", quiet: bool = False, all_tags: bool = False, descriptor: int = 1
) -> None:
    """Pulls and shows the progress on `descriptor` (1 or 2). APIError or Failed with the engine's text."""
    reference = read_reference(image)
    query = {
        "fromImage": reference.name,
        "tag": None if all_tags else reference.tagged().tag_or_digest,
        "platform": platform or None,
    }
    with client.post("/images/create", query=query, headers=auth_header(reference.name)) as response:
        show(response, quiet=quiet, descriptor=descriptor)


def push(call: Call) -> int:
    words = call.words
    reference = read_reference(call.arguments[0])
    if words["all-tags"] and (reference.tag or reference.digest):
        raise Failed("tag can't be used with --all-tags/-a")
    if not words["all-tags"] and not reference.tag:
        reference = reference.tagged()
        if not words["quiet"]:
            print("Using default tag: latest", flush=True)
    query = {"tag": reference.tag or None, "platform": words["platform"] or None}
    with call.client.post(
        f"/images/{reference.name}/push", query=query, headers=auth_header(reference.name)
    ) as response:
        show(response, quiet=words["quiet"], descriptor=1)
    if words["quiet"]:
        print(str(reference), flush=True)
    return 0


def show(response: Response, *, quiet: bool, descriptor: int) -> None:
    """The messages as they come, until the last; the one that carries an error ends it with Failed."""
    out = sys.stderr if descriptor == 2 else sys.stdout
    display = Display(out, terminal=out.isatty())
    for message in response.objects():
        if message.get("error") or message.get("errorDetail"):
            out.flush()
            raise_error(message)
        if not quiet:
            display.show(message)


def read_reference(text: str) -> Reference:
    """Failed with Docker's text when it is no reference."""
    try:
        return parse(text)
    except InvalidRequest as error:
        raise Failed(error.message) from error

"""`docker login`, `docker logout` and `docker search`: who we are to a registry, and what it has."""

from __future__ import annotations

import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.table import Listing, shortened
from kernel_engine.client import APIError
from kernel_engine.client import credentials as keeping
from kernel_engine.client.default_context import config_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from kernel_engine.cli.grammar import Call

    Result = TypeVar("Result")

UNENCRYPTED = """WARNING! Your password will be stored unencrypted in {place}.
Configure a credential helper to remove this warning. See
https://docs.docker.com/engine/reference/commandline/login/#credential-stores
"""
SEARCH = Listing(
    "*registry.searchContext",
    {
        "Name": "NAME",
        "Description": "DESCRIPTION",
        "StarCount": "STARS",
        "IsOfficial": "OFFICIAL",
        "IsAutomated": "AUTOMATED",
    },
)
COLUMNS = ("Name", "Description", "StarCount", "IsOfficial")
DESCRIPTION_WIDTH = 45


def auth_header(name: str) -> dict[str, str]:
    """X-Registry-Auth for requests about the image `name`'s registry."""
    from kernel_engine.formats.reference import parse

    return guarded(lambda: keeping.auth_header(parse(name).domain))


def guarded(work: Callable[[], Result]) -> Result:
    """The file of credentials may be broken: one sentence."""
    try:
        return work()
    except keeping.CredentialsError as error:
        raise Failed(str(error)) from error


def login(call: Call) -> int:
    words = call.words
    address = call.arguments[0] if call.arguments else ""
    key = keeping.server_key(address)
    if words["password-stdin"] and words["password"]:
        raise Failed("--password and --password-stdin are mutually exclusive")
    if words["password-stdin"] and not words["username"]:
        raise Failed("Must provide --username with --password-stdin")
    if words["password"]:
        print("WARNING! Using --password via the CLI is insecure. Use --password-stdin.", file=sys.stderr)
    stored = guarded(lambda: keeping.auth_config(address))
    if stored and not words["username"] and not words["password"]:
        if _accepted(call, stored) is not None:
            print("Authenticating with existing credentials...\nLogin Succeeded")
            return 0
    username, password = _asked(call, stored.get("username", ""), key)
    wanted = {"username": username, "password": password, "serveraddress": key}
    reply = call.client.post("/auth", body=wanted).json()
    token = reply.get("IdentityToken", "")
    if not guarded(lambda: keeping.store(address, username, password, token)) and not token:
        print(UNENCRYPTED.format(place=config_place()), file=sys.stderr)
    print(reply["Status"])
    return 0


def _accepted(call: Call, stored: dict[str, str]) -> Any:
    try:
        return call.client.post("/auth", body=stored).json()
    except APIError as error:
        print(f"Login did not succeed, error: Error response from daemon: {error.message}", file=sys.stderr)
        return None


def _asked(call: Call, known: str, key: str) -> tuple[str, str]:
    """Name and password: as options, from standard input, or asked for on a terminal."""
    words = call.words
    username, password = words["username"] or "", words["password"] or ""
    if words["password-stdin"]:
        password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if username and password:
        return username, password
    if not sys.stdin.isatty():
        raise Failed("Error: Cannot perform an interactive login from a non TTY device")
    if not username:
        if key == keeping.HUB:
            print(
                "Login with your Docker ID to push and pull images from Docker Hub. If you don't have a Docker ID, "
                "head over to https://hub.docker.com to create one."
            )
        username = input(f"Username ({known}): " if known else "Username: ").strip() or known
        if not username:
            raise Failed("Error: Non-null Username Required")
    if not password:
        from getpass import getpass

        password = getpass("Password: ")
        if not password:
            raise Failed("Error: Password Required")
    return username, password


def logout(call: Call) -> int:
    address = call.arguments[0] if call.arguments else ""
    key = keeping.server_key(address)
    if not guarded(lambda: keeping.erase(address)):
        print(f"Not logged in to {key}")
        return 0
    print(f"Removing login credentials for {key}")
    return 0


def search(call: Call) -> int:
    from kernel_engine.cli.listing import filters_json

    words, term = call.words, call.arguments[0]
    query = {"term": term, "limit": words["limit"] or None, "filters": filters_json(words["filter"])}
    found = call.client.get("/images/search", query=query).json()
    rows = [
        {
            "Name": item["name"],
            "Description": _one_line(item["description"], whole=words["no-trunc"]),
            "StarCount": str(item["star_count"]),
            "IsOfficial": "[OK]" if item["is_official"] else "",
            "IsAutomated": "[OK]" if item["is_automated"] else "",
        }
        for item in found
    ]
    print(SEARCH.text(words["format"], COLUMNS, rows), end="")
    return 0


def _one_line(text: str, *, whole: bool) -> str:
    text = text.replace("\r", " ").replace("\n", " ")
    return text if whole else shortened(text, DESCRIPTION_WIDTH)

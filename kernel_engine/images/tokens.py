"""Who we are to a registry: the challenge it sends, and the tokens that answer it.

Distribution's "Token Authentication Specification" and RFC 7235. Passwords travel over TLS or loopback only.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from kernel_engine.errors import Unauthorized
from kernel_engine.images.endpoints import is_loopback
from kernel_engine.images.failures import answer
from kernel_engine.images.image import Auth

_PAIR = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(Bearer|Basic)\b", re.IGNORECASE)
#: a token without `expires_in` lives this long (the specification's own number)
_SHORTEST_LIFE = 60.0

#: asks (method, url, headers, body) → (status, body)
Ask = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[tuple[int, bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One `WWW-Authenticate`: `bearer` or `basic`, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every Bearer or Basic challenge of the headers. Nonsense is left out."""
    found: list[Challenge] = []
    for header in headers:
        starts = list(_SCHEME.finditer(header))
        for number, start in enumerate(starts):
            end = starts[number + 1].start() if number + 1 < len(starts) else len(header)
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for name, quoted, plain in _PAIR.findall(header[start.end() : end])
            }
            found.append(Challenge(scheme=start[1].lower(), parameters=parameters))
    return tuple(found)


@dataclass(slots=True)
class Tokens:
    """The Authorization headers for one endpoint; remembers tokens by scope until they expire."""

    auth: Auth | None
    endpoint: str  #: its own address may be plain HTTP where the operator named it
    _known: dict[str, tuple[str, float]] = field(default_factory=dict)
    _basic: str = ""

    @property
    def uses_password(self) -> bool:
        """Whether the registry asked for name and password themselves, and got them."""
        return bool(self._basic)

    def header(self, scope: str) -> str:
        """What to send before being asked; "" for nothing."""
        if self.auth is not None and self.auth.registry_token:
            return f"Bearer {self.auth.registry_token}"
        token, expires = self._known.get(scope, ("", 0.0))
        if token and time.monotonic() < expires:
            return f"Bearer {token}"
        return self._basic

    async def answer(self, found: tuple[Challenge, ...], scope: str, url: str, ask: Ask) -> bool:
        """Prepares `header` for the challenges of a 401 from `url`. False where nothing can be answered."""
        for challenge in found:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                await self._fetch(challenge.parameters, scope, ask)
                return True
        if any(challenge.scheme == "basic" for challenge in found):
            if self.auth is None or not self.auth.username:
                raise Unauthorized("no basic auth credentials")
            if self._basic:
                return False
            self._check_safe(url)
            self._basic = _basic(self.auth)
            return True
        return False

    async def _fetch(self, parameters: Mapping[str, str], scope: str, ask: Ask) -> None:
        realm = parameters["realm"]
        if urlsplit(realm).scheme not in ("http", "https"):
            raise Unauthorized(f"unsupported token realm: {realm}")
        query: list[tuple[str, str]] = []
        if parameters.get("service"):
            query.append(("service", parameters["service"]))
        query.extend(("scope", word) for word in (scope or parameters.get("scope", "")).split(" ") if word)
        if self.auth is not None and self.auth.identity_token:
            self._check_safe(realm)
            form = [*query, ("grant_type", "refresh_token"), ("refresh_token", self.auth.identity_token)]
            form.append(("client_id", "docker"))
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            status, body = await ask("POST", realm, headers, urlencode(form).encode())
        else:
            headers = {}
            if self.auth is not None and self.auth.username:
                self._check_safe(realm)
                headers["Authorization"] = _basic(self.auth)
                query.append(("account", self.auth.username))
            mark = "&" if urlsplit(realm).query else "?"
            status, body = await ask("GET", f"{realm}{mark}{urlencode(query)}", headers, None)
        if status != 200:
            raise answer(status, body)
        self._remember(scope, body)

    def _remember(self, scope: str, body: bytes) -> None:
        try:
            document = json.loads(body)
            token = document.get("token") or document.get("access_token")
            life = float(document.get("expires_in") or _SHORTEST_LIFE)
        except (ValueError, AttributeError, TypeError, RecursionError):
            token, life = None, 0.0
        if not isinstance(token, str) or not token.isprintable():
            raise Unauthorized("authorization server did not include a token in the response")
        # half of its life, so that it does not expire on the way
        self._known[scope] = (token, time.monotonic() + max(life, _SHORTEST_LIFE) / 2)

    def forget(self, scope: str) -> None:
        self._known.pop(scope, None)

    def _check_safe(self, url: str) -> None:
        parts = urlsplit(url)
        if (
            parts.scheme != "https"
            and not is_loopback(parts.hostname or "")
            and parts.netloc != urlsplit(self.endpoint).netloc
        ):
            raise Unauthorized(f"refusing to send credentials over plain HTTP to {parts.netloc}")


def _basic(auth: Auth) -> str:
    return "Basic " + base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()

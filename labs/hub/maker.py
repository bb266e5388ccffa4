"""The hub's second half: what the registry does not hold yet is made when somebody asks for it.

A mirror that answers for the images in `dockerfiles`. Asked for one of them, it has it made and says meanwhile
"not yet" (503 with Retry-After, RFC 9110, and the progress as the error's message in the shape of the OCI
distribution-spec); once made, it sends everybody on to the registry. Whoever asks while it is being made hears of the
same work. It runs as root, because the builder must, and therefore reads nothing of a request but its first line.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from labs.hub.dockerfiles import BUILT, Built, find
from labs.hub.registry import DEFAULT_ADDRESS

Say = Callable[[str], None]

#: seconds that a question is kept until there is news, and that a failure is told to who asks again
PATIENCE = 1.0
REMEMBERED = 5.0
#: seconds after which a request that has not been sent whole is dropped
IDLE = 10.0
FIRST_NEWS = "{title} 이미지가 허브에 아직 없어서 데비안 패키지로 만들어요. 처음 한 번만 그래요"
FAILED = "could not make {title} from Debian's packages: {reason}"
_PLACE = re.compile(r"/v2/(?P<repository>[a-z0-9/._-]+)/(?P<kind>manifests|blobs|tags)/(?P<reference>[A-Za-z0-9._:-]+)")


class MakingFailed(Exception):
    """The image could not be made; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gets to hear: a document, a place to go on to, or an error's message."""

    status: HTTPStatus
    message: str = ""
    place: str = ""
    document: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Work:
    """One image while it is made, and a little longer."""

    news: str
    changes: int = 0  #: 0 = nobody has heard the first news yet
    done: float = 0.0  #: time.monotonic() of its end
    failure: str = ""
    heard: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, text: str) -> None:
        with self.heard:
            self.news, self.changes = text, self.changes + 1
            self.heard.notify_all()

    def end(self, failure: str) -> None:
        with self.heard:
            self.failure, self.done = failure, time.monotonic()
            self.heard.notify_all()


class Maker:
    """`hub`: the registry's address. `make` makes one image, tells how far it is, and raises MakingFailed."""

    def __init__(self, hub: str, make: Callable[[Built, Say], None], images: Iterable[Built] = BUILT) -> None:
        self._hub, self._make, self._images = hub, make, tuple(images)
        self._works: dict[str, _Work] = {}
        self._lock = threading.Lock()

    def answer(self, path: str) -> Answer:
        """To a GET or HEAD of `path`. Waits up to PATIENCE for news."""
        path = urlsplit(path).path
        if path in ("/v2", "/v2/"):
            return Answer(HTTPStatus.OK)
        if path == "/v2/_catalog":
            return Answer(HTTPStatus.OK, document={"repositories": sorted({i.repository for i in self._images})})
        asked = _PLACE.fullmatch(path)
        if asked is None or not any(image.repository == asked["repository"] for image in self._images):
            return Answer(HTTPStatus.NOT_FOUND, "repository name not known to registry")
        if asked["kind"] == "blobs" or ":" in asked["reference"]:
            return Answer(HTTPStatus.TEMPORARY_REDIRECT, place=f"{self._hub}{path}")
        if asked["kind"] == "tags":
            tags = [tag for image in self._images if image.repository == asked["repository"] for tag in image.tags]
            return Answer(HTTPStatus.OK, document={"name": asked["repository"], "tags": tags})
        image = find(asked["repository"], asked["reference"], self._images)
        if image is None:
            return Answer(HTTPStatus.NOT_FOUND, "manifest unknown")
        return self._state(image, f"{self._hub}{path}")

    def _state(self, image: Built, place: str) -> Answer:
        work = self._work(image)
        with work.heard:
            if work.changes:
                before = work.changes
                work.heard.wait_for(lambda: work.done or work.changes != before, PATIENCE)
            work.changes = work.changes or 1
            if not work.done:
                return Answer(HTTPStatus.SERVICE_UNAVAILABLE, work.news)
            if work.failure:
                return Answer(HTTPStatus.BAD_GATEWAY, FAILED.format(title=image.title, reason=work.failure))
            return Answer(HTTPStatus.TEMPORARY_REDIRECT, place=place)

    def _work(self, image: Built) -> _Work:
        """The one that is going on, or has just ended; else a new one."""
        with self._lock:
            work = self._works.get(image.title)
            if work is None or (work.done and time.monotonic() - work.done > REMEMBERED):
                work = self._works[image.title] = _Work(FIRST_NEWS.format(title=image.title))
                threading.Thread(target=self._carry_out, args=(image, work), daemon=True).start()
            return work

    def _carry_out(self, image: Built, work: _Work) -> None:
        failure = ""
        try:
            self._make(image, work.tell)
        except MakingFailed as error:
            failure = str(error)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            raise
        finally:
            work.end(failure)


def filling_process(data: Path, image: Built, say: Say) -> None:
    """Make `image` in the hub at `data`, in a process of its own: this one stays small. Raises MakingFailed."""
    words = [
        sys.executable,
        "-I",
        "-m",
        "labs.hub",
        "--data",
        str(data),
        "fill",
        "--with-parent",
        f"{image.repository}:{image.tags[0]}",
    ]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        last: list[str] = []
        listener = threading.Thread(target=lambda: last.extend(process.stderr or ()), daemon=True)
        listener.start()
        try:
            for line in process.stdout:
                say(re.sub(r"^\[\d+/\d+\] ", "", line.strip()))
        except BaseException:
            process.terminate()
            raise
        listener.join()
    if process.returncode != 0:
        reason = " ".join(line.strip() for line in last if line.strip())
        raise MakingFailed(reason.partition(": ")[2] or reason or f"exit code {process.returncode}")


def seen_by(asked: str, place: str) -> str:
    """`place` as whoever asked at `asked` (a Host header) reaches it: another server calls this machine by an address
    of its own, under which both halves of the hub are led to 127.0.0.1."""
    host, parts = asked.rpartition(":")[0] or asked, urlsplit(place)
    if parts.hostname != DEFAULT_ADDRESS or not re.fullmatch(r"\d+(\.\d+){3}", host):
        return place
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port or 80}"))


class _Handler(BaseHTTPRequestHandler):
    maker: Maker
    timeout = IDLE

    def do_GET(self) -> None:
        answer = self.maker.answer(self.path)
        code = {HTTPStatus.NOT_FOUND: "MANIFEST_UNKNOWN"}.get(answer.status, "UNAVAILABLE")
        errors = {"errors": [{"code": code, "message": answer.message}]} if answer.message else answer.document
        body = json.dumps(errors, ensure_ascii=False).encode()
        self.send_response(answer.status)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if answer.place:
            self.send_header("Location", seen_by(self.headers.get("Host", ""), answer.place))
        if answer.status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "0")  # it has waited here already
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


def server(maker: Maker, port: int) -> ThreadingHTTPServer:
    """On 127.0.0.1, any port for 0; not yet serving."""
    handler = type("Handler", (_Handler,), {"maker": maker})
    return ThreadingHTTPServer((DEFAULT_ADDRESS, port), handler)


def making(data: Path, hub: str) -> AbstractContextManager[str]:
    """A maker for the hub at `data`, which `hub` serves, on a free port while the block runs; gives its URL."""
    return serving_maker(Maker(hub, lambda image, say: filling_process(data, image, say)))


@contextmanager
def serving_maker(maker: Maker) -> Iterator[str]:
    """`maker` on a free port while the block runs; gives its URL."""
    listening = server(maker, 0)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"http://{DEFAULT_ADDRESS}:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def serve(maker: Maker, port: int) -> None:
    """Until SystemExit or KeyboardInterrupt."""
    with server(maker, port) as listening, suppress(KeyboardInterrupt):
        listening.serve_forever()

"""Other servers on the course's side: words for cells, the picture, pages at their addresses, a registry's answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kernel_engine.client import Client
from labs import servers
from labs.notebook.learning import ports, site_picture
from labs.notebook.learning.port_picture import as_html, as_text
from labs.notebook.learning.ports import Place, Port, View
from labs.notebook.learning.sites import Container, Image, Machine, Shelf
from labs.notebook.port_pages import Site
from labs.registry_view import Entry, Locked, NoRegistry, Registry

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


# words ---------------------------------------------------------------------------------------------------------------
def test_columns_with_the_words_for_cells() -> None:
    found = servers.Servers(
        address="172.18.0.1",
        others=(
            servers.Server(name="second", address="172.18.0.2", host="unix:///s"),
            servers.Server(name="web-2", address="172.18.0.3", host="unix:///w", state="failed"),
        ),
    )
    lines = servers.as_text(found).splitlines()
    assert [line.split()[-2:] for line in lines[1:]] == [
        ["$FIRST", "$FIRST_HOST"],
        ["$SECOND", "$SECOND_HOST"],
        ["$WEB_2", "$WEB_2_HOST"],
    ]
    assert "고장" in lines[3]
    assert "%server create" in servers.as_text(servers.Servers())


def test_this_machines_own_name_is_taken() -> None:
    with pytest.raises(servers.NameTaken, match="이 컴퓨터"):
        servers.create(Client("unix:///nowhere"), servers.FIRST)


# the picture ---------------------------------------------------------------------------------------------------------
def machines() -> tuple[Machine, ...]:
    kept = Container(id="c1", name="registry", image_id="sha256:0", state="running", ports=((5000, 5000),))
    wiki = Container(id="c2", name="wiki", image_id=TWO, state="running", ports=((9999, 80),))
    old = Image(id=ONE, names=("a:1", "r:5000/a:1"), size=1000, pulled=True)
    new = Image(id=TWO, names=("r:5000/a:2",), size=1000, pulled=True)
    entries = (
        Entry(repository="a", tag="1", digest="sha256:" + "a" * 64, image_id=ONE),
        Entry(repository="a", tag="2", digest="sha256:" + "b" * 64, image_id=TWO),
        Entry(repository="a", tag="latest", digest="sha256:" + "b" * 64, image_id=TWO),
    )
    shelf = Shelf(container=kept, port=5000, locked=False, entries=entries)
    locked = Shelf(container=kept, port=5001, locked=True, entries=())
    return (
        Machine(name="first", address="172.18.0.1", here=True, images=(old,), others=3, containers=(),
                shelves=(shelf, locked)),
        Machine(name="<second>", address="172.18.0.2", here=False, images=(new,), others=0, containers=(wiki,),
                shelves=()),
    )  # fmt: skip


def test_the_same_image_has_the_same_letter_wherever_it_lies() -> None:
    lines = [line.strip() for line in site_picture.as_text(machines()).splitlines()]
    assert lines[3:6] == ["A a:1", "B a:2", "B a:latest"]
    assert "로그인한 사람에게만 보여요" in lines
    assert "이미지 A a:1, r:5000/a:1" in lines
    assert "컨테이너 wiki · 실행 중 · 9999번 → 80번 · 이미지 B" in lines
    assert "그 밖의 이미지 3개" in lines


def test_html_says_the_same_and_escapes_names() -> None:
    html = site_picture.as_html(machines())
    assert "<second>" not in html
    assert html.count('class="dl-badge"') == 6
    assert "a" * 12 in html


def test_alone_it_says_how_to_get_another() -> None:
    assert "%server create" in site_picture.as_text(machines()[:1])


# pages ---------------------------------------------------------------------------------------------------------------
def test_a_page_of_another_server_is_called_by_its_name() -> None:
    site = Site(9999, "/base/", server="second", address="172.18.0.2")
    assert site.inside("/x") == "/base/proxy/second/9999/x"
    assert site.inside("http://172.18.0.2:9999/x") == "/base/proxy/second/9999/x"
    assert site.inside("http://127.0.0.1:9999/x") == "http://127.0.0.1:9999/x"
    headers = dict(site.request_headers([("Cookie", "a=1"), ("Host", "lab")]))
    assert headers["Host"] == "172.18.0.2:9999"
    assert site.cookie("a=1; Path=/").endswith("Path=/base/proxy/second/9999/")


def test_its_ports_picture_names_the_server() -> None:
    port = Port(inside=80, address="0.0.0.0", outside=9999, fixed=True)
    place = Place(id="c", name="wiki", state="running", exit_code=0, attached=False, ports=(port,), listening=(),
                  server="second", reach="172.18.0.2")  # fmt: skip
    view = View(place=place, port=port, path="/", reason="")
    assert "서버 second의 9999번 포트" in as_text((view,))
    assert "http://172.18.0.2:9999/" in as_html(view, still=False)
    assert "밖에서 열 수 없어요" in as_html(view, still=False, forwarded={"9999": 9999})
    assert ports.is_local(place, port)


# a registry ----------------------------------------------------------------------------------------------------------
class Answers(BaseHTTPRequestHandler):
    """A registry with one tag, or one that is `locked`, or no registry at all."""

    locked, registry = False, True

    def do_GET(self) -> None:
        found = {
            "/v2/_catalog": {"repositories": ["a/b"]},
            "/v2/a/b/tags/list": {"name": "a/b", "tags": ["1", "gone"]},
            "/v2/a/b/manifests/1": {"config": {"digest": ONE}},
        }.get(self.path)
        self.send_response(401 if self.locked else 200 if found else 404)
        if self.registry:
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Docker-Content-Digest", TWO)
        self.end_headers()
        self.wfile.write(json.dumps(found or {}).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


@pytest.fixture
def answering() -> Iterator[tuple[Registry, type[Answers]]]:
    handler = type("Handler", (Answers,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Registry("127.0.0.1", server.server_port), handler
        server.shutdown()
        thread.join()


def test_what_a_registry_holds(answering: tuple[Registry, type[Answers]]) -> None:
    registry, handler = answering
    entry = Entry(repository="a/b", tag="1", digest=TWO, image_id=ONE)
    assert registry.entries() == (entry,)
    assert registry.entry("a/b", "2") is None
    handler.locked = True
    with pytest.raises(Locked):
        registry.entries()
    handler.locked, handler.registry = False, False
    with pytest.raises(NoRegistry):
        registry.entries()
    with pytest.raises(NoRegistry):
        Registry("127.0.0.1", 1).entries()

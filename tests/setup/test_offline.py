"""The bundle: what apt names, what is brought, the mirror, and how `./lab` looks at a bundle before it uses it."""

from __future__ import annotations

import hashlib
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from dnslib import QTYPE, DNSRecord  # type: ignore[import-untyped]

from labs.hub.recipes import RECIPES, lasting
from labs.offline import mirror
from labs.offline.archive import WANTED, listed, suites
from labs.offline.packages import AptFailed, File, Package, bring, printed
from tests.setup.test_steps import shell

ROOT = Path(__file__).parents[2]
INSTALL = re.compile(r"apt-get install ((?:-\S+ |\\\n\s*)*)((?:[a-z0-9][a-z0-9.+-]+ ?|\\\n\s*)+)")
DIGEST = hashlib.sha256(b"content").hexdigest()


def test_what_apt_prints_becomes_packages() -> None:
    text = (
        "Reading package lists...\n"
        f"'http://d/debian/pool/main/x/x_1%3a2%2bb1_amd64.deb' x_1%3a2+b1_amd64.deb 35960 SHA256:{DIGEST}\n"
        "'http://d/debian/pool/main/y/y_1_all.deb' y_1_all.deb 10 MD5Sum:8156071e38fc492a108ba6fe92b6f48f\n"
    )
    assert printed(text) == (
        Package(
            uri="http://d/debian/pool/main/x/x_1%3a2%2bb1_amd64.deb",
            name="x_1%3a2+b1_amd64.deb",
            size=35960,
            sha256=DIGEST,
        ),
    )


def test_what_a_list_of_the_archive_says_of_a_file() -> None:
    text = f"MD5Sum:\n aa 7 main/x\nSHA256:\n {DIGEST}       42 main/binary-amd64/Packages.xz\n"
    assert listed(text, "main/binary-amd64/Packages.xz") == (DIGEST, 42)
    with pytest.raises(KeyError):
        listed(text, "main/binary-arm64/Packages.xz")


def test_files_are_brought_once_and_a_half_one_again(tmp_path: Path) -> None:
    source, said = tmp_path / "source", list[str]()
    source.write_bytes(b"content")
    file = File(uri=f"copy:{source}", target=tmp_path / "there/x", size=7, sha256=DIGEST)
    bring([file], said.append)
    assert file.target.read_bytes() == b"content"
    assert said[0].startswith("0/1개 · 0.0/0.0 MB · ")
    assert said[-1].startswith("1/1개")
    said.clear()
    bring([file], said.append)
    assert [line.split(" ")[0] for line in said] == ["1/1개"]
    file.target.write_bytes(b"conten?")
    bring([file], said.append)
    assert file.target.read_bytes() == b"content"


def test_a_file_that_is_another_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"another")
    with pytest.raises(AptFailed):
        bring([File(uri=f"copy:{tmp_path}/source", target=tmp_path / "x", size=7, sha256=DIGEST)], print)


def test_the_bundle_holds_what_the_labs_install() -> None:
    asked = set()
    for source in [*(ROOT / "labs/course").rglob("lab.md"), *(ROOT / "labs/course").rglob("check.py")]:
        for _, names in INSTALL.findall(source.read_text(encoding="utf-8")):
            asked |= set(names.replace("\\", " ").split())
    assert {"git", "apache2", "dokuwiki", "golang-go"} <= asked
    assert asked <= set(WANTED["bookworm"])


def test_updates_and_security_are_suites_of_their_own() -> None:
    assert [(suite.name, suite.folder) for suite in suites("trixie", "http://m/debian")] == [
        ("trixie", "debian"), ("trixie-updates", "debian"), ("trixie-security", "debian-security"),
    ]  # fmt: skip


def test_images_of_a_bundle_are_other_images_that_take_old_lists() -> None:
    busybox, bookworm, _ = RECIPES
    assert lasting(busybox) == busybox
    late = lasting(bookworm)
    assert late.key != bookworm.key
    [added] = set(late.files) - set(bookworm.files)
    assert 'Check-Valid-Until "false"' in late.files[added].text


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[str, int]]:
    (tmp_path / "mirror/debian/pool").mkdir(parents=True)
    (tmp_path / "mirror/debian/pool/x_1+b1_all.deb").write_bytes(b"content")
    (tmp_path / "secret").write_text("no")
    with mirror.web(tmp_path / "mirror", "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield "127.0.0.1", server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/debian/pool/x_1%2bb1_all.deb", 200),
        ("/debian/pool/y_1_all.deb", 404),
        ("/debian/pool/", 404),
        ("/../secret", 404),
        ("/%2e%2e/secret", 404),
        ("/debian/..%2f..%2f..%2fsecret", 404),
    ],
)
def test_the_mirror_serves_its_files_and_nothing_else(files: tuple[str, int], path: str, status: int) -> None:
    connection = http.client.HTTPConnection(*files, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == status
    assert answer.reason == ("OK" if status == 200 else mirror.NOT_HERE)
    assert (answer.read() == b"content") is (status == 200)
    connection.close()


def ask(port: int, name: str, kind: str) -> DNSRecord:
    return DNSRecord.parse(DNSRecord.question(name, kind).send("127.0.0.1", port, timeout=60))


def test_the_names_of_the_archive_lead_to_the_mirror() -> None:
    server = mirror.names("127.0.0.1", 0, tcp=False)
    port = server.server.server_address[1]
    server.server.resolver = mirror.Names(mirror.NAMES, "192.0.2.80", lambda request: None)
    thread = Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        assert [str(found.rdata) for found in ask(port, "DEB.debian.org", "A").rr] == ["192.0.2.80"]
        assert ask(port, "deb.debian.org", "AAAA").rr == []
        assert ask(port, "other.example", "A").header.rcode == 3
    finally:
        server.server.shutdown()
        server.server.server_close()
        thread.join()


def test_other_names_are_for_the_machines_resolvers(tmp_path: Path) -> None:
    """None of them where there is none, and never the mirror itself."""
    resolvers = tmp_path / "resolv.conf"
    question = DNSRecord.question("deb.debian.org", "A")
    assert question.q.qtype == QTYPE.A
    assert mirror.of_this_machine(question, but="192.0.2.80", resolvers=resolvers) is None
    resolvers.write_text("nameserver 192.0.2.80\n")
    assert mirror.of_this_machine(question, but="192.0.2.80", resolvers=resolvers) is None


LOOK = 'RUN=$1/run; link_bundle "$1/my bundle"; check_bundle'


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "my bundle"
    folder.mkdir()
    (folder / "file").write_text("content")
    said = shell('RUN=$1/run; link_bundle "$1/my bundle"; machine_kind >"$bundle/kind"; bundle_sums', tmp_path)
    assert said.returncode == 0, said.stderr
    return folder


def test_a_whole_bundle_is_taken(tmp_path: Path, bundle: Path) -> None:
    said = shell(LOOK, tmp_path)
    assert said.returncode == 0, said.stdout
    assert "MB를 확인하고 있어요" in said.stdout


def test_a_changed_file_is_found(tmp_path: Path, bundle: Path) -> None:
    (bundle / "file").write_text("contend")
    said = shell(LOOK, tmp_path)
    assert said.returncode == 1
    assert "./file: FAILED" in said.stdout


def test_a_half_made_bundle_is_called_that(tmp_path: Path, bundle: Path) -> None:
    (bundle / "SHA256SUMS").unlink()
    said = shell(LOOK, tmp_path)
    assert said.returncode == 1
    assert "다 만든 꾸러미가 아니에요" in said.stdout


def test_a_bundle_of_another_kind_of_machine_is_refused(tmp_path: Path, bundle: Path) -> None:
    (bundle / "kind").write_text("plan9-4-mips\n")
    said = shell(LOOK, tmp_path)
    assert said.returncode == 1
    assert "plan9-4-mips용이에요" in said.stdout


def test_apt_and_pip_are_led_to_the_bundle_alone(tmp_path: Path, bundle: Path) -> None:
    script = """
    RUN=$1/run ETC=$1/etc
    link_bundle "$1/my bundle"
    from_bundle
    cat "$RUN/bundle.list"
    echo "$PIP_NO_INDEX $PIP_FIND_LINKS"
    """
    lines = shell(script, tmp_path).stdout.splitlines()
    assert lines == [
        f"deb [trusted=yes] file:{tmp_path}/run/bundle/packages ./",
        f"1 {tmp_path}/run/bundle/wheels",
    ]

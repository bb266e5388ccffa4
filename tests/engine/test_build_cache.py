"""What is found again, what is not, and the reason that is given; stages beside each other; the same image twice."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, running_daemon
from tests.engine.building import Member, Result, build, inspect, link, member

APP = "FROM busybox\nARG V=1\nCOPY app /app\nRUN echo $V > /v\nENV DONE=1\n"
FILES: dict[str, Member] = {"app/a": "1", "app/b": "2", "app/l": link("a"), "other": "x"}


@pytest.fixture
def fresh(daemon: Daemon) -> Iterator[Daemon]:
    """Without what other tests have built."""
    daemon.api.post("/build/prune", query={"all": 1}).read()
    yield daemon


def reasons(result: Result) -> list[str]:
    return [f"{step['state']} {step['reason']} {step['detail']}".strip() for step in result.steps]


def test_the_same_again(fresh: Daemon) -> None:
    first = build(fresh, APP, FILES, t="cached")
    assert reasons(first) == ["cached same", *["done instruction"], *["done parent"] * 3]
    again = build(fresh, APP, FILES, t="cached")
    assert reasons(again) == ["cached same"] * 5
    assert again.image == first.image


def test_cache_from_counts_only_what_those_images_were_made_of(fresh: Daemon) -> None:
    build(fresh, "FROM busybox\nRUN touch one\nENV A=1\n", {}, t="first")
    build(fresh, "FROM busybox\nRUN touch one\nENV A=2\n", {}, t="second")
    of_second = build(fresh, "FROM busybox\nRUN touch one\nENV A=1\n", {}, cachefrom='["second"]')
    assert reasons(of_second) == ["cached same", "cached same", "done source"]
    nobody = build(fresh, "FROM busybox\nRUN touch one\nENV A=1\n", {}, cachefrom='["nobody"]')
    assert reasons(nobody) == ["cached same", "done source", "done parent"]


def test_times_and_owners_of_the_context_do_not_count(fresh: Daemon) -> None:
    first = build(fresh, APP, FILES)
    touched = {**FILES, "app/a": member("1", mtime=1_700_000_000, uid=77, gid=88, mode=0o644)}
    assert build(fresh, APP, touched).image == first.image


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"app/a": "changed"}, "changed app/a"),
        ({"app/c": "new"}, "added app/c"),
        ({"app/l": link("b")}, "changed app/l"),
        ({"app/a": member("1", mode=0o755)}, "changed app/a"),
        ({"app/b": None}, "removed app/b"),
        ({f"app/n{number}": "" for number in range(5)}, "added app/n0, added app/n1, added app/n2 and 2 more"),
    ],
)
def test_a_changed_file_is_named(fresh: Daemon, change: dict[str, Member | None], detail: str) -> None:
    build(fresh, APP, FILES)
    files = {name: data for name, data in {**FILES, **change}.items() if data is not None}
    assert reasons(build(fresh, APP, files)) == [
        "cached same", "cached same", f"done files {detail}", "done parent", "done parent",
    ]  # fmt: skip


def test_a_file_that_is_not_copied_does_not_count(fresh: Daemon) -> None:
    first = build(fresh, APP, FILES)
    assert build(fresh, APP, {**FILES, "other": "changed"}).image == first.image


def test_an_argument_counts_where_a_run_may_see_it(fresh: Daemon) -> None:
    build(fresh, APP, FILES)
    result = build(fresh, APP, FILES, buildargs={"V": "2"})
    assert reasons(result)[1:4] == ["cached same", "cached same", "done argument V"]
    early = APP.replace("ARG V=1\n", "").replace("RUN", "ARG V=1\nRUN")
    build(fresh, early, FILES)
    assert reasons(build(fresh, early, FILES, buildargs={"V": "3"}))[1] == "cached same"


def test_proxies_do_not_count(fresh: Daemon) -> None:
    first = build(fresh, "FROM busybox\nRUN echo $HTTP_PROXY > /p\n", buildargs={"HTTP_PROXY": "http://a"})
    assert build(fresh, "FROM busybox\nRUN echo $HTTP_PROXY > /p\n").image == first.image


def test_another_instruction(fresh: Daemon) -> None:
    build(fresh, APP, FILES)
    result = build(fresh, APP.replace("echo $V", "echo v$V"), FILES)
    assert reasons(result)[2:] == ["cached same", "done instruction", "done parent"]


def test_no_cache_builds_all_anew_and_is_found_later(fresh: Daemon) -> None:
    first = build(fresh, APP, FILES)
    anew = build(fresh, APP, FILES, nocache=1)
    assert reasons(anew) == ["cached same", *["done no-cache"] * 4]
    assert anew.image != first.image
    assert build(fresh, APP, FILES).image == anew.image


def test_removed_images_are_not_found(fresh: Daemon) -> None:
    build(fresh, APP, FILES, t="removed")
    fresh.docker("rmi", "removed")
    assert "done instruction" in reasons(build(fresh, APP, FILES))[1]


def test_steps_are_found_by_a_new_daemon(daemon: Daemon) -> None:
    first = build(daemon, APP, FILES)
    daemon.stop()
    daemon.start()
    assert build(daemon, APP, FILES).image == first.image
    changed = build(daemon, APP, {**FILES, "app/a": "after"})
    assert reasons(changed)[2] == "done files changed app/a"


def test_a_build_that_is_all_cached_starts_no_process(daemon: Daemon) -> None:
    build(daemon, APP, FILES)
    daemon.stop()
    daemon.start()
    assert daemon.process is not None
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
    before = children.read_text()
    assert set(build(daemon, APP, FILES).states) == {"cached:same"}
    assert children.read_text() == before


def test_copied_from_a_stage_by_content(fresh: Daemon) -> None:
    """The stage is built anew, but what is copied from it is the same."""
    dockerfile = (
        "FROM busybox AS one\nCOPY other /noise\nRUN echo same > /kept\nFROM busybox\nCOPY --from=one /kept /\n"
    )
    first = build(fresh, dockerfile, FILES)
    result = build(fresh, dockerfile, {**FILES, "other": "changed"})
    assert reasons(result)[-1] == "cached same"
    assert result.image == first.image


# stages -----------------------------------------------------------------------------------------------------------
def test_stages_that_are_not_needed_are_not_built(daemon: Daemon) -> None:
    dockerfile = "FROM busybox AS a\nRUN false\nFROM busybox AS b\nRUN echo b > /b\nFROM b AS c\nFROM a\n"
    result = build(daemon, dockerfile, target="c", t="target")
    assert [step["stage"] for step in result.steps] == ["b", "b", "c"]
    assert daemon.out("run", "--rm", "target", "cat", "/b") == "b"


def test_independent_stages_run_beside_each_other(daemon: Daemon) -> None:
    """Together, not one by one; what each says is heard in the order of the file."""
    lines = "".join(f"FROM busybox AS s{n}\nRUN sleep 1; echo out{n}; echo {n} > /{n}\n" for n in range(3))
    dockerfile = lines + "FROM busybox\n" + "".join(f"COPY --from=s{n} /{n} /\n" for n in range(3))
    started = time.monotonic()
    result = build(daemon, dockerfile, nocache=1, t="beside", kernel_engine_steps=0)
    assert time.monotonic() - started < 2.9
    places = [result.text.index(f"\nout{n}\n") for n in range(3)]
    steps = [result.text.index(f"Step {2 * n + 2}/10 :") for n in range(3)]
    assert places == sorted(places) and all(step < place for step, place in zip(steps, places, strict=True))
    assert places[0] < steps[1] < places[1] < steps[2]
    assert daemon.out("run", "--rm", "beside", "cat", "/0", "/1", "/2").split() == ["0", "1", "2"]


def test_a_stage_waits_only_where_it_needs_another(daemon: Daemon) -> None:
    """The last stage works before its COPY while the first one is still busy."""
    dockerfile = "FROM busybox AS a\nRUN sleep 1; echo a > /a\nFROM busybox\nRUN sleep 1\nCOPY --from=a /a /\n"
    started = time.monotonic()
    assert not build(daemon, dockerfile, nocache=1).error
    assert time.monotonic() - started < 1.9


def test_output_of_stages_is_labelled_where_steps_are_asked_for(daemon: Daemon) -> None:
    dockerfile = "FROM busybox AS a\nRUN echo from-a\nFROM busybox\nRUN echo from-b\nCOPY --from=a /bin/sh /x\n"
    result = build(daemon, dockerfile, nocache=1)
    labelled = {
        line["aux"]["step"]: line["stream"] for line in result.lines if line.get("id") == "kernel-engine.output"
    }
    assert labelled == {2: "from-a\n", 4: "from-b\n"}


def test_a_stage_that_fails_ends_the_others(daemon: Daemon) -> None:
    dockerfile = (
        "FROM busybox AS a\nRUN sleep 30\nFROM busybox AS b\nRUN sleep 0.3; exit 7\nFROM a\nCOPY --from=b /x /\n"
    )
    started = time.monotonic()
    result = build(daemon, dockerfile, nocache=1)
    assert result.detail["code"] == 7 and result.detail["line"] == 4
    assert time.monotonic() - started < 10
    assert daemon.api.get("/containers/json", query={"all": 1}).json() == []


def test_two_builds_at_the_same_time(daemon: Daemon) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(build(daemon, APP, FILES).image)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4 and all(found)


# reproducible -----------------------------------------------------------------------------------------------------
REPRODUCIBLE = """\
FROM busybox AS one
RUN mkdir /made && echo x > /made/x && ln /made/x /made/y && rm /bin/vi && mkfifo /made/p
FROM busybox
COPY --from=one /made /made
COPY app /app
ADD app/a /added
WORKDIR /new/directory
RUN echo here > here; touch /bin/busybox
COPY <<there .
content
there
CMD ["cat", "here"]
"""


def test_the_same_image_with_a_source_date_on_any_engine(daemon: Daemon, busybox_mirror: str) -> None:
    words: dict[str, Any] = {"nocache": 1, "buildargs": {"SOURCE_DATE_EPOCH": "1650000000"}}
    first = build(daemon, REPRODUCIBLE, FILES, **words, t="dated")
    time.sleep(1.1)  # another second, so that a time of now would show
    assert build(daemon, REPRODUCIBLE, FILES, **words).image == first.image
    facts = inspect(daemon, "dated")
    assert facts["Created"] == "2022-04-15T05:20:00Z"
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        running_daemon(Path(directory), (busybox_mirror,)) as other,
    ):
        assert build(other, REPRODUCIBLE, FILES, **words).image == first.image
    plain = build(daemon, REPRODUCIBLE, FILES, nocache=1)
    assert plain.image != first.image


# OCI --------------------------------------------------------------------------------------------------------------
def test_what_is_built_is_an_oci_image(daemon: Daemon, tmp_path: Path) -> None:
    """image-spec, config.md and layer.md: what their schemas and rules ask, of an image that was saved."""
    build(daemon, REPRODUCIBLE.replace("&& mkfifo /made/p", ""), FILES, t="oci")
    path = tmp_path / "oci.tar"
    daemon.docker("save", "-o", str(path), "oci")
    with tarfile.open(path) as archive:
        blobs = {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}  # type: ignore[union-attr]
    manifest = json.loads(blobs["manifest.json"])[0]
    config = json.loads(blobs[manifest["Config"]])
    assert {"architecture", "os", "rootfs"} <= config.keys()
    assert config["rootfs"]["type"] == "layers"
    layers = [row for row in config["history"] if not row.get("empty_layer")]
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == len(manifest["Layers"])
    allowed = {"created", "author", "created_by", "comment", "empty_layer"}
    assert all(row.keys() <= allowed for row in config["history"])
    for name, kind in (("Env", list), ("Cmd", list), ("Labels", dict), ("Volumes", dict), ("ExposedPorts", dict)):
        assert isinstance(config["config"].get(name, kind()), kind)
    assert "container" not in config and "container_config" not in config
    for name, diff_id in zip(manifest["Layers"], config["rootfs"]["diff_ids"], strict=True):
        with tarfile.open(fileobj=io.BytesIO(blobs[name])) as layer:
            names = layer.getnames()
        assert len(names) == len(set(names)) and not any(item.startswith(("/", "../")) for item in names)
        data = blobs[name]
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == diff_id
    assert os.path.getsize(path) > 0

"""Pages about the kernel, held against the kernel: every value of an `%xray`, and a start that goes on by `%step`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from kernel_engine.runtime.capabilities import NAMES
from kernel_engine.syscalls.netlink import Netlink
from labs.notebook.learning.picture import in_words
from tests.browser.classroom import PATIENCE, Notebook
from tests.conftest import remove_containers
from tests.daemon import Daemon

pytestmark = pytest.mark.timeout(600)
#: where pictures of the pictures go, for those who want to look at them
SHOTS = os.environ.get("DOCKER_LABS_SHOTS", "")
_PAIRS = "rows => rows.map((row) => [...row.children].map((side) => side.innerText.replaceAll(/\\s+/g, ' ').trim()))"
#: elements of a picture that reach beyond its right edge; what scrolls does not
BEYOND = """box => [...box.querySelectorAll('*')].filter((one) => !one.parentElement.closest('.dl-scroll')
  && one.getBoundingClientRect().right > box.getBoundingClientRect().right + 1).map((one) => one.outerHTML)"""
COMMAND = "%step docker run --name stepped -m 64m -p 127.0.0.1::80 busybox echo 안녕하세요"


@pytest.fixture(scope="module", autouse=True)
def pulled(engine: Daemon) -> None:
    engine.docker("pull", "busybox")


@pytest.fixture(autouse=True)
def no_containers(engine: Daemon) -> Iterator[None]:
    remove_containers(engine)
    yield
    remove_containers(engine)


def shot(picture: Locator, name: str) -> None:
    if SHOTS:
        for width in (1280, 800):  # where there is no room for a side bar, the page is 480 pixels wide
            picture.page.set_viewport_size({"width": width, "height": 2400})
            picture.screenshot(path=str(Path(SHOTS, f"{name}-{width}.png")))
        picture.page.set_viewport_size({"width": 1280, "height": 900})


def press(picture: Locator, label: str) -> None:
    picture.get_by_role("button", name=label, exact=True).click()


def stands_at(picture: Locator, number: int) -> None:
    expect(picture.locator(".dl-here")).to_have_text(str(number))


def row(picture: Locator, name: str) -> Locator:
    return picture.locator("tbody tr").filter(has=picture.page.get_by_role("rowheader", name=name, exact=True))


def all_gone(engine: Daemon) -> None:
    until = time.monotonic() + PATIENCE
    while engine.out("ps", "-aq") and time.monotonic() < until:
        time.sleep(0.1)
    assert engine.out("ps", "-aq") == ""
    assert not list(Path("/sys/class/net").glob(f"{engine.instance.veth_prefix}*"))


def part(page: Locator, title: str) -> Locator:
    return page.locator(".dl-part").filter(has=page.page.get_by_role("heading", name=title, exact=True))


def pairs(page: Locator, title: str) -> list[tuple[str, str]]:
    """Both sides of each row, as read on the page."""
    return [(row[0], row[1]) for row in part(page, title).locator(".dl-pair").evaluate_all(_PAIRS)]


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_an_xray_says_what_the_kernel_says(empty: Notebook, engine: Daemon) -> None:
    limits = ("-m", "64m", "--pids-limit", "50")
    program = ("sh", "-c", "httpd -f -p 80; true")
    engine.docker("run", "-d", "--name", "seen", *limits, "-p", "127.0.0.1::80", "busybox", *program)
    page = empty.start("%xray seen").locator(".dl-xray").first
    expect(page).to_contain_text("httpd -f -p 80")
    first = engine.inspect("seen")["State"]["Pid"]
    facts = status(first)

    for outside, inside in pairs(page, "프로세스"):
        pid = int(outside.split()[0])
        assert status(pid)["NSpid"].split()[-1] == inside.split()[0]
        assert status(pid)["PPid"] in outside
    spaces = pairs(page, "네임스페이스")
    for kind in ("mnt", "pid", "uts", "ipc", "net", "cgroup", "user"):
        [(outside, inside)] = [row for row in spaces if f"({'mount' if kind == 'mnt' else kind})" in row[0]]
        inode = os.stat(f"/proc/{first}/ns/{kind}").st_ino
        assert str(os.stat(f"/proc/self/ns/{kind}").st_ino) in outside
        assert str(inode) in inside
        assert ("따로" in inside) == (inode != os.stat(f"/proc/self/ns/{kind}").st_ino)
    [(_, start, count)] = [line.split() for line in Path(f"/proc/{first}/uid_map").read_text().splitlines()]
    assert pairs(page, "사용자")[0][0] == f"uid {'0부터 모두' if count == str(2**32 - 1) else f'{start}부터 {count}개'}"

    lines = Path(f"/proc/{first}/mountinfo").read_text().splitlines()
    assert part(page, "붙인 곳(mount)").locator("summary").inner_text().startswith(f"{len(lines)}곳")
    part(page, "붙인 곳(mount)").locator("summary").click()
    inner = [inside for _, inside in pairs(page, "붙인 곳(mount)")]
    assert [re.sub(" (읽기 전용|읽고 쓰기)$", "", words) for words in inner] == [line.split()[4] for line in lines]

    found = {}
    for row in part(page, "자원(cgroup)").locator(".dl-pair").all():
        path = Path(row.locator("code").first.get_attribute("title") or "")
        found[path.name] = (path, row.inner_text())
    memory, said = found.get("memory.current") or found["memory.usage_in_bytes"]
    bound = memory.with_name("memory.max" if memory.name == "memory.current" else "memory.limit_in_bytes")
    assert int(bound.read_text()) == 64 << 20
    assert f"/ {in_words(64 << 20)}" in said
    pids, said = found["pids.current"]
    assert said.split()[-3:] == [pids.read_text().strip(), "/", pids.with_name("pids.max").read_text().strip()]

    kept = {name for at, name in enumerate(NAMES) if int(facts["CapBnd"], 16) >> at & 1}
    ours = {name for at, name in enumerate(NAMES) if int(status(engine_pid(engine))["CapBnd"], 16) >> at & 1}
    (gone, held), (_, filters) = pairs(page, "권한")
    assert set(re.findall(r"CAP_\w+", held)) == kept
    assert f"{len(ours - kept)}개" in gone
    assert filters == f"seccomp 필터 {facts['Seccomp_filters']}개"

    [(outside, inside)] = pairs(page, "패킷이 오는 길")
    port = engine.inspect("seen")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    with Netlink() as netlink:
        [veth] = [link for link in netlink.links() if link.name.startswith(engine.instance.veth_prefix)]
        bridge = next(link for link in netlink.links() if link.index == veth.master)
    assert veth.name in outside
    assert bridge.name in outside
    assert f"127.0.0.1:{port}" in outside
    assert f"eth0 {engine.inspect('seen')['NetworkSettings']['IPAddress']}" in inside


def engine_pid(engine: Daemon) -> int:
    assert engine.process is not None
    return engine.process.pid


def test_a_narrow_page_shows_numbers_whole(empty: Notebook, engine: Daemon) -> None:
    """480 pixels, of which the side bar takes most: the sides of an x-ray stand one beneath the other, the table of
    walls scrolls."""
    engine.docker("run", "-d", "--name", "seen", "busybox", "sleep", "1000")
    empty.run("%wall reset")
    empty.run("%%wall\n1")
    walls = empty.start("%walls").locator(".dl-walls").first
    xray = empty.start("%xray seen").locator(".dl-xray").first
    expect(xray).to_contain_text("sleep 1000")
    sides = xray.locator(".dl-sides")
    expect(sides).to_have_css("grid-template-columns", re.compile(r"^\S+ \S+$"))
    empty.page.set_viewport_size({"width": 480, "height": 900})
    try:
        expect(sides).to_have_css("grid-template-columns", re.compile(r"^\S+$"))
        assert xray.evaluate(BEYOND) == []
        heights = walls.locator("td small").evaluate_all("all => all.map((number) => number.offsetHeight)")
        assert len(heights) == 14 and max(heights) < 24, heights
        scrolls = walls.locator(".dl-scroll").evaluate("box => box.scrollWidth > box.clientWidth")
        assert scrolls and walls.evaluate(BEYOND) == []
    finally:
        empty.page.set_viewport_size({"width": 1280, "height": 900})
        empty.run("%wall reset")


def test_a_start_goes_on_step_by_step_to_its_end(empty: Notebook, engine: Daemon, page: Page) -> None:
    picture = empty.start(COMMAND).locator(".dl-stepping")
    stands_at(picture, 1)
    expect(picture).to_contain_text("새 PID 네임스페이스")
    press(picture, "다음")
    stands_at(picture, 2)
    expect(row(picture, "마운트(mnt)")).to_contain_text("같이 써요")
    pid = row(picture, "프로세스").locator("td").first.inner_text().removeprefix("pid ")
    assert Path(f"/proc/{pid}").exists()
    press(picture, "다음")
    stands_at(picture, 3)
    press(picture, "다음")
    stands_at(picture, 4)
    expect(row(picture, "cgroup")).to_contain_text("방금 바뀌었어요")
    shot(picture, "step-4")
    press(picture, "다음")
    stands_at(picture, 5)
    expect(row(picture, "네트워크(net)")).to_contain_text("따로예요")
    inode = str(os.stat(f"/proc/{pid}/ns/net").st_ino)
    expect(row(picture, "네트워크(net)")).to_contain_text(inode)
    picture.locator("summary").first.click()
    expect(picture.locator("details[open] li")).not_to_have_count(0)
    shot(picture, "step-5")
    # another container starts meanwhile, from another cell
    assert "other" in empty.run("docker run --rm busybox echo other")
    press(picture, "끝까지")
    expect(picture.locator(".dl-done")).to_have_text("끝까지 왔어요. 컨테이너가 실행됐어요.")
    expect(picture.locator("pre").first).to_have_text(re.compile("안녕하세요"))
    expect(picture.locator(".dl-timeline")).to_contain_text("커널 타임라인")
    shot(picture, "step-end")
    assert engine.inspect("stepped")["State"]["ExitCode"] == 0


@pytest.mark.full  # what is left is asked of the engine itself in every run (tests/engine/test_steps.py)
def test_giving_up_leaves_nothing(empty: Notebook, engine: Daemon) -> None:
    picture = empty.start(COMMAND).locator(".dl-stepping")
    stands_at(picture, 1)
    for number in range(2, 8):
        press(picture, "다음")
        stands_at(picture, number)
    press(picture, "그만두기")
    expect(picture.locator(".dl-gone")).to_contain_text("모두 치웠어요")
    shot(picture, "step-gone")
    all_gone(engine)


@pytest.mark.full
def test_a_kernel_that_ends_takes_its_start_along(empty: Notebook, engine: Daemon) -> None:
    picture = empty.start(COMMAND).locator(".dl-stepping")
    stands_at(picture, 1)
    press(picture, "다음")
    stands_at(picture, 2)
    empty.start("import os; os.kill(os.getpid(), 9)")
    all_gone(engine)

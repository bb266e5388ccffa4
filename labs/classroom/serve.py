"""`labs serve`: a class from its first account to the last trace of it. Runs as root, until SIGINT or SIGTERM."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from labs.classroom import accounts, engines, limits, network
from labs.classroom.engines import Limits
from labs.classroom.learners import RUN, STATE, BadClass, Learner, new_password, read, sealed
from labs.classroom.plan import Plan
from labs.hub.registry import DEFAULT_PORT, MAKER_PORT

CONFIGURATION = Path(__file__).with_name("jupyterhub_config.py")
_NEEDED = ("ip", "bridge", "nft", "nsenter", "runuser", "useradd")
_PASSWORDS = STATE / "passwords"
_ENDING = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the teacher asked for."""

    file: Path
    listen: str
    port: int
    limits: Limits


def serve(wish: Wish) -> int:
    """The exit code. Raises BadClass, NetworkFailed."""
    learners = _checked(wish)
    given = passwords(learners)
    for number, learner in enumerate(learners, 1):
        print(f"[{number}/{len(learners)}] {learner.name}의 자리를 준비해요", flush=True)
        accounts.prepare(learner)
        engines.clean_up(learner)  # of a class that was ended by a power cut
    for folder, mode in ((STATE, 0o711), (RUN, 0o711)):
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    _keep(given)
    hub: subprocess.Popen[bytes] | None = None
    try:
        place = network.lay()
        for learner in learners:
            network.leave(learner)
            network.join(learner, place)
        plan = Plan(
            listen=wish.listen,
            port=wish.port,
            network=str(place),
            seals={learner.name: sealed(given[learner.name]) for learner in learners},
            mirrors=tuple(f"http://{place[1]}:{port}" for port in (DEFAULT_PORT, MAKER_PORT)),
            dns=network.resolvers(),
            limits=wish.limits,
        )
        plan.write()
        hub = _start_hub()
        _tell(wish, learners, given)
        return _wait(hub)
    finally:
        _end(hub, learners)


def _checked(wish: Wish) -> tuple[Learner, ...]:
    if os.geteuid() != 0:
        raise BadClass("수업을 열려면 관리자(root) 권한이 필요해요. sudo를 앞에 붙여 다시 실행하세요.")
    if lacking := [name for name in _NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]:
        raise BadClass(f"필요한 명령이 없어요: {', '.join(lacking)}. ./lab up을 먼저 실행하세요.")
    try:
        learners = read(wish.file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise BadClass(f"{wish.file}을(를) 읽을 수 없어요: {error}") from None
    with socket.socket(socket.AF_INET6 if ":" in wish.listen else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wish.listen, wish.port))
        except OSError as error:
            raise BadClass(f"{wish.listen}의 {wish.port} 포트를 쓸 수 없어요: {error.strerror}") from None
    return learners


def passwords(learners: Sequence[Learner], kept: Path = _PASSWORDS) -> dict[str, str]:
    """Learner → password: the file's, or the one that was made up the last time, or a new one."""
    try:
        earlier = dict(line.split(" ", 1) for line in kept.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        earlier = {}
    return {who.name: who.password or earlier.get(who.name) or new_password() for who in learners}


def _keep(given: Mapping[str, str], place: Path = _PASSWORDS) -> None:
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{name} {password}\n" for name, password in given.items())


def _start_hub() -> subprocess.Popen[bytes]:
    log = (STATE / "jupyterhub.log").open("ab")
    words = [sys.executable, "-I", "-m", "jupyterhub", "-f", str(CONFIGURATION)]
    path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    with log:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=STATE, umask=0o077,
            env={"PATH": path, "LANG": "C.UTF-8"},
        )  # fmt: skip


def _tell(wish: Wish, learners: Sequence[Learner], given: Mapping[str, str]) -> None:
    where = f"[{wish.listen}]" if ":" in wish.listen else wish.listen
    print(f"\n수업을 열었어요: http://{where}:{wish.port}/")
    print("이름과 비밀번호를 한 사람씩 알려 주세요. 멈추려면 Ctrl+C를 누르세요.\n")
    width = max(len(learner.name) for learner in learners)
    for learner in learners:
        print(f"  {learner.name:{width}}  {given[learner.name]}")
    if not ip_address(wish.listen).is_loopback:
        print("\n주소에 https가 없어요. 교실의 네트워크 밖에서는 쓰지 마세요.")
    sys.stdout.flush()


def _wait(hub: subprocess.Popen[bytes]) -> int:
    """Until somebody ends this process or the hub ends by itself."""
    ending: list[int] = []

    def end(number: int, frame: object) -> None:
        ending.append(number)
        hub.terminate()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    code = hub.wait()
    if ending:
        return 0
    print(f"JupyterHub가 끝났어요({code}). 기록: {STATE}/jupyterhub.log", file=sys.stderr)
    return 1


def _end(hub: subprocess.Popen[bytes] | None, learners: Sequence[Learner]) -> None:
    """Nothing is left but accounts, notebooks, images and records."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if hub is not None and hub.poll() is None:
        hub.terminate()
        try:
            hub.wait(_ENDING)
        except subprocess.TimeoutExpired:
            hub.kill()
            hub.wait()
    for learner in learners:
        engines.clean_up(learner)
        network.leave(learner)
        limits.remove(learner)
    network.take_up()
    with suppress(OSError):
        shutil.rmtree(RUN)

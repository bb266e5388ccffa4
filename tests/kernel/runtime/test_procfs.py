"""What is written to /proc goes to /proc, whatever is mounted over it (CVE-2025-52881)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import REPOSITORY

SETTING = "/proc/sys/net/core/somaxconn"
#: one that a kernel of Debian 12 shows to a user namespace's own network too (net.core came later)
SHOWN_TO_ALL = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
_WRITE = """
import sys
from kernel_engine.syscalls.procfs import write
try:
    write(sys.argv[1], sys.argv[2])
except OSError as error:
    print(type(error).__name__, error.errno, error.filename)
else:
    print("written")
"""


def _try(tmp_path: Path, script: str, *spaces: str) -> list[str]:
    """Lines of a shell in a mount, network and UTS namespace of its own, where `put PATH VALUE` is our write."""
    (tmp_path / "write.py").write_text(_WRITE)
    (tmp_path / "decoy").write_text("whole")
    put = f'put() {{ "{sys.executable}" "{tmp_path}/write.py" "$1" "$2"; }}; cd "{tmp_path}"\n'
    words = ["unshare", "--mount", "--net", "--uts", *spaces, "sh", "-ec", put + script]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(REPOSITORY), "LANG": "C.UTF-8"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_file_over_a_setting(tmp_path: Path) -> None:
    script = f"mount --bind decoy {SETTING}; put {SETTING} 77; cat decoy; echo; umount {SETTING}; cat {SETTING}"
    assert _try(tmp_path, script) == ["written", "whole", "77"]


def test_another_setting_over_a_setting(tmp_path: Path) -> None:
    other = "/proc/sys/kernel/domainname"
    script = f"echo mine >{other}; mount --bind {other} {SETTING}; put {SETTING} 78; cat {other}; umount {SETTING}; "
    assert _try(tmp_path, f"{script} cat {SETTING}") == ["written", "mine", "78"]


def test_a_folder_of_links_over_settings(tmp_path: Path) -> None:
    script = f"""
        echo mine >/proc/sys/kernel/domainname
        mount -t tmpfs none /proc/sys/net; mkdir /proc/sys/net/core
        ln -s /proc/sys/kernel/domainname {SETTING}; put {SETTING} 79; cat /proc/sys/kernel/domainname
        umount /proc/sys/net; cat {SETTING}"""
    assert _try(tmp_path, script) == ["written", "mine", "79"]


def test_a_file_over_what_is_a_process_own(tmp_path: Path) -> None:
    """Where labels of Linux security modules are written as well."""
    script = """
        for name in oom_score_adj attr/current attr/exec; do
            [ ! -e /proc/$$/$name ] || mount --bind decoy /proc/$$/$name
        done
        put /proc/$$/oom_score_adj 7; cat decoy; echo; umount /proc/$$/oom_score_adj; cat /proc/$$/oom_score_adj
        put /proc/$$/attr/current decoyed; cat decoy"""
    lines = _try(tmp_path, script)
    assert lines[:3] == ["written", "whole", "7"]
    assert lines[-1] == "whole", "a kernel without such modules refuses, and others too: it is no label"


def test_a_proc_that_is_none(tmp_path: Path) -> None:
    script = (
        f"mount -t tmpfs none /proc; mkdir -p /proc/sys/net/core; echo 1 >{SETTING}; put {SETTING} 2; cat {SETTING}"
    )
    assert _try(tmp_path, script) == [f"OSError 18 {SETTING}", "1"]


@pytest.mark.parametrize("path", ["/proc/self/root{place}/decoy", "/proc/self/cwd/decoy", "/proc/../{place}/decoy"])
def test_ways_out_of_proc(tmp_path: Path, path: str) -> None:
    lines = _try(tmp_path, f"put {path.format(place=tmp_path)} lost; cat decoy")
    assert lines[0].startswith("OSError ")
    assert lines[1] == "whole"


def test_mounts_that_are_the_machines(tmp_path: Path) -> None:
    """A user namespace cannot look beneath them: a part of /proc over itself is as good, anything else is not."""
    script = f"""
        mount --bind /proc/sys/net/ipv4 /proc/sys/net/ipv4
        mount --bind decoy /proc/sys/kernel/domainname
        unshare --user --map-root-user --mount --net sh -ec '. ./put; put {SHOWN_TO_ALL} 80; cat {SHOWN_TO_ALL}'
        unshare --user --map-root-user --mount --net sh -ec '. ./put; put /proc/sys/kernel/domainname 81'; cat decoy"""
    put = f'put() {{ "{sys.executable}" "{tmp_path}/write.py" "$1" "$2"; }}\n'
    (tmp_path / "put").write_text(put)
    assert _try(tmp_path, script) == ["written", "80", "OSError 18 /proc/sys/kernel/domainname", "whole"]

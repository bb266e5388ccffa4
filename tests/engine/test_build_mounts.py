"""RUN --mount in all its types, and heredocs that are programs."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5

import pytest

from tests.daemon import Daemon
from tests.engine.building import build, link, member, refused


def shown(text: str) -> list[str]:
    """What the program of the last RUN printed."""
    lines = text.rpartition(" ---> Running in ")[2].partition("Removing intermediate")[0].splitlines()[1:]
    return [line.removeprefix("\x1b[0m") for line in lines]


def test_a_bind_of_the_context_is_read_only_and_in_no_layer(clean: Daemon) -> None:
    dockerfile = (
        "FROM busybox\nWORKDIR /w\n"
        "RUN --mount=target=src --mount=source=d/f,target=/etc/f cat src/d/f /etc/f; touch src/x; ls -A /w\n"
    )
    result = build(clean, dockerfile, {"d/f": "one\n", "ln": link("/etc/passwd")}, t="bound")
    assert shown(result.text)[:2] == ["one", "one"]
    assert "Read-only file system" in result.text
    assert result.steps[-1]["layer"] == ""
    assert clean.out("run", "--rm", "bound", "sh", "-c", "ls -A /w; ls /etc/f; true").split() == []


def test_what_is_written_to_a_bind_is_gone(daemon: Daemon) -> None:
    dockerfile = (
        "FROM busybox\nRUN --mount=target=/src,rw echo new > /src/f; cat /src/f\nRUN --mount=target=/src cat /src/f\n"
    )
    result = build(daemon, dockerfile, {"f": "old\n"})
    assert not result.error
    assert shown(result.text) == ["old"]
    assert "\nnew\n" in result.text


def test_a_bind_of_a_stage_or_image(daemon: Daemon) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN mkdir /made; echo hi > /made/f; ln -s /made/f /l\n"
        "FROM busybox\n"
        "RUN --mount=from=one,source=/made,target=/m --mount=from=busybox,target=/whole "
        "--mount=from=one,source=/l,target=/file --mount=from=one,target=/rw,rw "
        "cat /m/f /file; ls /whole/bin/sh; echo x > /rw/made/f; cat /rw/made/f /m/f\n"
    )
    result = build(daemon, dockerfile)
    assert shown(result.text) == ["hi", "hi", "/whole/bin/sh", "x", "hi"]
    assert result.steps[-1]["layer"] == ""


def test_a_bind_counts_for_the_cache_by_its_content(daemon: Daemon) -> None:
    dockerfile = "FROM busybox\nRUN --mount=source=a,target=/a cat /a/f\n"
    build(daemon, dockerfile, {"a/f": "1", "b": "1"})
    assert build(daemon, dockerfile, {"a/f": "1", "b": "2"}).states[-1] == "cached:same"
    changed = build(daemon, dockerfile, {"a/f": "2", "b": "2"}).steps[-1]
    assert (changed["state"], changed["reason"], changed["detail"]) == ("done", "files", "changed a/f")
    other = build(daemon, dockerfile.replace("/a cat", "/b cat"), {"a/f": "2"})
    assert other.steps[-1]["state"] != "cached"


def test_a_cache_is_kept_and_in_no_layer(clean: Daemon) -> None:
    dockerfile = (
        "FROM busybox\nRUN --mount=type=cache,target=/root/.cache,mode=0700,uid=7 "
        "stat -c '%a %u' /root/.cache; cat /root/.cache/n; echo {} >> /root/.cache/n\n"
    )
    first = build(clean, dockerfile.format(1))
    assert shown(first.text)[0] == "700 7"
    assert first.steps[-1]["layer"] == ""
    assert shown(build(clean, dockerfile.format(2)).text) == ["700 7", "1"]
    named = dockerfile.replace("type=cache", "type=cache,id=other")
    assert shown(build(clean, named.format(3)).text)[:1] == ["700 7"]
    assert clean.api.post("/build/prune").json()["SpaceReclaimed"] > 0
    assert "1" not in shown(build(clean, dockerfile.format(4)).text)


def test_a_cache_may_start_from_a_stage(daemon: Daemon) -> None:
    dockerfile = (
        "FROM busybox AS base\nRUN mkdir /c; echo start > /c/f\nFROM busybox\n"
        "RUN --mount=type=cache,id=from,from=base,source=/c,target=/c cat /c/f; echo {} > /c/g\n"
        "RUN --mount=type=cache,id=from,from=base,source=/c,target=/c cat /c/f /c/g\n"
    )
    assert shown(build(daemon, dockerfile.format("x")).text) == ["start", "x"]


def test_tmpfs(daemon: Daemon) -> None:
    dockerfile = (
        "FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=64k "
        "df -k /t | tail -n 1; stat -c %a /t; cp /bin/sh /t/x || echo full; grep ' /t ' /proc/mounts\n"
    )
    result = build(daemon, dockerfile)
    lines = shown(result.text)
    assert lines[0].split()[:2] == ["tmpfs", "64"]
    assert lines[1] == "1777"
    assert "full" in lines
    assert "noexec" not in lines[-1]
    assert result.steps[-1]["layer"] == ""


def _secret(daemon: Daemon, **values: str) -> str:
    body = {name: b64encode(value.encode()).decode() for name, value in values.items()}
    return str(daemon.api.post("/kernel-engine/builds/secrets", body=body).json()["token"])


def test_a_secret_is_seen_by_its_run_only(clean: Daemon) -> None:
    dockerfile = (
        "FROM busybox\nARG N\n"
        "RUN --mount=type=secret,id=key --mount=type=secret,id=key,target=/k,mode=0440,uid=7 "
        "--mount=type=secret,id=word,env=WORD "
        "md5sum < /run/secrets/key && stat -c '%a %u' /run/secrets/key /k && echo ${#WORD}\n"
        "RUN ls /run/secrets /k; echo .$WORD.\n"
    )
    token = _secret(clean, key="hush-1", word="hush-22")
    result = build(clean, dockerfile, t="secret", **{"kernel-engine-secrets": token})
    assert not result.error
    assert f"{md5(b'hush-1').hexdigest()}  -\n400 0\n440 7\n7\n" in result.text
    assert shown(result.text)[-1] == ".."
    assert all(step["layer"] == "" for step in result.steps[2:])
    facts = str(clean.api.get("/images/secret/json").json()) + str(clean.api.get("/images/secret/history").json())
    assert "hush" not in facts + str(result.lines)
    assert not list(clean.instance.run.glob("build-secrets/*"))
    for path in clean.instance.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"hush-" not in path.read_bytes(), path
    with pytest.raises(AssertionError, match="it was built"):
        refused(clean, dockerfile)
    assert "are gone" in str(refused(clean, dockerfile, **{"kernel-engine-secrets": token}))


def test_another_value_of_a_secret_is_no_reason_to_build(daemon: Daemon) -> None:
    dockerfile = "FROM busybox\nRUN --mount=type=secret,id=key cat /run/secrets/key | wc -c\n"
    build(daemon, dockerfile, **{"kernel-engine-secrets": _secret(daemon, key="one")})
    again = build(daemon, dockerfile, **{"kernel-engine-secrets": _secret(daemon, key="two")})
    assert again.states[-1] == "cached:same"


def test_a_missing_secret(daemon: Daemon) -> None:
    result = build(daemon, "FROM busybox\nRUN --mount=type=secret,id=none ls /run/secrets || echo none\n")
    assert shown(result.text)[-1] == "none"
    result = build(daemon, "FROM busybox\nRUN --mount=type=secret,id=none,required true\n")
    assert result.error == "secret none: not found"


def test_a_secret_that_no_variable_can_hold(daemon: Daemon) -> None:
    dockerfile = "FROM busybox\nRUN --mount=type=secret,id=key,env=KEY true\n"
    result = build(daemon, dockerfile, **{"kernel-engine-secrets": _secret(daemon, key="a\0b")})
    assert result.error == "secret key: a NUL byte cannot stand in an environment variable"


def test_a_heredoc_is_a_script_of_its_own(clean: Daemon) -> None:
    dockerfile = "FROM busybox\nRUN <<EOF\n#!/bin/cat\nthe script {}\nEOF\n"
    result = build(clean, dockerfile.format(1))
    assert shown(result.text) == ["#!/bin/cat", "the script 1"]
    assert result.steps[-1]["layer"] == ""
    assert build(clean, dockerfile.format(1)).states[-1] == "cached:same"
    assert shown(build(clean, dockerfile.format(2)).text) == ["#!/bin/cat", "the script 2"]


def test_escapes_in_heredocs_are_buildkits(daemon: Daemon) -> None:
    """What BuildKit of Docker 26.1 prints for the same file."""
    dockerfile = (
        "FROM busybox\nENV A=val\n"
        "COPY <<EOF /x\none\\n two \\$A \"$A\" '$A' \\\\ \\x `b` ${N:-d}\\\nnext\nEOF\n"
        "COPY <<'EOF' /y\nraw $A \\n\nEOF\n"
        "RUN cat /x /y\n"
    )
    lines = shown(build(daemon, dockerfile).text)
    assert lines == ["onen two $A \"val\" 'val' \\ x `b` d", "next", "raw $A \\n"]


def test_heredocs_for_the_shell(daemon: Daemon) -> None:
    dockerfile = (
        "FROM busybox\nRUN <<-EOF\n\tset -e\n\techo one\n\tEOF\nRUN cat <<A - <<'B' | sh\nno\nA\necho $0 two\nB\n"
    )
    result = build(daemon, dockerfile)
    assert "\none\n" in result.text
    assert shown(result.text) == ["sh two"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            "RUN --mount=source=nope,target=/a true",
            "RUN failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist",
        ),
        (
            "RUN --mount=from=busybox,source=/nope,target=/a true",
            'mount source path "/nope": no such file or directory',
        ),
        ("RUN --security=insecure true", "security.insecure is not allowed"),
        ("RUN --mount=target=/ true", 'invalid mount target "/"'),
        ("RUN --mount=type=tmpfs true", 'invalid mount target "/"'),
        ("RUN --mount=type=ssh,required true", "RUN --mount=type=ssh is not served: no agent comes with a build"),
        ("RUN --mount=target=/bin/sh true", "not a directory"),
    ],
)
def test_what_cannot_be_mounted(daemon: Daemon, line: str, error: str) -> None:
    result = build(daemon, f"FROM busybox\n{line}\n", {"f": ""})
    assert error in result.error
    assert (result.detail["line"], result.detail["instruction"]) == (2, line)


def test_hostile_links_of_a_context_end_inside(daemon: Daemon) -> None:
    files = {"out": link("/"), "up": link("../../../../etc"), "d/f": member("in\n", mode=0o600)}
    dockerfile = "FROM busybox\nRUN --mount=source=out,target=/o --mount=source=up/../d,target=/d ls /o; cat /d/f\n"
    result = build(daemon, dockerfile, files)
    assert shown(result.text) == ["Dockerfile", "d", "out", "up", "in"]

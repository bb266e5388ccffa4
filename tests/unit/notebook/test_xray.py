"""The x-ray page, drawn from the engine's answer: both sides, fixed text, nothing of the container's as markup."""

from __future__ import annotations

from typing import Any

from labs.notebook.kernel.xray_picture import as_html, as_text, layer_name

ID = "5e2f" * 16
GROUP = f"/sys/fs/cgroup/memory/kernel-engine-0/{ID}"
KERNEL: dict[str, Any] = {
    "Id": ID,
    "Name": "web",
    "Pid": 812,
    "Processes": [
        {"Pid": 812, "InnerPid": 1, "Parent": 700, "Command": "sh -c <b>x</b>", "User": 0, "State": "S"},
        {"Pid": 830, "InnerPid": 7, "Parent": 812, "Command": "httpd -f", "User": 0, "State": "S"},
    ],
    "Namespaces": [
        {"Kind": "pid", "Inode": 22, "HostInode": 11, "Source": "/proc/812/ns/pid", "Shared": False},
        {"Kind": "user", "Inode": 33, "HostInode": 33, "Source": "/proc/812/ns/user", "Shared": True},
    ],
    "UidMap": [{"Inside": 0, "Outside": 0, "Count": 4294967295}],
    "GidMap": [{"Inside": 0, "Outside": 0, "Count": 4294967295}],
    "Mounts": [
        {"Target": "/", "Type": "overlay", "Source": "overlay", "Root": "/", "Options": "rw"},
        {"Target": "/etc/hosts", "Type": "ext4", "Source": "/dev/vda", "Root": f"/c/{ID}/hosts", "Options": "ro"},
    ],
    "Cgroup": [
        {"Path": f"{GROUP}/memory.usage_in_bytes", "Value": "33554432",
         "LimitPath": f"{GROUP}/memory.limit_in_bytes", "Limit": "67108864"},
        {"Path": f"{GROUP}/pids.current", "Value": "2", "LimitPath": f"{GROUP}/pids.max", "Limit": "max"},
    ],
    "Layers": ["/s/1/upper", "/l/1.init", "/l/2", "/l/1"],
    "DiffIds": ["sha256:bbb", "sha256:aaa"],
    "Security": {"Kept": ["CAP_CHOWN"], "Effective": ["CAP_CHOWN"], "Dropped": ["CAP_SYS_ADMIN", "CAP_BPF"],
                 "Seccomp": 2, "Filters": 1, "NoNewPrivileges": False, "Source": "/proc/812/status"},
    "Ways": [{"Protocol": "tcp", "HostAddress": "0.0.0.0", "HostPort": 8123, "Table": "ke_0", "Network": "bridge",
              "Bridge": "ke-0", "Gateway": "172.17.0.1", "HostInterface": "ke0abc", "Interface": "eth0",
              "Address": "172.17.0.2", "Port": 80, "Listener": 830}],
}  # fmt: skip
FILES: dict[str, list[dict[str, Any]]] = {
    "/": [
        {"Name": "bin", "Layer": 0, "Kind": "directory", "Size": 0, "Hidden": False},
        {"Name": "bin", "Layer": 3, "Kind": "directory", "Size": 0, "Hidden": False},
        {"Name": "new", "Layer": 0, "Kind": "file", "Size": 3, "Hidden": False},
    ],
    "/bin": [
        {"Name": "nc", "Layer": 0, "Kind": "whiteout", "Size": 0, "Hidden": False},
        {"Name": "nc", "Layer": 3, "Kind": "file", "Size": 9000, "Hidden": True},
    ],
}


def test_the_text_holds_nothing_that_differs_from_run_to_run() -> None:
    text = as_text(KERNEL, FILES)
    for changing in ("812", "830", "22", "8123", ID, "33.6MB", "/sys/fs"):
        assert changing not in text, changing
    for fact in (
        "프로세스 번호(pid): 따로",
        "사용자 번호(user): 호스트와 같음",
        "    7  httpd -f",
        "레이어: 4장",
        "/new  쓰기 레이어(upper)",
        "/bin/nc  지워짐(whiteout)",
        "한도: 메모리 67.1MB",
        "권한: 1개 남김 · seccomp 필터 1개",
    ):
        assert fact in text


def test_both_sides_of_everything() -> None:
    drawn = as_html(KERNEL, FILES, note="지금")
    assert "<b>812</b> <small>부모 700 · uid 0</small></div><div><b>1</b>" in drawn
    assert "<code>11</code></div><div><code>22</code> <b>따로</b>" in drawn
    assert "<code>httpd -f</code>이(가) 기다려요" in drawn
    assert 'aria-label="한도의 50%"' in drawn
    assert drawn.count("dl-meter") == 1  # no meter without a limit
    assert f'title="{GROUP}/pids.current"' in drawn
    assert f"{ID[:12]}…/pids.current" in drawn
    assert "위에서 가렸어요" in drawn
    assert drawn.count(f'data-show="files:{ID}:/bin"') == 1  # a directory in two layers is one row
    assert "<b>x</b>" not in drawn


def test_layers_are_numbered_from_the_bottom() -> None:
    assert [layer_name(at, 4) for at in range(4)] == [
        "쓰기 레이어(upper)",
        "엔진이 끼운 레이어(init)",
        "이미지의 레이어 2",
        "이미지의 레이어 1",
    ]
    drawn = as_html(KERNEL, FILES)
    assert drawn.index("이미지의 레이어 2") < drawn.index("sha256:bbb") < drawn.index("sha256:aaa")


def test_another_user_outside() -> None:
    mapped = {**KERNEL, "UidMap": [{"Inside": 0, "Outside": 100000, "Count": 65536}]}
    assert "호스트에서는 100000번 사용자예요" in as_html(mapped, FILES)
    assert "100000부터 65536개" in as_html(mapped, FILES)

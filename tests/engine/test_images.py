"""pull, images, history, tag, rmi, diff and commit by their commands."""

from __future__ import annotations

import json

from tests.daemon import Daemon
from tests.engine.test_life import until


def drop(daemon: Daemon, *names: str) -> None:
    for name in names:
        daemon.docker("rmi", "-f", name, check=False)


def test_images_and_inspect(clean: Daemon) -> None:
    header, *rows = clean.out("images").splitlines()
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert any(row.startswith("busybox") for row in rows)
    facts = json.loads(clean.out("inspect", "busybox"))[0]
    assert facts["Config"]["Cmd"] == ["sh"]
    assert facts["RootFS"]["Type"] == "layers"


def test_a_second_pull_is_up_to_date(clean: Daemon) -> None:
    assert "Image is up to date for busybox:latest" in clean.out("pull", "busybox")


def test_diff_tells_added_changed_and_deleted(clean: Daemon) -> None:
    clean.docker("run", "--name", "plain", "busybox", "true")
    assert clean.out("diff", "plain") == ""
    script = "rm /bin/vi; mkdir /new; echo x > /new/file; chmod 700 /tmp"
    clean.docker("run", "--name", "edited", "busybox", "sh", "-c", script)
    assert clean.out("diff", "edited").splitlines() == ["C /bin", "D /bin/vi", "A /new", "A /new/file", "C /tmp"]


def test_commit_adds_one_layer_that_the_next_container_sees(clean: Daemon) -> None:
    clean.docker("run", "--name", "work", "busybox", "sh", "-c", "rm /bin/vi; echo kept > /mark; ln /mark /hard")
    words = ("-m", "a mark", "-a", "Kim", "-c", 'CMD ["cat", "/mark"]')
    image = clean.out("commit", *words, "work", "lab:marked")
    facts = json.loads(clean.out("inspect", "lab:marked"))[0]
    base = json.loads(clean.out("inspect", "busybox"))[0]
    assert image == facts["Id"]
    assert facts["RootFS"]["Layers"][:-1] == base["RootFS"]["Layers"]
    assert (facts["Comment"], facts["Author"], facts["Parent"]) == ("a mark", "Kim", base["Id"])
    assert clean.out("run", "--rm", "lab:marked") == "kept"
    assert clean.out("run", "--rm", "lab:marked", "stat", "-c", "%h", "/hard") == "2"
    assert clean.docker("run", "--rm", "lab:marked", "test", "-e", "/bin/vi", check=False).returncode == 1
    assert clean.out("history", "--format", "{{.CreatedBy}}", "lab:marked").splitlines()[0].startswith("sh -c")
    assert clean.out("run", "--rm", "busybox", "sh", "-c", "ls / | grep -c mark || true") == "0"
    drop(clean, "lab:marked")


def test_commit_of_one_that_ends_meanwhile(clean: Daemon) -> None:
    """Freezing it comes too late then, and is not needed."""
    for number in range(8):
        clean.docker("run", "-d", "--name", "brief", "busybox", "sh", "-c", f"sleep 0.{number}")
        made = clean.out("commit", "brief")
        clean.docker("rm", "-f", "brief")
        clean.docker("rmi", made)


def test_rmi_refuses_what_a_container_uses(clean: Daemon) -> None:
    clean.docker("run", "--name", "holder", "busybox", "true")
    clean.docker("commit", "holder", "lab:held")
    container = clean.out("run", "-d", "lab:held", "true")
    clean.docker("wait", container)
    result = clean.docker("rmi", "lab:held", check=False)
    assert 'conflict: unable to remove repository reference "lab:held" (must force)' in result.stderr
    assert f"container {container[:12]} is using its referenced image" in result.stderr
    clean.docker("tag", "lab:held", "lab:second")
    assert clean.out("rmi", "lab:held") == "Untagged: lab:held"
    clean.docker("rm", container)
    lines = clean.out("rmi", "lab:second").splitlines()
    assert lines[0] == "Untagged: lab:second"
    assert lines[1].startswith("Deleted: sha256:")


def test_rm_and_rmi_free_a_layer_that_an_earlier_daemon_knew(clean: Daemon) -> None:
    def layers() -> set[str]:
        return {path.name for path in clean.instance.layers.iterdir()}

    before = layers()
    clean.docker("run", "--name", "work", "busybox", "sh", "-c", "echo x > /mark")
    clean.docker("commit", "work", "lab:freed")
    clean.docker("run", "--name", "holder", "lab:freed", "true")
    assert layers() - before
    clean.stop()
    clean.start()
    clean.docker("rm", "work", "holder")
    clean.docker("rmi", "lab:freed")
    until(lambda: layers() == before)


def test_an_image_that_nobody_has(clean: Daemon) -> None:
    assert "No such image: missing:latest" in clean.docker("rmi", "missing", check=False).stderr
    result = clean.docker("pull", "UPPER", check=False)
    assert "invalid reference format" in result.stderr
    assert result.returncode == 1

"""Giving back what nobody uses, and saying how much that is."""

from __future__ import annotations

import json

from tests.daemon import Daemon


def test_container_prune_takes_what_does_not_run(clean: Daemon) -> None:
    clean.docker("run", "--name", "old", "--label", "keep", "busybox", "sh", "-c", "echo 12345 > /file")
    clean.docker("run", "--name", "gone", "busybox", "sh", "-c", "head -c 3000 /dev/zero > /file")
    clean.docker("run", "-d", "--name", "running", "busybox", "sleep", "100")
    gone = clean.inspect("gone")["Id"]
    assert clean.out("container", "prune", "-f", "--filter", "until=1h") == "Total reclaimed space: 0B"
    assert clean.out("container", "prune", "-f", "--filter", "label!=keep").splitlines() == [
        "Deleted Containers:",
        gone,
        "",
        "Total reclaimed space: 3kB",
    ]
    assert sorted(clean.out("ps", "-a", "--format", "{{.Names}}").split()) == ["old", "running"]


def test_prune_asks_first(clean: Daemon) -> None:
    clean.docker("create", "--name", "one", "busybox", "true")
    for words, warning in (
        (("container", "prune"), "WARNING! This will remove all stopped containers."),
        (
            ("system", "prune"),
            "WARNING! This will remove:\n  - all stopped containers\n"
            "  - all networks not used by at least one container\n  - all dangling images\n  - unused build cache\n",
        ),
        (
            ("system", "prune", "-a", "--volumes", "--filter", "label=a", "--filter", "label=b"),
            "WARNING! This will remove:\n  - all stopped containers\n"
            "  - all networks not used by at least one container\n"
            "  - all anonymous volumes not used by at least one container\n"
            "  - all images without at least one container associated to them\n  - all build cache\n\n"
            "  Items to be pruned will be filtered with:\n  - label=a\n  - label=b\n\n",
        ),
        (("builder", "prune"), "WARNING! This will remove all dangling build cache. Are you sure"),
    ):
        for answer in ("", "n\n", "what\n"):
            shown = clean.docker(*words, input=answer).stdout
            assert shown.startswith(warning)
            assert "Are you sure you want to continue? [y/N] " in shown
    assert clean.out("ps", "-aq") != ""
    assert clean.docker("container", "prune", input="y\n").stdout.endswith("Total reclaimed space: 0B\n")
    assert clean.out("ps", "-aq") == ""


def test_volumes_have_no_age(clean: Daemon) -> None:
    refused = clean.docker("system", "prune", "-f", "--volumes", "--filter", "until=1h", check=False)
    assert (refused.returncode, refused.stderr) == (1, 'ERROR: The "until" filter is not supported with "--volumes"\n')


def test_bad_filters(clean: Daemon) -> None:
    for words, text in (
        (("--filter", "colour=red"), "invalid filter 'colour'"),
        (("--filter", "until=soon"), 'failed to parse value as time or duration: "soon"'),
        (("--filter", "until=1h", "--filter", "until=2h"), "more than one until filter specified"),
    ):
        refused = clean.docker("container", "prune", "-f", *words, check=False)
        assert refused.returncode == 1
        assert text in refused.stderr


def test_image_prune(clean: Daemon) -> None:
    clean.docker("run", "--name", "maker", "busybox", "sh", "-c", "echo new > /new")
    loose = clean.out("commit", "maker")
    named = clean.out("commit", "-c", "LABEL a=b", "maker", "named:1")
    clean.docker("rm", "maker")
    shown = clean.out("image", "prune", "-f").splitlines()
    assert shown[:2] == ["Deleted Images:", f"deleted: {loose}"]
    assert clean.docker("image", "inspect", "named:1").returncode == 0
    shown = clean.out("image", "prune", "-af", "--filter", "label=a").splitlines()
    assert shown[:3] == ["Deleted Images:", "untagged: named:1", f"deleted: {named}"]
    assert clean.docker("image", "inspect", "busybox").returncode == 0


def test_disk_usage(clean: Daemon) -> None:
    size = clean.inspect("busybox")["Size"]
    clean.docker("run", "-d", "--name", "busy", "busybox", "sh", "-c", "head -c 5000 /dev/zero > /file; sleep 100")
    clean.docker("run", "--name", "done", "busybox", "sh", "-c", "head -c 2000 /dev/zero > /file")
    clean.docker("commit", "done", "more:1")
    facts = clean.api.get("/system/df").json()
    assert facts["LayersSize"] == size + 2000
    by_name = {item["RepoTags"][0]: item for item in facts["Images"]}
    assert by_name["more:1"]["SharedSize"] == by_name["busybox:latest"]["SharedSize"] == size
    assert by_name["more:1"]["Containers"] == 0
    rows = {row["Type"]: row for row in map(json.loads, clean.out("system", "df", "--format", "json").splitlines())}
    assert (rows["Images"]["TotalCount"], rows["Images"]["Active"]) == ("2", "1")
    assert (rows["Containers"]["TotalCount"], rows["Containers"]["Active"]) == ("2", "1")
    assert rows["Containers"]["Reclaimable"] == "2kB (28%)"
    lines = clean.out("system", "df", "-v").splitlines()
    assert [line for line in lines if line.endswith("usage:")] == [
        "Images space usage:", "Containers space usage:", "Local Volumes space usage:",
    ]  # fmt: skip
    assert clean.api.get("/system/df", query={"type": "container"}).json()["Images"] is None
    clean.docker("rmi", "-f", "more:1")


def steps(daemon: Daemon) -> set[str]:
    """Images that only `images -a` shows."""
    every, shown = (set(daemon.out("images", "-q", "--no-trunc", *words).split()) for words in (("-a",), ()))
    return every - shown


def test_disk_usage_through_a_template(clean: Daemon) -> None:
    clean.docker("run", "--name", "one", "busybox", "true")
    every = json.loads(clean.out("system", "df", "-v", "--format", "json"))
    assert sorted(every) == ["BuildCache", "Containers", "Images", "Volumes"]
    assert [row["Names"] for row in every["Containers"]] == ["one"]
    assert clean.out("system", "df", "-v", "--format", "{{range .Containers}}{{.Names}} {{.Size}}{{end}}") == "one 0B"


def test_builder_prune_takes_steps_that_lead_nowhere(clean: Daemon) -> None:
    kept = clean.out("build", "-q", "-t", "kept", "-", input="FROM busybox\nRUN echo 1 > /a\nRUN echo 2 > /b\n")
    needed = steps(clean)
    done = clean.docker(
        "build", "-", input="FROM busybox\nRUN head -c 3000 /dev/zero > /c\nENV A=1\nRUN false\n", check=False
    )
    assert done.returncode == 1
    lost = steps(clean) - needed
    assert len(lost) == 2
    usage = [row.split() for row in clean.out("system", "df").splitlines() if row.startswith("Build Cache")]
    assert usage == [["Build", "Cache", "2", "0", "3kB", "3kB"]]
    assert clean.out("builder", "prune", "-f", "--filter", "until=1h") == "Total reclaimed space: 0B"
    assert clean.out("builder", "prune", "-f", "--keep-storage", "1m") == "Total reclaimed space: 0B"
    assert "invalid filter 'x'" in clean.docker("builder", "prune", "-f", "--filter", "x=y", check=False).stderr
    shown = clean.out("builder", "prune", "-f").splitlines()
    assert shown[0] == "Deleted build cache objects:"
    assert set(shown[1:3]) == lost
    assert shown[-1] == "Total reclaimed space: 3kB"
    assert steps(clean) == needed
    again = clean.out("build", "-", input="FROM busybox\nRUN echo 1 > /a\nRUN echo 2 > /b\n")
    assert again.count("Using cache") == 2
    clean.docker("builder", "prune", "-af")
    again = clean.out("build", "-t", "kept", "-", input="FROM busybox\nRUN echo 1 > /a\nRUN echo 2 > /b\n")
    assert "Using cache" not in again
    assert clean.out("images", "-q", "--no-trunc", "kept") != kept
    clean.docker("rmi", kept, "kept")


def test_builder_prune_leaves_what_a_container_stands_on(clean: Daemon) -> None:
    clean.docker("build", "-", input="FROM busybox\nRUN echo x > /x\nRUN false\n", check=False)
    (step,) = steps(clean)
    clean.docker("create", "--name", "on-a-step", step, "true")
    assert clean.out("builder", "prune", "-f") == "Total reclaimed space: 0B"
    clean.docker("rm", "on-a-step")
    assert step in clean.out("builder", "prune", "-f")

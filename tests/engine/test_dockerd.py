"""What the Dockerfile cases expect is the word of a real dockerd: where one is installed, it is asked again."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from tests import dockerd as real
from tests import dockerfile_oracle as oracle
from tests.busybox_registry import busybox
from tests.dockerd import Dockerd
from tests.dockerfile_cases import Built, Case, all_cases


def _missing() -> str:
    """Why no dockerd can be asked here; "" where one can."""
    if os.geteuid() != 0:
        return "needs root: a dockerd of its own"
    try:
        real.installed()
    except real.Unavailable as reason:
        return str(reason)
    return ""


MISSING = _missing()
#: asked every time; the others take some minutes (./lab test --full)
ALWAYS = {
    "add_tar", "arg_build_arg", "copy_from_owner", "copy_glob", "copy_into_existing_folder", "copy_link_inside_folder",
    "copy_missing", "entrypoint_resets_cmd", "env_pairs", "from_stage_copy", "ignore_exceptions", "label_forms",
    "onbuild_fires", "run_fails", "run_links", "run_opaque", "run_owners", "text_unknown_instruction", "user_names",
    "workdir_makes",
}  # fmt: skip


def _asked() -> list[ParameterSet]:
    if MISSING:  # one skip says that nobody can be asked, not one for each case
        return [pytest.param(None, id="none", marks=pytest.mark.skip(reason=MISSING))]
    return [
        pytest.param(case, id=case.name, marks=() if case.name in ALWAYS else pytest.mark.full) for case in all_cases()
    ]


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    with (
        tempfile.TemporaryDirectory(prefix="ke-dockerd-") as directory,
        real.running(Path(directory) / "docker") as found,
    ):
        oracle.base_image(found)
        yield found


@pytest.fixture(scope="module")
def base() -> Built:
    image = busybox()
    return Built(json.loads(image.config), [image.layer])


@pytest.mark.parametrize("case", _asked())
def test_docker_agrees(case: Case, dockerd: Dockerd, base: Built) -> None:
    if case.since and dockerd.version < tuple(int(word) for word in case.since.split(".")):
        pytest.skip(f"needs a dockerd of {case.since} or later")
    if case.oracle not in dockerd.builders:
        pytest.skip("docker has no BuildKit (package docker-buildx)")
    found, expected = oracle.build(dockerd, case, case.oracle, base), case.expected
    if "error" in found:
        assert found["error"] in [expected.get("error"), *expected.get("also", ())]
    else:
        assert found == expected

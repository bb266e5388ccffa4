"""What `labs doctor` says of a machine that lacks something. The engine's own checks are in daemon/test_doctor."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kernel_engine.client import Client
from kernel_engine.formats.findings import as_json, as_text, lacking
from labs import doctor


@pytest.fixture
def nobody(tmp_path: Path) -> Client:
    return Client(f"unix://{tmp_path}/no.sock")


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path.endswith(("/v2/", "/kernel-engine/info", "/containers/json")) else 404)
        body = b'[{"Ports": [{"PublicPort": 9999}, {"PrivatePort": 80}]}]' if "containers" in self.path else b"{}"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


@contextmanager
def answering() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answering) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_without_an_engine_it_says_what_starts_one(nobody: Client) -> None:
    (finding,) = doctor.check_engine(nobody)
    assert finding.grade == "missing"
    assert "./lab up" in finding.advice


def test_an_engine_that_answers() -> None:
    with answering() as place:
        (finding,) = doctor.check_engine(Client(f"tcp://{place}"))
    assert finding.grade == "ok"


def test_each_half_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering() as place, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen: nobody else can have the port
        nowhere = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("DOCKER_LABS_HUB_ADDRESSES", f"http://{place},http://{place}")
        assert [finding.grade for finding in doctor.check_hub()] == ["ok"]
        monkeypatch.setenv("DOCKER_LABS_HUB_ADDRESSES", f"http://{place},{nowhere}")
        (finding,) = doctor.check_hub()
        assert finding.grade == "warning"
        assert "없는 이미지를 만들 수 없어요" in finding.text and nowhere in finding.text and place not in finding.text
        monkeypatch.setenv("DOCKER_LABS_HUB_ADDRESSES", f"{nowhere},{nowhere}")
        (finding,) = doctor.check_hub()
        assert "docker pull이 되지 않아요" in finding.text


def test_a_port_of_another_program_is_named_and_a_containers_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, answering() as place:
        taken = other.getsockname()[1]
        monkeypatch.setattr(doctor, "PORTS", (taken, 9999))
        warning, rest = doctor.check_ports(Client(f"tcp://{place}"))
    assert (warning.grade, str(taken) in warning.text, f":{taken}'" in warning.advice) == ("warning", True, True)
    assert (rest.grade, "9999" in rest.text) == ("ok", True)


def test_another_docker_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "docker").write_text("#!/bin/sh\n")
        (tmp_path / name / "docker").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "ours/python3"))
    monkeypatch.setenv("PATH", str(tmp_path / "ours"))
    assert [finding.grade for finding in doctor.check_command()] == ["ok"]
    monkeypatch.setenv("PATH", str(tmp_path / "theirs"))
    (finding,) = doctor.check_command()
    assert finding.grade == "warning"
    assert str(tmp_path / "theirs/docker") in finding.text


def test_a_workspace_where_nothing_can_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.grade for finding in doctor.check_workspace(tmp_path / "not yet")] == ["ok"]
    assert list(tmp_path.iterdir()) == []

    def refused(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite3, "connect", refused)
    *_, finding = doctor.check_workspace(tmp_path)
    assert finding.grade == "warning"
    assert "disk I/O error" in finding.text


def test_every_finding_has_its_checks_name(nobody: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_LABS_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    findings = tuple(doctor.examine(nobody))
    assert {"engine", "hub", "ports", "command", "workspace", "rooms", "machine"} == {
        finding.name for finding in findings
    }
    told = json.loads(as_json(findings))
    assert told["missing"] == lacking(findings) == 1
    assert as_text(findings, doctor.WELL).endswith("꼭 필요한 것이 1개 빠져 있어요.")

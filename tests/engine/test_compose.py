"""`docker compose up` and `down`: a project is brought to what its file says, again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.engine.composing import Composed, composed

TWO = """
    services:
      web:
        image: busybox
        command: STAYS
        depends_on: [db]
      db:
        image: busybox
        command: STAYS
    """


@pytest.fixture
def project(daemon: Daemon, tmp_path: Path) -> Iterator[Composed]:
    with composed(daemon, tmp_path, "demo") as made:
        yield made


def test_up_and_down(project: Composed) -> None:
    project.write(
        """
        services:
          web:
            image: busybox
            command: STAYS
            environment: {GREETING: hello}
            volumes: [data:/data, ./site:/site:ro]
            networks: {front: {aliases: [www]}, back: {}}
          db:
            image: busybox
            command: STAYS
            networks: [back]
        networks: {front: {}, back: {}}
        volumes: {data: {}}
        """
    )
    (project.directory / "site").mkdir()
    (project.directory / "site" / "index").write_text("page")
    printed = project("up", "-d").stderr.splitlines()
    assert sorted(printed[:2]) == [" Network demo_back  Creating", " Network demo_front  Creating"]
    assert printed[-1].endswith("  Started")
    assert project.states() == {"demo-db-1": "running", "demo-web-1": "running"}
    assert project.run("web", "sh", "-c", "echo $GREETING; cat /site/index; echo kept > /data/file") == "hello\npage"
    # each by its service's name, and by its alias only where it has it
    assert project.run("db", "ping", "-c1", "-q", "web").startswith("PING web (")
    assert project("exec", "db", "ping", "-c1", "-q", "www", check=False).returncode == 1
    marks = project.daemon.inspect("demo-web-1")["Config"]["Labels"]
    assert marks["com.docker.compose.project"] == "demo"
    assert marks["com.docker.compose.container-number"] == "1"
    assert marks["com.docker.compose.project.config_files"] == str(project.directory / "compose.yaml")
    assert re.fullmatch("[0-9a-f]{64}", marks["com.docker.compose.config-hash"])
    project("down")
    assert project.leftovers() == ["demo_data"]
    project("up", "-d")
    assert project.run("web", "cat", "/data/file") == "kept"
    project("down", "-v")
    assert project.leftovers() == []
    assert "No resource found to remove" in project("down").stderr


def test_what_has_not_changed_is_left_alone(project: Composed) -> None:
    project.write(TWO)
    project("up", "-d")
    before = project.ids()
    assert [line.split()[-1] for line in project("up", "-d").stderr.splitlines()] == ["Running", "Running"]
    assert project.ids() == before
    project.write(TWO.replace("web:", "web:\n        environment: {A: '1'}"))
    assert " Container demo-web-1  Recreated" in project("up", "-d").stderr
    after = project.ids()
    assert after["demo-db-1"] == before["demo-db-1"]
    assert after["demo-web-1"] != before["demo-web-1"]
    assert project("up", "-d", "--no-recreate", A="2").stderr.count("Running") == 2
    project("up", "-d", "--force-recreate", "--no-deps", "web")
    assert project.ids()["demo-db-1"] == before["demo-db-1"]
    assert project.ids()["demo-web-1"] != after["demo-web-1"]


def test_anonymous_volumes_go_on_unless_asked_otherwise(project: Composed) -> None:
    project.write(TWO.replace("web:", "web:\n        volumes: ['/kept']"))
    project("up", "-d")
    project.run("web", "touch", "/kept/file")
    project("up", "-d", "--force-recreate", "web")
    assert project.run("web", "ls", "/kept") == "file"
    project("up", "-d", "--force-recreate", "--renew-anon-volumes", "web")
    assert project.run("web", "ls", "/kept") == ""


def test_a_rebuilt_image_makes_its_containers_anew(project: Composed) -> None:
    project.write(
        """
        services:
          app: {build: {context: ., args: {WORD: one}}, command: STAYS}
          other: {image: busybox, command: STAYS}
        """
    )
    (project.directory / "Dockerfile").write_text("FROM busybox\nARG WORD\nCOPY page /page\nRUN echo $WORD >> /page\n")
    (project.directory / "page").write_text("first ")
    assert "Successfully tagged demo-app:latest" in project("up", "-d").stdout
    assert project.run("app", "cat", "/page") == "first one"
    before = project.ids()
    assert "Successfully" not in project("up", "-d").stdout  # it is there
    assert project.ids() == before
    (project.directory / "page").write_text("second ")
    project("up", "-d", "--build")
    assert project.run("app", "cat", "/page") == "second one"
    assert project.ids()["demo-other-1"] == before["demo-other-1"]
    marks = project.daemon.api.get("/images/demo-app/json").json()["Config"]["Labels"]
    assert marks["com.docker.compose.service"] == "app"
    project("down", "--rmi", "local")
    assert project.daemon.out("images", "-q", "demo-app") == ""
    assert project.daemon.out("images", "-q", "busybox") != ""


def test_scaling(project: Composed) -> None:
    project.write(TWO)
    project("up", "-d", "--scale", "web=3")
    assert [name for name in project.states() if "web" in name] == ["demo-web-1", "demo-web-2", "demo-web-3"]
    # the name has the addresses of all three
    answer = project.run("db", "nslookup", "web", "127.0.0.11")
    assert len(set(re.findall(r"Address:\s+(\d+\.\d+\.\d+\.\d+)$", answer, re.MULTILINE))) == 3
    first = project.ids()["demo-web-1"]
    project("scale", "web=2", "db=0")
    assert list(project.states()) == ["demo-web-1", "demo-web-2"]
    project("up", "-d")
    assert list(project.states()) == ["demo-db-1", "demo-web-1"]
    assert project.ids()["demo-web-1"] == first


def test_orphans_are_told_of_and_removed_when_asked(project: Composed) -> None:
    project.write(TWO)
    project("up", "-d")
    project.write("services: {web: {image: busybox, command: STAYS}}")
    assert "Found orphan containers ([demo-db-1]) for this project." in project("up", "-d").stderr
    assert "demo-db-1" in project.states()
    project("up", "-d", "--remove-orphans")
    assert list(project.states()) == ["demo-web-1"]


def test_dependencies_are_waited_for(project: Composed) -> None:
    project.write(
        """
        services:
          web:
            image: busybox
            command: sh -c 'cat /shared/*; exec STAYS'
            volumes: [shared:/shared]
            depends_on:
              db: {condition: service_healthy}
              init: {condition: service_completed_successfully}
          db:
            image: busybox
            command: sh -c 'sleep 0.3; echo healthy > /shared/a; exec STAYS'
            volumes: [shared:/shared]
            healthcheck: {test: test -e /shared/a, interval: 100ms, retries: 50}
          init:
            image: busybox
            command: sh -c 'sleep 0.2; echo done > /shared/b'
            volumes: [shared:/shared]
        volumes: {shared: {}}
        """.replace("exec STAYS", 'trap "exit 0" TERM; while :; do sleep 0.05; done')
    )
    printed = project("up", "-d").stderr.splitlines()
    started = printed.index(" Container demo-web-1  Starting")
    assert printed.index(" Container demo-db-1  Healthy") < started
    assert printed.index(" Container demo-init-1  Exited") < started
    assert project("logs", "--no-log-prefix", "web").stdout == "healthy\ndone\n"
    stopped = project("down", "-v").stderr.splitlines()
    assert stopped.index(" Container demo-web-1  Removed") < stopped.index(" Container demo-db-1  Stopping")


def test_wait_lasts_until_all_is_well(project: Composed) -> None:
    project.write(
        """
        services:
          db:
            image: busybox
            command: sh -c 'sleep 0.5; touch /ok; trap "exit 0" TERM; while :; do sleep 0.05; done'
            healthcheck: {test: test -e /ok, interval: 100ms, retries: 50}
        """
    )
    project("up", "--wait")
    assert project.daemon.inspect("demo-db-1")["State"]["Health"]["Status"] == "healthy"


def test_secrets_and_configs(project: Composed) -> None:
    (project.directory / "key").write_text("from a file")
    project.write(
        """
        services:
          web:
            image: busybox
            command: STAYS
            secrets: [file, word, {source: file, target: /etc/other, mode: 0400, uid: "7"}]
            configs: [{source: site, target: /etc/site.conf}]
        secrets: {file: {file: ./key}, word: {environment: WORD}}
        configs: {site: {content: "listen $PORT"}}
        """
    )
    project("up", "-d", WORD="from outside", PORT="80")
    shown = project.run("web", "sh", "-c", "cd /run/secrets; cat file; echo; cat word; echo; cat /etc/site.conf")
    assert shown.splitlines() == ["from a file", "from outside", "listen 80"]
    assert project.run("web", "stat", "-c", "%a %u", "/etc/other") == "400 7"
    assert project("exec", "web", "sh", "-c", "echo x > /run/secrets/file", check=False).returncode != 0
    before = project.ids()
    project("up", "-d", WORD="from outside", PORT="81")  # what it reads is another now
    assert project.ids() != before
    assert project.run("web", "cat", "/etc/site.conf") == "listen 81"


def test_one_network_namespace_for_two(project: Composed) -> None:
    text = """
        services:
          app: {image: busybox, command: STAYS}
          side: {image: busybox, command: STAYS, network_mode: "service:app"}
        """
    project.write(text)
    project("up", "-d")
    address = "ip -4 -o addr show eth0"
    assert project.run("app", *address.split()) == project.run("side", *address.split())
    project.write(text.replace("app: {", "app: {environment: {A: '1'}, "))
    project("up", "-d")
    assert project.run("app", *address.split()) == project.run("side", *address.split())


def test_links_give_another_name(project: Composed) -> None:
    project.write(
        """
        services:
          web: {image: busybox, command: STAYS, links: ["db:database"]}
          db: {image: busybox, command: STAYS}
        """
    )
    project("up", "-d")
    assert project.run("web", "ping", "-c1", "-q", "database").startswith("PING database (")


def test_a_changed_network_is_made_anew(project: Composed) -> None:
    text = TWO.rstrip() + "\n    networks: {default: {labels: {colour: red}}}\n"
    project.write(text)
    project("up", "-d")
    project.write(text.replace("red", "blue"))
    project("up", "-d")
    assert project.daemon.out("network", "inspect", "-f", "{{.Labels.colour}}", "demo_default") == "blue"
    assert set(project.states().values()) == {"running"}


def test_only_what_is_named_and_what_it_needs(project: Composed) -> None:
    project.write(TWO.rstrip() + "\n      third: {image: busybox, command: STAYS}\n")
    project("up", "-d", "web")
    assert list(project.states()) == ["demo-db-1", "demo-web-1"]
    project("up", "-d", "--no-deps", "third")
    assert list(project.states()) == ["demo-db-1", "demo-third-1", "demo-web-1"]
    project("down", "third")
    assert list(project.states()) == ["demo-db-1", "demo-web-1"]


def test_created_and_not_started(project: Composed) -> None:
    project.write(TWO)
    project("up", "--no-start")
    assert set(project.states().values()) == {"created"}
    project("create")
    project("start")
    assert set(project.states().values()) == {"running"}


def test_a_project_is_taken_down_without_its_file(project: Composed) -> None:
    project.write(TWO)
    project("up", "-d")
    (project.directory / "compose.yaml").unlink()
    assert "demo-web-1" in project("-p", "demo", "ps").stdout
    project("-p", "demo", "stop")
    assert set(project.states().values()) == {"exited"}
    order = project("-p", "demo", "down").stderr.splitlines()
    assert order.index(" Container demo-web-1  Removed") < order.index(" Container demo-db-1  Stopping")
    assert project.leftovers() == []


def test_hooks_run_in_the_container(project: Composed) -> None:
    project.write(
        """
        services:
          web:
            image: busybox
            command: STAYS
            volumes: [data:/data]
            post_start: [{command: [sh, -c, "echo began >> /data/log"]}]
            pre_stop: [{command: [sh, -c, "echo ends >> /data/log"]}]
        volumes: {data: {}}
        """
    )
    project("up", "-d")
    project("stop")
    project("start")
    assert project.run("web", "cat", "/data/log").split() == ["began", "ends", "began"]
    project.write((project.directory / "compose.yaml").read_text().replace("echo began", "exit 3; echo"))
    result = project("up", "-d", check=False)
    assert (result.returncode, result.stderr.splitlines()[-1]) == (1, "web hook exited with status 3")


def test_a_dry_run_changes_nothing(project: Composed) -> None:
    project.write(TWO)
    printed = project("--dry-run", "up", "-d").stderr.splitlines()
    assert printed == [
        " DRY-RUN MODE -  create network demo_default (missing)",
        " DRY-RUN MODE -  create demo-db-1 (missing)",
        " DRY-RUN MODE -  create demo-web-1 (missing)",
    ]
    assert project.leftovers() == []
    project("up", "-d")
    before = project.states()
    for words in (["down"], ["stop"], ["restart"], ["kill"], ["rm", "-f", "-s"], ["scale", "web=0"], ["pause"]):
        assert "DRY-RUN MODE" in project("--dry-run", *words).stderr, words
    assert project.states() == before
    result = project("--dry-run", "run", "web", check=False)
    assert (result.returncode, result.stderr) == (
        1,
        "--dry-run is not supported by docker compose run: it would do it\n",
    )

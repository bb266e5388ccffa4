"""Images that the hub makes: they are used as Docker Hub's images of the same name are."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import remove_containers
from tests.daemon import SLOWNESS, Daemon

pytestmark = pytest.mark.timeout(600)
#: a quotation mark of each kind, a backslash and a blank: whatever a learner may choose
ODD = """it's "odd" \\ `here`"""
READY = "until mariadb-admin -h 127.0.0.1 --silent ping >/dev/null 2>&1; do sleep 0.1; done"


@pytest.fixture
def engine(shared_engine: Daemon) -> Iterator[Daemon]:
    yield shared_engine
    remove_containers(shared_engine)
    shared_engine.docker("network", "prune", "-f")
    shared_engine.docker("volume", "prune", "-af")


@pytest.fixture
def start(engine: Daemon) -> Callable[..., str]:
    """docker run -d of an image that may have to be made first; the container's id."""

    def begin(*words: str) -> str:
        return engine.docker("run", "-d", *words, timeout=300).stdout.strip()

    return begin


def page(engine: Daemon, name: str, port: int = 80) -> str:
    where = engine.out("port", name, str(port)).splitlines()[0]
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://{where}/", timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            engine.docker("exec", name, "sleep", "0.1")
    raise AssertionError(engine.docker("logs", name).stdout)


# mariadb --------------------------------------------------------------------------------------------------------------
def sql(engine: Daemon, name: str, statement: str, *, user: str = "root", password: str = "") -> str:
    words = ("exec", "-e", f"MYSQL_PWD={password}", name, "mysql", f"-u{user}", "-h127.0.0.1", "-N", "-e", statement)
    return engine.out(*words)


def test_a_database_wants_to_be_told_about_its_password(engine: Daemon, start: Callable[..., str]) -> None:
    start("--name", "db", "mariadb")
    assert engine.out("wait", "db") == "1"
    said = engine.docker("logs", "db").stderr
    assert "Database is uninitialized and password option is not specified" in said
    assert "MARIADB_ROOT_PASSWORD" in said


@pytest.mark.parametrize("prefix", ["MYSQL", "MARIADB"])
def test_a_database_is_made_as_the_variables_say(
    engine: Daemon, start: Callable[..., str], tmp_path: Path, prefix: str
) -> None:
    first = tmp_path / "first"
    first.mkdir(mode=0o755)
    (first / "1.sql").write_text("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('from a script');\n")
    variables = {"ROOT_PASSWORD": ODD, "DATABASE": "shop-1", "USER": "o'hara", "PASSWORD": ODD}
    words = [word for name, value in variables.items() for word in ("-e", f"{prefix}_{name}={value}")]
    start(
        "--name", "db", *words, "-v", "rows:/var/lib/mysql", "-v", f"{first}:/docker-entrypoint-initdb.d:ro", "mariadb"
    )
    engine.docker("exec", "db", "timeout", "60", "sh", "-c", READY, timeout=90)
    assert sql(engine, "db", "SELECT x FROM `shop-1`.t", user="o'hara", password=ODD) == "from a script"
    assert sql(engine, "db", "SELECT COUNT(*) FROM mysql.user WHERE User = ''", password=ODD) == "0"
    engine.docker("stop", "db")
    assert engine.inspect("db")["State"]["ExitCode"] == 0
    start("--name", "again", "-v", "rows:/var/lib/mysql", "mariadb")  # it is there: nothing has to be told
    engine.docker("exec", "again", "timeout", "60", "sh", "-c", READY, timeout=90)
    assert sql(engine, "again", "SELECT x FROM `shop-1`.t", password=ODD) == "from a script"


def test_a_start_that_was_cut_off_is_no_database(engine: Daemon, start: Callable[..., str]) -> None:
    empty = ("-e", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1", "-v", "rows:/var/lib/mysql")
    start("--name", "cut", *empty, "mariadb")
    wait = "until [ -e /var/lib/mysql/ibdata1 ]; do sleep 0.02; done"
    engine.docker("exec", "cut", "timeout", "60", "sh", "-c", wait, timeout=90)
    engine.docker("kill", "cut")
    start("--name", "db", *empty, "-e", "MARIADB_DATABASE=shop", "mariadb")
    engine.docker("exec", "db", "timeout", "60", "sh", "-c", READY, timeout=90)
    assert "shop" in sql(engine, "db", "SHOW DATABASES").split()


# servers --------------------------------------------------------------------------------------------------------------
def test_redis_is_reached_by_name_and_keeps_what_it_was_told(engine: Daemon, start: Callable[..., str]) -> None:
    engine.docker("network", "create", "shop")
    start("--name", "cache", "--network", "shop", "-v", "cache:/data", "redis", "--appendonly", "yes")
    tool = ("run", "--rm", "--network", "shop", "redis", "redis-cli", "-h", "cache")
    assert engine.out("exec", "cache", "sh", "-c", "until redis-cli ping >/dev/null; do sleep 0.1; done") == ""
    assert engine.out(*tool, "incr", "visits") == "1"
    engine.docker("kill", "cache")
    engine.docker("start", "cache")
    engine.docker("exec", "cache", "sh", "-c", "until redis-cli ping | grep -q PONG; do sleep 0.1; done")
    assert engine.out(*tool, "incr", "visits") == "2"
    assert engine.out("exec", "cache", "stat", "-c", "%U", "/proc/1") == "redis"


def test_haproxy_shares_out_to_who_answers_nginx_fills_its_templates(
    engine: Daemon, start: Callable[..., str], tmp_path: Path
) -> None:
    engine.docker("network", "create", "shop")
    templates = tmp_path / "templates"
    templates.mkdir(mode=0o755)
    (templates / "default.conf.template").write_text('server { listen 80; location / { return 200 "$WHO $uri"; } }\n')
    for who in ("one", "two"):
        words = ("--name", who, "--network", "shop", "--network-alias", "web", "-e", f"WHO={who}")
        start(*words, "-v", f"{templates}:/etc/nginx/templates:ro", "nginx")
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n mode http\n timeout connect 2s\n timeout client 5s\n timeout server 5s\n"
        "frontend all\n bind :80\n default_backend web\n"
        "backend web\n server-template s 4 web:80 check inter 100ms resolvers docker init-addr none\n"
        "resolvers docker\n nameserver dns 127.0.0.11:53\n hold valid 1s\n"
    )
    place = f"{config}:/usr/local/etc/haproxy/haproxy.cfg:ro"
    start("--name", "lb", "--network", "shop", "-p", "127.0.0.1::80", "-v", place, "haproxy")
    found = set()
    for _ in range(100):
        try:
            found.add(page(engine, "lb"))
        except urllib.error.HTTPError:
            pass
        if len(found) == 2:
            break
    assert found == {"one /", "two /"}
    engine.docker("stop", "lb", "one")
    assert [engine.inspect(name)["State"]["ExitCode"] for name in ("lb", "one")] == [0, 0]
    assert "GET /" in engine.docker("logs", "two").stdout


def test_a_command_as_an_image(engine: Daemon) -> None:
    assert engine.docker("run", "--rm", "-i", "labs/jq", "-c", ".a", input='{"a":[1]}', timeout=300).stdout == "[1]\n"
    config = json.loads(engine.docker("image", "inspect", "labs/jq").stdout)[0]["Config"]
    assert config["Entrypoint"] == ["jq"]


# machines -------------------------------------------------------------------------------------------------------------
def test_two_machines_are_a_swarm(engine: Daemon, start: Callable[..., str], tmp_path: Path) -> None:
    """Each finds the other by its name; a task runs on each; one that is killed and started again is ready again."""
    packed = tmp_path / "busybox.tar"
    engine.docker("pull", "busybox")
    engine.docker("save", "-o", str(packed), "busybox")
    engine.docker("network", "create", "wire")
    for name in ("one", "two"):
        machine = ("--name", name, "-h", name, "--privileged", "--network", "wire", "-v", f"{packed}:/busybox.tar:ro")
        start(*machine, "docker:dind", "--insecure-registry", "registry:5000")
    for name in ("one", "two"):
        wait_inside(engine, name, "docker load -q -i /busybox.tar")
    told = engine.out("exec", "one", "docker", "info", "--format", "{{.Driver}} {{.RegistryConfig.IndexConfigs}}")
    assert told.startswith("overlay2 ")
    assert "registry:5000" in told
    engine.docker("exec", "one", "docker", "swarm", "init", "--dispatcher-heartbeat", "1s")
    token = engine.out("exec", "one", "docker", "swarm", "join-token", "-q", "worker")
    engine.docker("exec", "two", "docker", "swarm", "join", "--token", token, "one:2377")
    create = "docker service create -d --name web --replicas 2 --replicas-max-per-node 1 --no-resolve-image"
    engine.docker("exec", "one", *create.split(), "--endpoint-mode", "dnsrr", "busybox", "sleep", "9999")
    wait_inside(engine, "one", "docker service ls | grep ' 2/2 '")
    engine.docker("kill", "two")
    wait_inside(engine, "one", "docker node inspect two --format {{.Status.State}} | grep down")
    engine.docker("start", "two")
    wait_inside(engine, "one", "docker node inspect two --format {{.Status.State}} | grep ready")


def wait_inside(engine: Daemon, name: str, command: str) -> None:
    """Until it does not fail any more."""
    repeated = f"until {command} >/dev/null 2>&1; do sleep 0.2; done"
    words = ("exec", name, "timeout", str(round(120 * SLOWNESS)), "sh", "-c", repeated)
    done = engine.docker(*words, check=False, timeout=150)
    assert done.returncode == 0, f"{done.stderr}{engine.docker('logs', '-n', '40', name).stderr}"


@pytest.mark.full
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("php", "-r", "echo 6 * 7;"), "42"),
        (("python:3-slim", "python", "-c", "import pip, sqlite3, ssl; print(6 * 7)"), "42"),
        (("gcc:12", "sh", "-c", "echo 'int main(){return 42;}' > /x.c && gcc -static -o /x /x.c; /x; echo $?"), "42"),
    ],
    ids=("php", "python", "gcc"),
)
def test_commands(engine: Daemon, words: tuple[str, ...], said: str) -> None:
    assert engine.docker("run", "--rm", *words, timeout=300).stdout.strip() == said


@pytest.mark.full
@pytest.mark.parametrize(
    ("image", "place", "text", "said"),
    [
        ("httpd", "/usr/local/apache2/htdocs/index.html", "hello", "hello"),
        ("php:apache", "/var/www/html/index.php", "<?php echo 6 * 7;", "42"),
    ],
)
def test_web_servers(
    engine: Daemon, start: Callable[..., str], tmp_path: Path, image: str, place: str, text: str, said: str
) -> None:
    file = tmp_path / Path(place).name
    file.write_text(text)
    start("--name", "web", "-p", "127.0.0.1::80", "-v", f"{file}:{place}:ro", image)
    assert page(engine, "web") == said
    engine.docker("stop", "web")
    assert engine.inspect("web")["State"]["ExitCode"] == 0

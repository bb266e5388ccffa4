"""Docker's command grammar in one table: what there is, what each command takes, which function carries it out.

Nothing here runs anything. Korean descriptions of the same names are in `descriptions.py` (loaded for --help only); a
test holds the two in step.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

GLOBAL_OPTIONS = """
config string
context,c string
debug,D bool
host,H list
log-level,l string info
tls bool
tlscacert string
tlscert string
tlskey string
tlsverify bool
version,v bool
"""

CREATE_OPTIONS = """
add-host list
attach,a list
cap-add list
cap-drop list
cgroupns string
cidfile string
cpu-period int
cpu-quota int
cpu-shares,c int
cpus cpus
cpuset-cpus string
cpuset-mems string
device list
disable-content-trust bool true
dns list
dns-option list
dns-search list
domainname string
entrypoint string
env,e list
env-file list
expose list
group-add list
health-cmd string
health-interval duration
health-retries int
health-start-interval duration
health-start-period duration
health-timeout duration
hostname,h string
init bool
interactive,i bool
ip string
ip6 string
ipc string
label,l list
label-file list
link list
link-local-ip list
log-driver string
log-opt map
mac-address string
memory,m bytes
memory-reservation bytes
memory-swap swap
memory-swappiness int -1
mount list
name string
net list
net-alias list
network list
network-alias list
no-healthcheck bool
oom-kill-disable bool
oom-score-adj int
pid string
pids-limit int
platform string
privileged bool
publish,p list
publish-all,P bool
pull string missing
quiet,q bool
read-only bool
restart string
rm bool
runtime string
security-opt list
shm-size bytes
stop-signal string
stop-timeout int
storage-opt list
sysctl map
tmpfs list
tty,t bool
ulimit list
user,u string
userns string
uts string
volume,v list
volume-driver string
volumes-from list
workdir,w string
"""

RUN_OPTIONS = (
    CREATE_OPTIONS
    + """
detach,d bool
detach-keys string
sig-proxy bool true
explain bool
"""
)

EXEC_OPTIONS = """
detach,d bool
detach-keys string
env,e list
env-file list
interactive,i bool
privileged bool
tty,t bool
user,u string
workdir,w string
"""

BUILD_OPTIONS = """
add-host list
build-arg list
cache-from list
compress bool
cpu-period int
cpu-quota int
cpu-shares,c int
cpuset-cpus string
cpuset-mems string
disable-content-trust bool true
file,f string
force-rm bool
iidfile string
label list
memory,m bytes
memory-swap swap
network string
no-cache bool
output,o list
platform string
progress string auto
pull bool
quiet,q bool
rm bool true
secret list
security-opt list
shm-size bytes
squash bool
ssh list
tag,t list
target string
ulimit list
"""

LIST_FORMAT = "format string\n"
SHORT_FORMAT = "format,f string\n"


class Command:
    """One command. `handler` is `module:function` in this package; `maximum` None is any number of arguments.

    `interspersed` False: options end at the first argument, what follows belongs to the container.
    """

    __slots__ = ("handler", "interspersed", "maximum", "minimum", "options", "usage")

    def __init__(
        self,
        usage: str,
        handler: str,
        options: str = "",
        *,
        minimum: int = 0,
        maximum: int | None = None,
        interspersed: bool = True,
    ) -> None:
        self.usage = usage
        self.handler = handler
        self.options = options
        self.minimum = minimum
        self.maximum = maximum
        self.interspersed = interspersed


SOME = "[OPTIONS] CONTAINER [CONTAINER...]"

#: by their short names; the management forms below point at these
COMMANDS: Mapping[str, Command] = {
    "run": Command("[OPTIONS] IMAGE [COMMAND] [ARG...]", "run:run", RUN_OPTIONS, minimum=1, interspersed=False),
    "exec": Command("[OPTIONS] CONTAINER COMMAND [ARG...]", "exec:exec_", EXEC_OPTIONS, minimum=2, interspersed=False),
    "build": Command("[OPTIONS] PATH | URL | -", "build:build", BUILD_OPTIONS, minimum=1, maximum=1),
    "ps": Command(
        "[OPTIONS]",
        "listing:ps",
        "all,a bool\nfilter,f filter\nlast,n int -1\nlatest,l bool\nno-trunc bool\nquiet,q bool\nsize,s bool\n"
        + LIST_FORMAT,
        maximum=0,
    ),
    "pull": Command(
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "pull:pull",
        "all-tags,a bool\ndisable-content-trust bool true\nplatform string\nquiet,q bool\n",
        minimum=1,
        maximum=1,
    ),
    "push": Command(
        "[OPTIONS] NAME[:TAG]",
        "pull:push",
        "all-tags,a bool\ndisable-content-trust bool true\nplatform string\nquiet,q bool\n",
        minimum=1,
        maximum=1,
    ),
    "images": Command(
        "[OPTIONS] [REPOSITORY[:TAG]]",
        "images:images",
        "all,a bool\ndigests bool\nfilter,f filter\nno-trunc bool\nquiet,q bool\n" + LIST_FORMAT,
        maximum=1,
    ),
    "version": Command("[OPTIONS]", "system:version", SHORT_FORMAT, maximum=0),
    "info": Command("[OPTIONS]", "system:info", SHORT_FORMAT, maximum=0),
    "attach": Command(
        "[OPTIONS] CONTAINER",
        "attach:attach",
        "detach-keys string\nno-stdin bool\nsig-proxy bool true\n",
        minimum=1,
        maximum=1,
    ),
    "commit": Command(
        "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        "details:commit",
        "author,a string\nchange,c list\nmessage,m string\npause,p bool true\n",
        minimum=1,
        maximum=2,
    ),
    "cp": Command(
        "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-",
        "copy:copy",
        "archive,a bool\nfollow-link,L bool\nquiet,q bool\n",
        minimum=2,
        maximum=2,
    ),
    "create": Command(
        "[OPTIONS] IMAGE [COMMAND] [ARG...]", "run:create", CREATE_OPTIONS, minimum=1, interspersed=False
    ),
    "diff": Command("CONTAINER", "details:diff", minimum=1, maximum=1),
    "events": Command(
        "[OPTIONS]", "events:events", "filter,f filter\nsince string\nuntil string\n" + LIST_FORMAT, maximum=0
    ),
    "import": Command(
        "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
        "archives:import_",
        "change,c list\nmessage,m string\nplatform string\n",
        minimum=1,
        maximum=2,
    ),
    "load": Command("[OPTIONS]", "archives:load", "input,i string\nplatform string\nquiet,q bool\n", maximum=0),
    "save": Command("[OPTIONS] IMAGE [IMAGE...]", "archives:save", "output,o string\nplatform string\n", minimum=1),
    "export": Command("[OPTIONS] CONTAINER", "archives:export", "output,o string\n", minimum=1, maximum=1),
    "history": Command(
        "[OPTIONS] IMAGE",
        "images:history",
        "human,H bool true\nno-trunc bool\nplatform string\nquiet,q bool\n" + LIST_FORMAT,
        minimum=1,
        maximum=1,
    ),
    "inspect": Command(
        "[OPTIONS] NAME|ID [NAME|ID...]",
        "inspect:inspect",
        SHORT_FORMAT + "size,s bool\ntype string\n",
        minimum=1,
    ),
    "kill": Command(SOME, "lifecycle:kill", "signal,s string\n", minimum=1),
    "login": Command(
        "[OPTIONS] [SERVER]", "login:login", "password,p string\npassword-stdin bool\nusername,u string\n", maximum=1
    ),
    "logout": Command("[SERVER]", "login:logout", maximum=1),
    "logs": Command(
        "[OPTIONS] CONTAINER",
        "logs:logs",
        "details bool\nfollow,f bool\nsince string\ntail,n string all\ntimestamps,t bool\nuntil string\n",
        minimum=1,
        maximum=1,
    ),
    "pause": Command("CONTAINER [CONTAINER...]", "lifecycle:pause", minimum=1),
    "port": Command("CONTAINER [PRIVATE_PORT[/PROTO]]", "details:port", minimum=1, maximum=2),
    "rename": Command("CONTAINER NEW_NAME", "lifecycle:rename", minimum=2, maximum=2),
    "restart": Command(SOME, "lifecycle:restart", "signal,s string\ntime int\ntimeout,t int\n", minimum=1),
    "rm": Command(SOME, "lifecycle:remove", "force,f bool\nlink,l bool\nvolumes,v bool\n", minimum=1),
    "rmi": Command(
        "[OPTIONS] IMAGE [IMAGE...]", "images:rmi", "force,f bool\nno-prune bool\nplatform list\n", minimum=1
    ),
    "search": Command(
        "[OPTIONS] TERM",
        "login:search",
        "filter,f filter\nlimit int\nno-trunc bool\n" + LIST_FORMAT,
        minimum=1,
        maximum=1,
    ),
    "start": Command(SOME, "start:start", "attach,a bool\ndetach-keys string\ninteractive,i bool\n", minimum=1),
    "stats": Command(
        "[OPTIONS] [CONTAINER...]", "stats:stats", "all,a bool\nno-stream bool\nno-trunc bool\n" + LIST_FORMAT
    ),
    "stop": Command(SOME, "lifecycle:stop", "signal,s string\ntime int\ntimeout,t int\n", minimum=1),
    "tag": Command("SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "images:tag", minimum=2, maximum=2),
    "top": Command("CONTAINER [ps OPTIONS]", "details:top", minimum=1, interspersed=False),
    "unpause": Command("CONTAINER [CONTAINER...]", "lifecycle:unpause", minimum=1),
    "update": Command(
        SOME,
        "lifecycle:update",
        "cpu-period int\ncpu-quota int\ncpu-shares,c int\ncpus cpus\ncpuset-cpus string\ncpuset-mems string\n"
        "memory,m bytes\nmemory-reservation bytes\nmemory-swap swap\npids-limit int\nrestart string\n",
        minimum=1,
    ),
    "wait": Command("CONTAINER [CONTAINER...]", "lifecycle:wait", minimum=1),
    # only under their groups
    "context create": Command(
        "[OPTIONS] CONTEXT", "context:create", "description string\ndocker map\nfrom string\n", minimum=1, maximum=1
    ),
    "context export": Command("[OPTIONS] CONTEXT [FILE|-]", "context:export", minimum=1, maximum=2),
    "context import": Command("CONTEXT FILE|-", "context:import_", minimum=2, maximum=2),
    "context inspect": Command("[OPTIONS] [CONTEXT] [CONTEXT...]", "context:inspect", SHORT_FORMAT),
    "context ls": Command("[OPTIONS]", "context:list_", "quiet,q bool\n" + LIST_FORMAT, maximum=0),
    "context rm": Command("CONTEXT [CONTEXT...]", "context:remove", "force,f bool\n", minimum=1),
    "context show": Command("", "context:show", maximum=0),
    "context update": Command(
        "[OPTIONS] CONTEXT", "context:update", "description string\ndocker map\n", minimum=1, maximum=1
    ),
    "context use": Command("CONTEXT", "context:use", minimum=1, maximum=1),
    "volume create": Command(
        "[OPTIONS] [VOLUME]",
        "volumes:create",
        "driver,d string local\nlabel list\nname string\nopt,o list\n",
        maximum=1,
    ),
    "volume inspect": Command("[OPTIONS] VOLUME [VOLUME...]", "inspect:inspect_volumes", SHORT_FORMAT, minimum=1),
    "volume ls": Command("[OPTIONS]", "volumes:list_", "filter,f filter\nquiet,q bool\n" + LIST_FORMAT, maximum=0),
    "volume prune": Command("[OPTIONS]", "volumes:prune", "all,a bool\nfilter filter\nforce,f bool\n", maximum=0),
    "volume rm": Command("[OPTIONS] VOLUME [VOLUME...]", "volumes:remove", "force,f bool\n", minimum=1),
    "network connect": Command(
        "[OPTIONS] NETWORK CONTAINER",
        "networks:connect",
        "alias list\ndriver-opt list\ngw-priority int\nip string\nip6 string\nlink list\nlink-local-ip list\n",
        minimum=2,
        maximum=2,
    ),
    "network create": Command(
        "[OPTIONS] NETWORK",
        "networks:create",
        "attachable bool\naux-address list\ndriver,d string bridge\ngateway list\ninternal bool\nip-range list\n"
        "ipam-driver string default\nipv6 bool\nlabel list\nopt,o list\nsubnet list\n",
        minimum=1,
        maximum=1,
    ),
    "network disconnect": Command(
        "[OPTIONS] NETWORK CONTAINER", "networks:disconnect", "force,f bool\n", minimum=2, maximum=2
    ),
    "network inspect": Command(
        "[OPTIONS] NETWORK [NETWORK...]", "inspect:inspect_networks", SHORT_FORMAT + "verbose,v bool\n", minimum=1
    ),
    "network ls": Command(
        "[OPTIONS]", "networks:list_", "filter,f filter\nno-trunc bool\nquiet,q bool\n" + LIST_FORMAT, maximum=0
    ),
    "network prune": Command("[OPTIONS]", "networks:prune", "filter filter\nforce,f bool\n", maximum=0),
    "network rm": Command("NETWORK [NETWORK...]", "networks:remove", "force,f bool\n", minimum=1),
    "builder prune": Command(
        "[OPTIONS]", "prune:builder", "all,a bool\nfilter filter\nforce,f bool\nkeep-storage bytes\n", maximum=0
    ),
    "container prune": Command("[OPTIONS]", "prune:containers", "filter filter\nforce,f bool\n", maximum=0),
    "image prune": Command("[OPTIONS]", "prune:images", "all,a bool\nfilter filter\nforce,f bool\n", maximum=0),
    "system df": Command("[OPTIONS]", "disk_usage:disk_usage", "verbose,v bool\n" + LIST_FORMAT, maximum=0),
    "system prune": Command(
        "[OPTIONS]", "prune:system", "all,a bool\nfilter filter\nforce,f bool\nvolumes bool\n", maximum=0
    ),
    "container inspect": Command(SOME, "inspect:inspect_containers", SHORT_FORMAT + "size,s bool\n", minimum=1),
    "image inspect": Command(
        "[OPTIONS] IMAGE [IMAGE...]", "inspect:inspect_images", SHORT_FORMAT + "platform string\n", minimum=1
    ),
}

#: group → word → the command it means
GROUPS: Mapping[str, Mapping[str, str]] = {
    "builder": {"build": "build", "prune": "builder prune"},
    "container": {
        **{
            name: name
            for name in (
                "attach commit cp create diff exec export kill logs pause port rename restart rm run start stats stop "
                "top unpause update wait"
            ).split()
        },
        "inspect": "container inspect",
        "prune": "container prune",
        "list": "ps",
        "ls": "ps",
        "ps": "ps",
        "remove": "rm",
    },
    "context": {
        "create": "context create",
        "export": "context export",
        "import": "context import",
        "inspect": "context inspect",
        "list": "context ls",
        "ls": "context ls",
        "remove": "context rm",
        "rm": "context rm",
        "show": "context show",
        "update": "context update",
        "use": "context use",
    },
    "image": {
        "build": "build",
        "history": "history",
        "import": "import",
        "inspect": "image inspect",
        "list": "images",
        "load": "load",
        "prune": "image prune",
        "ls": "images",
        "pull": "pull",
        "push": "push",
        "remove": "rmi",
        "rm": "rmi",
        "save": "save",
        "tag": "tag",
    },
    "network": {
        "connect": "network connect",
        "create": "network create",
        "disconnect": "network disconnect",
        "inspect": "network inspect",
        "list": "network ls",
        "ls": "network ls",
        "prune": "network prune",
        "remove": "network rm",
        "rm": "network rm",
    },
    "volume": {
        "create": "volume create",
        "inspect": "volume inspect",
        "list": "volume ls",
        "ls": "volume ls",
        "prune": "volume prune",
        "remove": "volume rm",
        "rm": "volume rm",
    },
    "system": {"df": "system df", "events": "events", "info": "info", "prune": "system prune"},
}

#: first in `docker --help`, as Docker shows them
COMMON = ("run", "exec", "ps", "build", "pull", "push", "images", "version", "info")


def find(words: list[str]) -> tuple[str, Command | None, list[str]]:
    """The command's path as typed ("container ls"), the command, the words after it. None: no such command."""
    first = words[0]
    if first not in GROUPS:
        # a name with a blank in it belongs to a group and is no command of its own
        return first, COMMANDS.get(first) if " " not in first else None, words[1:]
    if len(words) == 1:
        return first, None, []
    target = GROUPS[first].get(words[1])
    return f"{first} {words[1]}", COMMANDS[target] if target else None, words[2:]

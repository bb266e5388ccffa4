"""Docker Compose's commands in one table, in the form of `cli/commands.py`. Nothing here runs anything.

A handler is `module:function` in this package. Korean descriptions are in `descriptions.py`; a test holds the two in
step.
"""

from __future__ import annotations

from kernel_engine.cli.commands import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

GLOBAL_OPTIONS = """
all-resources bool
ansi string auto
compatibility bool
dry-run bool
env-file list
file,f list
legacy bool
no-ansi bool
parallel int -1
profile list
progress string auto
project-directory string
project-name,p string
verbose bool
version,v bool
workdir string
"""
#: older names that still work, and what `docker-compose` says of itself
HIDDEN = frozenset(("legacy", "no-ansi", "verbose", "version", "workdir"))

CREATE_OPTIONS = """
build bool
force-recreate bool
no-build bool
no-recreate bool
pull string policy
quiet-pull bool
remove-orphans bool
scale list
yes,y bool
"""
UP_OPTIONS = (
    CREATE_OPTIONS
    + """
abort-on-container-exit bool
abort-on-container-failure bool
always-recreate-deps bool
attach list
attach-dependencies bool
detach,d bool
exit-code-from string
menu bool
no-attach list
no-color bool
no-deps bool
no-log-prefix bool
no-start bool
quiet-build bool
renew-anon-volumes,V bool
timeout,t int
timestamps bool
wait bool
wait-timeout int
"""
)
RUN_OPTIONS = """
build bool
cap-add list
cap-drop list
detach,d bool
entrypoint string
env,e list
env-from-file list
interactive,i bool true
label,l list
name string
no-TTY,T bool
no-deps bool
publish,p list
pull string policy
quiet,q bool
quiet-build bool
quiet-pull bool
remove-orphans bool
rm bool
service-ports,P bool
tty,t bool true
use-aliases bool
user,u string
volume,v list
workdir,w string
"""
CONFIG_OPTIONS = """
environment bool
format string
hash string
images bool
lock-image-digests bool
models bool
networks bool
no-consistency bool
no-env-resolution bool
no-interpolate bool
no-normalize bool
no-path-resolution bool
output,o string
profiles bool
quiet,q bool
resolve-image-digests bool
services bool
variables bool
volumes bool
"""
SERVICES = "[OPTIONS] [SERVICE...]"
FORMAT = "format string table\n"

COMMANDS: Mapping[str, Command] = {
    "attach": Command(
        "[OPTIONS] SERVICE",
        "verbs.one:attach",
        "detach-keys string\nindex int 0\nno-stdin bool\nsig-proxy bool true\n",
        minimum=1,
        maximum=1,
    ),
    "build": Command(
        SERVICES,
        "verbs.build:build",
        "build-arg list\nmemory,m bytes\nno-cache bool\npull bool\npush bool\nquiet,q bool\nwith-dependencies bool\n",
    ),
    "config": Command(SERVICES, "verbs.config:config", CONFIG_OPTIONS),
    "convert": Command(SERVICES, "verbs.config:config", CONFIG_OPTIONS),
    "cp": Command(
        "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-",
        "verbs.one:copy",
        "all bool\narchive,a bool\nfollow-link,L bool\nindex int 0\n",
        minimum=2,
        maximum=2,
    ),
    "create": Command(SERVICES, "verbs.up:create", CREATE_OPTIONS),
    "down": Command(
        "[OPTIONS] [SERVICES]",
        "verbs.down:down",
        "remove-orphans bool\nrmi string\ntimeout,t int\nvolumes,v bool\n",
    ),
    "events": Command(SERVICES, "verbs.events:events", "json bool\nsince string\nuntil string\n"),
    "exec": Command(
        "[OPTIONS] SERVICE COMMAND [ARGS...]",
        "verbs.one:exec_",
        "detach,d bool\nenv,e list\nindex int 0\ninteractive,i bool true\nno-TTY,T bool\nprivileged bool\n"
        "tty,t bool true\nuser,u string\nworkdir,w string\n",
        minimum=2,
        interspersed=False,
    ),
    "images": Command(SERVICES, "verbs.listing:images", FORMAT + "quiet,q bool\n"),
    "kill": Command(SERVICES, "verbs.lifecycle:kill", "remove-orphans bool\nsignal,s string SIGKILL\n"),
    "logs": Command(
        SERVICES,
        "verbs.logs:logs",
        "follow,f bool\nindex int 0\nno-color bool\nno-log-prefix bool\nsince string\ntail,n string all\n"
        "timestamps,t bool\nuntil string\n",
    ),
    "ls": Command(
        "[OPTIONS]", "verbs.listing:ls", "all,a bool\nfilter filter\n" + FORMAT + "quiet,q bool\n", maximum=0
    ),
    "pause": Command("[SERVICE...]", "verbs.lifecycle:pause"),
    "port": Command(
        "[OPTIONS] SERVICE PRIVATE_PORT",
        "verbs.one:port",
        "index int 0\nprotocol string tcp\n",
        minimum=2,
        maximum=2,
    ),
    "ps": Command(
        SERVICES,
        "verbs.listing:ps",
        "all,a bool\nfilter string\n" + FORMAT + "no-trunc bool\norphans bool true\nquiet,q bool\nservices bool\n"
        "status list\n",
    ),
    "pull": Command(
        SERVICES,
        "verbs.images:pull",
        "ignore-buildable bool\nignore-pull-failures bool\ninclude-deps bool\npolicy string\nquiet,q bool\n",
    ),
    "push": Command(SERVICES, "verbs.push:push", "ignore-push-failures bool\ninclude-deps bool\nquiet,q bool\n"),
    "restart": Command(SERVICES, "verbs.lifecycle:restart", "no-deps bool\ntimeout,t int\n"),
    "rm": Command(SERVICES, "verbs.lifecycle:remove", "force,f bool\nstop,s bool\nvolumes,v bool\n"),
    "run": Command(
        "[OPTIONS] SERVICE [COMMAND] [ARGS...]", "verbs.run:run", RUN_OPTIONS, minimum=1, interspersed=False
    ),
    "scale": Command("[SERVICE=REPLICAS...]", "verbs.up:scale", "no-deps bool\n", minimum=1),
    "start": Command("[SERVICE...]", "verbs.lifecycle:start", "wait bool\nwait-timeout int\n"),
    "stats": Command(
        "[OPTIONS] [SERVICE]",
        "verbs.listing:stats",
        "all,a bool\nformat string\nno-stream bool\nno-trunc bool\n",
        maximum=1,
    ),
    "stop": Command(SERVICES, "verbs.lifecycle:stop", "timeout,t int\n"),
    "top": Command("[SERVICES...]", "verbs.listing:top"),
    "unpause": Command("[SERVICE...]", "verbs.lifecycle:unpause"),
    "up": Command(SERVICES, "verbs.up:up", UP_OPTIONS),
    "version": Command("[OPTIONS]", "verbs.version:version", "format,f string\nshort bool\n", maximum=0),
    "wait": Command("SERVICE [SERVICE...] [OPTIONS]", "verbs.wait:wait", "down-project bool\n", minimum=1),
}

#!/bin/sh
set -e

# `docker run redis --appendonly yes`: options alone are the server's
case ${1-} in
-* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
fi

# other containers are no "local" clients: without this, redis turns them away
if [ "$1" = redis-server ]; then
    set -- "$@" --protected-mode no
fi
exec "$@"

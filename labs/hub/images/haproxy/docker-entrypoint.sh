#!/bin/sh
set -e

case ${1-} in
-*) set -- haproxy "$@" ;;
esac

# a master that can reload its workers, in the foreground
if [ "$1" = haproxy ]; then
    shift
    set -- haproxy -W -db "$@"
fi
exec "$@"

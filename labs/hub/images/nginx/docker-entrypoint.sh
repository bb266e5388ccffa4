#!/bin/sh
set -e

if [ "${1-}" = nginx ]; then
    # only variables that exist are filled in: nginx has `$host` and others of its own
    defined=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p')
    for template in /etc/nginx/templates/*.template; do
        [ -e "$template" ] || continue
        name=${template##*/}
        envsubst "$defined" <"$template" >"/etc/nginx/conf.d/${name%.template}"
    done
    for script in /docker-entrypoint.d/*.sh; do
        if [ -x "$script" ]; then "$script"; fi
    done
fi
exec "$@"

#!/bin/sh
# A database is made where there is none yet, as the variables say; then the server takes this process's place.
set -eu

data=/var/lib/mysql

note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*"; }
die() {
    printf '%s [ERROR] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2
    exit 1
}

# setting NAME...: the first of MARIADB_NAME, MYSQL_NAME that is set, or what the file behind its …_FILE holds
setting() {
    for name in "$@"; do
        for variable in "MARIADB_$name" "MYSQL_$name"; do
            eval "value=\${$variable-} file=\${${variable}_FILE-}"
            # shellcheck disable=SC2154 # eval sets both
            if [ -n "$file" ]; then value=$(cat "$file"); fi
            if [ -n "$value" ]; then
                printf %s "$value"
                return
            fi
        done
    done
}

# quoted TEXT: as a string of SQL
quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }
# named TEXT: as a name of SQL
# shellcheck disable=SC2016 # backquotes are what SQL wants
named() { printf '`%s`' "$(printf %s "$1" | sed 's/`/``/g')"; }

read_settings() {
    root_password=$(setting ROOT_PASSWORD)
    if [ -n "$(setting RANDOM_ROOT_PASSWORD)" ]; then
        root_password=$(head -c 24 /dev/urandom | base64)
        note "GENERATED ROOT PASSWORD: $root_password"
    fi
    database=$(setting DATABASE) user=$(setting USER) password=$(setting PASSWORD)
    if [ -z "$root_password" ] && [ -z "$(setting ALLOW_EMPTY_ROOT_PASSWORD ALLOW_EMPTY_PASSWORD)" ]; then
        die "Database is uninitialized and password option is not specified
	You need to specify one of MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD"
    fi
    if [ -n "$user" ] && [ -z "$password" ]; then
        die "MARIADB_USER specified, but missing MARIADB_PASSWORD"
    fi
    if [ "$user" = root ]; then
        die "MARIADB_USER=root, MARIADB_USER and MARIADB_PASSWORD are for a regular user: use MARIADB_ROOT_PASSWORD"
    fi
}

# printf: this shell's echo and here-documents read backslashes
first_statements() {
    echo "SET @@SESSION.SQL_LOG_BIN=0;"
    # mariadb-install-db makes them, without a password
    echo "DROP USER IF EXISTS root@'127.0.0.1', root@'::1', root@'$(hostname)';"
    printf "ALTER USER root@localhost IDENTIFIED BY %s;\n" "$(quoted "$root_password")"
    printf "CREATE USER root@'%%' IDENTIFIED BY %s;\n" "$(quoted "$root_password")"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    if [ -n "$database" ]; then printf 'CREATE DATABASE IF NOT EXISTS %s;\n' "$(named "$database")"; fi
    if [ -n "$user" ]; then
        printf "CREATE USER %s@'%%' IDENTIFIED BY %s;\n" "$(quoted "$user")" "$(quoted "$password")"
        if [ -n "$database" ]; then
            printf "GRANT ALL ON %s.* TO %s@'%%';\n" "$(named "$database")" "$(quoted "$user")"
        fi
    fi
}

# in the private server: as root, in the new database where there is one
client() { MYSQL_PWD=$root_password mariadb -uroot ${database:+"--database=$database"}; }

run_first_scripts() {
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
        *.sh)
            note "running $script"
            # shellcheck source=/dev/null
            . "$script"
            ;;
        *.sql)
            note "running $script"
            client <"$script"
            ;;
        *.sql.gz)
            note "running $script"
            gunzip -c "$script" | client
            ;;
        esac
    done
}

# what a start that is cut off leaves behind is marked, and the next start does not take it for a database
make_database() {
    read_settings
    note "Initializing database files"
    touch "$data/.unfinished"
    mariadb-install-db --user=mysql --datadir="$data" --skip-test-db --auth-root-authentication-method=normal \
        --skip-log-bin >/dev/null
    mariadbd --skip-networking --skip-log-bin --silent-startup "$@" &
    server=$!
    left=300
    until mariadb -uroot -e 'SELECT 1' >/dev/null 2>&1; do
        left=$((left - 1))
        if [ $left -eq 0 ] || ! kill -0 $server 2>/dev/null; then die "Unable to start server."; fi
        sleep 0.1
    done
    first_statements | mariadb -uroot
    run_first_scripts
    kill $server
    wait $server
    rm "$data/.unfinished"
    note "MariaDB init process done. Ready for start up."
}

# `docker run mariadb --max-connections=5`: options alone are the server's
case ${1-} in
-*) set -- mariadbd "$@" ;;
esac
if [ "${1-}" = mysqld ]; then
    shift
    set -- mariadbd "$@"
fi

if [ "${1-}" = mariadbd ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p /run/mysqld
        chown mysql:mysql /run/mysqld
        find "$data" ! -user mysql -exec chown mysql:mysql '{}' +
        exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
    fi
    if [ -e "$data/.unfinished" ]; then
        note "Removing the database of a start that was cut off"
        find "$data" -mindepth 1 -delete
    fi
    if [ ! -d "$data/mysql" ]; then
        shift
        make_database "$@"
        set -- mariadbd "$@"
    fi
fi
exec "$@"

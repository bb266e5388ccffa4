#!/bin/sh
# A configuration file means `registry serve FILE`, as with Docker Hub's image.
set -e
case "$1" in
*.yaml | *.yml) set -- registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"

#!/bin/bash
# 명령의 출력이 바라는 것과 같아질 때까지 기다려요: bash wait.sh 바라는것 명령…
wanted=$1
shift
until [ "$(timeout 20 "$@" 2>/dev/null)" = "$wanted" ]; do
    if [ $SECONDS -ge 150 ]; then
        echo "150초를 기다렸지만 아직 '$wanted'이(가) 아니에요: $*"
        exit 1
    fi
    sleep 0.3
done

#!/bin/bash
# 과제의 바탕: 노드 넷의 스웜과 레지스트리의 이미지. 이미 있는 것은 그대로 둬요
set -e
if docker info --format '{{.SecurityOptions}}' | grep -q name=userns; then
    echo "수업이나 채점을 위해 제한된 엔진이라서 노드를 띄울 수 없어요. 여러분의 컴퓨터나 가상 머신에서 ./lab up으로 연 실습실에서 해 보세요."
    exit 1
fi
compose="docker compose -p swarm -f compose.yaml"
$compose up -d --wait --no-recreate >/dev/null 2>&1 || $compose up -d --wait --no-recreate

state() { docker container exec "$1" docker info --format '{{.Swarm.LocalNodeState}}'; }
manager() { docker container exec manager docker "$@"; }

if [ "$(state manager)" != active ]; then manager swarm init --dispatcher-heartbeat 3s >/dev/null; fi
token=$(manager swarm join-token -q worker)
for node in worker01 worker02 worker03; do
    if [ "$(state $node)" != active ]; then
        docker container exec $node docker swarm join --token "$token" manager:2377 >/dev/null
    fi
done
bash wait.sh "Ready Ready Ready Ready" bash -c 'echo $(docker container exec manager docker node ls --format "{{.Status}}")'

for version in v1 v2; do
    docker build -q -t localhost:5000/example/api:$version --build-arg VERSION=$version api >/dev/null
    docker push -q localhost:5000/example/api:$version >/dev/null
done
docker build -q -t localhost:5000/example/web:v1 web >/dev/null
docker push -q localhost:5000/example/web:v1 >/dev/null
echo "스웜의 노드 넷과 레지스트리가 준비됐어요."

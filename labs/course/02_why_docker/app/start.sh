#!/bin/sh
# 첫 화면을 만들고 웹 서버를 시작해요
mkdir -p /www
echo "$(c 손님) ($(c --version), MODE=$MODE)" > /www/index.html
exec httpd -f -p 80 -h /www

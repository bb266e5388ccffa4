#!/bin/sh
# 1분마다 실행되는 작업: 보고서를 만들었다고 한 줄 적어요.
# 지금 실행 중인 프로세스의 이름도 적어요 (아래 셀이 기다리느라 실행한 sleep은 빼고요)
names=$(cat /proc/[0-9]*/comm)
echo "$(date '+%F %T') 보고서를 만들었어요. 실행 중:" $(echo "$names" | grep -v sleep | sort -u) >> /var/log/cron.log

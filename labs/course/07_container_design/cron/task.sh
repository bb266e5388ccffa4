#!/bin/sh
# 1분마다 실행되는 작업: 보고서를 만들었다고 한 줄 적어요
date '+%F %T 보고서를 만들었어요' >> /var/log/cron.log

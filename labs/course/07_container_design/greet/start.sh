#!/bin/sh
# 변수가 든 틀에서 설정 파일을 만들고, 웹 서버를 시작해요
cat > /app.properties <<END
db.user=${DB_USER:-example}
db.host=${DB_HOST:-localhost}
END
echo "$GREETING" > /index.html
exec httpd -f -p "$PORT" -h /

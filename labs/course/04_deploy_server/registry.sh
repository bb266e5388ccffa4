# 과제에 쓸 레지스트리를 켜고, 대답할 때까지 기다려요.
docker start registry >/dev/null 2>&1 || docker run -d -p 5000:5000 --name registry registry:2 >/dev/null
curl -s -o /dev/null --retry 10 --retry-connrefused http://127.0.0.1:5000/v2/

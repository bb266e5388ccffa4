"""도커 API에 묻는 함수 하나. docker 명령도 이렇게 소켓으로 물어요."""

import http.client
import json
import os
import socket
from urllib.parse import urlencode


def api(method, path, body=None, **query):
    """api("GET", "/containers/json", filters={"label": ["keep=web"]}) → 대답. 오류는 RuntimeError"""
    words = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()}
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    headers = {"Content-Type": "application/json", "Connection": "close"}
    connection.request(method, f"{path}?{urlencode(words)}", json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 400:
        raise RuntimeError(f"{method} {path} → {answer.status} {text.decode()}")
    return json.loads(text) if text else None

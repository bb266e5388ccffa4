"""What a test of somebody's own application does with Testcontainers: run by test_testcontainers.py in its environment.

Prints one line for each thing that worked. Its helper Ryuk, which removes what a killed test leaves, is an image of
Docker Hub's, and switched off.
"""

from __future__ import annotations

import urllib.request

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.waiting_utils import wait_for_logs

testcontainers_config.ryuk_disabled = True

with Network() as network:
    serving = (
        DockerContainer("busybox")
        .with_command(["sh", "-c", "mkdir /w; echo hello >/w/index.html; echo ready; exec httpd -f -p 8080 -h /w"])
        .with_env("WORD", "given")
        .with_exposed_ports(8080)
        .with_network(network)
        .with_network_aliases("server")
    )
    with serving:
        wait_for_logs(serving, "ready", timeout=60)
        print("logs")
        address = f"http://{serving.get_container_host_ip()}:{serving.get_exposed_port(8080)}/"
        if urllib.request.urlopen(address, timeout=60).read() == b"hello\n":
            print("port")
        told = serving.exec(["sh", "-c", "echo $WORD; exit 3"])
        if (told.exit_code, told.output) == (3, b"given\n"):
            print("exec")
        asking = DockerContainer("busybox").with_command("wget -qO- http://server:8080/").with_network(network)
        with asking:
            wait_for_logs(asking, "hello", timeout=60)
            print("network")
    print("stopped")

"""sd_notify(3): tells systemd that the daemon is ready. Nothing happens where no systemd asked."""

from __future__ import annotations

import os
import socket


class Notifier:
    """Takes $NOTIFY_SOCKET out of the environment: launcher, log writer and containers must not inherit it."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def tell(self, state: str) -> None:
        """`READY=1`, `STOPPING=1`. A leading @ is the abstract namespace, unix(7)."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            try:
                end.sendto(state.encode(), self._address.replace("@", "\0", 1))
            except OSError:
                pass  # systemd's end is gone; it will notice that by itself

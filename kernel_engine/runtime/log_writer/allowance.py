"""How fast one process may fill its log: a token bucket.

The kernel makes a process that writes faster than the disk wait in write(2), and the log writer writes for every
container: one that prints without end would hold up all the others there. Measured: `yes` filled 200 MB a second.
"""

from __future__ import annotations

import time

#: bytes of log a second, for good and all at once: no slower than dockerd writes
RATE = 64 * 1024 * 1024
BURST = 256 * 1024 * 1024


class Allowance:
    def __init__(self, rate: int = RATE, burst: int = BURST) -> None:
        self._rate, self._burst = rate, burst
        self._left = float(burst)
        self._counted = time.monotonic()

    def spend(self, size: int) -> float:
        """Takes `size` bytes off; the seconds to rest before the next read, 0 as a rule."""
        now = time.monotonic()
        self._left = min(self._left + (now - self._counted) * self._rate, self._burst) - size
        self._counted = now
        return max(-self._left / self._rate, 0.0)

"""Between this machine and the networks of a rootless engine, which stand in a network namespace of an ordinary user's.

`python -I -m kernel_engine.gate.process --run DIR` is one process that outlives the daemon: it passes on what comes to
published ports, and keeps slirp4netns(1), the way out. `client` is the daemon's side. Decision 0035.
"""

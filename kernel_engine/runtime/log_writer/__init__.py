"""The log writer: moves the bytes of containers' streams, so that neither the daemon nor another container waits.

`python -I -m kernel_engine.runtime.log_writer --run DIR` starts it; it outlives the daemon. It gets pipe and terminal
ends, and attached clients' sockets, as descriptors; it knows no container but by its id.
"""

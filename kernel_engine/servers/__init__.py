"""Other servers beside this one: engines with a network address, a name and things of their own.

A server is a whole second instance: `kernel-engine serve` in a network namespace and with a host name of its own, on a
root and a run directory beneath this instance's. Its containers are not this one's, its images neither, and what it
publishes is open at its own address. It is for practising what needs two machines; the machine itself is one.
"""

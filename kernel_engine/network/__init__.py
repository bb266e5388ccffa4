"""Bridge, veth pairs, addresses, NAT. Starts no process, touches no file system."""

"""Bridge, veth pairs, addresses, NAT. Starts no program but nft(8); of files only /proc/sys and the machine's lock."""

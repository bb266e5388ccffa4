"""One thin function for each kernel call, named as its man page. Decides, retries and logs nothing; stdlib only."""

"""What each `docker compose` command does; which there are stands in `commands.py`."""

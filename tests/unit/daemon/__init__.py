"""The daemon's parts that need no engine."""

"""Image layers on disk, the writable snapshots above them, and what changed in one. Knows no archive."""

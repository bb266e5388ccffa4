"""HTTP to engine and back: the Docker Engine API. Docker's JSON field names live only here."""

"""A certificate that signs itself, for whoever speaks TLS to itself."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(folder: Path) -> Path:
    """A PEM file with a key and its own certificate, made in this folder."""
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-days", "2"]
    files = ["-keyout", "key", "-out", "certificate"]
    subprocess.run(["openssl", "req", "-x509", *words, *files], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key").read_text() + (folder / "certificate").read_text())
    return both

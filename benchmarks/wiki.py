"""The wiki server of lab 03 as a context that needs no network: its packages are fetched once, before any clock runs.

So the row says how long an engine takes, and nothing of how fast a mirror is.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import debian
from benchmarks.debian import BASE
from tests.busybox_registry import Image

PACKAGES = ("apache2", "libapache2-mod-php", "dokuwiki")
DOCKERFILE = f"""\
FROM {BASE}
COPY packages /packages
RUN apt-get install -y --no-install-recommends /packages/*.deb >/dev/null && rm -r /packages
WORKDIR /etc/dokuwiki
COPY local.php .
COPY wiki.conf /etc/apache2/conf-available/
RUN a2enconf wiki
COPY --chown=www-data start.txt /var/lib/dokuwiki/data/pages/
ENV WIKI_TITLE="wiki"
EXPOSE 80
CMD . /etc/apache2/envvars && apache2 -D FOREGROUND
"""
FILES = Path(__file__).parents[1] / "labs" / "course" / "03_dockerfile" / "wiki"


def lay_out(context: Path, image: Image) -> Path:
    """The context: what lab 03 copies, and every package that `image` lacks."""
    (context / "packages").mkdir(parents=True)
    for file in FILES.iterdir():
        (context / file.name).write_bytes(file.read_bytes())
    (context / "Dockerfile").write_text(DOCKERFILE)
    debian.fetch_packages(image, PACKAGES, context / "packages")
    return context

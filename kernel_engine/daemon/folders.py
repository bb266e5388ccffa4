"""`--restrict-binds DIR`: a folder of this machine that containers of a restricted engine may have."""

from __future__ import annotations

import logging
from pathlib import Path

from kernel_engine.containers.restriction import Folder
from kernel_engine.errors import InvalidRequest, NotSupported
from kernel_engine.runtime.spec import IdRange, Ids
from kernel_engine.runtime.user_namespace import check_mapping, owned_by

log = logging.getLogger("kernel_engine")


def find_folder(path: Path, ids: Ids) -> Folder:
    """As it lies on the disk now. InvalidRequest for one that is not there.

    The root of containers is in it who owns it, so that they and the owner can work on the same files. Not where that
    would be this machine's root, or somebody whom containers have already.
    """
    try:
        place = path.resolve(strict=True)
        status = place.stat()
    except OSError as error:
        raise InvalidRequest(f"cannot use {path} for --restrict-binds: {error.strerror}") from None
    if not place.is_dir():
        raise InvalidRequest(f"cannot use {path} for --restrict-binds: it is no directory")
    owner = (status.st_uid, status.st_gid)
    if 0 in owner or _has(ids.users, owner[0]) or _has(ids.groups, owner[1]):
        log.info("what lies in %s keeps its owners in containers", place)
        return Folder(path=str(place), owner=owner)
    try:
        check_mapping(str(place), owned_by(ids, owner))
    except NotSupported as error:
        log.warning("what lies in %s keeps its owners in containers: %s", place, error.message)
        return Folder(path=str(place), owner=owner)
    return Folder(path=str(place), owner=owner, shifted=True)


def _has(ranges: tuple[IdRange, ...], number: int) -> bool:
    return any(item.outside <= number < item.outside + item.count for item in ranges)

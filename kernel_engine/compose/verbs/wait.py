"""`wait`: until the first of the services' containers has ended; its exit code."""

from __future__ import annotations

import queue
import threading

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError
from kernel_engine.compose.converge.observed import containers_of
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.session import Session


def wait(session: Session) -> int:
    project, _ = session.known_project()
    check_names(project, session.services)
    chosen = [item for item in containers_of(session.client, project.name) if item.service in session.services]
    chosen = [item for item in chosen if not item.one_off]
    if not chosen:
        raise Failed(f'no containers for project "{project.name}"')
    ended: queue.SimpleQueue[int | APIError] = queue.SimpleQueue()

    def watch(container: str) -> None:
        try:
            ended.put(int(session.client.post(f"/containers/{container}/wait").json()["StatusCode"]))
        except APIError as error:
            ended.put(error)

    for item in chosen:
        threading.Thread(target=watch, args=(item.id,), daemon=True).start()
    code = ended.get()
    if isinstance(code, APIError):
        raise code
    if session.words["down-project"]:
        from kernel_engine.compose.verbs.down import take_down

        take_down(session, project)
    return code

"""`up` in the foreground: output of all containers, until all have ended or the user stops them.

The streams are connected before anything starts. Ctrl+C stops the containers in order, a second one kills them.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError, EngineUnreachable
from kernel_engine.compose import labels
from kernel_engine.compose.converge.carry_out import Halt, Stopped, carry_out
from kernel_engine.compose.converge.making import Maker
from kernel_engine.compose.converge.observed import RUNNING, Container, Observed, observe
from kernel_engine.compose.converge.order import closure
from kernel_engine.compose.converge.plan_running import starting, stopping
from kernel_engine.compose.converge.watching import Watch
from kernel_engine.compose.following import after, attach, heading, log, pump
from kernel_engine.compose.model import Project
from kernel_engine.compose.progress import Silent
from kernel_engine.compose.screen import Lines, Printer
from kernel_engine.compose.session import Session, coloured
from kernel_engine.compose.verbs.starting import start_steps

INTERRUPTED = 130
STOPPING = "Gracefully Stopping... press Ctrl+C again to force"
ABORTING = "Aborting on container exit..."


def attached(session: Session, project: Project) -> int:
    """The exit code: that of the container that ended it with --abort-on-… or --exit-code-from, 130 after Ctrl+C."""
    return _Foreground(session, project).run()


@dataclass(kw_only=True)
class _Seen:
    """What the engine has said of one container."""

    item: Container
    began: bool = False  #: it ran while we looked on
    over: bool = False
    again: bool = False  #: it has ended and its policy starts it again
    ended: str = ""  #: the moment, as the API takes it
    readers: list[threading.Thread] = field(default_factory=list)


class _Foreground:
    def __init__(self, session: Session, project: Project) -> None:
        words = session.words
        self.session = session
        self.project = project
        self.printer = Printer(
            coloured=coloured(session) and not words["no-color"],
            prefixed=not words["no-log-prefix"],
            left=self._fail,
        )
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.halt = Halt()
        self.seen: dict[str, _Seen] = {}
        self.code = 0
        self.signals = 0
        self.starter: threading.Thread | None = None
        self.stopped: threading.Thread | None = None
        self.shown: frozenset[str] = frozenset()

    def run(self) -> int:
        watch = Watch(self.session.client, self.project.name, self._put_event, self._fail)
        before = {number: signal.signal(number, self._signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            observed = observe(self.session.client, self.project)
            self._connect(observed)
            self._begin(watch, observed)
            self._follow()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            watch.close()
        for seen in self.seen.values():
            for reader in seen.readers:
                reader.join(2)  # its last lines; another process may hold the streams open
        return INTERRUPTED if self.signals else self.code

    def _put_event(self, event: dict[str, Any]) -> None:
        self.inbox.put(("event", event))

    def _fail(self, error: Exception) -> None:
        self.inbox.put(("failed", error))

    def _signal(self, number: int, frame: FrameType | None) -> None:
        self.inbox.put(("signal", number))

    def _connect(self, observed: Observed) -> None:
        """Those whose output is shown, before anything of it is printed."""
        self.shown = self._attached_to()
        everything = [item for name in self.project.services for item in observed.of(name)]
        running = {item.id for item in everything if item.state == RUNNING}
        self.seen = {item.id: _Seen(item=item, began=item.id in running) for item in everything}
        shown = [item for item in everything if item.service in self.shown]
        self.printer.register(heading(item) for item in shown)
        sys.stdout.write(f"Attaching to {', '.join(sorted(heading(item) for item in shown))}\n")
        sys.stdout.flush()
        for item in shown:
            if item.state == RUNNING:
                self._read(item, partial(log, self.session.client, item, self.printer, {"follow": True, "tail": 0}))
                continue
            stream = attach(self.session.client, item)
            told = stream.multiplexed
            framed = not self.project.services[item.service].tty if told is None else told
            self._read(item, partial(pump, stream, Lines(self.printer, heading(item)), framed=framed))

    def _read(self, item: Container, read: Callable[[], None]) -> None:
        self.seen[item.id].readers.append(threading.Thread(target=read, daemon=True))
        self.seen[item.id].readers[-1].start()

    def _attached_to(self) -> frozenset[str]:
        words, services = self.session.words, self.project.services
        if words["attach"]:
            unknown = [name for name in words["attach"] if name not in services]
            if unknown:
                raise Failed(f"cannot attach to services not included in up: {', '.join(unknown)}")
            names = list(words["attach"])
        else:
            named = self.session.services or list(services)
            names = closure(services, named) if words["attach-dependencies"] else named
            names = [name for name in names if services[name].attach]
        return frozenset(names) - frozenset(words["no-attach"])

    def _begin(self, watch: Watch, observed: Observed) -> None:
        steps = starting(self.project, observed.of)

        def start() -> None:
            try:
                start_steps(self.session, self.project, watch, Silent(), steps, self.halt)
            except Stopped:
                self.inbox.put(("started", None))
            except Exception as error:
                self.inbox.put(("failed", error))
            else:
                self.inbox.put(("started", None))

        self.starter = threading.Thread(target=start, daemon=True)
        self.starter.start()

    def _follow(self) -> None:
        """Until nothing runs any more, or the user does not want to wait for it."""
        begun = False
        while not (begun and self._all_over()):
            kind, what = self.inbox.get()
            if kind == "event":
                self._hear(what)
            elif kind == "signal":
                self.signals += 1
                self._interrupt()
                begun = True
            elif kind == "started":
                begun = True
                if not self.halt.called:
                    self._all_begun()
            elif kind == "ended":
                if what is not None and not self.signals:
                    raise what
                self._hear_the_rest()
                break
            elif kind == "failed":
                raise what

    def _hear_the_rest(self) -> None:
        """They have ended; that each has may still be on its way to us."""
        deadline = time.monotonic() + 1
        while any(seen.began and not seen.over for seen in self.seen.values()):
            try:
                kind, what = self.inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if kind == "event":
                self._hear(what)

    def _all_over(self) -> bool:
        if self.stopped is not None:
            return False  # the thread that stops them says when it is done
        targets = self.session.services or list(self.project.services)
        return all(seen.over or not seen.began for seen in self.seen.values() if seen.item.service in targets)

    def _all_begun(self) -> None:
        """All have been started: of those whose beginning and end we have not heard of yet we will."""
        there = {item.id for item in observe(self.session.client, self.project).containers}
        for name, seen in self.seen.items():
            seen.began = True
            seen.over = seen.over or name not in there  # somebody has removed it

    def _hear(self, event: dict[str, Any]) -> None:
        seen = self.seen.get(event.get("id") or event.get("Actor", {}).get("ID", ""))
        if seen is None:
            return
        action = event.get("Action") or event.get("status")
        if action == "start":
            restarted = seen.over or seen.again
            seen.began, seen.over = True, False
            if restarted and seen.item.service in self.shown:
                query = {"follow": True, "since": seen.ended}
                self._read(seen.item, partial(log, self.session.client, seen.item, self.printer, query))
        elif action == "die" and not seen.over:
            seen.ended = after(event)
            self._died(seen, int((event.get("Actor") or {}).get("Attributes", {}).get("exitCode", 0)))
        elif action == "destroy" or (action == "stop" and seen.again):
            seen.over = True  # stopped by somebody while it waited for its next start, or taken away

    def _died(self, seen: _Seen, code: int) -> None:
        again = self._restarts(seen.item)
        seen.over, seen.again = not again, again
        for reader in seen.readers:
            reader.join(0.5)  # what it printed stands before what became of it
        if seen.item.service in self.shown:
            self.printer.tell(heading(seen.item), f"exited with code {code}" + (" (restarting)" if again else ""))
        words = self.session.words
        wanted = words["exit-code-from"]
        if wanted and seen.item.service == wanted and not again:
            self.code = code
        if again or self.stopped is not None:
            return
        if words["abort-on-container-exit"] or wanted or (words["abort-on-container-failure"] and code):
            if not wanted:
                self.code = code
            print(ABORTING, file=sys.stderr, flush=True)
            self._stop_all()

    def _restarts(self, item: Container) -> bool:
        try:
            state = self.session.client.get(f"/containers/{item.id}/json").json()["State"]
        except APIError:
            return False
        return bool(state["Status"] in ("restarting", RUNNING))

    def _interrupt(self) -> None:
        self.halt.call()
        if self.signals == 1:
            print(STOPPING, flush=True)
            self._stop_all()
        elif self.signals == 2:
            self._in_thread(self._kill)

    def _stop_all(self) -> None:
        """Dependents first, with the progress shown."""
        if self.stopped is None:
            self.stopped = self._in_thread(self._stop)

    def _in_thread(self, do: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            error: Exception | None = None
            try:
                do()
            except (APIError, EngineUnreachable, Failed) as failure:
                error = failure
            self.inbox.put(("ended", error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _stop(self) -> None:
        self.halt.call()
        if self.starter is not None:
            self.starter.join()  # what is on its way to run is to be stopped as well
        observed = observe(self.session.client, self.project)
        targets = self.session.services or list(self.project.services)
        display = self.session.display("Stopping", among_output=True)
        maker = Maker(
            client=self.session.client,
            project=self.project,
            observed=observed,
            display=display,
            timeout=self.session.words["timeout"],
        )
        steps = stopping(self.project, lambda name: observed.of(name) if name in targets else [])
        with display:
            display.expect(maker.subject(step) for step in steps)
            carry_out(steps, maker.do, parallel=self.session.parallel)

    def _kill(self) -> None:
        for item in observe(self.session.client, self.project).containers:
            if item.state == RUNNING and item.labels.get(labels.SERVICE) in self.project.services:
                try:
                    self.session.client.post(f"/containers/{item.id}/kill").read()
                except APIError as error:
                    if error.status not in (404, 409):  # it has ended meanwhile
                        raise

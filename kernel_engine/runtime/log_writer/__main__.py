"""The log writer's process: one client (the daemon) at a time, any number of streams."""

from __future__ import annotations

import base64
import gc
import os
import resource
import socket
import sys
import traceback
from collections import OrderedDict
from itertools import count
from pathlib import Path
from typing import Any

from kernel_engine.errors import EngineError
from kernel_engine.runtime.channel import Channel, Closed, Message
from kernel_engine.runtime.companion import become_daemon, bind, edition
from kernel_engine.runtime.log_writer.attachment import Attachment
from kernel_engine.runtime.log_writer.json_file import JsonFile, end_of
from kernel_engine.runtime.log_writer.poller import Poller
from kernel_engine.runtime.log_writer.stream import Stream
from kernel_engine.syscalls.process import set_name

#: how many ended attachments are remembered for a daemon that asks late
_REMEMBERED = 1024


class LogWriter:
    def __init__(self, listening: socket.socket, edition: str) -> None:
        self.poller = Poller()
        self._edition = edition
        self._listening = listening
        self._client: Channel | None = None
        self._streams: dict[str, Stream] = {}
        self._drain_requests: dict[str, list[int]] = {}
        self._end_requests: dict[str, int] = {}
        self._attached: dict[str, Attachment] = {}
        self._ended: OrderedDict[str, str] = OrderedDict()
        self._numbers = count(1)  #: of attachments, which outlive the daemon that asked for them
        self.poller.want(listening.fileno(), read=self._accept)

    # the daemon -------------------------------------------------------------------------------------------------
    def _accept(self) -> None:
        try:
            connection, _address = self._listening.accept()
        except OSError:  # it has gone again
            return
        self._lose_client()
        connection.setblocking(False)
        self._client = Channel(connection)
        self._watch_client()
        for stream in self._streams.values():
            if stream.stdin_closed:
                self._tell({"event": "stdin-closed", "id": stream.id})

    def _lose_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self.poller.forget(client.fileno())
            client.close()
            for attachment in tuple(self._attached.values()):
                attachment.go_on()
            self._drain_requests.clear()
            self._end_requests.clear()
            for id, stream in tuple(self._streams.items()):
                if not stream.adopted:
                    self._release(id, b"")  # its clients wait for a start that only the lost daemon knew of
                elif stream.drained:
                    stream.let_go()

    def _watch_client(self) -> None:
        client = self._client
        if client is not None:
            self.poller.want(client.fileno(), read=self._serve, write=self._flush if client.unsent else None)

    def _flush(self) -> None:
        if self._client is not None:
            try:
                self._client.flush()
            except Closed:
                return self._lose_client()
        return self._watch_client()

    def _serve(self) -> None:
        client = self._client
        if client is None:
            return None
        try:
            messages = client.receive()
        except Closed:
            return self._lose_client()
        for message, descriptors in messages:
            self._obey(message, descriptors)
        return None

    def _tell(self, message: Message) -> None:
        if self._client is None:
            return None
        try:
            self._client.send(message)
        except Closed:
            return self._lose_client()
        return self._watch_client()

    # messages ---------------------------------------------------------------------------------------------------
    def _obey(self, message: Message, descriptors: list[int]) -> None:
        """One message. Its failure is its own answer and never the log writer's end."""
        try:
            answer = self._answer(message, descriptors)
        except Exception as error:
            for fd in descriptors:
                os.close(fd)
            if not isinstance(error, EngineError | OSError):
                traceback.print_exc()
            return self._tell({"reply": message["request"], "error": str(error)})
        if answer is not None:
            return self._tell({"reply": message["request"], **answer})
        return None

    def _answer(self, message: Message, descriptors: list[int]) -> dict[str, Any] | None:
        """None: the answer comes later."""
        match message["verb"]:
            case "adopt":
                self._adopt(message, descriptors)
            case "attach" | "go-on" | "attachment-ended" as verb:
                return self._about_a_client(verb, message, descriptors)
            case "drained":
                return self._drained(message)
            case "release":
                self._release(message["id"], base64.b64decode(message["message"]))
            case "resize":
                if stream := self._streams.get(message["id"]):
                    stream.resize(message["rows"], message["columns"])
            case "settled":
                stream = self._streams.get(message["id"])
                return {"settled": stream is None or stream.settled}
            case "holds":
                held = [key for key, stream in self._streams.items() if stream.adopted]
                return {"ids": held, "edition": self._edition}
            case "quit":
                for id in tuple(self._streams):
                    self._release(id, b"")
                sys.exit(0)
            case verb:
                raise ValueError(f"unknown verb {verb}")
        return {}

    def _about_a_client(self, verb: str, message: Message, descriptors: list[int]) -> dict[str, Any] | None:
        if verb == "attach":
            return self._attach(message, descriptors)
        if verb == "attachment-ended":
            return self._attachment_ended(message)
        if attachment := self._attached.get(message["attachment"]):
            attachment.go_on()
        return {}

    def _adopt(self, message: Message, descriptors: list[int]) -> None:
        stream = self._stream(message["id"])
        if stream.adopted:
            for fd in descriptors:
                os.close(fd)
            return
        log = message["log"]
        log_file = JsonFile(Path(log["path"]), log["max_size"], log["max_files"]) if log else None
        named = dict(zip(message["names"], descriptors, strict=True))
        descriptors.clear()
        stream.adopt(named, log_file, stdin_once=message["stdin_once"])

    def _attach(self, message: Message, descriptors: list[int]) -> Message:
        name = f"{message['id']}/{next(self._numbers)}"
        client = socket.socket(fileno=descriptors.pop(0))
        stream = self._stream(message["id"])
        wanted = {source for source in ("stdout", "stderr") if message[source]}
        if "stdout" in wanted:
            wanted.add("console")
        after = message.get("after")
        attachment = self._attached[name] = Attachment(
            name,
            stream,
            client,
            stdin=message["stdin"],
            wanted=frozenset(wanted),
            multiplexed=message["multiplexed"],
            detach_keys=bytes(message["detach_keys"]),
            typed_already=base64.b64decode(message["leftover"]),
            held=after is not None,
        )
        logged = None
        if after is not None:
            logged = stream.logged(attachment) if stream.adopted else end_of(Path(after))
        stream.attach(attachment)
        return {"attachment": name, "logged": logged}

    def _attachment_ended(self, message: Message) -> dict[str, Any] | None:
        name = message["attachment"]
        if name not in self._attached:
            return {"reason": self._ended.pop(name, "ended")}
        self._end_requests[name] = message["request"]
        return None

    def _drained(self, message: Message) -> dict[str, Any] | None:
        stream = self._streams.get(message["id"])
        if stream is None or not stream.adopted:
            return {}
        stream.read_remains()
        if stream.drained:
            return {}
        self._drain_requests.setdefault(message["id"], []).append(message["request"])
        return None

    def _release(self, id: str, last_word: bytes) -> None:
        stream = self._streams.pop(id, None)
        if stream is not None:
            stream.close(last_word)
        for request in self._drain_requests.pop(id, ()):
            self._tell({"reply": request})

    # streams ----------------------------------------------------------------------------------------------------
    def _stream(self, id: str) -> Stream:
        if id not in self._streams:
            self._streams[id] = Stream(
                id,
                self.poller,
                daemon_is_there=lambda: self._client is not None,
                on_drained=self._stream_drained,
                on_left=self._attachment_left,
                on_stdin_closed=lambda closed: self._tell({"event": "stdin-closed", "id": closed}),
            )
        return self._streams[id]

    def _stream_drained(self, stream: Stream) -> None:
        requests = self._drain_requests.pop(stream.id, ())
        for request in requests:
            self._tell({"reply": request})
        if not requests:  # the daemon is about to ask: the process has ended as a rule
            self._tell({"event": "drained", "id": stream.id})

    def _attachment_left(self, attachment: Attachment) -> None:
        self._attached.pop(attachment.name, None)
        request = self._end_requests.pop(attachment.name, None)
        if request is not None:
            return self._tell({"reply": request, "reason": attachment.ended})
        self._ended[attachment.name] = attachment.ended or "ended"
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        return None


def _raise_descriptor_limit() -> None:
    """Three descriptors for each process and one for each client, of all containers."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    live(options["--run"])


def live(run: str) -> None:
    """The log writer's whole life."""
    of_code = edition()
    os.chdir("/")
    listening = bind(f"{run}/log-writer.sock")
    set_name("ke-log-writer")  # before anybody may look for it (`daemon.cleanup`)
    become_daemon(f"{run}/log-writer.log", listening)
    _raise_descriptor_limit()
    gc.freeze()
    LogWriter(listening, of_code).poller.run()


if __name__ == "__main__":
    main()

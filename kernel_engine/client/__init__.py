"""A light client of the engine's socket. Imports no other room.

    client = Client()
    client.get("/containers/json", query={"all": "1"}).json()

Every command starts a process that imports this, so nothing here costs: no http.client (email), typing, re or pathlib.
"""

from kernel_engine.client.client import Client
from kernel_engine.client.default_context import DEFAULT_HOST
from kernel_engine.client.failures import APIError, EngineUnreachable
from kernel_engine.client.response import Response
from kernel_engine.client.stream import Demultiplexer, Stream

__all__ = ["DEFAULT_HOST", "APIError", "Client", "Demultiplexer", "EngineUnreachable", "Response", "Stream"]

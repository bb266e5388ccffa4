"""One TLS connection without its socket: bytes in, bytes out, each direction closed by itself.

Python's own TLS sockets end a connection with either half of it; Docker's clients close theirs first and read on
(`docker run -i < file`). Source: RFC 8446 section 6.1 (close_notify ends one direction), ssl.MemoryBIO.
"""

from __future__ import annotations

import ssl

_PIECE = 65536
#: what a record of TLS 1.x begins with when it is the first: a handshake (RFC 8446 section 5.1)
HANDSHAKE = 0x16
#: how OpenSSL 3 calls a connection that was cut
_CUT = "UNEXPECTED_EOF_WHILE_READING"
#: Python asks OpenSSL 3 for it; 1.1.1 has no such option and tells
_RAGGED_END_IS_AN_END = getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)


class TlsStream:
    """Feed it what the network says with `hear`, send what `outgoing` gives. ssl.SSLError where the peer is not
    trusted, does not trust us, or speaks no TLS: then `outgoing` holds the alert."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, name: str | None = None) -> None:
        context.options &= ~_RAGGED_END_IS_AN_END
        self._heard, self._said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._heard, self._said, server_side=server_side, server_hostname=name)
        self._closed = False
        self._kept = b""  # opened before our end was said, not taken yet

    def hear(self, data: bytes) -> None:
        """Bytes from the network; b"" is its end."""
        if data:
            self._heard.write(data)
        else:
            self._heard.write_eof()

    def outgoing(self) -> bytes:
        """Bytes for the network; b"" when there are none now."""
        return self._said.read()

    @property
    def answers(self) -> bool:
        """Has `outgoing` something to give?"""
        return self._said.pending > 0

    def shaken(self) -> bool:
        """Goes on with the handshake; True when it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def opened(self) -> bytes | None:
        """The peer's next bytes; b"" when it has said nothing more yet, None when it will say nothing more.
        ssl.SSLEOFError where the network ended before the peer said so: something may be missing."""
        if self._kept:
            data, self._kept = self._kept, b""
            return data
        return self._next()

    def _next(self) -> bytes | None:
        try:
            return self._tls.read(_PIECE) or None
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            return None
        except ssl.SSLError as error:
            if error.reason == _CUT:  # Python 3.11 has no class of its own for it
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, _CUT) from error
            raise

    def seal(self, data: bytes) -> None:
        """Our bytes, for `outgoing`."""
        self._tls.write(data)

    def finish(self) -> None:
        """We shall say nothing more; what the peer says can still be heard."""
        if self._closed:
            return
        self._closed = True
        try:
            while data := self._next():  # SSL_shutdown(3) looks for the peer's end and throws away records before it
                self._kept += data
            self._tls.unwrap()
        except ssl.SSLError:  # it waits for the peer's own end, or the peer has gone
            return

"""A real HTTP/1.1 server in this process, whose paths say how it behaves."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from typing import Self

from tests.patience import PATIENCE


class Upstream:
    """Serves on a free port of 127.0.0.1 until the ``with`` block ends.

    ``/status/NNN`` answers so, ``/head-waits`` and ``/body-waits`` until ``release`` is set
    (the second after five of ten bytes), ``/body-breaks`` hangs up there, ``/body-never``
    before the first byte of it, ``/hangs-up`` at once, ``/garbage`` is no HTTP, ``/redirects``
    to ``/status/200``.
    """

    def __init__(self) -> None:
        self.release = threading.Event()
        self.connections = 0
        self.requests: list[str] = []
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        upstream = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(PATIENCE)
                try:
                    upstream.serve(self.request)
                except OSError:
                    return  # the client has gone, as many of these tests have it

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join(PATIENCE)
        with self._changed:
            for connection in self._open:  # of clients that are closed later than this server
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()  # waits for the handlers

    def wait_for_requests(self, number: int) -> None:
        """Wait until so many requests have come in."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.requests) >= number, PATIENCE)
        assert came, f"{len(self.requests)} requests came, not {number}"

    def serve(self, connection: socket.socket) -> None:
        with self._changed:
            self.connections += 1
            self._open.add(connection)
        try:
            self._serve_requests(connection)
        finally:
            with self._changed:
                self._open.remove(connection)

    def _serve_requests(self, connection: socket.socket) -> None:
        while (request := self._read_request(connection)) is not None:
            method, path = request
            with self._changed:
                self.requests.append(path)
                self._changed.notify_all()
            if not self._answer(connection, method, path):
                return

    def _read_request(self, connection: socket.socket) -> tuple[str, str] | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines[1:])}
        while len(body) < int(headers.get("content-length", "0")):
            more = connection.recv(65536)
            if not more:
                return None
            body += more
        while "transfer-encoding" in headers and not body.endswith(b"0\r\n\r\n"):
            more = connection.recv(65536)
            if not more:
                return None
            body += more
        method, path, _ = lines[0].split(" ", 2)
        return method, path

    def _answer(self, connection: socket.socket, method: str, path: str) -> bool:
        """Answer one request; tell whether the connection stays."""
        name, _, rest = path.strip("/").partition("/")
        ten = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
        match name:
            case "status":
                body = b"" if rest == "204" or method == "HEAD" else b"hello"
                length = b"" if rest == "204" else b"Content-Length: %d\r\n" % len(body)
                connection.sendall(b"HTTP/1.1 %s X\r\n%s\r\n%s" % (rest.encode(), length, body))
            case "head-waits":
                self.release.wait(PATIENCE)
                connection.sendall(ten + b"0123456789")
            case "body-waits":
                connection.sendall(ten + b"01234")
                self.release.wait(PATIENCE)
                connection.sendall(b"56789")
            case "body-breaks":
                connection.sendall(ten + b"01234")
                return False
            case "body-never":
                connection.sendall(ten)
                self.release.wait(PATIENCE)
                return False
            case "garbage":
                connection.sendall(b"this is no HTTP\r\n\r\n")
                return False
            case "redirects":
                connection.sendall(
                    b"HTTP/1.1 307 X\r\nLocation: /status/200\r\nContent-Length: 0\r\n\r\n"
                )
            case _:  # hangs-up
                return False
        return True

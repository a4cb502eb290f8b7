"""A local HTTP server for the draw page and its predictions."""

from __future__ import annotations

import json
import logging
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from sk_mnist.demo._page import content_security_policy, draw_page
from sk_mnist.demo._reader import Reader

HOST = "127.0.0.1"
DEFAULT_PORT = 80

# A drawing takes a few kB, a photograph a few MB.
MAX_BYTES = 25_000_000
# How many threads may read pictures at the same time: a picture of 50 megapixels takes up to 1 GB.
MAX_READERS = 2
MAX_CONNECTIONS = 16
# Timeouts in seconds: for an idle connection, and for a whole request including the wait for it.
TIMEOUT, LONGEST_REQUEST = 20, 60

_logger = logging.getLogger("sk_mnist")


class DrawServer(ThreadingHTTPServer):
    """Serves the draw page to browsers on this machine.

    Parameters
    ----------
    reader : Reader
        Reads the pictures.
    port : int, default=0
        Port of the server. 0 uses any free port.
    """

    daemon_threads = True

    def __init__(self, reader: Reader, port: int = 0) -> None:
        self.reader = reader
        page = draw_page()
        self.page = page.encode()
        self.policy = content_security_policy(page)
        self.readers = threading.BoundedSemaphore(MAX_READERS)
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """URL of the page."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def names(self) -> set[str]:
        """Names under which browsers on this machine address the server."""
        names = {f"{host}:{self.server_port}" for host in (HOST, "localhost")}
        # Browsers omit the default port of the scheme.
        return names | {HOST, "localhost"} if self.server_port == DEFAULT_PORT else names

    def server_bind(self) -> None:
        """Bind the socket without looking up the name of this machine."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, unless there are too many."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread could be started
            self._connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the exception as debug output, because a browser that hangs up is not an error."""
        _logger.debug("A connection to the draw page ended early.", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: DrawServer
    protocol_version = "HTTP/1.1"
    server_version = "sk-mnist"
    sys_version = ""
    timeout = TIMEOUT

    def handle_one_request(self) -> None:
        watch = threading.Timer(LONGEST_REQUEST, self._stop_reading)
        watch.daemon = True
        watch.start()
        try:
            super().handle_one_request()
        finally:
            watch.cancel()

    def _stop_reading(self) -> None:
        with suppress(OSError):  # the client has hung up
            self.connection.shutdown(socket.SHUT_RD)

    def do_GET(self) -> None:
        # The body is not read, and must not be parsed as the next request.
        self.close_connection |= "Content-Length" in self.headers or "Transfer-Encoding" in self.headers
        if self._is_from_here() and self._is_known({"/"}):
            self._answer(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")

    do_HEAD = do_GET  # noqa: N815 (http.server calls it)

    def do_POST(self) -> None:
        if not (self._is_from_here() and self._is_known({"/predict"})):
            return
        picture = self._body()
        if picture is None:
            return
        with self.server.readers:
            try:
                content = self.server.reader.read(picture)
            except (OSError, ValueError) as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
                return
            except Exception:
                _logger.exception("A picture could not be read.")
                self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "The picture could not be read.")
                return
        self._answer(HTTPStatus.OK, json.dumps(content).encode(), "application/json")

    def _is_from_here(self) -> bool:
        """Refuse requests that come from another page or use another name for this machine."""
        for name in ("Host", "Origin", "Content-Length"):
            if len(self.headers.get_all(name, [])) > 1:
                self._refuse(HTTPStatus.BAD_REQUEST, f"The request has more than one header {name}.")
                return False
        origin = self.headers.get("Origin")
        here = self.headers.get("Host") in self.server.names
        if here and origin in {None, *(f"http://{name}" for name in self.server.names)}:
            return True
        self._refuse(HTTPStatus.FORBIDDEN, f"This server only answers its own page, {self.server.url}")
        return False

    def _is_known(self, paths: set[str]) -> bool:
        if self.path in paths:
            return True
        if self.path in {"/", "/predict"}:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"{self.path} does not accept {self.command}.")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "Not found; the only page is /")
        return False

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Send a picture with a Content-Length.")
        elif len(length) > len(str(MAX_BYTES)) or int(length) > MAX_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A picture may have at most {MAX_BYTES:,} bytes.")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                return body
            self._refuse(HTTPStatus.BAD_REQUEST, "The picture ended early.")
        return None

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        # The rest of this request must not be parsed as the next one.
        self.close_connection = True
        self._answer(status, json.dumps({"error": reason}).encode(), "application/json")

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        _logger.debug(format, *args)

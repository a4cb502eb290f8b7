"""A real HTTP server on loopback that serves files or misbehaves on demand, and counts requests."""

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LoopbackServer:
    """Answers each path by its entry in `routes`, a function of the request handler; other paths are 404."""

    def __init__(self):
        self.routes = {}
        self.hits = Counter()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._make_handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _make_handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            loopback = outer

            def do_GET(self):
                outer.hits[self.path] += 1
                outer.routes.get(self.path, status(404))(self)

            def log_message(self, *args):
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Ignore clients that hang up, as these tests intend."""


def serve(body):
    """Answer correctly."""

    def respond(request):
        _start(request, len(body))
        request.wfile.write(body)

    return respond


def status(code):
    """Answer with an HTTP status and no data."""

    def respond(request):
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return respond


def status_then(code, respond, times):
    """Answer with an HTTP status a number of times, then with another response."""
    left = iter(range(times))

    def respond_by_turn(request):
        (respond if next(left, None) is None else status(code))(request)

    return respond_by_turn


def redirect_to_itself(request):
    """Redirect the client to the same path."""
    request.send_response(302)
    request.send_header("Location", request.path)
    request.send_header("Content-Length", "0")
    request.end_headers()


def silence(request):
    """Accept, and never answer."""
    request.loopback.closing.wait(60)


def drip(size, seconds):
    """Promise a file and send `size` bytes at a time, often enough that no read times out; hang up after 15 s."""

    def respond(request):
        _start(request, 11_490_434)
        end = time.monotonic() + 15
        while time.monotonic() < end and not request.loopback.closing.wait(seconds):
            request.wfile.write(bytes(size))
            request.wfile.flush()

    return respond


def flood(request):
    """Send far too many bytes, without a Content-Length."""
    _start(request, None)
    for _ in range(200):
        request.wfile.write(bytes(1_000_000))


def drop_half_way(body):
    """Promise a file, send half of it and close the connection."""

    def respond(request):
        _start(request, len(body))
        request.wfile.write(body[: len(body) // 2])

    return respond


def hang_half_way(body):
    """Promise a file, send half of it and then nothing."""

    def respond(request):
        _start(request, len(body))
        request.wfile.write(body[: len(body) // 2])
        request.wfile.flush()
        request.loopback.closing.wait(60)

    return respond


def _start(request, length):
    request.send_response(200)
    request.send_header("Content-Type", "application/octet-stream")
    if length is not None:
        request.send_header("Content-Length", str(length))
    request.end_headers()

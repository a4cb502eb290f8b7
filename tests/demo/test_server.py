"""What the draw page's server answers, and to whom."""

import http.client
import io
import json
import logging
import re
import socket
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sk_mnist import ImageFlattener, KerasMLPClassifier, PixelScaler, fetch_mnist, load_pretrained
from sk_mnist.demo import Reader, _server, draw_page
from sk_mnist.demo._server import MAX_BYTES, MAX_CONNECTIONS
from tests.helpers.draw_pages import served


@pytest.fixture(scope="module")
def seven():
    image = fetch_mnist(subset="test", normalize=False).images[0]
    file = io.BytesIO()
    Image.fromarray(255 - np.kron(np.pad(image, 10), np.ones((4, 4), dtype=np.uint8))).save(file, "PNG")
    return file.getvalue()


def ask(server, method, path, body=None, **headers):
    """Send a request as a browser on this machine does; return the response and its content."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=300)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_the_server_listens_on_this_machine_only(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_the_page_is_self_contained_and_forbids_other_sources(server):
    response, content = ask(server, "GET", "/")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert b"@@" not in content
    for attribute in (b"src=", b"@import", b"url(", b"//"):
        assert attribute not in content.replace(b"// ", b"").replace(b"//\n", b""), attribute
    head, nothing = ask(server, "HEAD", "/")
    assert head.headers["Content-Length"] == str(len(content))
    assert nothing == b""


def small_network(n_pixels=784, labels=(0, 1), **parameters):
    X = np.random.default_rng(0).random((20, n_pixels), dtype=np.float32)
    return KerasMLPClassifier((4,), epochs=1, random_state=0, **parameters).fit(X, np.resize(labels, 20))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (load_pretrained, r"classifier is a Pipeline; the draw page runs .* such as load_pretrained\(\)\['mlp'\]"),
        (KerasMLPClassifier, "not fitted yet"),
        (lambda: small_network(activation="tanh"), "activation='tanh'; the draw page runs .* activation='relu'"),
        (lambda: small_network(64), "is fitted on 64 pixels; the draw page runs .* for 784 pixels"),
    ],
    ids=["a pipeline", "not fitted", "another activation", "another number of pixels"],
)
def test_draw_page_rejects_models_that_the_page_cannot_run(make, message):
    with pytest.raises(ValueError, match=message):
        draw_page(make())


def test_a_class_label_cannot_close_the_script_of_the_page():
    label = "</script><script>alert(1)</script>"
    page = draw_page(small_network(labels=[label, "<!--"]))
    assert label not in page
    assert page.count("</script>") == draw_page().count("</script>")
    (classes,) = re.findall(r'"classes": (\[.*?\])', page)
    assert sorted(json.loads(classes)) == ["<!--", label]


def test_the_server_reads_a_picture(server, seven):
    response, content = ask(server, "POST", "/predict", seven)
    assert response.status == 200
    reading = json.loads(content)
    assert (reading["text"], reading["rejected"], reading["reason"]) == ("7", [], None)
    (digit,) = reading["digits"]
    assert (digit["label"], digit["is_sure"], digit["line"]) == (7, True, 0)
    assert digit["confidence"] == max(share for _, share in digit["probabilities"])
    assert sum(share for _, share in digit["probabilities"]) == pytest.approx(1)
    assert len(digit["image"]) == 784


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(ImageFlattener(), PixelScaler(), KNeighborsClassifier()),
        make_pipeline(make_pipeline(ImageFlattener()), PixelScaler(pixel_max=255), KNeighborsClassifier()),
        make_pipeline(make_pipeline(ImageFlattener(), PixelScaler(pixel_max=255)), KNeighborsClassifier()),
        GridSearchCV(make_pipeline(ImageFlattener(), PixelScaler(pixel_max=255), KNeighborsClassifier()), {}, cv=2),
        make_pipeline(
            ImageFlattener(), GridSearchCV(make_pipeline(PixelScaler(pixel_max=255), KNeighborsClassifier()), {}, cv=2)
        ),
    ],
    ids=["by dtype", "after a nested pipeline", "in a nested pipeline", "in a search", "in a search in a pipeline"],
)
def test_the_pixel_scale_is_found_in_nested_pipelines_and_searches(model, seven):
    train = fetch_mnist(subset="train", normalize=False)
    reader = Reader(clone(model).fit(train.images[:2000], train.target[:2000]))
    (digit,) = reader.read(seven)["digits"]
    assert digit["label"] == 7
    assert dict(digit["probabilities"])[7] == digit["confidence"]


def test_the_server_says_why_there_is_no_digit(server):
    file = io.BytesIO()
    Image.new("L", (100, 100), 200).save(file, "PNG")
    response, content = ask(server, "POST", "/predict", file.getvalue())
    assert response.status == 200
    assert json.loads(content) == {"text": "", "digits": [], "rejected": [], "reason": "the contrast is too low"}


def test_a_model_that_cannot_read_digits_fails_when_the_reader_is_created():
    with pytest.raises(ValueError, match="The model is a KerasMLPClassifier for 64 pixels; it must be a fitted"):
        Reader(small_network(64))

    class Picky(KNeighborsClassifier):
        def predict_proba(self, X):
            assert X.max() == 255, "bytes are wanted"
            return super().predict_proba(X)

    train = fetch_mnist(subset="train", normalize=False)
    with pytest.raises(AssertionError, match="bytes are wanted"):
        Reader(Picky().fit(train.data[:100], train.target[:100]))


def test_a_connection_takes_several_requests(server, seven):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=300)
    for _ in range(3):
        connection.request("POST", "/predict", seven)
        assert json.loads(connection.getresponse().read())["digits"][0]["label"] == 7
    connection.close()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "picture is not a picture in a supported format"),
        (b"no picture", "picture is not a picture in a supported format"),
        (b"/etc/passwd", "picture is not a picture in a supported format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture is"),
    ],
)
def test_a_body_that_is_not_a_picture_is_a_bad_request(server, body, reason):
    response, content = ask(server, "POST", "/predict", body)
    assert response.status == 400
    assert json.loads(content)["error"].startswith(reason)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/favicon.ico", 404),
        ("GET", "/../../../etc/passwd", 404),
        ("GET", "/page.html", 404),
        ("POST", "/other", 404),
        ("GET", "/predict", 405),
        ("POST", "/", 405),
        ("PUT", "/predict", 501),
        ("OPTIONS", "/predict", 501),
    ],
)
def test_unknown_paths_and_methods_are_rejected(server, method, path, status):
    response, content = ask(server, method, path, b"" if method == "POST" else None)
    assert response.status == status
    assert b"root:" not in content


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "attacker.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/predict")])
def test_requests_with_a_foreign_host_or_origin_are_rejected(server, seven, headers, method, path):
    headers = {name: value.format(port=server.server_port) for name, value in headers.items()}
    response, content = ask(server, method, path, seven if method == "POST" else None, **headers)
    assert response.status == 403
    assert "only answers its own page" in json.loads(content)["error"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_requests_from_the_page_itself_are_answered(server, seven, name):
    host = f"{name}:{server.server_port}"
    response, _ = ask(server, "POST", "/predict", seven, Host=host, Origin=f"http://{host}")
    assert response.status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(MAX_BYTES + 1)}, 413),
        ({"Content-Length": "9" * 5000}, 413),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "many"}, 411),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({}, 411),
    ],
)
def test_a_body_of_unknown_or_excessive_length_is_rejected(server, headers, status):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=300) as connection:
        lines = [f"{name}: {value}" for name, value in {"Host": f"127.0.0.1:{server.server_port}", **headers}.items()]
        connection.sendall("\r\n".join(["POST /predict HTTP/1.1", *lines, "", ""]).encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"error" in answer


@pytest.mark.parametrize("doubled", ["Host: attacker.example", "Origin: https://attacker.example", "Content-Length: 3"])
@pytest.mark.parametrize("method", ["GET /", "POST /predict"])
def test_two_headers_of_which_only_one_is_checked_are_a_bad_request(server, method, doubled):
    here = f"127.0.0.1:{server.server_port}"
    lines = [f"{method} HTTP/1.1", f"Host: {here}", f"Origin: http://{here}", "Content-Length: 0", doubled, "", ""]
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=300) as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert f"more than one header {doubled.partition(':')[0]}".encode() in answer


def test_the_server_survives_browsers_that_hang_up(server, seven):
    for request in (b"", b"GET / HT", b"POST /predict HTTP/1.1\r\nContent-Length: 1000\r\n"):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=300) as connection:
            connection.sendall(request)
    assert ask(server, "POST", "/predict", seven)[0].status == 200


class Broken(Reader):
    def read(self, *arguments, **options):
        raise RuntimeError("as a model of one's own may")


def test_an_error_in_the_model_is_answered_with_status_500(seven):
    with served(Broken()) as server:
        response, content = ask(server, "POST", "/predict", seven)
    assert response.status == 500
    assert json.loads(content) == {"error": "The picture could not be read."}


@pytest.mark.skipif(sys.platform == "win32", reason="there the connection is closed without an answer")
def test_a_request_that_arrives_too_slowly_is_cut_off(monkeypatch):
    monkeypatch.setattr(_server, "LONGEST_REQUEST", 0.5)
    with (
        served(Reader()) as server,
        socket.create_connection(("127.0.0.1", server.server_port), timeout=300) as connection,
    ):
        connection.sendall(f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n".encode())
        connection.sendall(b"Content-Length: 1000\r\n\r\n")
        connection.settimeout(0.05)
        answer = b""
        chunk = None
        while chunk != b"":  # closed
            with suppress(TimeoutError):
                chunk = connection.recv(4096)
                answer += chunk
            with suppress(ConnectionError):  # answered and closed
                connection.sendall(b"a")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"The picture ended early." in answer


def test_a_connection_whose_thread_cannot_start_does_not_count_towards_the_limit(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    with served(Reader()) as server:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            for _ in range(MAX_CONNECTIONS + 1):
                with pytest.raises((http.client.HTTPException, ConnectionError)):
                    ask(server, "GET", "/")
        assert ask(server, "GET", "/")[0].status == 200


@pytest.mark.slow
def test_the_number_of_connections_is_limited():
    with served(Reader()) as server:
        idle = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(MAX_CONNECTIONS)]
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(server, "GET", "/")
        for connection in idle:
            connection.close()
        deadline = time.monotonic() + 300
        while True:
            try:
                assert ask(server, "GET", "/")[0].status == 200
                break
            except (http.client.HTTPException, ConnectionError):
                assert time.monotonic() < deadline, "connections that were closed still count"
                time.sleep(0.05)


def test_the_server_logs_instead_of_printing(server, caplog, capfd):
    with caplog.at_level(logging.DEBUG, logger="sk_mnist"):
        ask(server, "GET", "/missing")
    assert "404" in caplog.text
    assert capfd.readouterr() == ("", "")

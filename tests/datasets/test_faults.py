"""What can go wrong between MNIST and the user, each fault made to happen: servers, files, disks, processes."""

import gzip
import hashlib
import io
import os
import pickle
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from sk_mnist import clear_data_home, fetch_mnist, get_data_home
from sk_mnist.datasets import _cache, _download
from sk_mnist.datasets._dataset import MNIST, KnownFile, Remote
from tests.helpers import loopback
from tests.helpers.examples import examples_times
from tests.helpers.idx_encoding import idx_bytes
from tests.helpers.memory import peak_memory

REPOSITORY = Path(__file__).parents[2]
GZIP = shutil.which("gzip")
BUNDLED_NPZ = MNIST.bundled
OFFICIAL_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}


@pytest.fixture(scope="module")
def npz():
    """The official file's bytes."""
    return BUNDLED_NPZ.read_bytes()


@pytest.fixture(scope="module")
def idx(arrays):
    """The four arrays as IDX files of our own, gzipped, by file name."""
    return {IDX_NAMES[name]: gzip.compress(idx_bytes(array), 1) for name, array in arrays.items()}


@pytest.fixture
def server():
    with loopback.LoopbackServer() as server:
        yield server


@pytest.fixture
def remotes(server, idx, change_mnist):
    """The official URL and two mirrors, all on loopback, each 404 until a test gives it something to serve."""
    files = tuple(KnownFile(name, sha256(body), len(body)) for name, body in idx.items())
    remotes = (
        Remote(f"{server.url}official/", MNIST.remotes[0].files),
        Remote(f"{server.url}first/", files),
        Remote(f"{server.url}second/", files),
    )
    change_mnist(remotes=remotes)
    return remotes


@pytest.fixture
def official(server, npz, change_mnist):
    """The official URL on loopback as the only remote, and it works; returns its path on the server."""
    change_mnist(remotes=(Remote(f"{server.url}official/", MNIST.remotes[0].files),))
    server.routes["/official/mnist.npz"] = loopback.serve(npz)
    return "/official/mnist.npz"


@pytest.fixture
def no_bundled_copy(tmp_path, change_mnist):
    """What a distribution that strips data files leaves."""
    change_mnist(bundled=tmp_path / "stripped.npz")


@pytest.fixture
def no_sockets(monkeypatch):
    """Any socket is an error."""
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setattr(socket, "getaddrinfo", None)


@pytest.fixture
def impatient(monkeypatch):
    """Give idle servers up sooner, so that the tests need not wait. None of these servers ever answers."""
    monkeypatch.setattr(_download, "IDLE_TIMEOUT", 0.6)
    monkeypatch.setattr(_download, "TOTAL_TIMEOUT", 1.8)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def fetch_test(home, **kwargs):
    """Fetch the test set quickly."""
    return fetch_mnist(data_home=home, subset="test", normalize=False, **{"delay": 0.0, **kwargs})


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def assert_is_mnist(mnist, arrays):
    np.testing.assert_array_equal(mnist.images, arrays["x_test"])
    np.testing.assert_array_equal(mnist.target, arrays["y_test"])


def serve_idx(server, mirror, idx):
    for name, body in idx.items():
        server.routes[f"/{mirror}/{name}"] = loopback.serve(body)


def files_in(directory):
    return sorted(path.name for path in directory.iterdir())


def flip_one_bit(path):
    """Damage the official file within its first member, x_test."""
    body = bytearray(path.read_bytes())
    body[len(body) // 20] ^= 1
    path.write_bytes(body)


KEPT = [".sk_mnist.json", ".sk_mnist.lock", "mnist.npz"]


posix_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="takes fork and SIGKILL")


def start_python(code, *arguments):
    """Run code in a fresh interpreter that has this repository's sk_mnist."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


ONE_REMOTE = """
    import os, signal, sys
    from dataclasses import replace
    from sk_mnist.datasets import _cache, _download, _mnist, fetch_mnist
    from sk_mnist.datasets._dataset import MNIST, Remote
    url, home = sys.argv[1:]
    _download.IDLE_TIMEOUT = 300
    _mnist.MNIST = replace(MNIST, remotes=(Remote(url, MNIST.remotes[0].files),))
"""


# Servers that misbehave

WRONG_BYTES = bytes(11_490_434)
HTML = b"<!DOCTYPE html><title>Sign in to the hotel network</title>"

# Name: (response, number of requests with n_retries=2, what the error says).
FAULTS = {
    "truncated body": (lambda npz: loopback.serve(npz[:-1000]), 1, "sha256"),
    "wrong bytes of the right length": (lambda npz: loopback.serve(WRONG_BYTES), 1, "sha256"),
    "HTML instead of data": (lambda npz: loopback.serve(HTML), 1, "begins with b'<!DOCTYPE html>"),
    "HTTP 403": (lambda npz: loopback.status(403), 1, "403"),
    "HTTP 404": (lambda npz: loopback.status(404), 1, "404"),
    "HTTP 500": (lambda npz: loopback.status(500), 3, "500"),
    "HTTP 503": (lambda npz: loopback.status(503), 3, "503"),
    "redirect loop": (lambda npz: loopback.redirect_to_itself, 31, "30 redirects"),
    "silence": (lambda npz: loopback.silence, 3, "too slow: .* 0 in all"),
    "a byte at a time": (lambda npz: loopback.drip(1, 0.05), 3, r"too slow: .* \d+ in all"),
    "a crawl": (lambda npz: loopback.drip(1024, 0.1), 3, r"too slow: .* \d{4,6} in all"),
    "dropped half-way": (lambda npz: loopback.drop_half_way(npz), 3, "IncompleteRead"),
    "hanging half-way": (lambda npz: loopback.hang_half_way(npz), 3, r"too slow: .* \d{5,7} in all"),
    "a flood": (lambda npz: loopback.flood, 1, "more than 67108864 bytes"),
}
# They take seconds; "a byte at a time" ends in the same way.
SLOW_FAULTS = {"a crawl", "hanging half-way", "silence"}
faults = pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW_FAULTS else name for name in FAULTS]
)


@faults
def test_a_server_fault_is_reported_retried_if_transient_and_leaves_no_files(
    fault, home, server, official, npz, no_bundled_copy, monkeypatch
):
    response, requests, reason = FAULTS[fault]
    if "too slow" in reason:
        # Where bytes have to arrive first, this machine has the time to send them, whatever else it does.
        monkeypatch.setattr(_download, "IDLE_TIMEOUT", 2.0 if fault in SLOW_FAULTS else 0.5)
    server.routes[official] = response(npz)
    with pytest.raises(OSError, match=reason):
        fetch_test(home, n_retries=2)
    assert server.hits[official] == requests
    assert files_in(home) == [".sk_mnist.lock"]


@pytest.mark.slow
@faults
def test_after_a_server_fault_the_bundled_copy_is_used_and_cached(
    fault, home, server, official, npz, arrays, impatient, caplog
):
    server.routes[official] = FAULTS[fault][0](npz)
    mnist = fetch_test(home, n_retries=0)
    assert caplog.messages == ["The download failed: using the bundled copy of MNIST."]
    assert_is_mnist(mnist, arrays)
    assert mnist.source == f"bundled: {BUNDLED_NPZ}"
    assert files_in(home) == KEPT
    assert sha256((home / "mnist.npz").read_bytes()) == OFFICIAL_SHA256


def test_a_transient_server_fault_is_retried_after_a_delay(home, server, official, npz, arrays, delays):
    server.routes[official] = loopback.status_then(503, loopback.serve(npz), times=2)
    mnist = fetch_test(home, n_retries=2, delay=0.2)
    assert delays == [0.2, 0.2]
    assert mnist.source == f"download: {server.url}official/"
    assert_is_mnist(mnist, arrays)


def test_without_retries_a_failing_server_gets_one_request(home, server, official):
    server.routes[official] = loopback.status(503)
    fetch_test(home, n_retries=0)
    assert server.hits[official] == 1


def test_an_unknown_host_name_is_looked_up_once_per_remote(home, delays, monkeypatch):
    asked = []

    def refuse(host, *args, **kwargs):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    fetch_mnist(data_home=home, subset="test", n_retries=5)
    assert delays == []
    assert asked == ["storage.googleapis.com", "ossci-datasets.s3.amazonaws.com", "storage.googleapis.com"]


def test_a_refused_connection_is_not_retried(home, delays, change_mnist):
    # A port that is taken, so that no other process gets it, and on which nobody listens.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        change_mnist(remotes=(Remote(f"http://127.0.0.1:{taken.getsockname()[1]}/", MNIST.remotes[0].files),))
        assert fetch_test(home, n_retries=5).source.startswith("bundled")
    assert delays == []


@pytest.mark.slow
def test_a_resolver_that_hangs_is_abandoned_after_a_timeout(home, server, official, monkeypatch):
    release, resolve = threading.Event(), socket.getaddrinfo

    def hang(*args, **kwargs):
        release.wait(60)
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        # With the look-up, the server would serve.
        assert fetch_test(home).source.startswith("bundled")
    finally:
        release.set()
    for thread in threading.enumerate():
        if thread.name == "sk-mnist-download":
            thread.join()
    assert not server.hits, "the look-up came to nothing, yet a request was made when it was over"


@pytest.mark.weekly
def test_idle_servers_share_one_total_timeout(home, server, remotes, monkeypatch):
    monkeypatch.setattr(_download, "IDLE_TIMEOUT", 0.5)
    monkeypatch.setattr(_download, "TOTAL_TIMEOUT", 0.8)
    for path in ("official/mnist.npz", "first/t10k-images-idx3-ubyte.gz", "second/t10k-images-idx3-ubyte.gz"):
        server.routes[f"/{path}"] = loopback.silence
    assert fetch_test(home, n_retries=5).source.startswith("bundled")
    # The first and the second have taken at least a second together.
    assert server.hits["/official/mnist.npz"] == 1
    assert server.hits["/second/t10k-images-idx3-ubyte.gz"] == 0


@pytest.fixture
def black_hole():
    """A URL that swallows packets: its server's queue is full, so the kernel answers no further connection."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        probe = stack.enter_context(socket.socket())
        probe.settimeout(0.3)
        try:
            probe.connect(listener.getsockname())
        except TimeoutError:
            pass
        else:
            pytest.skip("this kernel answers although the queue is full")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.slow
def test_if_packets_are_dropped_the_bundled_copy_is_used_and_then_the_cache(
    home, black_hole, impatient, change_mnist, monkeypatch
):
    change_mnist(remotes=tuple(remote._replace(url=black_hole) for remote in MNIST.remotes))
    assert fetch_mnist(data_home=home, subset="test").source.startswith("bundled")
    monkeypatch.setattr(socket, "socket", None)
    assert fetch_mnist(data_home=home, subset="test").source == f"cache: {home}"


@pytest.mark.slow
def test_a_mirror_is_used_if_the_official_url_drops_packets(home, black_hole, remotes, server, idx, change_mnist):
    official, first, _ = remotes
    change_mnist(remotes=(official._replace(url=black_hole), first))
    serve_idx(server, "first", idx)
    assert fetch_test(home).source == f"download: {first.url}"


def test_with_a_proxy_no_local_name_resolution_is_needed(home, server, npz, change_mnist, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    change_mnist(remotes=(Remote("http://mnist.invalid/", MNIST.remotes[0].files),))
    server.routes["http://mnist.invalid/mnist.npz"] = loopback.serve(npz)
    assert fetch_test(home).source == "download: http://mnist.invalid/"


def test_the_progress_bar_shows_the_file_as_it_arrives(home, official, capfd):
    fetch_test(home, progressbar=True)
    captured = capfd.readouterr()
    assert "mnist.npz" in captured.err
    assert "100%" in captured.err
    assert captured.out == ""


def test_without_a_progress_bar_a_download_prints_nothing(home, server, official, capfd, caplog):
    fetch_test(home)
    # Python prints warnings of a logger that nobody has configured.
    assert (*capfd.readouterr(), caplog.messages) == ("", "", [])
    assert server.hits[official] == 1


# Mirrors


@pytest.mark.slow
def test_a_mirror_of_the_idx_files_is_used_if_the_official_url_fails(home, remotes, server, idx, arrays):
    serve_idx(server, "first", idx)
    mnist = fetch_test(home)
    assert mnist.source == f"download: {server.url}first/"
    assert_is_mnist(mnist, arrays)
    assert files_in(home) == KEPT
    again = fetch_test(home)
    assert again.source == f"cache: {home}"
    assert_is_mnist(again, arrays)


@pytest.mark.slow
def test_the_second_mirror_is_asked_only_for_files_missing_from_the_first(home, remotes, server, idx, arrays):
    serve_idx(server, "first", idx)
    *_, last = idx
    server.routes[f"/first/{last}"] = loopback.status(404)
    serve_idx(server, "second", idx)
    mnist = fetch_test(home)
    assert mnist.source == f"download: {server.url}second/"
    assert_is_mnist(mnist, arrays)
    assert sum(hits for path, hits in server.hits.items() if path.startswith("/second/")) == 1


@pytest.mark.slow
def test_a_mirror_is_tried_before_the_official_url_is_retried(home, remotes, server, idx, delays):
    server.routes["/official/mnist.npz"] = loopback.status(503)
    serve_idx(server, "first", idx)
    assert fetch_test(home, delay=20).source == f"download: {server.url}first/"
    assert delays == []


# What the headers of the official gzip files say of the files in them: names, and times in seconds since 1970.
OFFICIAL_IDX_HEADERS = {
    "x_train": ("train-images.idx3-ubyte", 848331386),
    "y_train": ("train-labels.idx1-ubyte", 848331398),
    "x_test": ("t10k-images.idx3-ubyte", 885827245),
    "y_test": ("t10k-labels.idx1-ubyte", 885827268),
}


@pytest.fixture(scope="module")
def official_idx(arrays, tmp_path_factory):
    """The four official IDX files, byte for byte, by file name: what GNU gzip makes of the arrays."""
    version = subprocess.run(["gzip", "--version"], capture_output=True, text=True, check=False) if GZIP else None
    if version is None or "Free Software Foundation" not in version.stdout:
        pytest.skip("takes GNU gzip, which compressed the official files; zlib compresses otherwise")
    directory = tmp_path_factory.mktemp("official")
    files = {}
    for name, (file_name, seconds) in OFFICIAL_IDX_HEADERS.items():
        (directory / file_name).write_bytes(idx_bytes(arrays[name]))
        os.utime(directory / file_name, (seconds, seconds))
        command = ["gzip", "-6", "--name", "--stdout", file_name]
        files[IDX_NAMES[name]] = subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout
    return files


@pytest.mark.slow
def test_the_official_idx_files_have_the_published_hashes(home, server, official_idx, arrays, change_mnist):
    official_mirror = MNIST.remotes[1]
    assert official_mirror.url == "https://ossci-datasets.s3.amazonaws.com/mnist/"
    for name, body in official_idx.items():
        server.routes[f"/{name}"] = loopback.serve(body)
    change_mnist(remotes=(official_mirror._replace(url=server.url),))
    mnist = fetch_test(home)
    assert mnist.source == f"download: {server.url}"
    assert_is_mnist(mnist, arrays)


@pytest.mark.slow
def test_wrong_data_is_rejected_even_if_its_hash_is_in_our_table(
    home, server, remotes, arrays, idx, change_mnist, no_bundled_copy
):
    body = npz_bytes({**arrays, "y_test": np.roll(arrays["y_test"], 1)})
    file = KnownFile("mnist.npz", sha256(body), len(body))
    change_mnist(remotes=(remotes[0]._replace(files=(file,)), *remotes[1:]))
    server.routes["/official/mnist.npz"] = loopback.serve(body)
    with pytest.raises(OSError, match=r"y_test is not MNIST's: sha256"):
        fetch_test(home)
    assert files_in(home) == [".sk_mnist.lock"]
    # It does not keep a mirror from being asked.
    serve_idx(server, "first", idx)
    mnist = fetch_test(home)
    assert mnist.source == f"download: {server.url}first/"
    assert_is_mnist(mnist, arrays)


@pytest.mark.slow
def test_the_error_for_a_repacked_file_says_that_its_arrays_are_correct(
    home, server, official, arrays, no_bundled_copy
):
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    server.routes[official] = loopback.serve(packed.getvalue())
    with pytest.raises(OSError, match=r"it was re-packed: the arrays in it are MNIST's"):
        fetch_test(home)


# Files that are not what they should be


def npz_bytes(arrays, **others):
    """An uncompressed npz of some arrays."""
    packed = io.BytesIO()
    np.savez(packed, **arrays, **others)
    return packed.getvalue()


def npy_header(shape):
    """The start of an npy file that promises uint8 values of this shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def with_member(arrays, name, body, compression=zipfile.ZIP_STORED):
    """The arrays as an npz in which one member is something else."""
    packed = io.BytesIO(npz_bytes({key: array for key, array in arrays.items() if key != name}))
    with zipfile.ZipFile(packed, "a", compression) as archive:
        archive.writestr(f"{name}.npy", body)
    return packed.getvalue()


BAD_NPZ = {
    "a missing member": (lambda a: npz_bytes({k: v for k, v in a.items() if k != "y_test"}), "it holds x_test.npy"),
    "an extra member": (lambda a: npz_bytes(a, extra=np.zeros(3)), "it holds extra.npy"),
    "a wrong dtype": (lambda a: npz_bytes({**a, "y_test": a["y_test"].astype(np.int64)}), "y_test is int64"),
    "a wrong shape": (
        lambda a: npz_bytes({**a, "x_test": a["x_test"].reshape(-1, 784)}),
        r"x_test is uint8 of shape \(10000, 784\)",
    ),
    "a label over 9": (
        lambda a: npz_bytes({**a, "y_test": np.where(np.arange(10_000) == 5, 10, a["y_test"]).astype(np.uint8)}),
        "y_test is not MNIST's",
    ),
    "a promise of a huge array": (
        lambda a: with_member(a, "x_test", npy_header((10**12, 28, 28))),
        r"x_test is uint8 of shape \(1000000000000, 28, 28\)",
    ),
    "a header that is cut off": (
        lambda a: with_member(a, "x_test", npy_header((10_000, 28, 28)).replace(b")", b" ")),
        "header that cannot be parsed",
    ),
    "a header that breaks the parser": (
        lambda a: with_member(a, "x_test", b"\x93NUMPY\x01\0" + (9000).to_bytes(2, "little") + b"-" * 9000),
        "header of 9000 bytes is too long",
    ),
    "an npy version of the future": (
        lambda a: with_member(a, "x_test", b"\x93NUMPY\x04\0"),
        r"npy format version \(4, 0\)",
    ),
    "an unknown compression": (
        lambda a: with_member(a, "y_test", npy_header((10_000,)) + bytes(10_000), zipfile.ZIP_LZMA),
        "y_test is compressed by a method",
    ),
    "a text file": (lambda a: HTML, "File is not a zip file"),
    "an empty file": (lambda a: b"", "File is not a zip file"),
}


@pytest.mark.parametrize("fault", BAD_NPZ)
def test_an_npz_file_that_is_not_mnist_is_rejected_with_the_reason(fault, tmp_path, arrays, no_bundled_copy):
    make, reason = BAD_NPZ[fault]
    (tmp_path / "mnist.npz").write_bytes(make(arrays))
    with pytest.raises(OSError, match=reason):
        fetch_test(tmp_path, download_if_missing=False)


class _Trap:
    """Unpickled, it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda trap, arrays: npz_bytes({**arrays, "y_test": np.array([trap], dtype=object)}), "y_test is object"),
        (lambda trap, arrays: pickle.dumps(trap), "not a zip file"),
    ],
    ids=["in an npz file", "by the name of one"],
)
def test_a_pickled_object_is_rejected_and_not_loaded(write, reason, tmp_path, arrays, no_bundled_copy):
    (tmp_path / "mnist.npz").write_bytes(write(_Trap(tmp_path / "sprung"), arrays))
    with pytest.raises(OSError, match=reason):
        fetch_test(tmp_path, download_if_missing=False)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.slow
def test_an_npz_bomb_is_not_unpacked_past_the_known_size(tmp_path, arrays):
    images = npy_header((10_000, 28, 28)) + bytes(300_000_000)
    (tmp_path / "mnist.npz").write_bytes(with_member(arrays, "x_test", images, zipfile.ZIP_DEFLATED))
    del images
    assert peak_memory(lambda: fetch_test(tmp_path, download_if_missing=False)) < 40e6


@pytest.mark.slow
def test_a_gzip_bomb_among_the_idx_files_is_not_unpacked_past_the_known_size(tmp_path, idx):
    for name, body in idx.items():
        (tmp_path / name).write_bytes(body)
    bomb = gzip.compress(idx_bytes(np.zeros((300_000, 28, 28), dtype=np.uint8)), 1)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(bomb)
    del bomb
    assert peak_memory(lambda: fetch_test(tmp_path, download_if_missing=False)) < 40e6


@examples_times(0.3)
@given(data=st.data())
def test_a_damaged_file_yields_the_correct_data_or_a_reported_problem(data, tmp_path, npz, arrays):
    """Damage where it can matter: any header, any directory entry, and a few bytes of the values."""
    body = bytearray(npz)
    with zipfile.ZipFile(BUNDLED_NPZ) as archive:
        starts = [member.header_offset for member in archive.infolist()]
    near_a_header = st.builds(lambda start, offset: start + offset, st.sampled_from(starts), st.integers(0, 250))
    near_the_end = st.integers(len(body) - 300, len(body) - 1)
    anywhere = st.integers(0, len(body) - 1)
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(near_a_header | near_the_end | anywhere)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 100, 100_000]))
    (tmp_path / "mnist.npz").write_bytes(body[: len(body) - cut])
    status = _cache.check_data_home(tmp_path)
    if body == npz and not cut:
        assert status.problem is None
    if status.problem is None:
        assert_is_mnist(fetch_test(tmp_path, download_if_missing=False), arrays)
        assert fetch_test(tmp_path, download_if_missing=False).source == f"cache: {tmp_path}"


@examples_times(0.15)
@given(data=st.data())
def test_a_changed_array_yields_the_correct_data_or_a_reported_problem(data, tmp_path, arrays):
    """Changes that the zip file's own checksums agree with: only the checks of the arrays can tell."""
    name = data.draw(st.sampled_from(["y_train", "y_test"]))
    member = io.BytesIO()
    np.save(member, arrays[name])
    body = bytearray(member.getvalue())
    for _ in range(data.draw(st.integers(0, 2))):
        position = data.draw(st.integers(0, 130) | st.integers(0, len(body) - 1))
        body[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 5000]))
    (tmp_path / "mnist.npz").write_bytes(with_member(arrays, name, bytes(body[: len(body) - cut])))
    status = _cache.check_data_home(tmp_path)
    if body == member.getvalue() and not cut:
        assert status.problem is None
    if status.problem is None:
        loaded = fetch_mnist(data_home=tmp_path, subset="all", normalize=False, download_if_missing=False)
        assert loaded.source == f"cache: {tmp_path}"
        np.testing.assert_array_equal(loaded.target, np.concatenate([arrays["y_train"], arrays["y_test"]]))


def zip_with_many_entries(n_entries):
    """A zip file of empty members: its directory is far longer than that of four arrays."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(n_entries):
            archive.writestr(str(number), b"")
    return packed.getvalue()


@pytest.mark.parametrize("n_entries", [100, pytest.param(70_000, marks=pytest.mark.weekly)], ids=["zip", "zip64"])
def test_a_zip_directory_too_long_for_four_arrays_is_rejected(n_entries, tmp_path, no_bundled_copy):
    (tmp_path / "mnist.npz").write_bytes(zip_with_many_entries(n_entries))
    with pytest.raises(OSError, match="its directory is longer than that of four arrays"):
        fetch_test(tmp_path, download_if_missing=False)


@pytest.mark.weekly
def test_a_long_zip_directory_is_not_read_into_memory(tmp_path):
    path = tmp_path / "mnist.npz"
    path.write_bytes(zip_with_many_entries(20_000))
    assert peak_memory(lambda: _cache.check_data_home(tmp_path)) < 2e6
    assert peak_memory(lambda: zipfile.ZipFile(path)) > 5e6


@pytest.mark.weekly
def test_a_download_with_a_long_zip_directory_is_rejected(home, server, official, no_bundled_copy):
    server.routes[official] = loopback.serve(zip_with_many_entries(50_000))
    with pytest.raises(OSError, match="its directory is longer than that of four arrays"):
        fetch_test(home)


# The cache


def test_a_damaged_copy_in_the_package_is_not_cached(home, tmp_path, arrays, change_mnist):
    (tmp_path / "damaged.npz").write_bytes(npz_bytes({**arrays, "y_train": np.roll(arrays["y_train"], 1)}))
    change_mnist(remotes=(), bundled=tmp_path / "damaged.npz")
    assert_is_mnist(fetch_test(home), arrays)
    assert files_in(home) == [".sk_mnist.lock"]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flip_one_bit, lambda path: os.truncate(path, 5_000_000)], ids=["flip", "truncate"])
def test_a_damaged_cache_is_repaired(damage, home, official, arrays):
    fetch_test(home)
    damage(home / "mnist.npz")
    assert_is_mnist(fetch_test(home), arrays)
    assert sha256((home / "mnist.npz").read_bytes()) == OFFICIAL_SHA256
    assert files_in(home) == KEPT


def test_a_flipped_bit_in_an_uncompressed_cache_is_noticed(tmp_path, arrays):
    # Without compression and its checksum, only the digest of the array can tell.
    (tmp_path / "mnist.npz").write_bytes(npz_bytes({**arrays, "x_test": arrays["x_test"] ^ np.uint8(0)}))
    assert _cache.check_data_home(tmp_path).problem is None
    arrays_with_a_flipped_bit = {**arrays, "x_test": arrays["x_test"].copy()}
    arrays_with_a_flipped_bit["x_test"][5, 5, 5] ^= 1
    (tmp_path / "mnist.npz").write_bytes(npz_bytes(arrays_with_a_flipped_bit))
    assert_is_mnist(fetch_test(tmp_path, download_if_missing=False), arrays)


def test_an_npz_file_that_the_user_put_in_the_data_home_is_used(tmp_path, npz, arrays, no_bundled_copy, no_sockets):
    (tmp_path / "mnist.npz").write_bytes(npz)
    mnist = fetch_test(tmp_path)
    assert mnist.source == f"cache: {tmp_path}"
    assert_is_mnist(mnist, arrays)
    assert files_in(tmp_path) == ["mnist.npz"]


@pytest.mark.parametrize(
    "unpacked", [(), tuple(IDX_NAMES.values()), (IDX_NAMES["x_test"],)], ids=["gz", "plain", "both"]
)
def test_idx_files_that_the_user_put_in_the_data_home_are_used(
    unpacked, tmp_path, idx, arrays, no_bundled_copy, no_sockets
):
    for name, body in idx.items():
        if name in unpacked:
            (tmp_path / name.removesuffix(".gz")).write_bytes(gzip.decompress(body))
        else:
            (tmp_path / name).write_bytes(body)
    mnist = fetch_test(tmp_path)
    assert mnist.source == f"cache: {tmp_path}"
    assert_is_mnist(mnist, arrays)


def test_idx_files_are_used_if_the_npz_file_beside_them_is_damaged(tmp_path, idx, arrays):
    (tmp_path / "mnist.npz").write_bytes(HTML)
    for name, body in idx.items():
        (tmp_path / name).write_bytes(body)
    mnist = fetch_test(tmp_path, download_if_missing=False)
    assert mnist.source == f"cache: {tmp_path}"
    assert_is_mnist(mnist, arrays)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.zeros((10_000, 28, 28), dtype=np.uint8), "x_test is not MNIST's"),
        (np.zeros((10_000, 784), dtype=np.uint8), "holds uint8 of shape"),
    ],
    ids=["values", "shape"],
)
def test_idx_files_that_are_not_mnist_are_rejected(bad, reason, tmp_path, idx, no_bundled_copy):
    for name, body in idx.items():
        (tmp_path / name).write_bytes(body)
    (tmp_path / IDX_NAMES["x_test"]).write_bytes(gzip.compress(idx_bytes(bad)))
    with pytest.raises(OSError, match=reason):
        fetch_test(tmp_path, download_if_missing=False)


def test_a_user_file_named_mnist_npz_is_renamed_and_not_lost(tmp_path, official, arrays):
    (tmp_path / "mnist.npz").write_bytes(b"my own data")
    (tmp_path / "mnist.npz.rejected-1").write_bytes(b"from an earlier time")
    assert_is_mnist(fetch_test(tmp_path), arrays)
    assert (tmp_path / "mnist.npz.rejected-1").read_bytes() == b"from an earlier time"
    assert (tmp_path / "mnist.npz.rejected-2").read_bytes() == b"my own data"
    assert fetch_test(tmp_path).source == f"cache: {tmp_path}"


def test_a_cached_file_is_as_readable_as_any_new_file(home, official):
    fetch_test(home)
    (home / "new").touch()
    assert stat.S_IMODE((home / "mnist.npz").stat().st_mode) == stat.S_IMODE((home / "new").stat().st_mode)


def test_clear_data_home_leaves_what_the_user_put_there(home, official):
    fetch_test(home)
    (home / "notes.txt").write_text("mine")
    (home / "mnist.npz.bak").write_text("mine too")
    clear_data_home(home)
    assert files_in(home) == ["mnist.npz.bak", "notes.txt"]


def test_clear_data_home_leaves_a_mnist_file_the_user_put_there(tmp_path, npz):
    (tmp_path / "mnist.npz").write_bytes(npz)
    fetch_test(tmp_path)
    clear_data_home(tmp_path)
    assert (tmp_path / "mnist.npz").read_bytes() == npz


@pytest.mark.slow
def test_check_data_home_reports_origin_digest_and_problem(home, server, official):
    assert "neither mnist.npz nor the IDX files" in _cache.check_data_home(home).problem
    fetch_test(home)
    assert _cache.check_data_home(home) == (home, f"download: {server.url}official/", OFFICIAL_SHA256, None)
    flip_one_bit(home / "mnist.npz")
    damaged = _cache.check_data_home(home)
    assert damaged.problem is not None
    assert damaged.sha256 != OFFICIAL_SHA256


# Files that a user put into the data home


@pytest.fixture
def fashion(arrays):
    """Arrays of the names, shapes and dtypes of MNIST's, like Fashion-MNIST's."""
    return {name: array[::-1] for name, array in arrays.items()}


def put_npz(home, arrays):
    (home / "mnist.npz").write_bytes(npz_bytes(arrays))


def put_unpacked_idx(home, arrays):
    for name, array in arrays.items():
        (home / IDX_NAMES[name]).with_suffix("").write_bytes(idx_bytes(array))


def put_test_idx(home, arrays):
    for name in ("x_test", "y_test"):
        (home / IDX_NAMES[name]).write_bytes(gzip.compress(idx_bytes(arrays[name]), 1))


def put_html(home, arrays):
    (home / "mnist.npz").write_text("<!DOCTYPE html>")


@pytest.mark.parametrize("download_if_missing", [False, True])
@pytest.mark.parametrize(
    ("put", "first", "reason"),
    [
        (put_npz, "mnist.npz", "x_test is not MNIST's: sha256"),
        (put_unpacked_idx, "t10k-images-idx3-ubyte", "x_test is not MNIST's: sha256"),
        (put_test_idx, "t10k-images-idx3-ubyte.gz", "x_test is not MNIST's: sha256"),
        (put_html, "mnist.npz", "not the npz file of MNIST"),
    ],
)
def test_files_in_the_data_home_that_are_not_mnist_are_named_in_a_warning(
    put, first, reason, download_if_missing, home, fashion, arrays, official, caplog
):
    home.mkdir()
    put(home, fashion)
    assert_is_mnist(fetch_test(home, download_if_missing=download_if_missing), arrays)
    message = next(message for message in caplog.messages if "not used" in message)
    assert message.startswith(f"{home} has files that are not MNIST's")
    assert re.search(rf"\n- {re.escape(first)}: .*{reason}", message)


@pytest.mark.parametrize("put", [put_unpacked_idx, put_test_idx])
def test_such_files_are_named_each_time_although_the_cache_has_mnist(put, home, fashion, arrays, official, caplog):
    fetch_test(home)
    put(home, fashion)
    for _ in range(2):
        caplog.clear()
        assert_is_mnist(fetch_test(home), arrays)
        (message,) = caplog.messages
        assert "t10k-images-idx3-ubyte" in message


def test_an_npz_file_that_is_not_mnist_is_named_if_the_idx_files_beside_it_are_used(tmp_path, fashion, arrays, caplog):
    put_npz(tmp_path, fashion)
    put_test_idx(tmp_path, arrays)
    assert fetch_test(tmp_path).source == f"cache: {tmp_path}"
    (message,) = caplog.messages
    assert re.search(r"mnist\.npz is not used, .* x_test is not MNIST's", message)


def test_nothing_is_said_of_files_that_are_mnist_and_of_a_damaged_cache(home, arrays, official, caplog):
    fetch_test(home)
    put_test_idx(home, arrays)
    (home / "notes.txt").write_text("mine")
    fetch_test(home)
    for file in home.glob("*.gz"):
        file.unlink()
    flip_one_bit(home / "mnist.npz")
    fetch_test(home, download_if_missing=False)
    assert caplog.messages == []


# Keras' cache


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


def test_the_keras_cache_is_used_if_its_data_is_correct(home, keras_home, npz, arrays, no_bundled_copy, no_sockets):
    path = keras_home / "datasets" / "mnist.npz"
    path.write_bytes(npz)
    mnist = fetch_test(home)
    assert mnist.source == f"keras cache: {path}"
    assert_is_mnist(mnist, arrays)


def test_the_keras_cache_is_found_in_the_home_directory(home, tmp_path, npz, monkeypatch, no_sockets):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = tmp_path / ".keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(npz)
    assert fetch_test(home).source == f"keras cache: {path}"


def test_a_damaged_keras_cache_is_skipped_and_left_unchanged(home, keras_home, official, server, npz, arrays):
    path = keras_home / "datasets" / "mnist.npz"
    path.write_bytes(npz)
    flip_one_bit(path)
    damaged = path.read_bytes()
    mnist = fetch_test(home)
    assert mnist.source == f"download: {server.url}official/"
    assert_is_mnist(mnist, arrays)
    assert path.read_bytes() == damaged
    assert [path.name for path in keras_home.rglob("*")] == ["datasets", "mnist.npz"]


@posix_only
@pytest.mark.parametrize(
    "make", [lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zeros"]
)
def test_a_keras_cache_that_is_an_endless_device_is_skipped(make, home, keras_home, official, no_bundled_copy, server):
    make(keras_home / "datasets" / "mnist.npz")
    server.routes[official] = loopback.status(404)
    with pytest.raises(OSError, match="Keras' cache: Not a regular file"):
        fetch_test(home)


# Disks and directories


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("directory", "mnist.npz"),
        ("pipe", ".sk_mnist.json"),
        pytest.param("directory", ".sk_mnist.json", marks=pytest.mark.weekly),
        pytest.param("pipe", "mnist.npz", marks=pytest.mark.weekly),
    ],
)
def test_a_directory_or_pipe_in_place_of_a_cache_file_is_renamed_once(name, kind, home, server, official, arrays):
    fetch_test(home)
    (home / "mnist.npz").unlink()
    (home / name).unlink(missing_ok=True)
    if kind == "directory":
        (home / name).mkdir()
        (home / name / "mine").write_text("keep me")
    else:
        os.mkfifo(home / name)
    assert_is_mnist(fetch_test(home), arrays)
    assert fetch_test(home).source == f"cache: {home}"
    assert server.hits[official] == 2
    assert (home / f"{name}.rejected-1").exists()
    if kind == "directory":
        assert (home / f"{name}.rejected-1" / "mine").read_text() == "keep me"


def test_clear_data_home_leaves_a_directory_named_mnist_npz(home, official):
    fetch_test(home)
    (home / "mnist.npz").unlink()
    (home / "mnist.npz").mkdir()
    clear_data_home(home)
    assert files_in(home) == ["mnist.npz"]


@posix_only
def test_check_data_home_does_not_hang_on_a_record_file_that_is_a_pipe(home, official):
    fetch_test(home)
    (home / ".sk_mnist.json").unlink()
    os.mkfifo(home / ".sk_mnist.json")
    assert _cache.check_data_home(home) == (home, None, OFFICIAL_SHA256, None)


@pytest.mark.parametrize("path", ["", "a\0b"], ids=["empty", "null"])
@pytest.mark.parametrize("function", [fetch_mnist, get_data_home, clear_data_home])
def test_a_data_home_that_is_empty_or_has_a_null_character_is_rejected(function, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^data_home must be the path of a directory; got '(a\\x00b)?'\. Use '\.'"):
        function(data_home=path)
    assert files_in(tmp_path) == []


@pytest.fixture
def unprivileged():
    """Run as a user whom file permissions bind: root is made nobody for the time of the test."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no POSIX permissions here")
    if os.geteuid() != 0:
        yield
        return
    import requests  # noqa: F401  (its files may be out of reach for nobody)

    os.seteuid(65534)
    try:
        if not os.access(BUNDLED_NPZ, os.R_OK, effective_ids=True):
            pytest.skip("this repository is out of reach for an unprivileged user")
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only_directory():
    """A directory that nobody may write to, outside pytest's own, which nobody may enter."""
    directory = Path(tempfile.mkdtemp(prefix="sk-mnist-read-only-"))
    directory.chmod(0o555)
    yield directory
    directory.chmod(0o755)
    shutil.rmtree(directory)


def test_with_a_read_only_data_home_the_bundled_copy_is_used_without_a_download(
    read_only_directory, unprivileged, server, official, arrays, caplog
):
    mnist = fetch_test(read_only_directory)
    assert caplog.messages == [f"{read_only_directory} cannot be written: using the bundled copy of MNIST."]
    assert mnist.source == f"bundled: {BUNDLED_NPZ}"
    assert_is_mnist(mnist, arrays)
    assert not server.hits


def test_if_the_data_home_cannot_be_created_the_bundled_copy_is_used(read_only_directory, unprivileged, official):
    assert fetch_test(read_only_directory / "new").source == f"bundled: {BUNDLED_NPZ}"


def test_a_read_only_data_home_that_holds_mnist_is_used(read_only_directory, npz, no_bundled_copy, no_sockets, request):
    read_only_directory.chmod(0o755)
    (read_only_directory / "mnist.npz").write_bytes(npz)
    read_only_directory.chmod(0o555)
    request.getfixturevalue("unprivileged")
    assert fetch_test(read_only_directory).source == f"cache: {read_only_directory}"


@pytest.fixture
def full_disk(tmp_path):
    """A file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow mounting")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def file_size_limit(tmp_path):
    """A process that may write two megabytes to a file: a full disk where none can be mounted."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("disk", ["full_disk", "file_size_limit"])
def test_on_a_full_disk_the_bundled_copy_is_used_and_no_partial_file_is_left(disk, request, official, arrays):
    place = request.getfixturevalue(disk)
    mnist = fetch_test(place)
    assert mnist.source == f"bundled: {BUNDLED_NPZ}"
    assert_is_mnist(mnist, arrays)
    assert files_in(place) == [".sk_mnist.lock"]


def test_a_full_disk_without_a_bundled_copy_raises_one_clear_error(file_size_limit, official, no_bundled_copy):
    with pytest.raises(OSError, match=r"writing to .*: File too large"):
        fetch_test(file_size_limit)


def test_if_the_data_home_is_a_file_the_bundled_copy_is_used(tmp_path, official):
    (tmp_path / "file").write_text("I am a file")
    mnist = fetch_test(tmp_path / "file")
    assert mnist.source == f"bundled: {BUNDLED_NPZ}"
    assert (tmp_path / "file").read_text() == "I am a file"


def test_a_data_home_that_is_a_file_is_named_in_the_error(tmp_path, official, no_bundled_copy):
    (tmp_path / "file").write_text("I am a file")
    with pytest.raises(OSError, match="file is a file, not a directory"):
        fetch_test(tmp_path / "file")


@pytest.mark.parametrize("name", ["données été", "データ", "with  blanks and 'quotes'", "a\nline"])
def test_paths_with_unusual_characters_work(name, tmp_path, official):
    home = tmp_path / name
    assert fetch_test(home).source.startswith("download")
    assert fetch_test(home).source == f"cache: {home}"
    clear_data_home(home)
    assert files_in(home) == []


def test_without_a_home_directory_the_bundled_copy_is_used(monkeypatch, official):
    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    pwd = pytest.importorskip("pwd")
    for name in ("HOME", "XDG_CACHE_HOME", "SK_MNIST_DATA", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert fetch_test(None).source == f"bundled: {BUNDLED_NPZ}"


def test_if_every_source_fails_one_error_lists_them_all_and_says_what_to_do(home, remotes, no_bundled_copy):
    with pytest.raises(OSError, match="is not available from any source") as caught:
        fetch_test(home)
    message = str(caught.value)
    for place in (str(home), "Keras' cache", *(remote.url for remote in remotes), "the package's own copy"):
        assert place in message
    assert len(re.findall(r"\b404\b", message)) == 3  # not in the number of a port
    assert "SK_MNIST_DATA" in message


# Processes


@pytest.mark.slow
@posix_only
def test_sixteen_processes_on_an_empty_cache_make_one_download(home, server, official):
    code = (
        ONE_REMOTE
        + """
    import hashlib
    start, go = os.pipe()
    children = []
    for _ in range(16):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(start, 1)  # returns when the parent closes its end: all start together
            mnist = fetch_mnist(data_home=home, subset="test", normalize=False)
            right = hashlib.sha256(mnist.data).hexdigest() == MNIST.arrays["x_test"].sha256
            os._exit(0 if right else 1)
        children.append(child)
    os.close(go)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    """
    )
    output, _ = start_python(code, f"{server.url}official/", home).communicate(timeout=300)
    assert output.strip() == str([0] * 16)
    assert server.hits[official] == 1
    assert files_in(home) == KEPT


@pytest.mark.slow
@posix_only
def test_the_cache_recovers_from_a_process_killed_during_a_download(home, server, official, npz, arrays):
    server.routes[official] = loopback.hang_half_way(npz)
    code = ONE_REMOTE + "    fetch_mnist(data_home=home)"
    child = start_python(code, f"{server.url}official/", home)
    temporary = wait_for(lambda: next(path for path in home.glob(".sk_mnist-*/*") if path.stat().st_size > 5_000_000))
    child.kill()
    child.communicate()
    assert temporary.exists()
    server.routes[official] = loopback.serve(npz)
    mnist = fetch_test(home)
    assert mnist.source.startswith("download")
    assert_is_mnist(mnist, arrays)
    assert files_in(home) == KEPT


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("moves", [0, 1, 2])
def test_the_cache_recovers_from_a_process_killed_while_moving_files(
    moves, home, server, official, arrays, monkeypatch
):
    code = (
        ONE_REMOTE
        + """
    replace, moves = os.replace, int(os.environ["MOVES"])
    def replace_or_die(*args):
        global moves
        if moves == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        moves -= 1
        replace(*args)
        if moves == 0 and args[1].name == "mnist.npz":
            os.kill(os.getpid(), signal.SIGKILL)
    _cache.os.replace = replace_or_die
    fetch_mnist(data_home=home)
    """
    )
    monkeypatch.setenv("MOVES", str(moves))
    child = start_python(code, f"{server.url}official/", home)
    child.communicate(timeout=300)
    assert child.returncode == -signal.SIGKILL
    assert_is_mnist(fetch_test(home), arrays)
    assert _cache.check_data_home(home).problem is None
    clear_data_home(home)
    assert files_in(home) == []


def wait_for(condition, seconds=300):
    """Return the condition's value as soon as it has one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return condition()
        except StopIteration:
            time.sleep(0.02)
    raise TimeoutError


def test_eight_threads_on_an_empty_cache_make_one_download(home, server, official, arrays):
    with ThreadPoolExecutor(8) as pool:
        for mnist in pool.map(lambda _: fetch_test(home), range(8)):
            assert_is_mnist(mnist, arrays)
    assert server.hits[official] == 1
    assert files_in(home) == KEPT


def test_a_lock_file_left_by_a_dead_process_does_not_block_a_download(home, server, official):
    home.mkdir()
    (home / ".sk_mnist.lock").write_text("99999999")
    assert fetch_test(home).source == f"download: {server.url}official/"


def test_if_the_lock_is_never_released_the_bundled_copy_is_used(home, official, arrays, monkeypatch):
    monkeypatch.setattr(_cache, "LOCK_TIMEOUT", 0.3)
    home.mkdir()
    with FileLock(home / ".sk_mnist.lock"):
        mnist = fetch_test(home)
    assert mnist.source == f"bundled: {BUNDLED_NPZ}"
    assert_is_mnist(mnist, arrays)


# Cost


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
# 70,000 x 784 are 52 MiB as bytes and 209 MiB as float32. Two more copies of the bytes, or one more of the floats,
# would exceed the limits.
@pytest.mark.parametrize(("normalize", "limit"), [(False, 150), (True, 450)])
def test_a_fetch_from_the_cache_stays_within_its_memory_limit(normalize, limit, tmp_path, npz):
    (tmp_path / "mnist.npz").write_bytes(npz)
    code = """
    import sys
    from sk_mnist.datasets import fetch_mnist
    def mebibytes(field):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024
    after_import = mebibytes("VmRSS")
    fetch_mnist(data_home=sys.argv[1], normalize=sys.argv[2] == "True")
    print(mebibytes("VmHWM") - after_import)
    """
    output, _ = start_python(code, tmp_path, normalize).communicate(timeout=300)
    assert float(output) < limit

"""fetch_fashion_mnist, which differs from fetch_mnist in its data set and in that the package has no copy."""

import gzip
import hashlib
import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sk_mnist import clear_data_home, fetch_fashion_mnist, fetch_mnist
from sk_mnist.datasets import _fashion_mnist
from sk_mnist.datasets._dataset import FASHION_MNIST, KnownArray, KnownFile, Remote
from tests.helpers.idx_encoding import idx_bytes
from tests.helpers.loopback import LoopbackServer, serve

# Debian's package dataset-fashion-mnist, which has the real arrays in files that it compressed again.
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
KEPT = [".sk_fashion-mnist.json", ".sk_mnist.lock", "fashion-mnist.npz"]


@pytest.fixture(scope="module")
def arrays():
    """A small data set in the form of Fashion-MNIST."""
    rng = np.random.default_rng(0)
    shapes = {"x_train": (30, 28, 28), "y_train": (30,), "x_test": (20, 28, 28), "y_test": (20,)}
    limits = {"x": 256, "y": 10}
    return {name: rng.integers(limits[name[0]], size=shape, dtype=np.uint8) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def files(arrays):
    """The files that hold it, by name."""
    return {FASHION_MNIST.idx[name].name: gzip.compress(idx_bytes(array)) for name, array in arrays.items()}


@pytest.fixture
def server(arrays, files, monkeypatch):
    """The official address and Keras' copy on loopback, with the small data set in place of Fashion-MNIST."""
    known = tuple(KnownFile(name, hashlib.sha256(body).hexdigest(), len(body)) for name, body in files.items())
    with LoopbackServer() as server:
        changed = replace(
            FASHION_MNIST,
            arrays={name: KnownArray(a.shape, hashlib.sha256(a).hexdigest()) for name, a in arrays.items()},
            remotes=(Remote(f"{server.url}official/", known), Remote(f"{server.url}keras/", known)),
        )
        monkeypatch.setattr(_fashion_mnist, "FASHION_MNIST", changed)
        yield server


def serve_files(server, place, files):
    for name, body in files.items():
        server.routes[f"/{place}/{name}"] = serve(body)


def write_files(directory, files):
    directory.mkdir(parents=True)
    for name, body in files.items():
        (directory / name).write_bytes(body)


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_it_takes_the_arguments_of_fetch_mnist():
    assert inspect.signature(fetch_fashion_mnist) == inspect.signature(fetch_mnist)


def test_the_files_are_downloaded_checked_and_cached(server, files, arrays, tmp_path):
    serve_files(server, "official", files)
    fashion = fetch_fashion_mnist(data_home=tmp_path, normalize=False)
    np.testing.assert_array_equal(fashion.images, np.concatenate([arrays["x_train"], arrays["x_test"]]))
    np.testing.assert_array_equal(fashion.target, np.concatenate([arrays["y_train"], arrays["y_test"]]))
    assert fashion.source == f"download: {server.url}official/"
    assert names_in(tmp_path) == KEPT
    again = fetch_fashion_mnist(data_home=tmp_path, subset="test")
    np.testing.assert_array_equal(again.target, arrays["y_test"])
    assert again.source == f"cache: {tmp_path}"
    assert sum(server.hits.values()) == 4


def test_the_bunch_says_what_it_holds(server, files, tmp_path):
    write_files(tmp_path / "here", files)
    fashion = fetch_fashion_mnist(data_home=tmp_path / "here")
    assert fashion.target_names == CLASSES
    assert all(name in " ".join(fashion.DESCR.split()) for name in CLASSES)
    assert repr(fashion).startswith("Fashion-MNIST, a Bunch of:")


def test_keras_copy_is_used_if_the_official_address_has_other_bytes(server, files, tmp_path):
    serve_files(server, "official", dict.fromkeys(files, b"something else"))
    serve_files(server, "keras", files)
    assert fetch_fashion_mnist(data_home=tmp_path).source == f"download: {server.url}keras/"


def test_without_network_and_cache_the_error_lists_what_was_tried(server, tmp_path):
    with pytest.raises(OSError, match="Fashion-MNIST is not available from any source") as caught:
        fetch_fashion_mnist(data_home=tmp_path, n_retries=0)
    message = str(caught.value)
    for tried in (f"the cache {tmp_path}: ", "Keras' cache: ", f"{server.url}official/: ", f"{server.url}keras/: "):
        assert tried in message
    assert f"Put the IDX files from {server.url}official/" in message
    assert names_in(tmp_path) == [".sk_mnist.lock"]


def test_keras_cache_is_read(server, files, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    write_files(tmp_path / "keras" / "datasets" / "fashion-mnist", files)
    fashion = fetch_fashion_mnist(data_home=tmp_path / "home", download_if_missing=False)
    assert fashion.source == f"keras cache: {tmp_path / 'keras' / 'datasets' / 'fashion-mnist'}"


def test_it_shares_a_data_home_with_mnist_and_both_are_cleared(server, files, tmp_path, change_mnist):
    change_mnist(remotes=())
    write_files(tmp_path / "home", dict.fromkeys(files, b"MNIST's, with the same name"))
    serve_files(server, "official", files)
    fetch_fashion_mnist(data_home=tmp_path / "home")
    fetch_mnist(data_home=tmp_path / "home", subset="test")
    assert {*KEPT, "mnist.npz"} <= set(names_in(tmp_path / "home"))
    clear_data_home(tmp_path / "home")
    assert names_in(tmp_path / "home") == sorted(files)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_the_real_files_have_the_known_digests():
    fashion = fetch_fashion_mnist(data_home=DEBIAN, download_if_missing=False)
    assert fashion.data.shape == (70_000, 784)
    assert fashion.target_names[fashion.target[0]] == "Ankle boot"
    np.testing.assert_array_equal(np.bincount(fashion.target), np.full(10, 7000))

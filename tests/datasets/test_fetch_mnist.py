"""fetch_mnist as a user calls it: what it returns, and where from."""

import hashlib
import logging
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed

from sk_mnist import clear_data_home, fetch_mnist, get_data_home
from sk_mnist.datasets import _download
from sk_mnist.datasets._dataset import BUNDLED, MNIST, Remote
from tests.helpers.loopback import LoopbackServer, serve
from tests.helpers.processes import output_of


@pytest.fixture
def official_server(change_mnist):
    """A server that has mnist.npz, as the only remote."""
    with LoopbackServer() as server:
        server.routes["/mnist.npz"] = serve(BUNDLED.read_bytes())
        change_mnist(remotes=(Remote(server.url, MNIST.remotes[0].files),))
        yield server


@pytest.fixture
def no_name_resolution(monkeypatch):
    """What a machine without a network says."""

    def refuse(host, *args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def local(**kwargs):
    """fetch_mnist from what is at hand."""
    return fetch_mnist(download_if_missing=False, **kwargs)


# What is returned


@pytest.mark.parametrize(("subset", "n_samples"), [("train", 60_000), ("test", 10_000), ("all", 70_000)])
def test_each_subset_has_all_its_rows_as_float32_data_and_int64_targets(subset, n_samples):
    mnist = local(subset=subset)
    assert mnist.data.shape == (n_samples, 784)
    assert mnist.data.dtype == np.float32
    assert mnist.target.shape == (n_samples,)
    assert mnist.target.dtype == np.int64


def test_subset_all_is_the_training_rows_followed_by_the_test_rows(arrays):
    X, y = local(subset="all", normalize=False, return_X_y=True)
    np.testing.assert_array_equal(X[:60_000], arrays["x_train"].reshape(-1, 784))
    np.testing.assert_array_equal(X[60_000:], arrays["x_test"].reshape(-1, 784))
    np.testing.assert_array_equal(y, np.concatenate([arrays["y_train"], arrays["y_test"]]))


def test_unnormalized_pixels_are_the_published_bytes(arrays):
    X, _ = local(subset="test", normalize=False, return_X_y=True)
    assert X.dtype == np.uint8
    assert X.tobytes() == arrays["x_test"].tobytes()


def test_normalized_pixels_are_the_bytes_divided_by_255_in_float32(arrays):
    X, _ = local(subset="test", return_X_y=True)
    np.testing.assert_array_equal(X, arrays["x_test"].reshape(-1, 784).astype(np.float32) / np.float32(255))
    assert X.min() == 0
    assert X.max() == 1


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("subset", ["test", "all"])
def test_arrays_are_owned_contiguous_aligned_and_writable(subset, shuffle, normalize):
    mnist = local(subset=subset, shuffle=shuffle, normalize=normalize)
    for array in (mnist.data, mnist.target):
        assert array.flags.owndata
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable


def test_two_calls_share_no_memory():
    first, second = local(subset="test"), local(subset="test")
    assert not np.shares_memory(first.data, second.data)
    assert not np.shares_memory(first.target, second.target)


def test_images_are_a_view_of_data():
    mnist = local(subset="test")
    assert mnist.images.shape == (10_000, 28, 28)
    mnist.images[3, 1, 2] = 0.5
    assert mnist.data[3, 28 + 2] == 0.5


def test_return_X_y_gives_data_and_target():
    mnist = local(subset="test")
    X, y = local(subset="test", return_X_y=True)
    np.testing.assert_array_equal(X, mnist.data)
    np.testing.assert_array_equal(y, mnist.target)


def test_names_and_description_are_those_of_mnist():
    mnist = local(subset="test")
    assert len(mnist.feature_names) == 784
    assert mnist.feature_names[:2] == ["pixel_0_0", "pixel_0_1"]
    assert mnist.feature_names[-1] == "pixel_27_27"
    assert mnist.target_names == list("0123456789")
    assert "MNIST handwritten digits" in mnist.DESCR
    assert mnist.frame is None


def test_the_class_counts_in_the_description_are_those_of_the_data(arrays):
    train, test = np.bincount(arrays["y_train"]), np.bincount(arrays["y_test"])
    description = " ".join(local(subset="test").DESCR.split())
    assert f"from {train.min():,} (digit {train.argmin()}) to {train.max():,} (digit {train.argmax()})" in description
    assert f"from {test.min():,} (digit {test.argmin()}) to {test.max():,} (digit {test.argmax()})" in description


def test_shuffle_permutes_rows_and_targets_together(arrays):
    X, y = local(subset="test", normalize=False, shuffle=True, random_state=0, return_X_y=True)
    order = np.random.RandomState(0).permutation(10_000)
    np.testing.assert_array_equal(X, arrays["x_test"].reshape(-1, 784)[order])
    np.testing.assert_array_equal(y, arrays["y_test"][order])


def test_shuffle_leaves_the_global_generator_alone_when_seeded():
    before = np.random.get_state()[1].copy()
    local(subset="test", shuffle=True, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_as_frame_gives_pandas_with_pixel_columns():
    import pandas

    mnist = local(subset="test", as_frame=True)
    assert isinstance(mnist.data, pandas.DataFrame)
    assert list(mnist.data.columns) == mnist.feature_names
    assert (mnist.data.dtypes == np.float32).all()
    assert isinstance(mnist.target, pandas.Series)
    assert mnist.target.name == "target"
    assert list(mnist.frame.columns) == [*mnist.feature_names, "target"]
    assert mnist.frame.shape == (10_000, 785)
    np.testing.assert_array_equal(mnist.frame["target"], mnist.target)


def test_without_pandas_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"as_frame=True.* needs pandas.*pip install pandas"):
        local(as_frame=True)


@pytest.mark.parametrize(
    "argument",
    [{"subset": "validation"}, {"n_retries": -1}, {"delay": -1.0}, {"normalize": "yes"}, {"data_home": 3}],
)
def test_the_error_names_the_invalid_argument(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=name):
        fetch_mnist(**argument)


def _is_memory_mapped(X):
    return isinstance(X, np.memmap)


@pytest.mark.slow
def test_joblib_workers_memory_map_the_arrays():
    X, _ = local(subset="test", return_X_y=True)
    assert Parallel(n_jobs=2, max_nbytes="1M")(delayed(_is_memory_mapped)(X) for _ in range(2)) == [True, True]


# Where it comes from


def test_the_official_file_is_downloaded_checked_and_cached(tmp_path, official_server):
    mnist = fetch_mnist(data_home=tmp_path, subset="test")
    assert mnist.source == f"download: {official_server.url}"
    cached = (tmp_path / "mnist.npz").read_bytes()
    assert hashlib.sha256(cached).hexdigest() == "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def test_the_second_call_is_served_by_the_cache_without_a_request(tmp_path, official_server):
    first = fetch_mnist(data_home=tmp_path, subset="test")
    second = fetch_mnist(data_home=tmp_path, subset="test")
    assert second.source == f"cache: {tmp_path}"
    assert official_server.hits["/mnist.npz"] == 1
    np.testing.assert_array_equal(first.data, second.data)


def test_without_name_resolution_the_bundled_copy_is_used_without_retries(tmp_path, no_name_resolution, delays):
    mnist = fetch_mnist(data_home=tmp_path, subset="test")
    assert delays == []
    assert mnist.source == f"bundled: {BUNDLED}"


def test_a_resolver_that_hangs_is_asked_once_and_not_for_each_mirror(tmp_path, monkeypatch):
    asked, release = [], threading.Event()

    def hang(host, *args, **kwargs):
        asked.append(host)
        release.wait(60)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(_download, "NAME_TIMEOUT", 0.2)
    assert fetch_mnist(data_home=tmp_path, subset="test").source == f"bundled: {BUNDLED}"
    release.set()
    assert asked == ["storage.googleapis.com"]


def test_the_bundled_copy_is_cached_so_the_next_call_needs_no_network(tmp_path, no_name_resolution, monkeypatch):
    fetch_mnist(data_home=tmp_path, subset="test")
    monkeypatch.setattr(socket, "socket", None)
    assert fetch_mnist(data_home=tmp_path, subset="test").source == f"cache: {tmp_path}"


def test_one_log_line_says_that_the_bundled_copy_is_used(tmp_path, no_name_resolution, caplog):
    with caplog.at_level(logging.INFO):
        fetch_mnist(data_home=tmp_path, subset="test")
    (record,) = caplog.records
    assert record.name.startswith("sk_mnist")
    assert record.getMessage() == "No network: using the bundled copy of MNIST."


def test_the_reasons_for_using_the_bundled_copy_are_logged_at_debug_level(tmp_path, no_name_resolution, caplog):
    with caplog.at_level(logging.DEBUG, logger="sk_mnist"):
        fetch_mnist(data_home=tmp_path, subset="test")
    *reasons, last = caplog.messages
    assert any(reason.startswith(MNIST.remotes[0].url) for reason in reasons)
    assert any("neither mnist.npz nor the IDX files" in reason for reason in reasons)
    assert last.startswith("No network")


def test_without_a_network_no_progress_bar_is_shown(tmp_path, no_name_resolution, capfd):
    fetch_mnist(data_home=tmp_path, subset="test", progressbar=True)
    assert "%" not in capfd.readouterr().err


def test_without_download_no_socket_is_opened_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert local(data_home=tmp_path, subset="test").source == f"bundled: {BUNDLED}"
    assert list(tmp_path.iterdir()) == []


def test_without_download_the_bundled_copy_is_used_without_a_warning(tmp_path, caplog):
    local(data_home=tmp_path, subset="test")
    assert caplog.messages == []


def test_the_environment_variable_sets_the_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SK_MNIST_DATA", str(tmp_path / "here"))
    assert get_data_home() == tmp_path / "here"


def test_the_argument_takes_precedence_over_the_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("SK_MNIST_DATA", str(tmp_path / "here"))
    assert get_data_home(tmp_path / "there") == tmp_path / "there"


def test_the_default_data_home_is_the_user_cache_directory(monkeypatch):
    monkeypatch.delenv("SK_MNIST_DATA")
    assert get_data_home().name == "sk_mnist"
    assert get_data_home().is_absolute()


def test_a_tilde_in_the_data_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert get_data_home("~/mnist") == tmp_path / "mnist"


def test_get_data_home_does_not_create_the_directory(tmp_path):
    assert not get_data_home(tmp_path / "new").exists()


def test_clear_data_home_deletes_what_was_cached(tmp_path, official_server):
    fetch_mnist(data_home=tmp_path, subset="test")
    clear_data_home(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_importing_touches_neither_disk_nor_network():
    code = """
import sys
touched = []
def watch(event, arguments):
    if event.startswith("socket.") or event in ("os.mkdir", "os.rename", "os.remove"):
        touched.append(event)
    if event == "open" and str(arguments[1]).startswith(("w", "a", "x")) and "__pycache__" not in str(arguments[0]):
        touched.append(arguments)
import sklearn.utils, pooch, filelock
before = set(sys.modules)  # scikit-learn itself imports pandas where it is installed
sys.dont_write_bytecode = True
sys.addaudithook(watch)
import sk_mnist.datasets
heavy = {"tensorflow", "keras", "scikeras", "matplotlib", "pandas", "requests"} & (set(sys.modules) - before)
print(touched, heavy)
"""
    assert output_of(code, cwd=Path(__file__).parents[2]).strip() == "[] set()"

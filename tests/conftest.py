"""Fixtures for all tests: no access to the network, and a sample of MNIST."""

import shutil
import socket

import numpy as np
import pytest

from sk_mnist.datasets._dataset import BUNDLED
from tests.helpers.examples import register_profiles

register_profiles()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch):
    """Fail any test that looks up or connects to another machine."""
    strayed = []

    def is_local(host):
        host = host.decode() if isinstance(host, bytes) else host
        return host in (None, "", "localhost", "::1", "::") or host.startswith(("127.", "0.0.0.0"))

    def guarded(function, host_of):
        def call(*args, **kwargs):
            host = host_of(*args, **kwargs)
            if not is_local(host):
                strayed.append(host)
                raise OSError(f"tests must not use the network, but this one tried to reach {host}")
            return function(*args, **kwargs)

        return call

    def host_of_connect(sock, address):
        return address[0] if sock.family in (socket.AF_INET, socket.AF_INET6) else None

    def host_of_getaddrinfo(host, *args, **kwargs):
        return host

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect, host_of_connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex, host_of_connect))
    monkeypatch.setattr(socket, "getaddrinfo", guarded(socket.getaddrinfo, host_of_getaddrinfo))
    yield
    assert not strayed, f"this test tried to reach {strayed}"


@pytest.fixture(scope="session")
def mnist_sample():
    """The first 3,000 training rows: X float32 of shape (3000, 784) in [0, 1], y int64 of shape (3000,).

    All tests share the arrays, which are therefore read-only.
    """
    with np.load(BUNDLED, allow_pickle=False) as archive:
        X = archive["x_train"][:3000].reshape(-1, 784).astype(np.float32) / np.float32(255)
        y = archive["y_train"][:3000].astype(np.int64)
    X.flags.writeable = y.flags.writeable = False
    return X, y


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install -y chromium")
    with playwright.sync_playwright() as driver:
        # Without a sandbox, because it does not start for root.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()

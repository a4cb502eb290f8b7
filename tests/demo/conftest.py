"""A draw page that is served, and a browser to open it in."""

import shutil
import threading

import pytest

from sk_mnist import load_pretrained
from sk_mnist.demo import DrawServer, Reader


@pytest.fixture(scope="session")
def server():
    with DrawServer(Reader(load_pretrained())) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("There is no Chromium: apt-get install -y chromium")
    with playwright.sync_playwright() as driver:
        # Without a sandbox, because it does not start for root.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()

"""A draw page that is served."""

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

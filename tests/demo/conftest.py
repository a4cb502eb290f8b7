"""A draw page that is served."""

import pytest

from sk_mnist import load_pretrained
from sk_mnist.demo import Reader
from tests.helpers.draw_pages import served


@pytest.fixture(scope="session")
def server():
    with served(Reader(load_pretrained())) as server:
        yield server

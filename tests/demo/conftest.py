"""A draw page that is served."""

import pytest

from sk_mnist.demo import Reader
from tests.helpers.draw_pages import served


@pytest.fixture(scope="session")
def server():
    with served(Reader()) as server:
        yield server

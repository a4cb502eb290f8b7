"""The draw page, its server and the reader of pictures."""

from sk_mnist.demo._page import draw_page
from sk_mnist.demo._reader import Reader
from sk_mnist.demo._server import DrawServer

__all__ = ["DrawServer", "Reader", "draw_page"]


def __dir__() -> list[str]:
    return __all__

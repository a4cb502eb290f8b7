"""``python -m sk_mnist`` is the ``sk-mnist`` command."""

from sk_mnist.cli import program

program()

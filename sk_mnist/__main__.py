"""``python -m sk_mnist`` is the ``sk-mnist`` command."""

import sys

from sk_mnist.cli import main

sys.exit(main())

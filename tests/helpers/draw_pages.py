"""Draw pages that are served."""

import threading
from contextlib import contextmanager

from sk_mnist.demo import DrawServer


@contextmanager
def served(reader):
    with DrawServer(reader) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

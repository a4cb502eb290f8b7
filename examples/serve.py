"""
Serve a model over HTTP
=======================

The server takes POST requests with images as JSON, lists of 784 numbers from 0 to 255, and answers with digits and
their probabilities. It needs neither TensorFlow nor a web framework::

    python examples/serve.py model.skops --port 8000  # without a file, the pretrained model
    curl --data @images.json http://127.0.0.1:8000/
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from sk_mnist import load, load_pretrained

MAX_BYTES = 10 * 2**20


class Handler(BaseHTTPRequestHandler):
    """Answers requests."""

    def do_POST(self):
        """Read images and send their digits."""
        try:
            length = int(self.headers["Content-Length"])
            if not 0 <= length <= MAX_BYTES:
                raise ValueError(f"the length of the request is {length}; at most {MAX_BYTES} bytes are read")
            images = np.asarray(json.loads(self.rfile.read(length)), dtype=np.uint8)
            proba = self.server.model.predict_proba(images)
        except (TypeError, ValueError, OverflowError) as error:
            self.answer(400, {"error": str(error)})
        else:
            labels = self.server.model.classes_[proba.argmax(axis=1)]
            self.answer(200, {"digits": labels.tolist(), "probabilities": proba.max(axis=1).tolist()})

    def answer(self, status, content):
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    """Parse the options and start the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="file written by sk_mnist.save (default: the pretrained model)")
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free port (default: 8000)")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.model = load(options.model) if options.model else load_pretrained()
    print(f"Listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

"""
Serve a model over HTTP
=======================

The server takes POST requests with a picture each, and answers with the digits in it as JSON. It needs neither
TensorFlow nor a web framework::

    python examples/serve.py --port 8000
    curl --data-binary @photo.jpg http://127.0.0.1:8000/

Without a model file, it uses the pretrained model.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sk_mnist import load, read_digits

MAX_BYTES = 25 * 2**20


class Handler(BaseHTTPRequestHandler):
    """Answers requests."""

    def do_POST(self):
        """Read the digits in a picture."""
        try:
            length = int(self.headers.get("Content-Length", -1))
            if not 0 <= length <= MAX_BYTES:
                raise ValueError(f"the length of the request is {length}; at most {MAX_BYTES} bytes are read")
            reading = read_digits(self.rfile.read(length), self.server.model)
        except (ValueError, OSError) as error:
            self.answer(400, {"error": str(error)})
        else:
            digits = [
                {"label": digit.label, "confidence": digit.confidence, "is_sure": digit.is_sure, "box": digit.box}
                for digit in reading.digits
            ]
            self.answer(200, {"text": reading.text, "digits": digits, "reason": reading.reason})

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
    server.model = load(options.model) if options.model else None
    print(f"Listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

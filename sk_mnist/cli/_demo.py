"""``sk-mnist demo``: a page to draw digits on."""

from __future__ import annotations

import argparse
import webbrowser
from typing import Any

from sk_mnist.cli._input import make_reader
from sk_mnist.cli._options import UsageError, add_model, port
from sk_mnist.cli._terminal import make_console, say


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    demo = commands.add_parser("demo", help="draw digits in the browser and see the predictions")
    demo.set_defaults(run=run)
    demo.add_argument("--port", type=port, default=0, help="port of the server (default: any free port)")
    demo.add_argument("--no-browser", action="store_true", help="print the address without opening a browser")
    add_model(demo)


def run(options: argparse.Namespace) -> None:
    """Run the command until Ctrl-C."""
    from sk_mnist.demo import DrawServer

    console = make_console()
    reader = make_reader(options.model)
    try:
        server = DrawServer(reader, options.port)
    except OSError as error:
        raise UsageError(f"--port {options.port}: {error.strerror}") from error
    with server:
        say(console, f"Draw digits at {server.url} (stop with Ctrl-C)")
        if not options.no_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say(console, "Stopped.")

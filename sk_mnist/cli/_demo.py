"""``sk-mnist demo``: a page to draw digits on."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path
from typing import Any

from rich.console import Console

from sk_mnist._files import replacing
from sk_mnist.cli._input import read_model
from sk_mnist.cli._options import UsageError, add_model, path, port
from sk_mnist.cli._terminal import make_console, say


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    demo = commands.add_parser("demo", help="draw digits in the browser and see the predictions")
    demo.set_defaults(run=run)
    demo.add_argument("--port", type=port, default=0, help="port of the server (default: any free port)")
    demo.add_argument("--no-browser", action="store_true", help="print the address without opening a browser")
    demo.add_argument(
        "--save",
        type=path,
        metavar="FILE",
        help="write the page to an HTML file, which reads drawings without a server; an existing file is replaced",
    )
    add_model(demo)


def run(options: argparse.Namespace) -> None:
    """Write the page, or serve it until Ctrl-C."""
    console = make_console()
    if options.save is None:
        _serve(console, options)
        return
    if options.model is not None:
        raise UsageError("--save writes the page with the pretrained model; --model needs the server")
    _save(options.save)
    say(console, f"Wrote {options.save}")


def _save(path: Path) -> None:
    from sk_mnist.demo import draw_page
    from sk_mnist.pretrained import load_pretrained

    with replacing(path) as partial:
        partial.write_text(draw_page(load_pretrained()["mlp"]), encoding="utf-8")


def _serve(console: Console, options: argparse.Namespace) -> None:
    from sk_mnist.demo import DrawServer, Reader

    reader = Reader(read_model(options.model))
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

"""The draw page as one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from sk_mnist._images import SIDE
from sk_mnist.demo._reader import SURE
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.preprocessing import _handwriting, _ink, _split

FILES = Path(__file__).parent


def draw_page(classifier: KerasMLPClassifier | None = None) -> str:
    """Return the HTML of the draw page.

    Parameters
    ----------
    classifier : KerasMLPClassifier, default=None
        A fitted network of dense layers with "relu" for 784 pixels in [0, 1], which the page itself runs. If None, the
        page sends pictures to its server.

    Returns
    -------
    page : str
        HTML including the styles, the script and the network.
    """
    parts = {name: (FILES / name).read_text(encoding="utf-8") for name in ("page.css", "reader.js", "page.js")}
    parts["constants"] = "\n".join(f"const {name} = {value};" for name, value in _constants().items())
    parts["model"] = f"const MODEL = {'null' if classifier is None else _model(classifier)};"
    page = (FILES / "page.html").read_text(encoding="utf-8")
    return re.sub("@@([a-z.]+)@@", lambda match: parts[match[1]], page)


def content_security_policy(page: str) -> str:
    """Return a header that allows only the page's own script and styles, and requests to its own server."""
    script, style = (_digest(re.search(f"<{tag}>(.*)</{tag}>", page, re.DOTALL)) for tag in ("script", "style"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _digest(match: re.Match[str] | None) -> str:
    assert match is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()}'"


def _constants() -> dict[str, float]:
    """Return the constants that the page's script shares with the Python modules."""
    return {"SIDE": SIDE} | {
        name: value
        for module in (_ink, _split, _handwriting)
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, (int, float))
    }


def _model(classifier: KerasMLPClassifier) -> str:
    layers = [
        {"weights": _encoded(weights), "biases": _encoded(biases)}
        for weights, biases in zip(classifier.coefs_, classifier.intercepts_, strict=True)
    ]
    return f"decoded({json.dumps({'layers': layers, 'classes': classifier.classes_.tolist(), 'sure': SURE})})"


def _encoded(values: Any) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()

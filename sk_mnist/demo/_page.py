"""The draw page as one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

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

    Raises
    ------
    ValueError
        If the page cannot run the classifier: it is another estimator, or has another activation or number of inputs.
    NotFittedError
        If the classifier is not fitted.
    """
    if classifier is not None:
        _check_runs_in_page(classifier)
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


def _check_runs_in_page(classifier: Any) -> None:
    wanted = (
        f"the draw page runs a fitted KerasMLPClassifier with activation='relu' for {SIDE**2} pixels in [0, 1], such "
        "as load_pretrained()['mlp']."
    )
    if not isinstance(classifier, KerasMLPClassifier):
        raise ValueError(f"classifier is a {type(classifier).__name__}; {wanted}")
    check_is_fitted(classifier)
    if classifier.activation != "relu":
        raise ValueError(f"classifier has activation={classifier.activation!r}; {wanted}")
    if classifier.n_features_in_ != SIDE**2:
        raise ValueError(f"classifier is fitted on {classifier.n_features_in_} pixels; {wanted}")


def _model(classifier: KerasMLPClassifier) -> str:
    layers = [
        {"weights": _encoded(weights), "biases": _encoded(biases)}
        for weights, biases in zip(classifier.coefs_, classifier.intercepts_, strict=True)
    ]
    model = json.dumps({"layers": layers, "classes": classifier.classes_.tolist(), "sure": SURE})
    escaped = model.replace("<", "\\u003c")  # a label such as "</script>" would end the script
    return f"decoded({escaped})"


def _encoded(values: Any) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()

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

from sk_mnist import reading
from sk_mnist._images import SIDE
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.preprocessing import _handwriting, _split

FILES = Path(__file__).parent

HELP_WITH_PICTURES = "Draw one digit or several in a row. Or drop, paste or open a picture of digits."
HELP = "Draw one digit or several in a row. To read pictures, run <code>sk-mnist demo</code>."
OPEN = """<label class="button" for="file">Open a picture</label>
      <input type="file" id="file" accept="image/*">"""

# What reader.js shares with the Python modules.
_SHARED = {
    _split: (
        "PART_SIZE", "PART_DISTANCE", "HALF_OVERLAP", "HALF_GAP", "FLATTEST", "LINE_OVERLAP", "TOUCHING_WIDTH",
        "CUT_INK", "LEAST_WIDTH", "LEAST_HEIGHT",
    ),
    _handwriting: ("DIGIT_SIDE", "LEAST_STROKE"),
    reading: ("SURE", "LEAST_CONFIDENCE", "LEAST_IF_LIKELY", "SAME_HEIGHT", "FORMS"),
}  # fmt: skip


def draw_page(classifier: KerasMLPClassifier | None = None) -> str:
    """Return the HTML of the draw page.

    Parameters
    ----------
    classifier : KerasMLPClassifier, default=None
        A fitted network of dense layers with "relu" for 784 pixels in [0, 1]. The page runs it by itself, and reads
        what is drawn on it. If None, the page sends drawings and pictures to its server.

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
    parts = {name: _text(name) for name in ("page.css", "page.js", "pictures.js", "reader.js")} | {"side": str(SIDE)}
    if classifier is None:
        parts |= {"help": HELP_WITH_PICTURES, "open": OPEN, "reader": parts["pictures.js"]}
    else:
        constants = "".join(f"const {name} = {value};\n" for name, value in _constants().items())
        parts |= {"help": HELP, "open": "", "reader": constants + parts["reader.js"] + _model(classifier)}
    return re.sub("@@([a-z.]+)@@", lambda match: parts[match[1]], _text("page.html"))


def _text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


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
    """Return the constants that reader.js shares with the Python modules."""
    return {name: getattr(module, name) for module, names in _SHARED.items() for name in names}


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
    model = json.dumps({"layers": layers, "classes": classifier.classes_.tolist()})
    escaped = model.replace("<", "\\u003c")  # a label such as "</script>" would end the script
    return f"const MODEL = decoded({escaped});"


def _encoded(values: Any) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()

"""A notebook: what it shows for a result that is the last line of a cell, and the notebook of the examples."""

import copy
import io
import json
import pickle
import re
import subprocess
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from sk_mnist import evaluate, fetch_mnist, plotting, read_digits
from sk_mnist.metrics import compare_classifiers
from sk_mnist.model_selection import cross_validation_report
from sk_mnist.reading import RejectedPiece

X, y = load_iris(return_X_y=True)
SPECIES = np.array(["<b>setosa</b>", "versicolor", "virginica"])[y]
CLASSIFIER = LogisticRegression(max_iter=1000).fit(X, SPECIES)


def scorer_with_a_tag(estimator, X, y):
    return estimator.score(X, y)


RESULTS = {
    "EvaluationResult": evaluate(CLASSIFIER, X, SPECIES),
    "ClassifierComparison": compare_classifiers(SPECIES, CLASSIFIER.predict(X), SPECIES),
    "CrossValidationReport": cross_validation_report(
        CLASSIFIER, X, SPECIES, cv=3, scoring={"<i>score</i>": scorer_with_a_tag}
    ),
}


class Cells(HTMLParser):
    """Collects the texts of a table's cells, and the names of all tags."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.tags = [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_shows_all_tables_that_it_prints(name):
    cells = Cells(RESULTS[name]._repr_html_())
    assert cells.tags == {"table", "caption", "tr", "th", "td"}
    assert cells.texts[0] == name
    words = " ".join(text for text in cells.texts[1:] if text != "Classes").split()
    assert words == str(RESULTS[name]).split()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EvaluationResult", r"EvaluationResult\(accuracy=0\.9733, log_loss=0\.\d{4}, n_samples=150\)"),
        (
            "ClassifierComparison",
            r"ClassifierComparison\(accuracy_a=0\.9733, accuracy_b=1\.0000, p_value=0\.12, n_samples=150\)",
        ),
        ("CrossValidationReport", r"CrossValidationReport\(mean=\{'<i>score</i>': 0\.9733\}, n_splits=3\)"),
    ],
)
def test_the_repr_of_a_result_is_short(name, text):
    assert re.fullmatch(text, repr(RESULTS[name]))


@pytest.mark.parametrize("arguments", [{}, {"subset": "test", "as_frame": True}], ids=["arrays", "frames"])
def test_the_repr_of_mnist_is_a_short_summary(arguments):
    mnist = fetch_mnist(**arguments)
    lines = repr(mnist).splitlines()
    assert len(lines) < 12
    assert max(map(len, lines)) <= 120
    for name, value in mnist.items():
        assert (f"  {name} " in repr(mnist)) == (value is not None)
    assert str(mnist.data.shape) in repr(mnist)


def pictures_in(html):
    """The images in HTML, as arrays in which ink is 255."""
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [255 - np.asarray(Image.open(io.BytesIO(b64decode(source)))) for source in sources]


@pytest.mark.parametrize("arguments", [{}, {"as_frame": True}, {"normalize": False}], ids=["floats", "frame", "bytes"])
def test_a_notebook_shows_the_first_images_of_mnist(arguments):
    mnist = fetch_mnist(subset="test", **arguments)
    html = mnist._repr_html_()
    np.testing.assert_array_equal(pictures_in(html), fetch_mnist(subset="test", normalize=False).images[:10])
    assert re.findall(r"<figcaption>(\d)</figcaption>", html) == list("7210414959")
    assert "DataFrame of shape" in html if "as_frame" in arguments else "ndarray of shape (10000, 784)" in html


def test_a_notebook_shows_the_picture_of_a_digit():
    (digit,) = read_digits(fetch_mnist(subset="test", normalize=False).images[0]).digits
    html = digit._repr_html_()
    np.testing.assert_array_equal(pictures_in(html), [digit.image])
    assert re.search(r"<figcaption>7 \(\d+\.\d%\)</figcaption>", html)
    assert "<figcaption>7? (" in digit._replace(is_sure=False)._repr_html_()


def test_the_repr_of_a_reading_and_of_its_pieces_is_a_line_without_pixels():
    reading = read_digits(fetch_mnist(subset="test", normalize=False).images[0])
    assert repr(reading) == "DigitReading('7', n_digits=1, n_rejected=0, reason=None)"
    answer = r"label=7, confidence=(0\.\d{4}|1\.0000), is_sure=True, runner_up=\d"
    assert re.fullmatch(rf"Digit\({answer}, box=\(6, 7, 22, 27\), line=0\)", repr(reading.digits[0]))
    piece = RejectedPiece((1, 2, 3, 4), reading.digits[0].image)
    assert repr(piece) == "RejectedPiece(box=(1, 2, 3, 4))"


def test_copies_and_pickles_of_mnist_are_plain_bunches():
    mnist = fetch_mnist(subset="test")
    for same in (pickle.loads(pickle.dumps(mnist)), copy.copy(mnist), copy.deepcopy(mnist)):
        assert type(same) is Bunch
        assert list(same) == list(mnist)
        np.testing.assert_array_equal(same.data, mnist.data)
    assert b"ImageBunch" not in pickle.dumps(mnist)


@pytest.mark.parametrize("name", plotting.__all__)
def test_displays_do_not_show_themselves(name):
    # A notebook shows open figures at the end of a cell; a Display that showed itself as well would be there twice.
    hooks = ["_ipython_display_", "_repr_mimebundle_", "_repr_html_", "_repr_png_", "_repr_svg_"]
    assert [hook for hook in hooks if hasattr(getattr(plotting, name), hook)] == []


FIRST_STEPS = Path(__file__).parents[1] / "examples" / "first_steps.ipynb"


@pytest.mark.slow
def test_the_notebook_shows_progress_tables_and_plots_and_nothing_on_stderr(tmp_path, monkeypatch):
    notebook = json.loads(FIRST_STEPS.read_text())
    lines = "pipe.set_params(mlp__verbose=2).fit(X_train[:1000], y_train[:1000]);"
    notebook["cells"].append({**notebook["cells"][1], "id": "lines", "source": [lines]})
    more = tmp_path / "more.ipynb"
    more.write_text(json.dumps(notebook))
    executed = tmp_path / "executed.ipynb"
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", more, f"--output={executed}"]
    # Under pytest, a kernel does not show what C code writes to stderr.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    # With a backend that is set from outside, a kernel shows no pictures.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    subprocess.run([*command, "--timeout=300"], check=True)
    cells = [cell for cell in json.loads(executed.read_text())["cells"] if cell["cell_type"] == "code"]
    outputs = {"".join(cell["source"]).splitlines()[-1]: cell["outputs"] for cell in cells}
    printed = [output for shown in outputs.values() for output in shown if output["output_type"] == "stream"]
    assert printed == outputs[lines]
    text = "".join(part for output in printed for part in output["text"])
    assert [line[:9] for line in text.splitlines()] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]

    def kinds(line):
        return {kind for output in outputs[line] for kind in output["data"]}

    bar, diagram = outputs["pipe.fit(X_train, y_train)"]
    epoch = r"Epoch 3/3 - \d+\.\ds - loss: 0\.\d{4} - accuracy: 0\.9\d{3}"
    assert re.fullmatch(epoch, "".join(bar["data"]["text/plain"]))
    assert re.fullmatch(
        rf'<progress value="3" max="3"></progress> <code>{epoch}</code>', "".join(bar["data"]["text/html"])
    )
    assert diagram["output_type"] == "execute_result"
    assert "text/html" in kinds("result")
    assert len("".join(outputs["mnist"][0]["data"]["text/plain"]).splitlines()) < 30
    pictures = [line for line in outputs if line.startswith("DigitsDisplay")]
    assert len(pictures) == 2
    for line in pictures:
        assert [sorted(output["data"]) for output in outputs[line]] == [["image/png", "text/plain"]]


def test_the_notebook_is_kept_with_its_results():
    cells = [cell for cell in json.loads(FIRST_STEPS.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    figures = re.search(r"accuracy=(0\.\d{4}), .*, n_samples=10000", str(cells[-2]["outputs"]))
    assert float(figures[1]) > 0.97

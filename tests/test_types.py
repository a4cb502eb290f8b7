"""The types that users see: the names that a parameter accepts, and what a type checker finds in a script."""

import re
import subprocess
import sys
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from sk_mnist import KerasMLPClassifier, make_mnist_pipeline
from sk_mnist.neural_network._classifier import MLPParameters
from sk_mnist.neural_network._forward import ACTIVATIONS
from sk_mnist.neural_network._job import AUGMENTATIONS
from sk_mnist.neural_network._schedules import SCHEDULES
from sk_mnist.neural_network._training import MONITORS
from sk_mnist.pipeline import RECIPES


@pytest.mark.parametrize(
    ("function", "documented", "parameter", "names"),
    [
        (KerasMLPClassifier.__init__, KerasMLPClassifier, "activation", ACTIVATIONS),
        (KerasMLPClassifier.__init__, KerasMLPClassifier, "learning_rate_schedule", SCHEDULES),
        (KerasMLPClassifier.__init__, KerasMLPClassifier, "augmentation", AUGMENTATIONS),
        (KerasMLPClassifier.__init__, KerasMLPClassifier, "monitor", MONITORS),
        (make_mnist_pipeline, make_mnist_pipeline, "recipe", RECIPES),
    ],
)
def test_a_parameter_has_its_names_in_its_type_and_in_the_docs(function, documented, parameter, names):
    hint = get_type_hints(function)[parameter]
    options = [hint, *get_args(hint)]
    literals = [name for option in options if get_origin(option) is Literal for name in get_args(option)]
    assert sorted(literals) == sorted(names)
    line = re.search(rf"^ *{parameter} : (.*)$", documented.__doc__, re.MULTILINE)
    assert sorted(re.findall(r'"(\w+)"', line[1].split("}")[0])) == sorted(names)


def test_the_pipeline_takes_the_parameters_of_the_classifier():
    parameters = get_type_hints(KerasMLPClassifier.__init__)
    del parameters["return"]
    assert get_type_hints(MLPParameters) == parameters


SCRIPT = """\
from sk_mnist import (
    ImageFlattener, KerasMLPClassifier, PixelScaler, RandomWarp, evaluate, fetch_mnist, load_pretrained,
    make_mnist_pipeline, read_digits
)
from sk_mnist.metrics import label_broadcast_mse
from sk_mnist.model_selection import cross_validation_report, mnist_param_grid

X, y = fetch_mnist(return_X_y=True)
fetch_mnist().data.mean()
frame, target = fetch_mnist(return_X_y=True, as_frame=True)
frame.head()


def load_digits(as_tuple: bool) -> object:
    return fetch_mnist(return_X_y=as_tuple)


clf = KerasMLPClassifier((64,), epochs=3).fit(X, y, X_val=X, y_val=y)
clf.partial_fit(X, y, classes=range(10))
clf.classes_, clf.n_features_in_, clf.feature_names_in_, clf.coefs_, clf.intercepts_, clf.out_activation_
clf.n_layers_, clf.n_outputs_, clf.n_iter_, clf.loss_, clf.loss_curve_, clf.history_, clf.validation_scores_
clf.best_epoch_, clf.best_loss_, clf.best_validation_score_
result = evaluate(clf, X, y)
print(result.accuracy + 1, cross_validation_report(clf, X, y).mean["accuracy"])
ImageFlattener().fit(X).feature_names_in_, PixelScaler().fit(X).n_features_in_
load_pretrained().predict(X).mean(), read_digits("photo.png").digits[0].confidence
make_mnist_pipeline("fast", epochs=2).fit(X, y).predict_proba(X).mean()
KerasMLPClassifier([64, 32], activation="tanh", augmentation=RandomWarp(), jit_compile=True, class_weight={0: 2.0})

KerasMLPClassifier(epochs="three")  # error
KerasMLPClassifier(activation="rellu")  # error
KerasMLPClassifier(learning_rate_schedule="linear")  # error
KerasMLPClassifier(augmentation="rotate")  # error
KerasMLPClassifier(monitor="accuracy")  # error
KerasMLPClassifier(dtype="float16")  # error
make_mnist_pipeline("slow")  # error
make_mnist_pipeline(epoch=3)  # error
make_mnist_pipeline(epochs="three")  # error
fetch_mnist(subset="trian")  # error
clf.fit()  # error
clf.fit(X, y, validation_data=(X, y))  # error
clf.partial_fit(X)  # error
evaluate(clf, X)  # error
result.acuracy  # error
fetch_mnist(subzet="train")  # error
fetch_mnist(return_X_y=True).data  # error
X.head()  # error
fetch_mnist().target.head()  # error
clf.coefs_.shape  # error
clf.best_epoch_ + 1  # error
load_pretrained().predict(X).confidence  # error
read_digits("photo.png").txt  # error
label_broadcast_mse(y)  # error
mnist_param_grid(3)  # error
cross_validation_report(clf, X, y, folds=3)  # error
ImageFlattener().fit()  # error
PixelScaler().fit(X, y, X)  # error
"""


CHECKERS = {
    "mypy": ["mypy", "--strict", "--ignore-missing-imports"],
    # pyright as the package index has it: in one piece, with the Node.js that it needs.
    "pyright": ["basedpyright", "--project", "pyrightconfig.json"],
}


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_type_checker_sees_the_signatures(checker, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    command = [sys.executable, "-m", *CHECKERS[checker], "script.py"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    found = {int(number) for number in re.findall(r"script\.py:(\d+):.* error", printed)}
    wrong = {number for number, line in enumerate(SCRIPT.splitlines(), start=1) if line.endswith("# error")}
    assert found == wrong, printed

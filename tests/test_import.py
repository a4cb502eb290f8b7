"""What importing costs, and what it must not load."""

import sys
from importlib import import_module

import pytest

import sk_mnist
from tests.helpers.processes import output_of

# Importing scikit-learn's base imports pandas where it is installed, to recognise frames.
SCIKIT_LEARN_LOADS = {"pandas"}
HEAVY = ["tensorflow", "keras", "scikeras", "matplotlib", "pandas"]
# Parts of scikit-learn that take a tenth of a second each, and that predicting needs no more than a Pipeline does.
ONLY_TO_FIT = ["sklearn.ensemble", "sklearn.model_selection"]


def loaded_after(code):
    names = HEAVY + ONLY_TO_FIT
    printed = output_of(f"import sys\n{code}\nprint(*[name for name in {names} if name in sys.modules])")
    return printed.splitlines()[-1].split()


WITHOUT_HEAVY = """
from sk_mnist import *
from sklearn import clone
repr(clone(KerasMLPClassifier()))
make_mnist_pipeline()._repr_html_()
show_versions()
fetch_mnist(subset="test", return_X_y=True)
import sk_mnist.cli, sk_mnist.metrics, sk_mnist.model_selection, sk_mnist.plotting
"""


@pytest.mark.slow
def test_importing_cloning_and_fetching_load_no_heavy_library():
    assert set(loaded_after(WITHOUT_HEAVY)) <= {*SCIKIT_LEARN_LOADS, *ONLY_TO_FIT}


def test_the_check_detects_a_loaded_library():
    assert "pandas" in loaded_after("import pandas")


def test_predicting_loads_no_tensorflow(tmp_path, mnist_sample):
    import pickle

    X, y = mnist_sample
    model = sk_mnist.KerasMLPClassifier((8,), epochs=1, random_state=0).fit(X, y)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    code = f"""
import pickle, pathlib, numpy
model = pickle.loads(pathlib.Path({str(tmp_path / "model.pickle")!r}).read_bytes())
model.predict_proba(numpy.zeros((2, 784)))
"""
    assert set(loaded_after(code)) <= SCIKIT_LEARN_LOADS


def test_importing_the_package_loads_only_the_standard_library():
    code = "import sys; before = set(sys.modules); import sk_mnist; print(*set(sys.modules) - before)"
    packages = {module.partition(".")[0] for module in output_of(code).split()}
    assert packages - sys.stdlib_module_names == {"sk_mnist"}


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_thing'"):
        _ = sk_mnist.no_such_thing


def test_every_public_name_exists_and_is_listed_by_dir():
    for name in sk_mnist.__all__:
        assert getattr(sk_mnist, name) is not None
        assert name in dir(sk_mnist)


PUBLIC_MODULES = ["sk_mnist", "sk_mnist.demo", *(f"sk_mnist.{name}" for name in sk_mnist._MODULES)]


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_dir_lists_public_names_and_no_others(name):
    module = import_module(name)
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, public) for public in dir(module))


@pytest.mark.slow
def test_pillow_is_loaded_for_pictures_only():
    code = "import sys, sk_mnist\nsk_mnist.load\nsk_mnist.load_pretrained()\nprint('PIL' in sys.modules)"
    assert output_of(f"{code}\nsk_mnist.DigitImageNormalizer\nprint('PIL' in sys.modules)") == "False\nTrue\n"

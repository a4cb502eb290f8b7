"""scikit-learn's common checks, on every public estimator, with no expected failure.

RandomWarp and RandomInk have no `fit`, and DigitImageNormalizer takes no rows; test_augmentation.py and
test_handwriting.py run the checks that apply to them.
"""

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import sk_mnist
from tests.helpers.estimator_cases import CASES

# The checks fit PixelScaler on numbers of a few units, which are not pictures.
not_pictures = pytest.mark.filterwarnings("ignore:The brightest pixel of X is")


# The one check that skips itself: it wants the environment variable SCIPY_ARRAY_API, which no extra of ours would set.
@not_pictures
@parametrize_with_checks([case.estimator for case in CASES if not case.is_slow])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.weekly
@parametrize_with_checks([case.estimator for case in CASES if case.is_slow])
def test_scikit_learn_check_of_slow_estimators(estimator, check):
    check(estimator)


def test_the_checks_cover_every_public_estimator():
    public = {getattr(sk_mnist, name) for name in sk_mnist.__all__}
    estimators = {thing for thing in public if isinstance(thing, type) and issubclass(thing, BaseEstimator)}
    elsewhere = {sk_mnist.RandomWarp, sk_mnist.RandomInk, sk_mnist.DigitImageNormalizer}
    assert estimators - elsewhere == {type(case.estimator) for case in CASES}
    assert elsewhere <= estimators


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_repr_of_a_clone_starts_with_its_class_name(case):
    text = repr(clone(case.estimator))
    assert text.startswith(type(case.estimator).__name__ + "(")

"""The data that most tests of the classifier train on."""

import pytest
from sklearn.datasets import make_classification


@pytest.fixture(scope="module")
def blobs():
    """400 rows of 12 features in three classes."""
    return make_classification(400, n_features=12, n_informative=8, n_classes=3, class_sep=2.0, random_state=0)

"""MNIST's official split into training and test images, for scikit-learn's ``cv``."""

import numpy as np
from sklearn.model_selection import PredefinedSplit

N_TRAIN, N_TEST = 60_000, 10_000


def official_split() -> PredefinedSplit:
    """Split MNIST into its 60,000 training and 10,000 test images, as a `cv` for scikit-learn.

    It applies to the 70,000 rows of ``fetch_mnist(subset="all")`` in their original order (``shuffle=False``).

    Returns
    -------
    cv : PredefinedSplit
        A generator with one split.

    Examples
    --------
    >>> from sk_mnist.model_selection import official_split
    >>> train, test = next(official_split().split())
    >>> len(train), len(test)
    (60000, 10000)
    """
    return PredefinedSplit(np.repeat([-1, 0], [N_TRAIN, N_TEST]))

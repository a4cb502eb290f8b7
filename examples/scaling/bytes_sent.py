"""
Bytes sent to the workers of a cluster
======================================

Count the bytes that two Dask workers on this machine receive during searches over 20,000 images, as reported by the
kernel (Linux only). Nothing is trained, because only the data sent matters::

    python examples/scaling/bytes_sent.py
"""

import logging
import pickle
import time

import joblib
from cluster_search import bytes_received
from distributed import Client, LocalCluster
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import StratifiedKFold, cross_validate

from sk_mnist import KerasMLPClassifier, fetch_mnist, make_mnist_pipeline

N_ROWS = 20_000
N_FOLDS = 20
N_WORKERS = 2


class TakesValidationData(DummyClassifier):
    """A classifier that trains nothing."""

    def fit(self, X, y, X_val=None):
        """Take as long as a short fit, because joblib batches faster tasks."""
        time.sleep(0.5)
        return super().fit(X, y)


def print_bytes(what, n_bytes):
    """Print a line."""
    print(f"{what:<62}{n_bytes:>13,.0f}")


def print_pickles(X, y):
    """Print the pickled size of the estimators, and return the fitted network."""
    network = KerasMLPClassifier(epochs=1, random_state=0)
    print_bytes("the network, pickled", len(pickle.dumps(network)))
    print_bytes("the Pipeline, pickled", len(pickle.dumps(make_mnist_pipeline())))
    network.fit(X, y)
    print_bytes("the network after a fit, with its weights", len(pickle.dumps(network)))
    print_bytes("a clone of that, which is what a search sends", len(pickle.dumps(clone(network))))
    return network


def main():
    """Count the bytes and print a line for each kind of data."""
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X, y = X[:N_ROWS], y[:N_ROWS]
    network = print_pickles(X[:1000], y[:1000])
    with (
        LocalCluster(
            n_workers=N_WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):

        def received():
            return sum(client.run(bytes_received).values())

        def bytes_of_a_task(cv, **params):
            before = received()
            cross_validate(TakesValidationData(), X, y, cv=cv, **params)
            return (received() - before) / N_FOLDS

        folds = [(train.tolist(), test.tolist()) for train, test in StratifiedKFold(N_FOLDS).split(X, y)]
        before = received()
        with joblib.parallel_config("dask", scatter=[X, y]):
            print_bytes("scatter=[X, y], 20,000 images and labels, for each worker", (received() - before) / N_WORKERS)
            arrays = bytes_of_a_task(N_FOLDS)
            print_bytes(f"a task, with the row numbers of one of {N_FOLDS} folds as arrays", arrays)
            print_bytes("a task, with the same row numbers as lists", bytes_of_a_task(folds))
            with_rows = bytes_of_a_task(N_FOLDS, params={"X_val": X[:2000]})
            print_bytes("what 2,000 rows as X_val in params add to each task", with_rows - arrays)
        n_columns = 100
        importance = clone(network).fit(X[:1000, 300 : 300 + n_columns], y[:1000])
        with joblib.parallel_config("dask"):
            before = received()
            permutation_importance(importance, X[:1000, 300 : 300 + n_columns], y[:1000], n_repeats=1, random_state=0)
            print_bytes("a column of permutation_importance, 1,000 rows", (received() - before) / n_columns)


if __name__ == "__main__":
    # The workers import this file.
    main()

"""
A grid search on a Dask cluster
===============================

Tune the learning rate and the batch size of the network on MNIST with ``GridSearchCV``, on Dask workers. Without a
cluster, this command starts two workers on this machine, runs the search and stops the workers::

    python examples/scaling/cluster_search.py

To use several machines, install the same versions of ``sk_mnist`` and its dependencies on all of them. Start a
scheduler on one machine and workers on each, and pass the scheduler's address to the search::

    dask scheduler
    dask worker tcp://ADDRESS-OF-THE-SCHEDULER:8786 --nworkers 4 --nthreads 1
    python examples/scaling/cluster_search.py --scheduler tcp://ADDRESS-OF-THE-SCHEDULER:8786

``--one-by-one`` also runs the same search in this process, and compares the results. ``--images FILE`` sends row
numbers instead of images: workers read the images from an npy file that all machines can reach, which is written if it
is missing. The script needs ``pip install dask distributed``.

If a worker is killed, Dask runs its unfinished fits again. This needs another copy of the data, so the rows are put on
each worker, and the folds travel with the tasks.
"""

import argparse
import os
import socket
import struct
import time
from pathlib import Path

import joblib
import numpy as np
from distributed import Client, LocalCluster
from joblib._dask import DaskDistributedBackend
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from sk_mnist import fetch_mnist, make_mnist_pipeline

GRID = {"mlp__learning_rate": [3e-4, 1e-3, 3e-3], "mlp__batch_size": [32, 128]}

# Position and type of the number of received bytes in Linux' struct tcp_info.
BYTES_RECEIVED = "128xQ"


class Backend(DaskDistributedBackend):
    """joblib's Dask backend, changed to raise an error if Dask cannot run a task.

    As of joblib 1.6, the original waits forever if the workers lack a module, or if a task has killed four workers.
    """

    def submit(self, func, callback=None):
        """Submit a batch of tasks, and pass an error of Dask to the callback."""

        def report_failure(done):
            if (error := done.exception()) is not None:
                callback(error)

        future = super().submit(func, callback)
        future.add_done_callback(report_failure)
        return future


def read_images(rows, path):
    """Return the images with these row numbers, and read only them."""
    return np.load(path, mmap_mode="r")[rows[:, 0]]


def bytes_received():
    """Return the bytes that all connections of this process have received; NaN on systems other than Linux."""
    if not os.path.isdir("/proc/self/fd"):
        return float("nan")
    total = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(descriptor))) as connection:
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:  # not a connection
            continue
        if len(info) >= struct.calcsize(BYTES_RECEIVED):
            total += struct.unpack_from(BYTES_RECEIVED, info)[0]
    return total


def make_search(options):
    """Return the search and the data to fit it on."""
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X, y = X[: options.rows], y[: options.rows]
    pipe = make_mnist_pipeline(epochs=options.epochs, random_state=0)
    if options.images:
        if not options.images.exists():
            np.save(options.images, X)
        reader = FunctionTransformer(read_images, kw_args={"path": options.images.resolve()})
        pipe = Pipeline([("images", reader), *pipe.steps])
        X = np.arange(len(X))[:, np.newaxis]
    # Lists travel with the tasks. joblib would put arrays on one worker, and they would be lost with it.
    folds = [(train.tolist(), test.tolist()) for train, test in StratifiedKFold(options.folds).split(X, y)]
    return GridSearchCV(pipe, GRID, cv=folds, error_score="raise"), X, y


def connect(options):
    """Connect to the given scheduler, or start a cluster on this machine."""
    if options.scheduler:
        return Client(options.scheduler)
    return Client(LocalCluster(n_workers=options.workers, threads_per_worker=1, host="127.0.0.1"))


def search_on_cluster(client, search, X, y):
    """Run the search on the workers, and print its time and the bytes that it sends."""
    client.amm.stop()  # it would remove copies of the data that no task is waiting for
    n_tasks = len(GRID["mlp__learning_rate"]) * len(GRID["mlp__batch_size"]) * len(search.cv)
    n_workers = len(client.scheduler_info(n_workers=-1)["workers"])
    at_first = sum(client.run(bytes_received).values())
    start = time.perf_counter()
    with joblib.parallel_config(Backend(client=client, scatter=[X, y])):
        before = sum(client.run(bytes_received).values())
        search.fit(X, y)
        after = sum(client.run(bytes_received).values())
    print(f"{n_tasks} fits on {n_workers} workers took {time.perf_counter() - start:.1f} s, the refit here included.")
    print(f"X and y were sent once to each worker: {(before - at_first) / 1e6 / n_workers:.2f} MB.")
    print(f"Each task took {(after - before) / 1e6 / n_tasks:.3f} MB more.")


def print_scores(search):
    """Print a line for each candidate, the best first."""
    results = search.cv_results_
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        params = "  ".join(f"{name.removeprefix('mlp__')} {value:<6}" for name, value in results["params"][i].items())
        print(f"{params}  {results['mean_test_score'][i]:.4f} +- {results['std_test_score'][i]:.4f}")


def compare(search, X, y):
    """Run the search one fit at a time, and print whether the results are the same."""
    start = time.perf_counter()
    with threadpool_limits(1, user_api="blas"):  # as in Dask's workers
        alone = clone(search).fit(X, y)
    seconds = time.perf_counter() - start
    same_scores = np.array_equal(alone.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])
    pairs = zip(alone.best_estimator_["mlp"].coefs_, search.best_estimator_["mlp"].coefs_, strict=True)
    same_weights = all(np.array_equal(one, other) for one, other in pairs)
    found = "the same" if same_scores and same_weights else "OTHER"
    print(f"One by one it took {seconds:.1f} s: {found} scores and weights.")


def main():
    """Parse the options and run the search."""
    parser = argparse.ArgumentParser(description="Search parameters of the network on a Dask cluster.")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="scheduler of a cluster (default: start one here)")
    parser.add_argument("--workers", type=int, default=2, help="workers to start here (default: 2)")
    parser.add_argument("--rows", type=int, default=6000, help="training images to use (default: 6000)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of each fit (default: 5)")
    parser.add_argument("--folds", type=int, default=3, help="folds of the cross-validation (default: 3)")
    parser.add_argument("--images", type=Path, metavar="FILE", help="npy file from which workers read the images")
    parser.add_argument("--one-by-one", action="store_true", help="also run the search without the cluster")
    options = parser.parse_args()

    search, X, y = make_search(options)
    with connect(options) as client:
        client.wait_for_workers(1, timeout=30)
        if client.dashboard_link:
            print(f"Watch it at {client.dashboard_link}", flush=True)
        search_on_cluster(client, search, X, y)
    print_scores(search)
    if options.one_by_one:
        compare(search, X, y)


if __name__ == "__main__":
    # The workers that are started here import this file.
    main()

"""
The cost of a search on a cluster
=================================

Simulate a grid search on 10, 100 and 1,000 workers: how long it takes, how many bytes are sent, and what limits it.
All inputs are assumptions that you can change with options::

    python examples/scaling/cost_model.py
    python examples/scaling/cost_model.py --candidates 200 --fit-seconds 60 --start-seconds 120
    python examples/scaling/cost_model.py --check      # runs searches on this machine; needs dask, takes minutes

``--check`` measures the inputs for this machine in two short searches, predicts the time of a longer search on one
worker and on two, runs it on both, and exits with status 1 if a prediction is off by more than 20 %.

The model assumes:

- Workers take one fit at a time, in the order of the candidates, as soon as they are free.
- A worker starts, imports TensorFlow and compiles the network once, in ``start-seconds``.
- The data is sent to each worker once. Workers that have it pass it on, so their number doubles in each round.
- The time of a fit follows a log-normal distribution over the candidates. Folds of a candidate take the same time.
- The scheduler handles one fit at a time, in ``dispatch-seconds`` plus the time to send ``task-bytes``.
- After the last fit, one process fits the best candidate on all rows.
"""

import argparse
import heapq
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import numpy as np

N_WORKERS = (10, 100, 1000)
MAX_DEVIATION = 0.2
# The shortest search from which times are predicted has a sixth of the candidates, and at least one.
MIN_CHECK_CANDIDATES = 6


@dataclass(frozen=True)
class Assumptions:
    """A search, and the machines that it runs on."""

    candidates: int = 1000
    folds: int = 5
    fit_seconds: float = 10.0  # mean, with a compiled network; the recipe "reference" on one core
    fit_spread: float = 0.5  # standard deviation of the logarithm
    start_seconds: float = 15.0  # to start a worker, import TensorFlow, and compile
    dispatch_seconds: float = 0.001  # Dask's page on efficiency: "about 1ms" of overhead per task
    data_bytes: float = 188e6  # 60,000 x 784 float32
    task_bytes: float = 0.2e6  # sent per fit, besides the data: mainly the row numbers of its fold, as lists
    bytes_per_second: float = 125e6  # of each network card: 1 Gbit/s
    seed: int = 0

    @property
    def scheduling_seconds(self):
        """Time that the scheduler spends on a fit."""
        return self.dispatch_seconds + self.task_bytes / self.bytes_per_second


@dataclass(frozen=True)
class Outcome:
    """The result of a simulation."""

    seconds: float
    moved_bytes: float
    longest_fit: float  # seconds
    shares: dict  # of the workers' time until the end of the last fit, by activity


def simulate(assumptions, n_workers):
    """Simulate a search on this many workers."""
    a = assumptions
    generator = np.random.default_rng(a.seed)
    # Their mean is 1.
    factors = generator.lognormal(-(a.fit_spread**2) / 2, a.fit_spread, a.candidates)
    fits = np.repeat(a.fit_seconds * factors, a.folds)
    # The first round sends the data to one worker. Each further round doubles the number of workers that have it.
    rounds = np.floor(np.log2(np.arange(n_workers) + 1)) + 1
    arrivals = rounds * a.data_bytes / a.bytes_per_second
    free = [(a.start_seconds + arrival, worker) for worker, arrival in enumerate(arrivals)]
    heapq.heapify(free)
    scheduler, end, waited = 0.0, 0.0, 0.0
    for seconds in fits:
        ready, worker = heapq.heappop(free)
        scheduler = max(scheduler, ready) + a.scheduling_seconds
        waited += scheduler - ready
        heapq.heappush(free, (scheduler + seconds, worker))
        end = max(end, scheduler + seconds)
    total = end * n_workers
    shares = {
        "fitting": fits.sum() / total,
        "starting": min(a.start_seconds, end) * n_workers / total,
        "data": arrivals.sum() / total,
        "scheduler": waited / total,
    }
    shares["idle"] = max(0.0, 1 - sum(shares.values()))
    refit = a.fit_seconds * a.folds / (a.folds - 1)
    moved = n_workers * a.data_bytes + len(fits) * a.task_bytes
    return Outcome(end + refit, moved, fits.max(), shares)


def print_table(assumptions):
    """Print a line for each number of workers."""
    n_fits = assumptions.candidates * assumptions.folds
    print(f"{assumptions.candidates:,} candidates x {assumptions.folds} folds, one fit at a time in each worker")
    for field in fields(assumptions):
        print(f"  {field.name.replace('_', '-')}: {getattr(assumptions, field.name):,}")
    print()
    names = ["fitting", "starting", "data", "scheduler", "idle"]
    print("                                      share of the workers' time")
    print(f"{'workers':>8}{'time':>10}{'speed-up':>9}{'moved':>10}   " + "".join(f"{name:>11}" for name in names))
    one = simulate(assumptions, 1)
    for n_workers in (1, *N_WORKERS):
        outcome = simulate(assumptions, n_workers)
        print(
            f"{n_workers:>8,}{outcome.seconds:>8,.0f} s{one.seconds / outcome.seconds:>9.1f}"
            f"{outcome.moved_bytes / 1e9:>7.1f} GB   " + "".join(f"{outcome.shares[name]:>11.1%}" for name in names)
        )
    n_fits = assumptions.candidates * assumptions.folds
    print(f"\nThe scheduler alone: {n_fits * assumptions.scheduling_seconds:.0f} s.", end=" ")
    print(f"The longest fit: {one.longest_fit:.0f} s.")


def make_search(n_candidates, n_folds, epochs):
    """Make a search of short fits over the learning rate."""
    from sklearn.model_selection import GridSearchCV

    from sk_mnist import make_mnist_pipeline

    pipe = make_mnist_pipeline(epochs=epochs, batch_size=128, jit_compile=True, random_state=0)
    rates = {"mlp__learning_rate": np.geomspace(1e-4, 1e-2, n_candidates)}
    return GridSearchCV(pipe, rates, cv=n_folds, refit=False)


@contextmanager
def local_workers(n_workers):
    """Start processes for joblib on this machine, each of which takes one fit at a time."""
    from distributed import Client, LocalCluster
    from joblib import parallel_config

    # With a single thread in all, joblib would fit in this process. With two, of which a fit takes both, it does not.
    one_fit = {"fits": 1}
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=2, resources=one_fit, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster),
        parallel_config("dask", resources=one_fit),
    ):
        yield


def timed_search(n_workers, n_candidates, epochs, X, y):
    """Run a search with two folds on new workers; return its seconds."""
    start = time.perf_counter()
    with local_workers(n_workers):
        make_search(n_candidates, 2, epochs).fit(X, y)
        return time.perf_counter() - start


def check(epochs, n_candidates, rows, numbers_of_workers):
    """Predict the time of searches on this machine from two shorter ones, and compare it with the measured time."""
    from sk_mnist import fetch_mnist

    X, y = fetch_mnist(subset="train", return_X_y=True)
    X, y = X[:rows], y[:rows]
    is_close = True
    # Warm-up: the first search of a process takes longer, because it imports modules.
    timed_search(1, 1, 1, X, y)
    for n_workers in numbers_of_workers:
        # The additional fits give the time of one fit; the rest is the time to start.
        few, more = n_candidates // MIN_CHECK_CANDIDATES, n_candidates // 2
        of_few, of_more = (timed_search(n_workers, n, epochs, X, y) for n in (few, more))
        fit_seconds = (of_more - of_few) * n_workers / (2 * (more - few))
        measured = Assumptions(
            candidates=n_candidates,
            folds=2,
            fit_seconds=fit_seconds,
            fit_spread=0.0,
            start_seconds=of_few - 2 * few * fit_seconds / n_workers,
            dispatch_seconds=0.0,  # included in the measured times, as is the data
            data_bytes=0.0,
            task_bytes=0.0,
        )
        # Without the refit, which takes as long as the fits of two folds.
        predicted = simulate(measured, n_workers).seconds - 2 * fit_seconds
        taken = timed_search(n_workers, n_candidates, epochs, X, y)
        deviation = predicted / taken - 1
        is_close &= abs(deviation) <= MAX_DEVIATION
        print(
            f"{n_workers} worker{'s' * (n_workers > 1)}: a fit takes {fit_seconds:.2f} s and starting "
            f"{measured.start_seconds:.1f} s; predicted for {2 * n_candidates} fits {predicted:.1f} s, "
            f"taken {taken:.1f} s ({deviation:+.0%})",
            flush=True,
        )
    return is_close


def main():
    """Parse the options, then simulate or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Assumptions):
        parser.add_argument("--" + field.name.replace("_", "-"), type=type(field.default), default=field.default)
    parser.add_argument("--check", action="store_true", help="compare predictions with searches on this machine")
    parser.add_argument("--check-epochs", type=int, default=50, help="epochs of these fits (default: 50)")
    parser.add_argument("--check-candidates", type=int, default=24, help="candidates of these searches (default: 24)")
    parser.add_argument("--check-rows", type=int, default=6000, help="rows of these searches (default: 6,000)")
    parser.add_argument(
        "--check-workers", type=int, nargs="+", default=[1, 2], help="numbers of workers to check with (default: 1 2)"
    )
    options = parser.parse_args()
    if min(options.check_workers) < 1:
        parser.error(f"--check-workers must be at least 1; got {min(options.check_workers)}")
    if options.check_candidates < MIN_CHECK_CANDIDATES:
        parser.error(f"--check-candidates must be at least {MIN_CHECK_CANDIDATES}; got {options.check_candidates}")
    if options.check:
        is_close = check(options.check_epochs, options.check_candidates, options.check_rows, options.check_workers)
        return 0 if is_close else 1
    given = {field.name: getattr(options, field.name) for field in fields(Assumptions)}
    print_table(replace(Assumptions(), **given))
    return 0


if __name__ == "__main__":
    sys.exit(main())

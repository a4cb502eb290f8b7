"""
Time and memory of a grid search, side by side
==============================================

Time ``fit`` of a ``GridSearchCV`` over 12 learning rates with 3 folds, 6,000 rows, 2 epochs and batches of 32, in
sk-mnist, scikeras, scikit-learn and skorch. The best score is printed next to the time. With ``n_jobs=1``, sk-mnist
runs with its defaults, with ``jit_compile=True``, and then also with NumPy limited to one thread. With ``n_jobs=2``, it
runs in threads, where TensorFlow uses its default threads or one per operation, and in processes. The peers run in
processes, and in threads where that works. Each search has its own process, and the peers take turns. Then fit the same
network many times in one process, and record its memory (Linux only)::

    python examples/benchmarks/search.py --quick                # 3 candidates, 1 round, 30 fits
    python examples/benchmarks/search.py --peers scikeras       # 12 candidates, 3 rounds, 200 fits
    python examples/benchmarks/search.py --check                # exit status 1 if a target is missed

The time includes the imports of worker processes that joblib starts during a search, as it does for users. To show the
effect, one line starts the workers of scikeras and imports everything beforehand.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _measure import (
    MEBIBYTE,
    NO_PROCESS_MEMORY,
    by_turns,
    can_read_memory,
    in_new_process,
    load_mnist,
    mnist_files,
    process_memory,
    seconds_of,
)
from _options import BenchmarkParser
from _peers import OURS, import_libraries, make_classifier
from _report import Outcome, count, exit_status, report

FULL = {"rounds": 3, "candidates": 12, "rows": 6_000, "epochs": 2, "fits": 200}
QUICK = {"rounds": 1, "candidates": 3, "rows": 3_000, "fits": 30}
N_FOLDS = 3
RATE_PARAMETERS = {
    OURS: "learning_rate",
    "scikeras": "optimizer__learning_rate",
    "scikit-learn": "learning_rate_init",
    "skorch": "lr",
}


class Way(NamedTuple):
    """How a search is run."""

    backend: str = "sequential"
    workers_ready: bool = False  # whether the worker processes are started before the clock
    one_thread_each: bool = False  # whether TensorFlow uses one thread per operation
    one_blas_thread: bool = False  # whether NumPy's matrix products, which score the folds, use one thread
    jit_compile: bool = False  # whether XLA compiles our trainings, which are too short for the default rule


ONE_THREAD_EACH = Way("threading", one_thread_each=True, one_blas_thread=True)

# Our fastest way is compared with each of the peers'.
WAYS = {
    1: {
        OURS: Way(),
        f"{OURS} (jit_compile)": Way(jit_compile=True),
        f"{OURS} (jit_compile, 1 BLAS thread)": Way(one_blas_thread=True, jit_compile=True),
        "scikeras": Way(),
        "scikit-learn": Way(),
        "scikit-learn (1 BLAS thread)": Way(one_blas_thread=True),
        "skorch": Way(),
    },
    2: {
        f"{OURS} (threading)": Way("threading"),
        f"{OURS} (threading, jit_compile)": Way("threading", jit_compile=True),
        f"{OURS} (threading, 1 thread each)": ONE_THREAD_EACH,
        f"{OURS} (threading, 1 thread each, jit_compile)": ONE_THREAD_EACH._replace(jit_compile=True),
        f"{OURS} (loky)": Way("loky"),
        f"{OURS} (loky, jit_compile)": Way("loky", jit_compile=True),
        "scikeras (loky)": Way("loky"),
        "scikeras (loky, workers ready)": Way("loky", workers_ready=True),
        "scikit-learn (loky)": Way("loky"),
        "scikit-learn (threading)": Way("threading"),
        "skorch (loky)": Way("loky"),
        "skorch (threading)": Way("threading"),
    },
}

# Upper bounds on our time divided by a peer's, by number of jobs.
TARGETS = {
    1: {"scikeras": 0.10, "scikit-learn": 0.75, "scikit-learn (1 BLAS thread)": 0.75},
    2: {
        "scikeras (loky)": 0.09,
        "scikeras (loky, workers ready)": 0.09,
        "scikit-learn (loky)": 0.65,
        "scikit-learn (threading)": 0.65,
    },
}

# Growth is counted after this fit. Before it, allocators and caches fill up.
SETTLED_AFTER = 20
GROWTH_TARGET = 30.0  # MiB, of sk-mnist over 200 fits
MEMORY_ROWS = 1_000


def main() -> int:
    """Measure, print and write; return the exit status."""
    options = BenchmarkParser(__doc__, FULL, quick=QUICK, peers=list(RATE_PARAMETERS), has_targets=True).parse_options()
    results, targets = [], {}
    size = f"{count(options.rows, 'row')}, {count(options.epochs, 'epoch')}"
    with mnist_files() as data:
        for n_jobs in (1, 2):
            work = f"GridSearchCV, {options.candidates} x {N_FOLDS} fits, {size}, n_jobs={n_jobs}"
            targets |= {(work, peer): target for peer, target in TARGETS[n_jobs].items()}
            measure = partial(
                in_new_process,
                search,
                data=data,
                n_candidates=options.candidates,
                n_rows=options.rows,
                epochs=options.epochs,
                n_jobs=n_jobs,
            )
            ways = [way for way in WAYS[n_jobs] if peer_of(way) in options.peers]
            results += by_turns(work, ways, options.rounds, measure)
        memory = measure_memory(data, [peer for peer in (OURS, "scikeras") if peer in options.peers], options.fits)
    outcomes = report(
        "search",
        results,
        targets,
        options,
        extra={"memory": memory},
        draw_extra=partial(draw_memory, memory=memory) if memory else None,
    )
    for peer, figures in memory.items():
        target = f" (target for {OURS}, {FULL['fits']} fits: {GROWTH_TARGET:g} MiB)"
        print(f"{peer}: {figures['growth']:.1f} MiB more after {len(figures['mebibytes'])} fits than after the "
              f"{figures['settled_after']}th{target}")  # fmt: skip
    if OURS in memory:
        name = f"memory that {count(options.fits, 'fit')} of {OURS} leave"
        outcomes.append(Outcome(name, memory[OURS]["growth"], GROWTH_TARGET, "MiB"))
    return exit_status(outcomes, options)


def peer_of(way: str) -> str:
    """Return the peer of a way to search, such as "scikeras (loky)"."""
    return way.partition(" (")[0]


def search(way: str, _round: int, *, data: Path, n_candidates: int, n_rows: int, epochs: int, n_jobs: int) -> dict:
    """Search once; return seconds and the best score."""
    from joblib import parallel_config
    from joblib.externals.loky import get_reusable_executor
    from sklearn.model_selection import GridSearchCV
    from threadpoolctl import threadpool_limits

    peer = peer_of(way)
    backend, workers_ready, one_thread_each, one_blas_thread, jit_compile = WAYS[n_jobs][way]
    import_libraries(peer)
    if one_thread_each:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
    X, y = load_mnist(data, "train", n_rows)
    grid = {RATE_PARAMETERS[peer]: [float(rate) for rate in np.geomspace(3e-4, 1e-2, n_candidates)]}
    classifier = make_classifier(peer, epochs=epochs)
    if jit_compile:
        classifier.set_params(jit_compile=True)
    grid_search = GridSearchCV(classifier, grid, scoring="accuracy", cv=N_FOLDS, refit=False, error_score="raise")
    try:
        with parallel_config(backend, n_jobs=n_jobs), threadpool_limits(1 if one_blas_thread else None, "blas"):
            if workers_ready:
                start_workers(peer, n_jobs)
            seconds = seconds_of(lambda: grid_search.fit(X, y))
    finally:
        if backend == "loky":
            # A process started by multiprocessing waits for its children, and these would wait for more work.
            get_reusable_executor().shutdown(kill_workers=True)
    return {"seconds": seconds, "accuracy": float(grid_search.best_score_)}


def start_workers(peer: str, n_jobs: int) -> None:
    """Start all workers, and import the libraries in each."""
    from joblib import Parallel, delayed

    # Importing takes longer than starting another worker, so every worker gets a task.
    Parallel(batch_size=1)(delayed(import_libraries)(peer) for _ in range(4 * n_jobs))


def measure_memory(data: Path, peers: list[str], n_fits: int) -> dict[str, Any]:
    """Measure the memory after each of many fits in one process, by peer."""
    if not can_read_memory():
        print(NO_PROCESS_MEMORY)
        return {}
    settled = min(SETTLED_AFTER, n_fits)
    memory = {}
    for peer in peers:
        mebibytes = in_new_process(fit_repeatedly, peer, data, n_fits)
        growth = mebibytes[-1] - mebibytes[settled - 1]
        memory[peer] = {"mebibytes": mebibytes, "settled_after": settled, "growth": growth}
    return memory


def fit_repeatedly(peer: str, data: Path, n_fits: int) -> list[float]:
    """Fit new estimators in one process, each with its own rate and seed; return resident MiB after each."""
    import_libraries(peer)
    X, y = load_mnist(data, "train", MEMORY_ROWS)
    mebibytes = []
    for seed in range(n_fits):
        make_classifier(peer, epochs=1, learning_rate=1e-4 * (1 + seed), seed=seed).fit(X, y)
        mebibytes.append(process_memory()["VmRSS"] / MEBIBYTE)
    return mebibytes


def draw_memory(axes: Any, memory: dict[str, Any]) -> None:
    """Draw the memory after each fit, minus that after the first."""
    for (peer, figures), style in zip(memory.items(), ("-", "--"), strict=False):
        values = np.array(figures["mebibytes"])
        axes.plot(range(1, len(values) + 1), values - values[0], style, color="black", label=peer)
    axes.axvline(SETTLED_AFTER, color="0.6", linewidth=1)
    axes.set_xlabel("fit")
    axes.set_ylabel("MiB")
    axes.set_title("memory of the process, beyond that after the first fit", fontsize=10, loc="left")
    axes.legend(frameon=False)


if __name__ == "__main__":
    sys.exit(main())

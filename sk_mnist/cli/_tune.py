"""``sk-mnist tune``: search for better parameters, and keep the best model."""

from __future__ import annotations

import argparse
import csv
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sk_mnist._files import replacing
from sk_mnist.cli import _output
from sk_mnist.cli._options import UsageError, positive, seed

DEFAULT_OUTPUT = Path("sk-mnist-tuning")
N_SHOWN = 10


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    tune = commands.add_parser("tune", help="search for better parameters by cross-validation on the training images")
    tune.set_defaults(run=run)
    tune.add_argument("--grid", choices=("small", "large"), default="small", help="candidates (default: small)")
    tune.add_argument("--search", choices=("grid", "random", "halving"), default="grid", help="how (default: grid)")
    tune.add_argument("--candidates", type=positive(int), default=10, help="number for --search random (default: 10)")
    tune.add_argument("--cv", type=positive(int), default=3, help="folds (default: 3)")
    tune.add_argument("--n-jobs", type=positive(int), default=2, help="trainings at a time, in threads (default: 2)")
    tune.add_argument("--epochs", type=positive(int), default=10, help="epochs of each training (default: 10)")
    tune.add_argument("--rows", type=positive(int), help="training images to use (default: all 60,000)")
    tune.add_argument("--seed", type=seed, default=0, help="random state (default: 0)")
    tune.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR", help=f"where files go (default: {DEFAULT_OUTPUT})"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import joblib
    from sklearn.callback import ProgressBar
    from threadpoolctl import threadpool_limits

    from sk_mnist._tensorflow import start_tensorflow
    from sk_mnist.datasets import fetch_mnist
    from sk_mnist.metrics import evaluate
    from sk_mnist.persistence import save

    if options.cv < 2:
        raise UsageError(f"--cv must be at least 2; got {options.cv}")
    console = Console(highlight=False)

    train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    X, y = train.data[: options.rows], train.target[: options.rows]
    search, recorder = _make_search(options)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    with console.status("Starting TensorFlow"):
        # Each training keeps to its share of the cores, or they would wait for each other.
        start_tensorflow(n_threads=max(1, joblib.cpu_count() // options.n_jobs))
    try:
        # Threads train at the same time in one TensorFlow, and let the recorder see every score. After a multithreaded
        # product OpenBLAS' threads keep spinning for a tenth of a second, and slow down the next training.
        with joblib.parallel_config("threading"), threadpool_limits(1, user_api="blas"):
            search.fit(X, y)
    except KeyboardInterrupt:
        path = recorder.write(options.output / "search.csv")
        console.print(f"The {len(recorder.scores)} candidates that were finished or begun are in {path}", markup=False)
        _wait_for_workers()
        raise
    search.set_callbacks()
    console.print(_best_table(search))
    result = evaluate(search, test.data, test.target)
    console.print(f"The best, refitted on all {len(y):,} images: {result.accuracy:.2%} of the test images")
    written = [
        recorder.write(options.output / "search.csv"),
        save(search.best_estimator_.set_callbacks(), options.output / "model.skops"),
        _output.write_json(options.output / "metrics.json", result.to_dict()),
    ]
    try:
        displays = {"search.png": _draw_search(search)}
    except ImportError as error:
        console.print(f"No pictures: {error}", markup=False, soft_wrap=True)
    else:
        written += _output.write_pictures(displays, options.output)
    _output.print_written(console, written)


def _wait_for_workers() -> None:
    # joblib has told them to stop after what they are at. Python aborts if it ends while one is in TensorFlow.
    for thread in threading.enumerate():
        if "(worker)" in thread.name:
            thread.join(timeout=60)


class _Recorder:
    """A scorer that remembers each score by the values of some parameters, for an interrupted search to show."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.scores: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def __call__(self, estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
        score = estimator.score(X, y)
        params = estimator.get_params()
        self.scores[tuple(str(params[name]) for name in self.names)].append(score)
        return score

    def write(self, path: Path) -> Path:
        """Write a line for each candidate, the best first."""
        best_first = sorted(self.scores.items(), key=lambda item: np.mean(item[1]), reverse=True)
        with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*self.names, "mean_test_score", "std_test_score", "n_folds"])
            for values, scores in best_first:
                writer.writerow([*values, f"{np.mean(scores):.6f}", f"{np.std(scores):.6f}", len(scores)])
        return path


def _make_search(options: argparse.Namespace) -> tuple[Any, _Recorder]:
    """Return the search, not fitted, and the scorer that it calls."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (makes the import below work)
    from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV

    from sk_mnist.model_selection import mnist_param_distributions, mnist_param_grid
    from sk_mnist.pipeline import make_mnist_pipeline

    # Random candidates have an architecture and a batch size of their own, for which to compile.
    jit_compile = "auto" if options.search == "random" else True
    pipeline = make_mnist_pipeline(random_state=options.seed, epochs=options.epochs, jit_compile=jit_compile)
    common = {"cv": options.cv, "n_jobs": options.n_jobs, "error_score": "raise"}
    if options.search == "random":
        distributions = mnist_param_distributions()
        recorder = _Recorder(distributions)
        search = RandomizedSearchCV(
            pipeline,
            distributions,
            n_iter=options.candidates,
            random_state=options.seed,
            scoring=recorder,
            **common,
        )
        return search, recorder
    grid = mnist_param_grid(options.grid)
    if options.search == "grid":
        recorder = _Recorder(grid)
        return GridSearchCV(pipeline, grid, scoring=recorder, **common), recorder
    recorder = _Recorder([*grid, "mlp__epochs"])
    search = HalvingGridSearchCV(
        pipeline,
        grid,
        resource="mlp__epochs",
        max_resources=options.epochs,
        min_resources=1,
        random_state=options.seed,
        scoring=recorder,
        **common,
    )
    return search, recorder


def _best_table(search: Any) -> Table:
    results = search.cv_results_
    names = list(results["params"][0])
    table = Table(title="Best candidates", title_justify="left")
    for name in names:
        table.add_column(name.removeprefix("mlp__"), justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("± over folds", justify="right")
    for index in np.argsort(results["rank_test_score"], kind="stable")[:N_SHOWN]:
        params = results["params"][index]
        cells = [f"{params[name]:.3g}" if isinstance(params[name], float) else str(params[name]) for name in names]
        score, spread = results["mean_test_score"][index], results["std_test_score"][index]
        table.add_row(*cells, f"{score:.2%}", f"{spread:.2%}")
    return table


def _draw_search(search: Any) -> Any:
    from sk_mnist.plotting import SearchResultsDisplay

    names = [name for name in ("mlp__learning_rate", "mlp__dropout") if f"param_{name}" in search.cv_results_]
    return SearchResultsDisplay.from_estimator(search, params=names)

"""``sk-mnist tune``: search for better parameters and save the best model."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from sk_mnist.cli._candidates import ScoreRecorder, best_table, plain, ranking
from sk_mnist.cli._input import read_images
from sk_mnist.cli._options import UsageError, add_training_options, path, positive
from sk_mnist.cli._output import OutputDirectory, unused_path, write_json, write_pictures
from sk_mnist.cli._progress import SearchProgress, duration
from sk_mnist.cli._searches import MAX_CANDIDATES, SearchPlan, check_options, make_search
from sk_mnist.cli._terminal import make_console, print_json, say, waiting

if TYPE_CHECKING:
    from sk_mnist.metrics import EvaluationResult

DEFAULT_OUTPUT = Path("sk-mnist-tuning")
# How long an interrupted search waits for its running fits.
MAX_SECONDS = 60
OUTPUTS = ("search.csv", "model.skops", "metrics.json", "search.png")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    tune = commands.add_parser("tune", help="search for better parameters by cross-validation on the training images")
    tune.set_defaults(run=run)
    tune.add_argument(
        "--grid",
        choices=("small", "large"),
        help="6 or 36 candidates, for --search grid or halving (default: small)",
    )
    tune.add_argument(
        "--search",
        choices=("grid", "random", "halving"),
        default="grid",
        help="grid: the whole grid; random: candidates from distributions; halving: the whole grid for a few epochs, "
        "then the best for more (default: grid)",
    )
    tune.add_argument(
        "--candidates", type=positive(int, MAX_CANDIDATES), help="number for --search random (default: 10)"
    )
    tune.add_argument("--cv", type=positive(int), default=3, help="number of folds (default: 3)")
    tune.add_argument(
        "--n-jobs", type=positive(int), default=2, help="fits at a time, in threads; at most all (default: 2)"
    )
    tune.add_argument(
        "--epochs", type=positive(int), default=10, help="epochs per fit, or the maximum for halving (default: 10)"
    )
    tune.add_argument(
        "--output",
        type=path,
        default=DEFAULT_OUTPUT,
        metavar="DIR",
        help=f"output directory (default: {DEFAULT_OUTPUT})",
    )
    add_training_options(tune)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist._tensorflow import check_installed

    check_options(options)
    check_installed()
    console = make_console(stderr=options.json)
    output = OutputDirectory(options.output, OUTPUTS, "--output")
    output.prepare(force=options.force)
    train, test = read_images(console, options.data_home, options.rows)
    X, y = _images(train, options)
    search, recorder, plan = make_search(options, len(y))
    say(console, str(plan))
    progress = SearchProgress(console, plan, recorder)
    start = time.perf_counter()
    try:
        _fit(console, search.set_callbacks(progress), X, y, options)
        result = _write(console, search.set_callbacks(), recorder, test, output)
    except BaseException:
        _keep_what_is_finished(console, recorder, plan, progress, options.output)
        raise
    seconds = time.perf_counter() - start
    _report(console, search, plan, result, seconds)
    files = output.report(console)
    if options.json:
        print_json({**_summary(search, plan, result, seconds), "files": files})


def _images(train: Any, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    X, y = train.data[: options.rows], train.target[: options.rows]
    fewest = np.bincount(y, minlength=10).min()
    if fewest < options.cv:
        raise UsageError(
            f"--cv {options.cv} needs {options.cv} images of each digit, but the {len(y):,} training images "
            f"have only {fewest} of one digit"
        )
    return X, y


def _fit(console: Console, search: Any, X: np.ndarray, y: np.ndarray, options: argparse.Namespace) -> None:
    import joblib
    from threadpoolctl import threadpool_limits

    from sk_mnist._tensorflow import start_tensorflow

    with waiting(console, "Starting TensorFlow"):
        # Each fit gets its share of the threads, so that fits do not wait for each other.
        n_threads = max(1, (options.threads or joblib.cpu_count()) // search.n_jobs)
        start_tensorflow(n_threads, override=options.threads is not None)
    # With threads, all fits share one TensorFlow, and the recorder sees every score. BLAS uses one thread because
    # OpenBLAS' threads keep spinning for a tenth of a second after a product, which slows down the next fit.
    with joblib.parallel_config("threading"), threadpool_limits(1, user_api="blas"):
        search.fit(X, y)


def _write(
    console: Console, search: Any, recorder: ScoreRecorder, test: Any, output: OutputDirectory
) -> EvaluationResult:
    """Evaluate the best model and write all files at once."""
    from sk_mnist.metrics import evaluate
    from sk_mnist.persistence import save
    from sk_mnist.plotting import SearchResultsDisplay

    result = evaluate(search, test.data, test.target)
    with output.replacing_all() as staging:
        recorder.write(staging / "search.csv")
        save(search.best_estimator_.set_callbacks(), staging / "model.skops")
        write_json(staging / "metrics.json", result.to_dict())
        names = [name for name in ("mlp__learning_rate", "mlp__dropout") if f"param_{name}" in search.cv_results_]
        try:
            display = SearchResultsDisplay.from_estimator(search, params=names)
        except ImportError as error:
            say(console, f"No pictures: {error}")
        else:
            write_pictures({"search.png": display}, staging)
    return result


def _keep_what_is_finished(
    console: Console, recorder: ScoreRecorder, plan: SearchPlan, progress: SearchProgress, output: Path
) -> None:
    """Write the scores of a search that ends early, without replacing earlier ones, and end the running fits."""
    recorder.close()
    progress.is_stopping = True
    if recorder.n_fits:
        path = recorder.write(unused_path(output / "search.csv"))
        say(console, f"{recorder.n_fits} of {plan.n_fits} fits were finished. Their scores are in {path}")
    else:
        say(console, "No fit was finished, and nothing was written.")
    # joblib has told its threads to stop after the current fit, which ends with its epoch. Python aborts if it exits
    # while one of them is in TensorFlow.
    deadline = time.monotonic() + MAX_SECONDS
    for thread in threading.enumerate():
        if "(worker)" in thread.name:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))


def _report(console: Console, search: Any, plan: SearchPlan, result: EvaluationResult, seconds: float) -> None:
    console.print(best_table(search.cv_results_))
    console.print()
    console.print(f"best_params = {plain(search.best_params_)}", soft_wrap=True)  # in one line, to copy
    say(
        console,
        f"Trained with these on all {plan.n_images:,} images, the network reaches a test accuracy of "
        f"{result.accuracy:.2%}.",
    )
    say(console, f"The search took {duration(seconds)}.")


def _summary(search: Any, plan: SearchPlan, result: EvaluationResult, seconds: float) -> dict[str, Any]:
    results = search.cv_results_
    return {
        "best_params": plain(search.best_params_),
        "best_score": float(search.best_score_),
        "candidates": [
            {
                "params": plain(results["params"][index]),
                "mean_test_score": float(results["mean_test_score"][index]),
                "std_test_score": float(results["std_test_score"][index]),
            }
            for index in ranking(results)
        ],
        "n_fits": plan.n_fits,
        "seconds": seconds,
        "metrics": result.to_dict(),
    }

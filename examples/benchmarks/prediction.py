"""
Prediction time, side by side
=============================

Time ``predict_proba`` of one row and of 10,000 rows in sk-mnist, scikeras, scikit-learn and skorch. All hold the same
weights, so their accuracies must be equal. Each measurement has its own process and takes the median of many calls,
after a few warm-up calls. The peers take turns::

    python examples/benchmarks/prediction.py --quick            # under 3 minutes
    python examples/benchmarks/prediction.py --rounds 5
    python examples/benchmarks/prediction.py --check            # exit status 1 if a target is missed

For one row, the script also times the arithmetic alone in plain NumPy, to show the cost of checking the input.
"""

import pickle
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _measure import Result, by_turns, format_seconds, in_new_process, load_mnist, mnist_files, seconds_of
from _options import BenchmarkParser
from _peers import OURS, import_libraries, make_classifier
from _report import count, exit_status, report

FULL = {"rounds": 5, "calls": 300, "many_rows": 10_000, "many_rows_calls": 20}
QUICK = {"rounds": 2, "calls": 100, "many_rows_calls": 10}
N_WARM_UP = 3

# Upper bounds on our time divided by a peer's, by number of rows.
TARGETS = {
    1: {"scikeras": 0.005, "scikit-learn": 1.0, "skorch": 0.4},
    10_000: {"scikeras": 0.08, "scikit-learn": 0.9, "skorch": 0.35},
}
ARITHMETIC = "NumPy, the arithmetic alone"


def main() -> int:
    """Measure, print and write; return the exit status."""
    peers = [OURS, "scikeras", "scikit-learn", "skorch"]
    options = BenchmarkParser(__doc__, FULL, quick=QUICK, peers=peers, has_targets=True).parse_options()
    results, targets = [], {}
    with mnist_files() as data:
        model = data / "model.pickle"
        in_new_process(train, data, model)
        for n_rows, n_calls in ((1, options.calls), (options.many_rows, options.many_rows_calls)):
            work = f"predict_proba, {count(n_rows, 'row')}"
            targets |= {(work, peer): target for peer, target in TARGETS.get(n_rows, {}).items()}
            measure = partial(in_new_process, predict, data=data, model=model, n_rows=n_rows, n_calls=n_calls)
            peers = options.peers + ([ARITHMETIC] if n_rows == 1 else [])
            results += by_turns(work, peers, options.rounds, measure)
    overhead = overhead_per_call(results)
    outcomes = report("prediction", results, targets, options, log_scale=True, extra={"overhead_seconds": overhead})
    for peer, seconds in overhead.items():
        print(f"{peer}: {format_seconds(seconds)} of a call with one row are not arithmetic")
    return exit_status(outcomes, options)


def train(data: Path, path: Path) -> None:
    """Train the network whose weights all peers hold."""
    X, y = load_mnist(data, "train", 20_000)
    path.write_bytes(pickle.dumps(make_classifier(OURS, epochs=3, batch_size=128).fit(X, y)))


def predict(peer: str, _round: int, *, data: Path, model: Path, n_rows: int, n_calls: int) -> dict:
    """Predict many times; return median seconds, test accuracy, and largest difference from our probabilities."""
    ours = pickle.loads(model.read_bytes())
    X, y = load_mnist(data, "test")
    predict_proba = arithmetic(ours) if peer == ARITHMETIC else with_weights(peer, ours, data).predict_proba
    rows = X[:n_rows]
    seconds = [seconds_of(lambda: predict_proba(rows)) for _ in range(N_WARM_UP + n_calls)]
    probabilities = predict_proba(X)
    return {
        "seconds": median(seconds[N_WARM_UP:]),
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == y)),
        "largest_difference": float(np.abs(probabilities - ours.predict_proba(X)).max()),
    }


def with_weights(peer: str, ours: Any, data: Path) -> Any:
    """Return a peer's fitted classifier that holds our weights."""
    if peer == OURS:
        return ours
    import_libraries(peer)
    # After a short training it is a fitted estimator. Its weights are then replaced.
    classifier = make_classifier(peer, epochs=1).fit(*load_mnist(data, "train", 512))
    if peer == "scikeras":
        weights = [array for pair in zip(ours.coefs_, ours.intercepts_, strict=True) for array in pair]
        classifier.model_.set_weights(weights)
    elif peer == "scikit-learn":
        classifier.coefs_, classifier.intercepts_ = ours.coefs_, ours.intercepts_
    else:
        import torch

        layers = [layer for layer in classifier.module_ if isinstance(layer, torch.nn.Linear)]
        with torch.no_grad():
            for layer, coef, intercept in zip(layers, ours.coefs_, ours.intercepts_, strict=True):
                layer.weight.copy_(torch.from_numpy(coef.T.copy()))
                layer.bias.copy_(torch.from_numpy(intercept))
    return classifier


def arithmetic(ours: Any) -> Any:
    """Return the forward pass without checks of its input."""
    layers = list(zip(ours.coefs_, ours.intercepts_, strict=True))

    def predict_proba(X: np.ndarray) -> np.ndarray:
        for coef, intercept in layers[:-1]:
            X = np.maximum(X @ coef + intercept, 0)
        coef, intercept = layers[-1]
        logits = X @ coef + intercept
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    return predict_proba


def overhead_per_call(results: list[Result]) -> dict[str, float]:
    """Seconds of a call with one row beyond the arithmetic alone, for peers that predict with NumPy."""
    one_row = {result.peer: median(result.seconds) for result in results if result.work == results[0].work}
    return {peer: one_row[peer] - one_row[ARITHMETIC] for peer in (OURS, "scikit-learn") if peer in one_row}


if __name__ == "__main__":
    sys.exit(main())

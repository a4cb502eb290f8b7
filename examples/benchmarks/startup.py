"""
Start-up time, side by side
===========================

Time three cold starts, each in a new process:

- importing sk-mnist, constructing and cloning its classifier, against importing scikeras, scikit-learn's own classifier
  and skorch;
- loading a saved model and predicting one row, against Keras and scikit-learn, all with the same weights;
- reading a picture with ``sk-mnist predict``, which may take 0.5 s more than 1.3 times the import of scikit-learn's
  Pipeline.

The clock starts at the first statement of the process. The peers take turns, after a warm-up round that reads every
file once::

    python examples/benchmarks/startup.py --quick               # under 3 minutes
    python examples/benchmarks/startup.py --rounds 10
    python examples/benchmarks/startup.py --check               # exit status 1 if a target is missed
"""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
from _measure import by_turns, in_new_process, load_mnist, mnist_files
from _options import BenchmarkParser
from _peers import OURS, make_classifier
from _report import exit_status, report

FULL = {"rounds": 10}
QUICK = {"rounds": 3}

IMPORT = "import, in a new process"
LOAD = "load a saved model and predict one row, in a new process"
PREDICT = "sk-mnist predict, against importing sklearn.pipeline and waiting for 0.38 s"

# Upper bounds on our time divided by a peer's. Ours also constructs and clones, which only makes us slower.
TARGETS = {(IMPORT, "scikeras"): 0.35, (LOAD, "Keras"): 0.45, (LOAD, "scikit-learn"): 1.15}
# That is 0.5 s more than 1.3 times the import.
TARGETS[PREDICT, "scikit-learn"] = 1.3

STATEMENTS = {
    IMPORT: {
        OURS: "from sklearn.base import clone; from sk_mnist import KerasMLPClassifier; clone(KerasMLPClassifier())",
        "scikeras": "from scikeras.wrappers import KerasClassifier",
        "scikit-learn": "from sklearn.neural_network import MLPClassifier",
        "skorch": "from skorch import NeuralNetClassifier",
    },
    LOAD: {
        OURS: "import numpy, sk_mnist; print(sk_mnist.load('model.skops').predict(numpy.load('row.npy'))[0])",
        "Keras": "import numpy, keras; "
        "print(keras.models.load_model('model.keras').predict(numpy.load('row.npy'), verbose=0).argmax())",
        "scikit-learn": "import numpy, joblib; print(joblib.load('model.joblib').predict(numpy.load('row.npy'))[0])",
    },
    PREDICT: {
        OURS: "from sk_mnist.cli import main; main(['predict', 'seven.png'])",
        "scikit-learn": "import sklearn.pipeline; time.sleep(0.5 / 1.3)",
    },
}


def main() -> int:
    """Measure, print and write; return the exit status."""
    peers = [OURS, "scikeras", "Keras", "scikit-learn", "skorch"]
    options = BenchmarkParser(__doc__, FULL, quick=QUICK, peers=peers, has_targets=True).parse_options()
    results = []
    with mnist_files() as data:
        in_new_process(save_models, data)
        for work, statements in STATEMENTS.items():
            measure = partial(run, statements=statements, directory=data)
            peers = [peer for peer in statements if peer in options.peers]
            for peer in peers:
                measure(peer, 0)
            results += by_turns(work, peers, options.rounds, measure)
    outcomes = report("startup", results, TARGETS, options)
    digits = {result.peer: result.details[0]["digit"] for result in results if result.work == LOAD}
    print("The row is a 7. " + ", ".join(f"{peer} says {digit}" for peer, digit in digits.items()) + ".")
    return exit_status(outcomes, options)


def save_models(directory: Path) -> None:
    """Train once, and write the same weights in the format of each peer, and the row to predict."""
    import joblib
    from PIL import Image

    import sk_mnist

    X, y = load_mnist(directory, "train", 10_000)
    ours = make_classifier(OURS, epochs=3).fit(X, y)
    sk_mnist.save(ours, directory / "model.skops")
    ours.to_keras().save(directory / "model.keras")
    theirs = make_classifier("scikit-learn", epochs=1).fit(X[:512], y[:512])
    theirs.coefs_, theirs.intercepts_ = ours.coefs_, ours.intercepts_
    joblib.dump(theirs, directory / "model.joblib")
    row = load_mnist(directory, "test", 1)[0]
    np.save(directory / "row.npy", row)
    Image.fromarray(np.uint8(255 * (1 - np.kron(row.reshape(28, 28), np.ones((8, 8)))))).save(directory / "seven.png")


def run(peer: str, _round: int, *, statements: dict[str, str], directory: Path) -> dict:
    """Run a peer's statement in a new process; return its seconds there, and the digit if it prints one."""
    statement = statements[peer]
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    process = subprocess.run([sys.executable, "-c", code], cwd=directory, capture_output=True, text=True)
    if process.returncode != 0:
        raise RuntimeError(f"{statement}\n{process.stderr}")
    *printed, seconds = process.stdout.splitlines()
    return {"seconds": float(seconds), **({"digit": int(printed[-1])} if statements is STATEMENTS[LOAD] else {})}


if __name__ == "__main__":
    sys.exit(main())

"""
Cost of fetching MNIST, beside Keras
====================================

Read the same ``mnist.npz`` from a warm cache with ``sk_mnist.fetch_mnist`` and with ``keras.datasets.mnist.load_data``,
and compare the time of the call and the highest memory during it over what the imports took. Each call has a process of
its own, and the two take turns::

    python examples/benchmarks/fetching.py
    python examples/benchmarks/fetching.py --rounds 15

Both check the file before they hand it out: Keras by the digest of the file, sk-mnist by those of the arrays. For
``float32`` the Keras side flattens and scales as its users do, ``x.reshape(-1, 784).astype("float32") / 255``, train
and test apart; sk-mnist returns all 70,000 rows in one array.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PREPARE = {
    "sk-mnist": "from sk_mnist import fetch_mnist",
    "Keras": "import numpy; from keras.datasets import mnist",
}
CALLS = {
    "uint8": {
        "sk-mnist": "data = fetch_mnist(normalize=False)",
        "Keras": "data = mnist.load_data()",
    },
    "float32": {
        "sk-mnist": "data = fetch_mnist(normalize=True)",
        "Keras": """
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (x_train, x_test))
""",
    },
}
# The most that sk-mnist is to take: seconds, and MiB over the imports.
BARS = {"uint8": (0.35, 150), "float32": (0.6, 450)}

# /proc gives the peak of this very process; ru_maxrss would count that of the process it was forked from.
MEASURE = """
import json, time
def mebibytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024
{prepare}
imported, start = mebibytes("VmRSS"), time.perf_counter()
{call}
print(json.dumps([time.perf_counter() - start, mebibytes("VmHWM") - imported]))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="processes for each figure (%(default)s)")
    options = parser.parse_args()
    if not Path("/proc/self/status").exists():
        parser.error("peak memory is read from /proc/self/status, which this system does not have")
    print(f"medians of {options.rounds} processes (least-most); memory is the peak over the imports")
    print(f"{'':9} {'':9} {'time':24} {'memory':>9} {'ratio to Keras: time, memory':>30} {'bars':>16}")
    with tempfile.TemporaryDirectory(prefix="sk-mnist-benchmark-") as directory:
        environment = warm_caches(Path(directory))
        for kind, calls in CALLS.items():
            print_rows(kind, measure(calls, environment, options.rounds))


def warm_caches(directory: Path) -> dict[str, str]:
    """Put the same file into a cache of sk-mnist and one of Keras; return the environment that names them."""
    environment = {
        **os.environ,
        "SK_MNIST_DATA": str(directory / "sk-mnist"),
        "KERAS_HOME": str(directory / "keras"),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    run("from sk_mnist import fetch_mnist; fetch_mnist(subset='test')", environment)
    (directory / "keras" / "datasets").mkdir(parents=True)
    shutil.copy(directory / "sk-mnist" / "mnist.npz", directory / "keras" / "datasets")
    return environment


def measure(calls: dict[str, str], environment: dict[str, str], n_rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and MiB of each peer in each round; whatever else the machine does meets both alike."""
    results: dict[str, list[tuple[float, float]]] = {peer: [] for peer in calls}
    for _ in range(n_rounds):
        for peer, call in calls.items():
            code = MEASURE.format(prepare=PREPARE[peer], call=call)
            results[peer].append(tuple(json.loads(run(code, environment))))
    return results


def print_rows(kind: str, results: dict[str, list[tuple[float, float]]]) -> None:
    """Print what each peer took, and the ratio of ours to Keras'."""
    medians = {peer: [median(column) for column in zip(*rows, strict=True)] for peer, rows in results.items()}
    for peer, rows in results.items():
        times = [seconds for seconds, _ in rows]
        seconds, mebibytes = medians[peer]
        spread = f"{seconds:.3f} s ({min(times):.3f}-{max(times):.3f})"
        line = f"{kind:9} {peer:9} {spread:24} {mebibytes:>5.0f} MiB"
        if peer != "Keras":
            ratios = [ours / theirs for ours, theirs in zip(medians[peer], medians["Keras"], strict=True)]
            held = "held" if all(ours < bar for ours, bar in zip(medians[peer], BARS[kind], strict=True)) else "missed"
            bars = f"{BARS[kind][0]} s, {BARS[kind][1]} MiB"
            line += f" {f'{ratios[0]:.2f}, {ratios[1]:.2f}':>30} {bars:>16} {held}"
        print(line)


def run(code: str, environment: dict[str, str]) -> str:
    """Output of a fresh interpreter's last line."""
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return (result.stdout.splitlines() or [""])[-1]


if __name__ == "__main__":
    main()

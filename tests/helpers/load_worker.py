"""A process that loads given files, with 10 seconds of processor time and 1 GiB for each, and reports the results.

It reads one JSON object per line (the path of the file, and the path of rows to predict or None) and answers with one.
A file that takes too long or crashes it ends the process.
"""

import json
import resource
import signal
import sys
import tracemalloc
import warnings

import numpy as np

from sk_mnist import load

SECONDS = 10
GIBIBYTE = 1 << 30


def main():
    warnings.simplefilter("ignore")
    with open("/proc/self/statm") as statm:
        in_use = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + GIBIBYTE, in_use + GIBIBYTE))
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(30 * SECONDS)  # for a load that waits and takes no processor time
        sys.stdout.write(json.dumps(answer(**json.loads(line))) + "\n")
        sys.stdout.flush()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def answer(path, X, measure=False):
    found = {}
    try:
        model = measured_load(path, found) if measure else load(path)
    except Exception as error:
        return {**found, "error": type(error).__name__, "message": str(error)}
    if X is None or not hasattr(model, "predict"):
        return found
    try:
        return {"labels": np.asarray(model.predict(np.load(X))).tolist()}
    except Exception as error:
        return {"predict_error": type(error).__name__, "message": str(error)}


def measured_load(path, found):
    """Load, and count calls and bytes, which are the same on every machine, unlike seconds."""
    found["calls"] = 0

    def count(frame, event, argument):
        if event in ("call", "c_call"):
            found["calls"] += 1

    tracemalloc.start()
    sys.setprofile(count)
    try:
        return load(path)
    finally:
        sys.setprofile(None)
        found["peak"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


if __name__ == "__main__":
    main()

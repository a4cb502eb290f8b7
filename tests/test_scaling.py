"""The programs in examples/scaling: what they print is so, and they survive being killed."""

import importlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sk_mnist import load
from tests.helpers.processes import output_of

SCALING = Path(__file__).parent.parent / "examples" / "scaling"


def start(name, *arguments):
    command = [sys.executable, SCALING / f"{name}.py", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    printed, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return printed


# The longest training of it is 16 blocks.
ROWS = 160_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a stream of so many rows prints, and its directory."""
    output = tmp_path_factory.mktemp("whole")
    return finish(start("infinite_mnist", "--rows", ROWS, "--output", output)), output


@pytest.mark.weekly
class TestInfiniteMnist:
    def test_memory_does_not_grow_with_the_rows(self, whole):
        _, output = whole
        points = json.loads((output / "infinite_mnist.json").read_text())
        assert [point["rows"] for point in points] == [ROWS // 2**k for k in range(6, -1, -1)]
        # The first three have less than two blocks; a stream that was kept would be 0.5 GB at the end.
        assert points[3]["rows"] == 20_000
        assert points[-1]["peak_mebibytes"] - points[3]["peak_mebibytes"] < 60

    def test_more_rows_make_fewer_errors(self, whole):
        printed, output = whole
        points = json.loads((output / "infinite_mnist.json").read_text())
        errors = [1 - point["accuracy"] for point in points]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.04  # 0.049 after half of the rows
        for point, error in zip(points, errors, strict=True):
            assert re.search(rf"^ *{point['rows']:,} +{error:.2%} ", printed, re.MULTILINE), printed

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
    def test_a_killed_stream_resumes_and_reaches_the_same_weights(self, whole, tmp_path):
        name = f"{ROWS}-rows-0.skops"
        for path in whole[1].glob("*.skops"):
            if path.name != name:
                shutil.copy(path, tmp_path)
        arguments = ["--rows", ROWS, "--save-every", ROWS // 2, "--output", tmp_path]
        process = start("infinite_mnist", *arguments)
        while not (tmp_path / name).exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(load(tmp_path / name).loss_curve_) == 8
        finish(start("infinite_mnist", *arguments))
        resumed, uninterrupted = load(tmp_path / name), load(whole[1] / name)
        assert resumed.loss_curve_ == uninterrupted.loss_curve_
        for one, other in zip(resumed.coefs_, uninterrupted.coefs_, strict=True):
            np.testing.assert_array_equal(one, other)


# Prints the number of the process, and begin and end, of each of 6 short fits.
FITS_OF_WORKERS = """
import json, os, sys, time
from joblib import Parallel, delayed
from cost_model import local_workers

def fit():
    begin = time.time()
    time.sleep(0.3)
    return os.getpid(), begin, time.time()

with local_workers(int(sys.argv[1])):
    spans = Parallel()(delayed(fit)() for _ in range(6))
assert os.getpid() not in {worker for worker, *_ in spans}
print(json.dumps(spans))
"""


class TestCostModel:
    @pytest.fixture
    def model(self, monkeypatch):
        monkeypatch.syspath_prepend(str(SCALING))
        return importlib.import_module("cost_model")

    @pytest.fixture
    def search(self, model):
        """20 candidates in 5 folds, each fit of 8 seconds, and nothing else takes any time."""
        return model.Assumptions(
            candidates=20,
            folds=5,
            fit_seconds=8.0,
            fit_spread=0.0,
            start_seconds=0.0,
            dispatch_seconds=0.0,
            data_bytes=0.0,
            task_bytes=0.0,
        )

    @pytest.mark.parametrize(("n_workers", "seconds"), [(1, 800), (10, 80), (100, 8), (1000, 8), (30, 32)])
    def test_without_other_costs_the_work_is_shared_evenly(self, model, search, n_workers, seconds):
        # The best candidate is fitted on all rows, a quarter more than in a fold.
        assert model.simulate(search, n_workers).seconds == pytest.approx(seconds + 10)

    def test_each_cost_is_added(self, model, search):
        costly = model.replace(
            search, start_seconds=7.0, dispatch_seconds=0.5, data_bytes=1e9, task_bytes=1e6, bytes_per_second=1e8
        )
        outcome = model.simulate(costly, 1)
        assert outcome.seconds == pytest.approx(7 + 10 + 100 * (8 + 0.5 + 0.01) + 10)
        assert outcome.moved_bytes == pytest.approx(1e9 + 100 * 1e6)
        assert sum(outcome.shares.values()) == pytest.approx(1)
        assert outcome.shares["fitting"] == pytest.approx(800 / (7 + 10 + 851))

    def test_data_spreads_in_rounds(self, model, search):
        slow = model.replace(search, fit_seconds=1000.0, data_bytes=1e9, bytes_per_second=1e8)
        # The last of 100 workers has it after 7 rounds of 10 seconds.
        assert model.simulate(slow, 100).seconds == pytest.approx(70 + 1000 + 1250)

    def test_a_slow_scheduler_is_the_limit(self, model, search):
        slow = model.replace(search, dispatch_seconds=3.0)
        outcome = model.simulate(slow, 100)
        assert outcome.seconds == pytest.approx(100 * 3 + 8 + 10)
        assert max(outcome.shares, key=outcome.shares.get) == "scheduler"

    def test_the_program_prints_its_assumptions(self):
        printed = finish(start("cost_model", "--candidates", 50, "--fit-seconds", 3))
        assert "50 candidates x 5 folds" in printed
        assert "fit-seconds: 3.0" in printed
        assert len(re.findall(r"^ +[\d,]+ +[\d,]+ s +[\d.]+ +[\d.]+ GB( +[\d.]+%){5}$", printed, re.MULTILINE)) == 4

    def test_too_few_candidates_to_predict_from_are_rejected(self):
        process = start("cost_model", "--check", "--check-candidates", 5)
        assert "--check-candidates must be at least 6" in process.communicate(timeout=300)[1]
        assert process.returncode == 2

    def test_a_check_without_workers_is_rejected(self):
        process = start("cost_model", "--check", "--check-workers", 2, 0)
        assert "--check-workers must be at least 1; got 0" in process.communicate(timeout=300)[1]
        assert process.returncode == 2

    @pytest.mark.slow
    @pytest.mark.parametrize("n_workers", [1, 2])
    def test_each_worker_takes_one_fit_at_a_time(self, n_workers):
        pytest.importorskip("distributed")
        spans = json.loads(output_of(FITS_OF_WORKERS, n_workers, cwd=SCALING))
        by_worker = {worker: sorted(fit[1:] for fit in spans if fit[0] == worker) for worker, *_ in spans}
        assert len(by_worker) == n_workers
        for fits in by_worker.values():
            assert all(end <= begin for (_, end), (begin, _) in pairwise(fits))

    @pytest.mark.weekly
    def test_predictions_are_compared_with_searches(self):
        pytest.importorskip("distributed")
        little = ["--check-epochs", 1, "--check-rows", 300, "--check-candidates", 6, "--check-workers", 1]
        process = start("cost_model", "--check", *little)
        printed, errors = process.communicate(timeout=600)
        row = re.search(r"^1 worker: .* predicted for 12 fits ([\d.]+) s, taken ([\d.]+) s", printed, re.MULTILINE)
        assert row, errors
        assert min(map(float, row.groups())) > 0
        # How close they are depends on what else the machine does.
        assert process.returncode in (0, 1)

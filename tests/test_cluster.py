"""scikit-learn's searches on Dask's workers: real schedulers and worker processes on loopback."""

import importlib.util
import logging
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_validate,
)
from threadpoolctl import threadpool_limits

from sk_mnist import KerasMLPClassifier, make_mnist_pipeline
from sk_mnist.model_selection import cross_validation_report
from tests.helpers.networks import assert_same_model

pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

# Two workers that import TensorFlow take longer than most test files.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "scaling" / "cluster_search.py"
DASK = Path(sys.executable).with_name("dask")
N_WORKERS = 2
SMALL = {"hidden_layer_sizes": (16, 8), "epochs": 2, "random_state": 0}


@contextmanager
def local_cluster(n_workers=N_WORKERS):
    """Worker processes of this one, as a user starts them on one machine."""
    with (
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def start(command, *arguments, log):
    """Run a command of Dask's, for which the functions of this file are importable."""
    with open(log, "w") as output:
        return subprocess.Popen(
            [DASK, command, *arguments, "--dashboard-address", "127.0.0.1:0"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def commands_cluster(logs):
    """A scheduler and workers as started by commands, on what could be several machines."""
    # The scheduler takes a free port and writes its address to this file, for which workers and clients wait.
    found_by = ["--scheduler-file", str(logs / "scheduler.json")]
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", *found_by, log=logs / "scheduler.log")
    options = ["--host", "127.0.0.1", "--nthreads", "1", "--death-timeout", "300"]
    workers = [start("worker", *found_by, *options, log=logs / f"worker{n}.log") for n in range(N_WORKERS)]
    try:
        with distributed.Client(scheduler_file=found_by[1], timeout=300) as client:
            client.wait_for_workers(N_WORKERS, timeout=300)
            yield client, scheduler
    finally:
        for process in [*workers, scheduler]:
            process.terminate()
        for process in [*workers, scheduler]:
            process.wait(timeout=300)


@pytest.fixture(scope="module", params=["LocalCluster", pytest.param("commands", marks=pytest.mark.weekly)])
def client(request, tmp_path_factory):
    """A client of a scheduler with two workers, each with one thread."""
    if request.param == "LocalCluster":
        with local_cluster() as client:
            yield client
    else:
        with commands_cluster(tmp_path_factory.mktemp("dask")) as (client, _):
            yield client


@pytest.fixture
def images(mnist_sample):
    X, y = mnist_sample
    return X[:400], y[:400]


@pytest.fixture(autouse=True)
def one_blas_thread():
    """Hold NumPy's products to one thread here too, as Dask does in its workers: their sums depend on it."""
    with threadpool_limits(1, user_api="blas"):
        yield


GRID = {"mlp__learning_rate": [1e-3, 1e-2]}


def without_times(results):
    return {name: values for name, values in results.items() if "time" not in name}


def of_search(search, X, y):
    """All that a search finds, with the process of each score."""
    search.set_params(scoring={"score": "neg_log_loss", "process": process_of}, refit="score").fit(X, y)
    results = without_times(search.cv_results_)
    processes = {name: results.pop(name) for name in list(results) if name.endswith("_process")}
    splits = [values for name, values in processes.items() if name.startswith("split")]
    return {**results, "best": search.best_params_}, search.best_estimator_[-1], set(np.ravel(splits))


def process_of(model, X, y):
    return os.getpid()


def by_grid_search(model, X, y):
    return of_search(GridSearchCV(model, GRID, cv=2), X, y)


def by_randomized_search(model, X, y):
    return of_search(RandomizedSearchCV(model, GRID, n_iter=2, cv=2, random_state=0), X, y)


def by_halving(model, X, y):
    search = HalvingGridSearchCV(
        model, GRID, resource="mlp__epochs", min_resources=1, max_resources=2, factor=2, cv=2, random_state=0
    )
    search.set_params(scoring="neg_log_loss").fit(X, y)
    return {**without_times(search.cv_results_), "best": search.best_params_}, search.best_estimator_[-1], None


def by_cross_validate(model, X, y):
    scoring = {"loss": "neg_log_loss", "process": process_of}
    results = cross_validate(model, X, y, cv=2, scoring=scoring, return_estimator=True)
    return (
        {"loss": results["test_loss"]},
        results["estimator"][1][-1],
        set(results["test_process"]),
    )


def by_report(model, X, y):
    report = cross_validation_report(model, X, y, cv=2)
    return {**report.scores, "proba": report.out_of_fold_proba, "confusion": report.confusion_matrix}, None, None


def by_permutation_importance(model, X, y):
    X = X[:, 300:400]
    importance = permutation_importance(clone(model).fit(X, y), X, y, n_repeats=2, random_state=0)
    return dict(importance), None, None


WAYS = [
    by_grid_search,
    *(
        pytest.param(way, marks=pytest.mark.weekly)
        for way in (
            by_cross_validate,
            by_randomized_search,
            by_halving,
            by_report,
            by_permutation_importance,
        )
    ),
]


@pytest.mark.parametrize("way", WAYS)
def test_dask_workers_give_bit_identical_results(client, images, way):
    X, y = images
    model = make_mnist_pipeline(**SMALL)
    expected, expected_network, _ = way(model, X, y)
    with joblib.parallel_config("dask"):
        found, network, processes = way(model, X, y)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    if expected_network is not None:
        assert_same_model(network, expected_network)
    if processes is not None:
        assert processes == set(client.run(os.getpid).values())


class DiesOnce:
    """A score whose first worker is killed by SIGKILL."""

    def __init__(self, path):
        self.path = path

    def __call__(self, model, X, y):
        with suppress(FileExistsError):
            self.path.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        return model.score(X, y)


@pytest.mark.weekly
def test_a_search_survives_a_killed_worker(images, tmp_path):
    X, y = images
    # Arrays that travel with the tasks: what was put on the killed worker alone would be lost.
    folds = [(train.tolist(), test.tolist()) for train, test in StratifiedKFold(3).split(X, y)]
    search = GridSearchCV(KerasMLPClassifier(**SMALL), {"learning_rate": [1e-2]}, cv=folds, error_score="raise")
    expected = clone(search).fit(X, y)
    with local_cluster() as client:
        before = set(client.run(os.getpid).values())
        client.amm.stop()  # it would take the copies that no task is waiting for off the workers again
        search.set_params(scoring=DiesOnce(tmp_path / "killed"))
        with joblib.parallel_config("dask", scatter=[X, y]):
            search.fit(X, y)
        client.wait_for_workers(N_WORKERS, timeout=300)
        after = set(client.run(os.getpid).values())
    assert len(before & after) == N_WORKERS - 1
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    assert_same_model(search.best_estimator_, expected.best_estimator_)


class Kills:
    """A score that kills a process."""

    def __init__(self, pid):
        self.pid = pid

    def __call__(self, model, X, y):
        os.kill(self.pid, signal.SIGKILL)
        # The score must not arrive before: the parent has not waited for the process, so that its entry stays.
        while Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        return 0.0


@pytest.mark.weekly
def test_a_killed_scheduler_raises_an_error_instead_of_hanging(images, tmp_path):
    with commands_cluster(tmp_path) as (_, scheduler):
        search = GridSearchCV(DummyClassifier(), {}, cv=5, scoring=Kills(scheduler.pid))
        with (
            joblib.parallel_config("dask"),
            pytest.raises(CancelledError, match="lost the connection to the scheduler"),
        ):
            search.fit(*images)


def test_progress_bars_show_each_network_fit_of_local_workers(client, images, capsys):
    search = GridSearchCV(KerasMLPClassifier(**SMALL), {"learning_rate": [1e-3, 1e-2]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=2))
    with joblib.parallel_config("dask"):
        search.fit(*images)
    printed = capsys.readouterr().out
    assert printed.count("KerasMLPClassifier - fit") >= 5  # 2 candidates x 2 folds, and the refit


def threads_after_a_fit(X, y):
    KerasMLPClassifier(**SMALL).fit(X, y)
    return sys.modules["tensorflow"].config.threading.get_intra_op_parallelism_threads()


def test_each_worker_runs_tensorflow_operations_on_one_thread(client, images):
    tasks = [client.submit(threads_after_a_fit, *images, workers=[worker]) for worker in client.run(os.getpid)]
    assert client.gather(tasks) == [1] * N_WORKERS


def fail_to_load():
    raise ModuleNotFoundError("No module named 'yours'")


class OfAnotherEnvironment:
    """An argument whose module the workers lack."""

    def __reduce__(self):
        return fail_to_load, ()


class TestTasksThatDaskCannotRun:
    """What joblib makes of them: in a search there is no timeout."""

    def run(self, backend, timeout):
        with joblib.parallel_config(backend):
            joblib.Parallel(timeout=timeout)(joblib.delayed(id)(OfAnotherEnvironment()) for _ in range(2))

    def test_joblibs_own_backend_hangs(self, client):
        # Once this fails, neither the example nor its page need the backend below.
        with pytest.raises(multiprocessing.TimeoutError):
            self.run("dask", timeout=2)

    def test_the_backend_of_the_example_raises(self, client):
        with pytest.raises(RuntimeError, match="different environments") as caught:
            self.run(load_example().Backend(client=client), timeout=30)
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def load_example():
    spec = importlib.util.spec_from_file_location("cluster_search", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.weekly
@pytest.mark.parametrize("from_file", [pytest.param(False, marks=pytest.mark.weekly), True])
def test_the_example_gives_the_same_results_with_and_without_a_cluster(tmp_path, from_file):
    options = ["--images", tmp_path / "images.npy"] if from_file else []
    command = [sys.executable, EXAMPLE, "--rows", "1000", "--epochs", "1", "--folds", "2", "--one-by-one", *options]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    assert "12 fits on 2 workers took" in printed
    assert printed.rstrip().endswith(": the same scores and weights.")
    (sent,) = re.findall(r"to each worker: ([\d.]+) MB", printed)
    (of_a_task,) = re.findall(r"Each task took ([\d.]+) MB", printed)
    n_bytes = 1000 * 8 * 2 if from_file else 1000 * (784 * 4 + 8)
    assert float(sent) == pytest.approx(n_bytes / 1e6, abs=0.05)
    assert float(of_a_task) < 0.05


class TestBytes:
    def test_a_clone_of_a_fitted_network_pickles_without_fitted_state(self, images):
        network = KerasMLPClassifier(random_state=0, epochs=1)
        n_bytes = len(pickle.dumps(network))
        network.fit(*images)
        assert n_bytes < 2_000
        assert len(pickle.dumps(clone(network))) == n_bytes
        n_weights = sum(array.nbytes for array in network.coefs_ + network.intercepts_)
        assert len(pickle.dumps(network)) < n_weights + 10_000

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux counts the bytes")
    @pytest.mark.parametrize("scattered", [False, True])
    def test_rows_reach_each_worker_once_and_not_with_each_task(self, client, scattered):
        X = np.random.default_rng(0).random((20_000, 784), dtype=np.float32)
        y = np.arange(len(X)) % 10
        options = {"scatter": [X, y]} if scattered else {}
        bytes_received = load_example().bytes_received
        client.amm.stop()  # it would take rows that no task is waiting for off a worker, which may ask for them again
        before = sum(client.run(bytes_received).values())
        with joblib.parallel_config("dask", **options):
            GridSearchCV(DummyClassifier(), {"constant": range(6)}, cv=2, refit=False).fit(X, y)
        received = sum(client.run(bytes_received).values()) - before
        client.amm.start()
        # Without scattering, a worker that has the rows may be done with all tasks before the other one asks for them.
        assert (N_WORKERS if scattered else 1) * X.nbytes < received < 1.1 * N_WORKERS * X.nbytes

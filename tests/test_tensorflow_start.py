"""How TensorFlow starts: its chatter is hidden, and nothing else that a process writes to stderr."""

import os
import re
import signal
import subprocess
import sys

import pytest

from sk_mnist import start_tensorflow
from sk_mnist._stderr_filter import is_chatter
from tests.helpers.processes import run_python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is hidden on Windows")

CHATTER = """WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795750187.969599   30435 port.cc:153] oneDNN custom operations are on.
W0000 00:00:1795750187.969599   30435 computation_placer.cc:177] computation placer already registered.
"""
# Routine lines only on a machine without an NVIDIA driver.
NO_GPU = """E0000 00:00:1795750187.969599   30435 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)
W0000 00:00:1795750187.969599   30435 dso_loader.cc:59] Could not load dynamic library 'libcudnn.so.9'
W0000 00:00:1795750187.969599   30435 gpu_device.cc:2342] Cannot dlopen some GPU libraries. Please make sure
Skipping registering GPU devices...
"""
IMPORTANT = """E0000 00:00:1795750187.969599   30435 gpu.cc:52] out of memory
a line of another library
"""

START = "from sk_mnist import start_tensorflow\nstart_tensorflow()\n"

# Starts TensorFlow, and fails if that is not the real one.
FIT = """
from sklearn.datasets import load_iris
from sk_mnist import KerasMLPClassifier
try:
    KerasMLPClassifier(epochs=1).fit(*load_iris(return_X_y=True))
except Exception:
    pass
"""


@pytest.fixture
def start(tmp_path):
    """Run code in a process with a TensorFlow that runs other code when it is imported."""

    def start(imported, code=START, **environment):
        fake = f"import os, sys\n{imported}\nclass config:\n    list_logical_devices = staticmethod(list)\n"
        (tmp_path / "tensorflow.py").write_text(fake)
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        # A limit of threads would be told to TensorFlow.
        kept = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", LOG_LEVEL)}
        return run_python(code, env={**kept, "PYTHONPATH": path, **environment})

    return start


LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
WRITES = f"os.write(2, {CHATTER + IMPORTANT!r}.encode())"


@pytest.mark.parametrize("line", CHATTER.splitlines())
def test_routine_lines_are_chatter(line):
    assert is_chatter(line.encode())


@pytest.mark.parametrize("has_driver", [True, False])
@pytest.mark.parametrize("line", NO_GPU.splitlines())
def test_messages_about_an_unused_gpu_are_chatter_only_without_a_driver(line, has_driver, tmp_path, monkeypatch):
    driver = tmp_path / "nvidia"
    monkeypatch.setattr("sk_mnist._stderr_filter.DRIVER", driver)
    if has_driver:
        driver.mkdir()
    assert is_chatter(line.encode()) is not has_driver


def test_chatter_is_hidden_and_other_lines_pass(start):
    run = start(WRITES, START + "print('after', file=sys.stderr)".replace("sys", "__import__('sys')"))
    assert (run.returncode, run.stderr) == (0, IMPORTANT + "after\n")


def test_without_sk_mnist_all_lines_pass(start):
    assert start(WRITES, "import tensorflow").stderr == CHATTER + IMPORTANT


@pytest.mark.slow
def test_fit_hides_chatter_as_well(start):
    assert start(WRITES, FIT).stderr == IMPORTANT


@pytest.mark.slow
def test_fit_hides_nothing_if_the_user_has_imported_tensorflow_or_set_a_log_level(start):
    assert start(WRITES, "import tensorflow\n" + FIT).stderr == CHATTER + IMPORTANT
    assert start(WRITES, FIT, **{LOG_LEVEL: "1"}).stderr == CHATTER + IMPORTANT


def test_lines_pass_as_they_arrive(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os, select\nos.write(2, b'I0000 chatter\\nfirst\\n')\nis_told, _, _ = select.select([0], [], [], 300)\n"
        "os.write(2, b'second\\n' if is_told else b'never told\\n')\n"
        "class config:\n    list_logical_devices = staticmethod(list)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "TF_NUM_INTRAOP_THREADS": "1"},
    ) as process:
        assert process.stderr.readline() == b"first\n"
        assert process.poll() is None
        _, rest = process.communicate(b"x", timeout=300)
    assert rest == b"second\n"


def test_an_unfinished_line_before_an_abort_passes(start):
    run = start(WRITES + "\nos.write(2, b'F0000 check failed, and no end of the line')\nos.abort()")
    assert run.returncode == -signal.SIGABRT
    assert run.stderr == IMPORTANT + "F0000 check failed, and no end of the line"


def test_the_traceback_of_an_exception_passes(start):
    run = start(WRITES + "\nraise ImportError('no such library')")
    assert run.returncode == 1
    assert run.stderr.startswith(IMPORTANT)
    assert run.stderr.endswith("ImportError: no such library\n")


@pytest.mark.parametrize("replacement", ["None", "io.StringIO()", "open(os.devnull, 'w')"])
def test_tensorflow_starts_with_any_replacement_of_sys_stderr(start, replacement):
    run = start(WRITES, f"import io, os, sys\nsys.stderr = {replacement}\n{START}print('started')")
    assert (run.stdout, run.stderr) == ("started\n", IMPORTANT)


def test_tensorflow_starts_with_stderr_closed(start):
    code = f"import os\nos.close(2)\n{START}print('started', len(os.listdir('/dev/fd')))"
    before = start("", code.replace(START, ""))
    assert start("", code).stdout == before.stdout


def test_no_file_descriptor_is_left_open(start):
    code = f"import os\nbefore = len(os.listdir('/dev/fd'))\n{START}print(len(os.listdir('/dev/fd')) - before)"
    assert start(WRITES, code).stdout == "0\n"


@pytest.mark.parametrize("executable", ["", "/bin/cat", "/no/such/python"])
def test_all_lines_pass_if_the_filter_process_cannot_start(start, executable):
    run = start(WRITES, f"import sys\nsys.executable = {executable!r}\n{START}print('started')")
    assert run.stdout == "started\n"
    assert run.stderr.endswith(CHATTER + IMPORTANT)


def test_all_lines_pass_if_the_user_sets_log_level_0(start):
    assert start(WRITES, **{LOG_LEVEL: "0"}).stderr == CHATTER + IMPORTANT


@pytest.mark.slow
@pytest.mark.parametrize("code", [START, FIT])
def test_the_log_level_excludes_info_only_while_tensorflow_starts(code, start):
    level = f"print(__import__('os').environ.get('{LOG_LEVEL}'))\n"
    assert start(level, code + level).stdout == "1\nNone\n"
    assert start(level, code + level, **{LOG_LEVEL: "2"}).stdout == "2\n2\n"


@pytest.mark.slow
def test_a_fit_without_tensorflow_leaves_the_environment_as_it_was(start):
    assert start("raise ImportError", f"import os\n{FIT}print(os.environ.get('{LOG_LEVEL}'))").stdout == "None\n"


def test_another_keras_backend_is_rejected_before_tensorflow_is_imported(start):
    run = start("raise SystemExit('imported')", KERAS_BACKEND="jax")
    assert re.search("ImportError: Keras runs on 'jax' here, but sk-mnist trains with its TensorFlow", run.stderr)


@pytest.mark.parametrize(
    ("n_threads", "error"), [(-5, ValueError), (0, ValueError), ("4", TypeError), (2.5, TypeError), (True, TypeError)]
)
def test_an_invalid_number_of_threads_is_rejected(n_threads, error):
    with pytest.raises(error, match=f"n_threads must be None or an integer of at least 1; got {n_threads!r}"):
        start_tensorflow(n_threads)


FITS = """
import logging, sys
from sklearn.datasets import load_iris
from sk_mnist import KerasMLPClassifier
logging.basicConfig(stream=sys.stdout, level="INFO")
for n_units in range(2, 10):
    KerasMLPClassifier((n_units,), epochs=1, jit_compile=n_units % 2 == 0).fit(*load_iris(return_X_y=True))
"""
SEARCH = """
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sk_mnist import KerasMLPClassifier
cross_val_score(KerasMLPClassifier(epochs=1), *load_iris(return_X_y=True), cv=2, n_jobs=2, error_score="raise")
"""
FIT_IN_A_THREAD = """
import sys, threading
from sklearn.datasets import load_iris
from sk_mnist import KerasMLPClassifier
fit = threading.Thread(target=KerasMLPClassifier(epochs=1).fit, args=load_iris(return_X_y=True))
fit.start()
n_lines = 0
while fit.is_alive():
    print(f"line {n_lines}", file=sys.stderr)
    n_lines += 1
    fit.join(0.01)
print(n_lines)
"""


@pytest.fixture
def quiet_environment():
    return {name: value for name, value in os.environ.items() if name != LOG_LEVEL}


@pytest.mark.slow
def test_fits_log_their_epochs_and_write_nothing_else(quiet_environment):
    run = run_python(FITS, env=quiet_environment)
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert len(lines) == 8
    assert all(line.startswith("INFO:sk_mnist.neural_network:Epoch 1/1") for line in lines), run.stdout


@pytest.mark.slow
def test_the_workers_of_a_search_write_no_chatter(quiet_environment):
    run = run_python(SEARCH, env=quiet_environment)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.slow
def test_lines_of_other_threads_pass_while_a_fit_starts_tensorflow_in_a_thread(quiet_environment):
    run = run_python(FIT_IN_A_THREAD, env=quiet_environment)
    n_lines = int(run.stdout)
    assert n_lines > 10
    # Where the filter ends, it may write its last lines after the first ones that bypass it.
    assert sorted(run.stderr.splitlines()) == sorted(f"line {number}" for number in range(n_lines))

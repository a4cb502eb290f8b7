"""Limit TensorFlow's threads, and start it without its routine log lines on stderr."""

import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from importlib.util import find_spec
from numbers import Integral
from pathlib import Path

from sk_mnist import _stderr_filter

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # read once by TensorFlow's C++ side

# What only training needs.
PACKAGES = ("tensorflow", "keras", "scikeras")

# Seconds to wait for the stderr filter to start, and to end.
_MAX_SECONDS = 5.0

_start_lock = threading.Lock()


def limit_threads(otherwise: int | None = None, *, override: bool = False) -> None:
    """Limit each TensorFlow operation to OMP_NUM_THREADS threads; TensorFlow itself ignores this variable.

    joblib sets the variable so that its worker processes do not compete for cores. A number of threads that has been
    set for TensorFlow, or with which it has started, is not changed.

    Parameters
    ----------
    otherwise : int, default=None
        Number of threads if the variable is not set; None uses TensorFlow's default.
    override : bool, default=False
        Whether `otherwise`, unless it is None, takes precedence over the environment.
    """
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    override = override and otherwise is not None
    n_threads = int(limit) if limit.isdecimal() and not override else otherwise
    if not n_threads or ("TF_NUM_INTRAOP_THREADS" in os.environ and not override):
        return
    tf_threading = import_module("tensorflow").config.threading
    if not tf_threading.get_intra_op_parallelism_threads():
        # Once TensorFlow has started its threads, their number cannot be changed.
        with suppress(RuntimeError):
            tf_threading.set_intra_op_parallelism_threads(n_threads)


def start_tensorflow(n_threads: int | None = None, *, override: bool = False) -> None:
    """Start TensorFlow now, and hide the routine lines that it writes to stderr.

    The first ``fit`` of a process does this by itself. Call this function to start TensorFlow at another time, for
    example before you measure the time of a fit, or to set its number of threads. Lines about your CPU and GPU are
    hidden; all others still appear, even if TensorFlow then aborts. If TensorFlow has already started, the call does
    nothing.

    Parameters
    ----------
    n_threads : int, default=None
        Number of threads per operation, unless ``OMP_NUM_THREADS`` or ``TF_NUM_INTRAOP_THREADS`` is set; None uses
        TensorFlow's default.
    override : bool, default=False
        Whether ``n_threads``, unless it is None, takes precedence over those variables.

    Raises
    ------
    ImportError
        If TensorFlow is not installed or cannot be imported, or if Keras runs on another backend.
    TypeError, ValueError
        If ``n_threads`` is not an integer of at least 1.

    Notes
    -----
    If the environment variable ``TF_CPP_MIN_LOG_LEVEL`` is not set, the function sets it to 1 while TensorFlow starts,
    so that TensorFlow writes only warnings and errors. If you have set it to 0, nothing is hidden. On Windows, the
    lines that TensorFlow writes while it is imported are not hidden.

    ``fit`` hides nothing if you have set that variable or imported TensorFlow before.

    Examples
    --------
    >>> from sk_mnist import start_tensorflow
    >>> start_tensorflow()
    """
    if n_threads is not None:
        n_threads = _checked_threads(n_threads)
    check_installed()
    check_backend()
    with _start_lock:
        if not _is_running():
            _start(n_threads, override=override, hides=os.environ.get(_LOG_LEVEL) != "0")


def start_quietly() -> None:
    """Start TensorFlow without its routine lines, unless the user has imported it or has chosen what it writes."""
    check_installed()
    with _start_lock:
        if "tensorflow" not in sys.modules and _LOG_LEVEL not in os.environ:
            _start()


def _start(n_threads: int | None = None, *, override: bool = False, hides: bool = True) -> None:
    with _quiet() if hides else nullcontext():
        tensorflow = import_module("tensorflow")
        limit_threads(n_threads, override=override)
        tensorflow.config.list_logical_devices()


def _checked_threads(n_threads: int) -> int:
    # TensorFlow aborts the process if the number is negative.
    is_integer = isinstance(n_threads, Integral) and not isinstance(n_threads, bool)
    if not is_integer or n_threads < 1:
        error = ValueError if is_integer else TypeError
        raise error(f"n_threads must be None or an integer of at least 1; got {n_threads!r}.")
    return int(n_threads)


def device_names() -> list[str]:
    """Start TensorFlow, and return the devices that it finds, such as "CPU" and "GPU (NVIDIA H100)"."""
    start_tensorflow()
    config = import_module("tensorflow").config
    names = []
    for device in config.list_physical_devices():
        model = config.experimental.get_device_details(device).get("device_name") if device.device_type == "GPU" else ""
        names.append(f"{device.device_type} ({model})" if model else device.device_type)
    return names


def check_installed() -> None:
    """Raise an error if a package that training needs is missing. This imports none of them."""
    missing = [name for name in PACKAGES if sys.modules.get(name) is None and find_spec(name) is None]
    if missing:
        raise ImportError(f"Training needs TensorFlow: pip install {' '.join(missing)}")


def is_eager_by_default() -> bool:
    """Whether TensorFlow runs eagerly outside of graphs, which code for TensorFlow 1 switches off."""
    context = sys.modules["tensorflow.python.eager.context"]
    return context.default_execution_mode == context.EAGER_MODE


def check_process() -> None:
    """Raise an error if no threads can be started, or TensorFlow would wait forever for some that a fork has lost."""
    # Set by Python before it calls the functions that atexit has registered.
    if not threading.main_thread().is_alive():
        raise RuntimeError(
            "fit was called while Python exits, from atexit or a destructor, when no threads can be started. Call it "
            "before the end of the program."
        )
    if has_lost_threads():
        raise RuntimeError(
            "This process was forked from one in which TensorFlow was running, so it cannot train. Use joblib's "
            "default backend (loky) or threads, or multiprocessing's start method 'spawn'."
        )


def check_backend() -> None:
    """Raise an error if Keras runs on another backend, or would if imported. This does not import Keras."""
    backend = getattr(sys.modules.get("keras"), "backend", None)
    name = backend.backend() if backend is not None else _configured_backend()
    if name != "tensorflow":
        raise ImportError(
            f"Keras runs on {name!r} here, but sk-mnist trains with its TensorFlow backend: unset KERAS_BACKEND, or "
            "set it to 'tensorflow', before Keras is first imported."
        )


def _configured_backend() -> str:
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    try:
        home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
        return json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend", "tensorflow")
    except (OSError, RuntimeError, ValueError, AttributeError):  # no file, no home, no JSON, no dict
        return "tensorflow"


def has_lost_threads() -> bool:
    """Whether this process was forked from one in which TensorFlow was running, whose threads are lost.

    A process that has only imported TensorFlow may be forked. On Linux, lost threads are detected even if this module
    was imported after the fork; with TensorFlow 2.20, then only as long as the process has a single thread.
    """
    if _forked_while_running:
        return True
    threads = Path("/proc/self/task")
    if not _is_running() or not threads.is_dir():
        return False
    names = [_thread_name(thread) for thread in threads.iterdir()]
    if sys.modules["tensorflow"].__version__.startswith("2.20."):  # which does not name its threads
        return len(names) == 1
    return not any(name.startswith("tf_") for name in names)


def _is_running() -> bool:
    # TensorFlow has no public function that tells whether its devices have started, without starting them.
    context = sys.modules.get("tensorflow.python.eager.context")
    return context is not None and bool(getattr(context.context_safe(), "_initialized", False))


def _thread_name(thread: Path) -> str:
    try:
        return (thread / "comm").read_text()
    except OSError:  # the thread has ended in the meantime
        return ""


_forked_while_running = False


def _remember_fork() -> None:
    global _forked_while_running
    _forked_while_running = _forked_while_running or _is_running()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_fork)


@contextmanager
def _quiet() -> Iterator[None]:
    is_level_ours = _LOG_LEVEL not in os.environ
    if is_level_ours:
        os.environ[_LOG_LEVEL] = "1"
    try:
        with _filtered_stderr():
            yield
    finally:
        # A process that is started later, such as joblib's workers, would take it for the user's.
        if is_level_ours:
            os.environ.pop(_LOG_LEVEL, None)


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    # C++ writes directly to the file descriptor, not to sys.stderr.
    stderr_filter = _start_filter()
    if stderr_filter is None:
        yield
        return
    assert stderr_filter.stdin is not None
    _flush_stderr()
    stderr_fd = os.dup(2)
    os.dup2(stderr_filter.stdin.fileno(), 2)
    stderr_filter.stdin.close()
    try:
        yield
    finally:
        _flush_stderr()
        os.dup2(stderr_fd, 2)
        os.close(stderr_fd)
        # The filter has written all lines when it ends. A process that TensorFlow has started may keep it alive.
        with suppress(subprocess.TimeoutExpired):
            stderr_filter.wait(_MAX_SECONDS)


def _start_filter() -> subprocess.Popen | None:
    """Start the process that filters its stdin; return None if that is not possible."""
    # In a frozen program, sys.executable is the program itself. On Windows, a pipe cannot be waited for.
    if sys.platform == "win32" or getattr(sys, "frozen", False) or not sys.executable:
        return None
    command = [sys.executable, "-I", "-S", _stderr_filter.__file__]
    try:
        os.fstat(2)  # where stderr is closed, there is nothing to filter
        process = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError:
        return None
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, selectors.DefaultSelector() as selector:
        # In a program that embeds Python, the executable may not be a Python interpreter.
        selector.register(process.stdout, selectors.EVENT_READ)
        if selector.select(_MAX_SECONDS) and process.stdout.read(len(_stderr_filter.READY)) == _stderr_filter.READY:
            return process
    process.stdin.close()
    process.kill()
    process.wait()
    return None


def _flush_stderr() -> None:
    # sys.stderr may be None, closed, or not a file.
    with suppress(Exception):
        sys.stderr.flush()

"""TensorFlow's threads, and how it starts without its chatter on stderr."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

# absl's prefix is a severity letter, a date and a time: "I0000 00:00:1795380000.000000    123 port.cc:153] ...".
_CHATTER = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl::InitializeLog\(\)")
# On a machine without an NVIDIA driver this "error" only says that there is none.
_NO_GPU = re.compile(rb"E\d{4} .*failed call to cuInit")


def limit_threads(otherwise: int | None = None, *, override: bool = False) -> None:
    """Hold each operation of TensorFlow to OMP_NUM_THREADS threads, which it does not read by itself.

    joblib sets the variable to keep its worker processes apart. What TensorFlow was told, or started with, stays.

    Parameters
    ----------
    otherwise : int, default=None
        Number of threads if the variable is not set; None leaves it to TensorFlow.
    override : bool, default=False
        Whether `otherwise`, unless it is None, goes before the environment.
    """
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    override = override and otherwise is not None
    n_threads = int(limit) if limit.isdecimal() and not override else otherwise
    if not n_threads or ("TF_NUM_INTRAOP_THREADS" in os.environ and not override):
        return
    threading = import_module("tensorflow").config.threading
    if not threading.get_intra_op_parallelism_threads():
        # Once TensorFlow has started its threads, their number cannot be changed.
        with suppress(RuntimeError):
            threading.set_intra_op_parallelism_threads(n_threads)


def start_tensorflow(n_threads: int | None = None, *, override: bool = False) -> None:
    """Import TensorFlow and start its devices, showing what it writes to stderr only if it is not routine.

    For the command line; the library itself never calls this.

    Parameters
    ----------
    n_threads : int, default=None
        Number of threads for each operation, unless the environment has one; None leaves it to TensorFlow.
    override : bool, default=False
        Whether the number, unless it is None, goes before that of the environment.
    """
    # Read by TensorFlow's C++ side: 1 leaves information out, warnings and errors pass.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with _filtered_stderr():
        tensorflow = import_module("tensorflow")
        limit_threads(n_threads, override=override)
        tensorflow.config.list_logical_devices()


def device_names() -> list[str]:
    """Start TensorFlow, and return the devices that it sees: "CPU", "GPU (NVIDIA H100)"."""
    start_tensorflow()
    config = import_module("tensorflow").config
    names = []
    for device in config.list_physical_devices():
        model = config.experimental.get_device_details(device).get("device_name") if device.device_type == "GPU" else ""
        names.append(f"{device.device_type} ({model})" if model else device.device_type)
    return names


def check_process() -> None:
    """Refuse to train where TensorFlow would wait forever for threads that did not survive a fork."""
    if has_lost_threads():
        raise RuntimeError(
            "This process was forked from one in which TensorFlow was running, and cannot train. Use joblib's default "
            "backend (loky) or threads, or multiprocessing's start method 'spawn'."
        )


def check_backend() -> None:
    """Refuse to train where Keras runs on another backend, or would. It is not imported to find out."""
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
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        return json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend", "tensorflow")
    except (OSError, RuntimeError, ValueError, AttributeError):  # no file, no home, no JSON, no dict
        return "tensorflow"


def has_lost_threads() -> bool:
    """Whether TensorFlow was running in the process that this one was forked from: its threads did not come along.

    A process that has only imported TensorFlow may be forked. On Linux this is always found out; elsewhere if this
    module was imported before the fork.
    """
    if _forked_while_running:
        return True
    threads = Path("/proc/self/task")
    if not _is_running() or not threads.is_dir():
        return False
    return not any(_thread_name(thread).startswith("tf_") for thread in threads.iterdir())


def _is_running() -> bool:
    # TensorFlow has no public way to ask whether it has started its devices, without starting them.
    context = sys.modules.get("tensorflow.python.eager.context")
    return context is not None and bool(getattr(context.context_safe(), "_initialized", False))


def _thread_name(thread: Path) -> str:
    try:
        return (thread / "comm").read_text()
    except OSError:  # it has ended meanwhile
        return ""


_forked_while_running = False


def _remember_fork() -> None:
    global _forked_while_running
    _forked_while_running = _forked_while_running or _is_running()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_fork)


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    # C++ writes to the file descriptor, past sys.stderr.
    sys.stderr.flush()
    stderr_fd = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr_fd, 2)
            os.close(stderr_fd)
            captured.seek(0)
            kept = b"".join(line for line in captured if not _is_chatter(line))
            os.write(2, kept)


def _is_chatter(line: bytes) -> bool:
    if _CHATTER.match(line):
        return True
    return bool(_NO_GPU.match(line)) and not Path("/proc/driver/nvidia").exists()

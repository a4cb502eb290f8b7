"""Run the benchmarks of examples/ in processes of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "examples" / "benchmarks"

PNG = b"\x89PNG\r\n\x1a\n"

needs_process_memory = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc"
)


def run(name, *arguments, timeout=900):
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def run_with(change, name, *arguments, timeout=900):
    """Run the main function of a benchmark after a change to its module, as to its targets."""
    code = f"import sys; import {name}; {change}; sys.argv[0] = '{name}.py'; sys.exit({name}.main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=BENCHMARKS, capture_output=True, text=True, timeout=timeout
    )


def names(rows):
    """Peers of rows in the JSON file, without the ways they ran in."""
    return {re.split(r",| \(", row["peer"])[0] for row in rows} - {"NumPy"}

"""Run Python code in a separate process."""

import subprocess
import sys
import textwrap


def run_python(code, *arguments, timeout=300, **options):
    """Run code and return the finished process, whatever its exit status."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)


def output_of(code, *arguments, **options):
    """Run code, check that it succeeds, and return its output."""
    process = run_python(code, *arguments, **options)
    assert process.returncode == 0, process.stderr
    return process.stdout

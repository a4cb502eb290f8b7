"""Run Python code in a separate process."""

import os
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


def last_line_printed(code, environment):
    """Run code with these variables in its environment and no others that limit threads; return its last line."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}
    return output_of(code, env=inherited | environment).splitlines()[-1]

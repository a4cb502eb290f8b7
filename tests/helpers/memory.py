"""Measure the memory of a function."""

import tracemalloc


def peak_memory(function):
    """Highest number of bytes that Python and NumPy held while the function ran."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

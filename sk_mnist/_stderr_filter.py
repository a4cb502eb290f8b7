"""Remove TensorFlow's routine log lines from the stderr of a process.

The filter runs in a separate process, so that the last lines before an abort still pass. It is started by its path in
an isolated interpreter, so it may import only the standard library.
"""

import os
import re
import signal
from pathlib import Path

# absl's prefix is a severity letter, a date and a time: "I0000 00:00:1795380000.000000    123 port.cc:153] ...".
_CHATTER = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl::InitializeLog\(\)")
# Why no GPU is used. On a machine without an NVIDIA driver, these lines only report that there is none.
_NO_GPU = re.compile(
    rb"[EW]\d{4} .*(failed call to cuInit|GPU libraries|Could not load dynamic library)"
    # The second line of a message, without a prefix.
    rb"|Skipping registering GPU devices"
)
DRIVER = Path("/proc/driver/nvidia")

READY = b"ready\n"


def main() -> None:
    """Copy stdin to stderr line by line, without routine lines, until stdin ends."""
    # Ctrl-C is meant for the process that writes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(1, READY)
    rest = b""
    while data := os.read(0, 2**16):
        *lines, rest = (rest + data).split(b"\n")
        _write(b"".join(line + b"\n" for line in lines if not is_chatter(line)))
    if rest and not is_chatter(rest):
        _write(rest)


def is_chatter(line: bytes) -> bool:
    """Whether a line is a routine log line."""
    if _NO_GPU.match(line):
        return not DRIVER.exists()
    return bool(_CHATTER.match(line))


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(2, data) :]


if __name__ == "__main__":
    main()

"""A terminal to print on, in the process of the test."""

import io
import re

# Control sequences that move the cursor, set colours or erase.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.TextIOWrapper):
    """A text stream that claims to be a terminal and keeps what is written to it."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)

    def isatty(self):
        return True

    @property
    def text(self):
        """Everything that was written, with control sequences."""
        return self.buffer.getvalue().decode(self.encoding)

    @property
    def lines(self):
        """Each line as it was ever drawn, in order."""
        return re.split(r"[\r\n]+", CONTROL.sub("", self.text))


def on_a_terminal(monkeypatch, *, columns=80, encoding="utf-8", **environment):
    """Make standard output a terminal, and return it."""
    terminal = Terminal(encoding)
    monkeypatch.setattr("sys.stdout", terminal)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    environment = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "50", **environment}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return terminal

"""The command line of a benchmark: how much work, which peers, and whether the targets are checked."""

import argparse
import os
from collections.abc import Mapping, Sequence
from importlib import util
from pathlib import Path
from typing import Any

from _peers import OURS, PACKAGES, REQUIREMENTS

MEANINGS = {
    "rounds": "repetitions of each measurement",
    "epochs": "epochs of a training",
    "rows": "training rows",
    "batch_size": "rows per step, one comparison for each",
    "calls": "timed calls with one row",
    "many_rows": "rows of the larger prediction",
    "many_rows_calls": "timed calls with that many rows",
    "candidates": "learning rates in the grid",
    "fits": "fits in one process, whose memory is recorded",
    "images": "test images that are scored",
    "settling": "warm-up fits before those, in which caches and allocators fill up",
}

# These sizes set how often the work is repeated, or which parts of it run, but not the work that the targets are for.
NOT_WORK = ("rounds", "calls", "many_rows_calls", "batch_size")

CHECK_HELP = (
    "exit with status 1 if a target is missed, and name it; without this option the exit status is 0. "
    "The targets are set for the default sizes, so this option is refused with less or more work"
)


class BenchmarkParser(argparse.ArgumentParser):
    """A parser with an option for each size, and the options that benchmarks share.

    Parameters
    ----------
    description : str
        The docstring of the script.
    sizes : mapping of str to int or list of int
        Default sizes by the name of their option.
    quick : mapping of str to int or list of int, default=None
        Sizes that ``--quick`` sets instead; without them there is no ``--quick``.
    peers : sequence of str, default=()
        Peers to compare, in this order. If there are any, ``--peers`` selects some of them, and ``--output`` sets the
        directory of the files written.
    has_targets : bool, default=False
        Whether ``--check`` is an option.
    """

    def __init__(
        self,
        description: str,
        sizes: Mapping[str, Any],
        *,
        quick: Mapping[str, Any] | None = None,
        peers: Sequence[str] = (),
        has_targets: bool = False,
    ) -> None:
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.sizes, self.quick_sizes, self.peers = sizes, quick or {}, peers
        if quick:
            self.add_argument("--quick", action="store_true", help="less work, done in under three minutes on 2 cores")
        if peers:
            self.add_argument("--peers", nargs="+", choices=peers, help="compare only these with sk-mnist")
            self.add_argument(
                "--output",
                type=Path,
                default=Path("sk-mnist-output"),
                help="directory of the files written (%(default)s)",
            )
        if has_targets:
            self.add_argument("--check", action="store_true", help=CHECK_HELP)
        for name, size in sizes.items():
            default = f"default: {plain(size)}"
            if name in self.quick_sizes:
                default += f", with --quick {plain(self.quick_sizes[name])}"
            self.add_argument(
                as_option(name),
                type=int,
                nargs="+" if isinstance(size, list) else None,
                help=f"{MEANINGS[name]} ({default})",
            )
        self.set_defaults(quick=False, check=False)

    def parse_options(self) -> argparse.Namespace:
        """Parse the command line, fill in the sizes, and leave out peers that are not requested or not installed.

        Returns
        -------
        options : argparse.Namespace
            The options, and in addition ``settings``, the sizes by name; ``is_reduced``, whether the work differs from
            that of the targets; and ``missing``, the peers that are not installed.
        """
        options = self.parse_args()
        for name, size in (self.sizes | self.quick_sizes if options.quick else self.sizes).items():
            if getattr(options, name) is None:
                setattr(options, name, size)
        options.settings = {name: getattr(options, name) for name in self.sizes} | {"quick": options.quick}
        work = {name: size for name, size in self.sizes.items() if name not in NOT_WORK}
        options.is_reduced = any(getattr(options, name) != size for name, size in work.items())
        if options.check and options.is_reduced:
            needed = " ".join(f"{as_option(name)} {plain(size)}" for name, size in work.items())
            self.error(f"--check needs the work that the targets are set for, which is the default: {needed}")
        if self.peers:
            self._choose_peers(options)
        # Every peer uses the CPU, because two of them cannot use a GPU.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        return options

    def _choose_peers(self, options: argparse.Namespace) -> None:
        wanted = [peer for peer in self.peers if options.peers is None or peer == OURS or peer in options.peers]
        options.missing = [peer for peer in wanted if not all(map(util.find_spec, REQUIREMENTS[peer]))]
        options.peers = [peer for peer in wanted if peer not in options.missing]
        for peer in options.missing:
            package = PACKAGES.get(peer, "skorch torch")
            print(f"{peer} is not installed and left out: pip install {package}")


def as_option(name: str) -> str:
    """Return the command-line option of a size."""
    return f"--{name.replace('_', '-')}"


def plain(size: Any) -> str:
    """Return a size as typed on the command line."""
    return " ".join(map(str, size)) if isinstance(size, list) else str(size)

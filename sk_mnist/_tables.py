"""Tables in plain text, which results print."""

import io
from collections.abc import Sequence
from typing import Literal

_JUSTIFY: dict[str, Literal["left", "right"]] = {"<": "left", ">": "right"}


def text_table(rows: Sequence[Sequence[str]], alignment: str) -> str:
    """Lay out cells in columns.

    Parameters
    ----------
    rows : sequence of sequences of str
        Cells, as many in each row.
    alignment : str
        A character for each column: "<" to the left, ">" to the right.

    Returns
    -------
    table : str
        A line for each row, two spaces between columns, no spaces at the ends of lines.
    """
    # Imported here, because most results are never printed.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for direction in alignment:
        table.add_column(justify=_JUSTIFY[direction], no_wrap=True)
    for row in rows:
        # Text, because labels may look like rich's markup.
        table.add_row(*map(Text, row))
    printed = io.StringIO()
    Console(file=printed, width=10_000, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines())

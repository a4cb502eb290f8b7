"""Tables in plain text, which results print."""

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], alignment: str) -> str:
    """Lay out cells in columns.

    Not by rich: it cuts long cells, takes milliseconds for each row, and in a notebook displays the table instead of
    returning it.

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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, alignment, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)

"""Tables of results, as plain text for printing and as HTML for notebooks."""

from collections.abc import Sequence
from html import escape


def text_table(rows: Sequence[Sequence[str]], alignment: str) -> str:
    """Format cells as a table of aligned columns.

    This does not use rich, which truncates long cells, takes milliseconds per row, and in a notebook displays the table
    instead of returning it.

    Parameters
    ----------
    rows : sequence of sequences of str
        Cells; all rows have the same number.
    alignment : str
        One character per column: "<" aligns left, ">" aligns right.

    Returns
    -------
    table : str
        One line per row, with two spaces between columns and no trailing spaces.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, alignment, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def html_table(caption: str, rows: Sequence[Sequence[str]], *, has_header: bool = False) -> str:
    """Format cells as an HTML table.

    Parameters
    ----------
    caption : str
        Caption of the table.
    rows : sequence of sequences of str
        Cells; all rows have the same number. The first cell of each row is its header. Everything is escaped, because
        labels and names of scores may contain any characters.
    has_header : bool, default=False
        Whether the first row names the columns.

    Returns
    -------
    table : str
        A ``table`` element.
    """
    lines = [f"<table><caption>{escape(caption)}</caption>"]
    for number, (name, *cells) in enumerate(rows):
        kind = "th" if has_header and number == 0 else "td"
        cells_html = "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells)
        lines.append(f"<tr><th>{escape(name)}</th>{cells_html}</tr>")
    return "\n".join([*lines, "</table>"])

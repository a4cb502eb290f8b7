"""Tables of results: in plain text, which they print, and in HTML, which notebooks show."""

from collections.abc import Sequence
from html import escape


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


def html_table(caption: str, rows: Sequence[Sequence[str]], *, has_header: bool = False) -> str:
    """Lay out cells as an HTML table.

    Parameters
    ----------
    caption : str
        What stands above the table.
    rows : sequence of sequences of str
        Cells, as many in each row. The first of each row names it. Everything is escaped, because labels and names of
        scores may hold any characters.
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

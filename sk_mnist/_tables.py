"""Tables of results, as plain text for printing and as HTML for notebooks, and images for notebooks."""

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray


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


def html_image(image: NDArray, caption: str) -> str:
    """Format a grey image as an HTML figure.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Bytes, or floats of 0 to 1. High values are drawn dark, as ink.
    caption : str
        Caption of the figure, which is escaped.

    Returns
    -------
    figure : str
        A ``figure`` element, of which several are shown side by side.
    """
    from PIL import Image

    white = 255 if image.dtype.kind in "ui" else 1
    ink = np.rint(255 * (1 - np.clip(image / white, 0, 1))).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(ink).save(file, "PNG")
    source = b64encode(file.getvalue()).decode()
    style = "display: inline-block; margin: 4px; text-align: center"
    return (
        f'<figure style="{style}"><img width="56" height="56" style="image-rendering: pixelated" alt=""'
        f' src="data:image/png;base64,{source}"><figcaption>{escape(caption)}</figcaption></figure>'
    )

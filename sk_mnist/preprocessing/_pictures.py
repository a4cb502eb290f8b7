"""A picture, however it comes, as an array of grey levels: files, bytes, arrays and Pillow's images."""

from __future__ import annotations

import os
import warnings
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow reads many more, some of them by starting other programs: EPS starts Ghostscript.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")

# An image of 100 kB may take gigabytes once it is decoded.
MAX_PIXELS = 50_000_000

# What Pillow raises for files that are damaged, beside OSError.
_DAMAGE = (OSError, ValueError, TypeError, LookupError, EOFError, SyntaxError, OverflowError, MemoryError)

_WHITE, _BLACK = 255, 0


def grey_levels(picture: Any, name: str) -> NDArray[np.uint8]:
    """Return the grey levels of a picture.

    Parameters
    ----------
    picture : str, path-like, binary file, PIL.Image.Image or array-like
        A file that Pillow reads; or an image; or an array of shape (height, width), (height, width, 1) for grey,
        (height, width, 3) for RGB or (height, width, 4) for RGBA, with integers of 0 to 255 or floats of 0 to 1.
    name : str
        What error messages call it.

    Returns
    -------
    levels : ndarray of uint8 of shape (height, width)

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no picture, or too large.
    """
    if isinstance(picture, (str, os.PathLike)) or hasattr(picture, "read"):
        with _opened(picture, name) as image:
            return _levels_of_image(image, name)
    if isinstance(picture, Image.Image):
        return _levels_of_image(picture, name)
    return _levels_of_image(_image_of_array(picture, name), name)


def _opened(file: str | os.PathLike[str] | IO[bytes], name: str) -> Image.Image:
    with warnings.catch_warnings():
        # Its own limit is higher than ours.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(file, formats=FORMATS)
        except UnidentifiedImageError as error:
            raise ValueError(f"{name} is not a picture that can be read: {', '.join(FORMATS)} can.") from error
        except Image.DecompressionBombError as error:
            raise ValueError(f"{name} has more than {MAX_PIXELS:,} pixels. Make it smaller.") from error
        except OSError:
            raise
        except _DAMAGE as error:
            raise ValueError(f"{name} is damaged: {error}") from error


def _levels_of_image(image: Image.Image, name: str) -> NDArray[np.uint8]:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{name} has {width} x {height} pixels, which are more than {MAX_PIXELS:,}. Make it smaller.")
    if not width * height:
        raise ValueError(f"{name} has no pixels: it is {width} x {height}.")
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except _DAMAGE as error:
        raise ValueError(f"{name} is damaged: {error}") from error
    return _grey(upright, name)


def _image_of_array(picture: Any, name: str) -> Image.Image:
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise ValueError(
            f"{name} has shape {array.shape}; a picture has shape (height, width), (height, width, 3) for RGB or "
            "(height, width, 4) for RGBA."
        )
    if 0 in array.shape:
        raise ValueError(f"{name} has no pixels: its shape is {array.shape}.")
    return Image.fromarray(_bytes(array, name))


def _bytes(levels: NDArray, name: str) -> NDArray[np.uint8]:
    """Round grey levels to whole ones of 0 to 255."""
    if levels.dtype == np.uint8:
        return np.ascontiguousarray(levels)
    white = {"b": 1, "i": 255, "u": 255, "f": 1}.get(levels.dtype.kind)
    if white is None:
        raise ValueError(f"{name} has dtype {levels.dtype}; pixels are integers of 0 to 255, or floats of 0 to 1.")
    least, most = levels.min(), levels.max()
    if not (least >= 0 and most <= white):  # NaN is neither
        kind = "floats of 0 to 1" if white == 1 else "integers of 0 to 255"
        raise ValueError(f"{name} has pixels of {least} to {most}; dtype {levels.dtype} stands for {kind}.")
    return np.floor(levels.astype(np.float64) * (255 / white) + 0.5).astype(np.uint8)


def _grey(image: Image.Image, name: str) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        return (np.asarray(image) >> 8).astype(np.uint8)
    if image.mode in ("I", "F"):
        return _bytes(np.asarray(image), name)
    if image.has_transparency_data:
        return _grey_on_plain_paper(image.convert("RGBA"))
    return np.asarray(image.convert("L"))


def _grey_on_plain_paper(image: Image.Image) -> NDArray[np.uint8]:
    """Lay what is not transparent on white paper if it is rather dark, and on black if it is rather bright."""
    levels, opacity = (
        np.asarray(image.convert("L"), dtype=np.float32),
        np.asarray(image.getchannel("A")) / np.float32(255),
    )
    is_dark = (levels * opacity).sum() < 127.5 * opacity.sum()
    return np.floor(levels * opacity + (_WHITE if is_dark else _BLACK) * (1 - opacity) + 0.5).astype(np.uint8)

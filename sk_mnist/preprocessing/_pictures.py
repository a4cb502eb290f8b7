"""Convert pictures to arrays of grey levels, from files, bytes, arrays and Pillow images."""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat, UnidentifiedImageError

from sk_mnist._files import SCHEME, open_regular
from sk_mnist._images import stack_column, with_numpy_dtype
from sk_mnist.preprocessing._pixels import ABOVE_WHITE

# Pillow reads many more formats, some of them by starting other programs: EPS starts Ghostscript.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")

# An image of 100 kB may take gigabytes once it is decoded.
MAX_PIXELS = 50_000_000
# The most that is read of a pipe or a stream, which may never end: that many pixels, not compressed.
MAX_BYTES = 4 * MAX_PIXELS

# A JPEG is decoded scan by scan, each of which may go over all pixels: a progressive one has about ten. Few bytes make
# an empty scan, so their number is limited, and so is the number of pixels in all scans. Pillow takes quadratic time to
# join the parts of EXIF data, which have 64 kB each.
MAX_SCANS, MAX_SCANNED, MAX_EXIF_PARTS = 100, 20 * MAX_PIXELS, 100
_JPEG_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_END_OF_IMAGE, _START_OF_SCAN, _WITHOUT_LENGTH = b"\xd9", b"\xda", (b"\x01", b"\xd8")

# Formats of memory that may be the bytes of a file.
_BYTES = {"B", "b", "c", "<B", "<b", "<c"}

# Texts that are given in place of a file name. The second one begins like the base64 of a PNG, JPEG, GIF, TIFF or WebP.
_DATA_URL = re.compile("data:", re.IGNORECASE)
_BASE64 = re.compile(r"(iVBORw0KGgo|/9j/|R0lGOD|SUkqA|TU0AK|UklGR)[A-Za-z0-9+/=_\s-]*")

# What Pillow raises for damaged files, besides OSError. Its warnings are left to the caller's filters, which are global
# to the process and must not be changed in a thread. They may be errors.
_DAMAGE = (
    OSError, ValueError, TypeError, LookupError, EOFError, SyntaxError, OverflowError, AttributeError, struct.error,
    zlib.error, Image.DecompressionBombError, Warning,
)  # fmt: skip

# How to turn an image upright, by the orientation tag in its EXIF data.
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_WHITE, _BLACK = 255, 0

# Colours are compared in a picture of about this size. A picture without a difference of so many levels between the
# channels of a pixel is grey. A channel replaces the brightness if its contrast is so many times as high.
_SMALL_SIDE, _LEAST_COLOUR, _MUCH_MORE = 256, 40, 1.25


def grey_levels(picture: Any, name: str) -> NDArray[np.uint8]:
    """Return the grey levels of a picture.

    Parameters
    ----------
    picture : str, path-like, bytes-like, binary file, PIL.Image.Image or array-like
        A file that Pillow reads, or its bytes, also as an array of shape (n_bytes,); or an image; or an array of shape
        (height, width), (height, width, 1) for grey, (height, width, 3) for RGB or (height, width, 4) for RGBA, with
        integers of 0 to 255 or floats of 0 to 1.
    name : str
        Name of the picture in error messages.

    Returns
    -------
    levels : ndarray of uint8 of shape (height, width)

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is not a picture, is damaged, or is too large.
    """
    if getattr(picture, "ndim", None) == 0 and hasattr(picture, "item"):
        picture = picture.item()  # of an array or tensor that holds the bytes of a file
    if _is_file(picture):
        with open_picture(picture, name) as file, _opened(file, name, getattr(picture, "shape", ())) as image:
            has_pages = _has_pages(image)
            levels = _levels_of_image(image, name)
        if has_pages:
            warnings.warn(f"{name} has several pages; only the first is read.", stacklevel=3)
        return levels
    image = picture if isinstance(picture, Image.Image) else _image_of_array(picture, name)
    return _levels_of_image(image, name)


@contextmanager
def open_picture(picture: Any, name: str) -> Iterator[IO[bytes]]:
    """Open a file name, the bytes of a file, or a binary file as a file that Pillow can read twice.

    Parameters
    ----------
    picture : str, path-like, bytes-like or binary file
        The file, or what it contains. A pipe or a stream is read to its end.
    name : str
        Name of the picture in error messages.

    Raises
    ------
    OSError
        If the file cannot be opened, or is neither a regular file nor a pipe.
    ValueError
        If a stream has more than ``MAX_BYTES`` bytes.
    """
    with ExitStack() as stack:
        if isinstance(picture, (str, os.PathLike)):
            try:
                picture = stack.enter_context(open_regular(picture, or_pipe=True))
            except (OSError, ValueError) as error:
                if advice := _advice(os.fspath(picture)):
                    subject = "picture" if name == os.fspath(picture) else name
                    raise ValueError(f"{subject} is {advice}") from error
                raise
        elif hasattr(picture, "read"):
            if not isinstance(start := picture.read(0), bytes):
                if hasattr(start, "close"):
                    start.close()  # a coroutine that is never awaited warns
                raise ValueError(
                    f"{name} is a {type(picture).__name__}, whose read returns a {type(start).__name__} and not bytes. "
                    "Open it in binary mode; await what is asynchronous, and give the bytes."
                )
        elif hasattr(picture, "read_bytes"):
            picture = io.BytesIO(picture.read_bytes())
        else:
            picture = io.BytesIO(memoryview(picture).tobytes())
        yield picture if _can_seek(picture) else _content_of(picture, name)


def _is_file(picture: Any) -> bool:
    """Whether a picture is a file, or what a file contains: bytes of any kind, also those of np.frombuffer."""
    if isinstance(picture, (str, os.PathLike)) or hasattr(picture, "read") or hasattr(picture, "read_bytes"):
        return True
    try:
        view = memoryview(picture)
    except (TypeError, ValueError, BufferError):
        return False
    return view.ndim == 1 and view.format in _BYTES


def _advice(text: str | bytes) -> str | None:
    """Return what a text is that is no file name, and what to do with it."""
    text = os.fsdecode(text)
    if not text:
        return "an empty string, and not a file name."
    if scheme := SCHEME.match(text) or _DATA_URL.match(text):
        return (
            f"a URL ({scheme[0]}), and not a file name. Give its content: urllib.request.urlopen(url).read(), or "
            "download it first."
        )
    if _BASE64.fullmatch(text):
        return "text in base64, and not a file name. Give base64.b64decode(text)."
    return None


def _can_seek(file: IO[bytes]) -> bool:
    try:
        file.seek(0)
    except (AttributeError, OSError):
        return False
    return True


def _content_of(stream: IO[bytes], name: str) -> io.BytesIO:
    content = io.BytesIO()
    while part := stream.read(2**20):
        content.write(part)
        if content.tell() > MAX_BYTES:
            raise ValueError(f"{name} has more than {MAX_BYTES:,} bytes. Save it to a file first.")
    return content


def _has_pages(image: Image.Image) -> bool:
    """Whether a picture is a TIFF with a second page."""
    if image.format != "TIFF":
        return False
    try:
        image.seek(1)
    except _DAMAGE:
        return False
    finally:
        image.seek(0)
    return True


def pages_of_tiff(file: IO[bytes], name: str) -> Iterator[Image.Image]:
    """Yield the pages of a TIFF, before they are decoded; nothing if the file has one page or is no TIFF.

    Parameters
    ----------
    file : binary file
        As :func:`open_picture` returns it.
    name : str
        Name of the file in error messages.
    """
    try:
        image = Image.open(file, formats=["TIFF"])
    except _DAMAGE:  # grey_levels says why
        return
    with image:
        try:
            image.seek(1)
        except EOFError:
            return
        except _DAMAGE:  # reported below, after the first page
            pass
        for number in count():
            try:
                image.seek(number)
            except EOFError:
                return
            except _DAMAGE as error:
                raise ValueError(f"{name} is damaged after page {number}: {error}") from error
            yield image


def is_picture(item: Any) -> bool:
    """Whether an item of a sequence is a whole picture, and not a row of pixels."""
    if isinstance(item, (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)) or hasattr(item, "read"):
        return True
    return getattr(item, "ndim", 0) > 1


def _opened(file: IO[bytes], name: str, shape: tuple[int, ...] = ()) -> Image.Image:
    if _jpeg(file).count(b"Exif\0\0") > MAX_EXIF_PARTS:
        raise ValueError(f"{name} has more than {MAX_EXIF_PARTS} parts of EXIF data. Save it without metadata.")
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        if _is_heic(file):
            raise ValueError(
                f"{name} is a HEIC picture, which Pillow cannot read. Export it as JPEG, set the camera to "
                '"Most Compatible", or install pillow-heif and give the Pillow image that it opens.'
            ) from error
        note = f" An array of shape {shape} is taken for the bytes of a file." if shape else ""
        raise ValueError(f"{name} is not a picture in a supported format: {', '.join(FORMATS)}.{note}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{name} has more than {MAX_PIXELS:,} pixels. Make it smaller.") from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{name} is damaged: {error}") from error


def _is_heic(file: IO[bytes]) -> bool:
    file.seek(0)
    return re.match(rb"....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)", file.read(12), re.DOTALL) is not None


def _jpeg(file: IO[bytes]) -> bytes:
    """Return the content of a file if it is a JPEG, and nothing of other files."""
    position = file.tell()
    file.seek(0)
    start = file.read(3)
    content = start + file.read() if start == b"\xff\xd8\xff" else b""
    file.seek(position)
    return content


def _check_scans(image: Image.Image, name: str) -> None:
    """Raise an error if a JPEG has so many scans that decoding it takes very long, as ``djpeg -maxscans`` does."""
    file = getattr(image, "fp", None)
    if image.format not in ("JPEG", "MPO") or not getattr(image, "tile", None) or file is None:  # or already decoded
        return
    most = min(MAX_SCANS, MAX_SCANNED // (image.width * image.height))
    content = _jpeg(file)
    position, n_scans = getattr(image, "offset", 0), 0
    if content.count(b"\xff" + _START_OF_SCAN, position) <= most:
        return
    # Some of these may be in a thumbnail. In a scan, a marker is an FF byte that no 0 follows.
    while n_scans <= most and (marker := _JPEG_MARKER.search(content, position)):
        position = marker.end()
        if marker[1] == _END_OF_IMAGE:
            return
        n_scans += marker[1] == _START_OF_SCAN
        if marker[1] not in _WITHOUT_LENGTH:
            position += int.from_bytes(content[position : position + 2], "big")
    if n_scans > most:
        raise ValueError(
            f"{name} is a JPEG of {image.width} x {image.height} pixels with more than {most} scans, which would take "
            "too long to decode. Save it in another way."
        )


def _levels_of_image(image: Image.Image, name: str) -> NDArray[np.uint8]:
    _check_size(*image.size, name)
    _check_scans(image, name)
    try:
        return _grey(_upright(image), name)
    except _DAMAGE as error:
        if str(error).startswith(name):
            raise
        raise ValueError(f"{name} is damaged, or of an unsupported kind: {error}") from error


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{name} has {width} x {height} pixels, more than {MAX_PIXELS:,}. Make it smaller.")
    if not width * height:
        raise ValueError(f"{name} has no pixels: it is {width} x {height}.")


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Warning:
        raise
    except _DAMAGE:  # damaged metadata
        turn = None
    return image if turn is None else image.transpose(turn)


def _image_of_array(picture: Any, name: str) -> Image.Image:
    try:
        array = np.asarray(with_numpy_dtype(stack_column(picture, name)))
    except (ValueError, TypeError, RuntimeError) as error:  # such as rows of different lengths
        raise ValueError(f"{name} is not a picture: {error}") from error
    if array.ndim == 0:
        is_short = picture is None or isinstance(picture, (bool, int, float))
        given = f"is {picture}" if is_short else f"has type {type(picture).__name__}"
        raise ValueError(
            f"{name} {given}; a picture is a file name, the bytes of a file, a binary file, a Pillow image, or an "
            "array of shape (height, width), (height, width, 3) or (height, width, 4)."
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise ValueError(
            f"{name} has shape {array.shape}; a picture has shape (height, width), (height, width, 3) for RGB or "
            "(height, width, 4) for RGBA."
        )
    _check_size(array.shape[1], array.shape[0], name)
    return Image.fromarray(_bytes(array, name))


def _bytes(levels: NDArray, name: str) -> NDArray[np.uint8]:
    """Convert grey levels to integers of 0 to 255."""
    if levels.dtype.kind in "iu" and levels.max() == 1:  # a mask; as grey levels, it would be blank
        raise ValueError(
            f"{name} has integers of at most 1, but white is 255 in integers. For a mask of 0 and 1, give "
            "mask.astype(bool) or 255 * mask."
        )
    if levels.dtype == np.uint8:
        return np.ascontiguousarray(levels)
    white = {"b": 1, "i": 255, "u": 255, "f": 1}.get(levels.dtype.kind)
    if white is None:
        raise ValueError(f"{name} has dtype {levels.dtype}; pixels are integers of 0 to 255, or floats of 0 to 1.")
    least, most = levels.min(), levels.max()
    if not (least >= 0 and most <= white * ABOVE_WHITE):  # NaN is neither
        kind = "floats of 0 to 1" if white == 1 else "integers of 0 to 255"
        raise ValueError(f"{name} has pixels of {least} to {most}; with dtype {levels.dtype}, they must be {kind}.")
    rounded = levels.astype(np.float64)
    rounded *= 255 / white
    rounded += 0.5
    return rounded.astype(np.uint8)


def _grey(image: Image.Image, name: str) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        levels = np.asarray(image)
        # Cameras and scanners may use only 10, 12 or 14 of the 16 bits.
        return (levels >> max(0, int(levels.max()).bit_length() - 8)).astype(np.uint8)
    if image.mode in ("I", "F"):
        return _bytes(np.asarray(image), name)
    if image.has_transparency_data:
        return _grey_on_plain_paper(image.convert("RGBA"))
    return np.asarray(_projected(image))


def _projected(image: Image.Image) -> Image.Image:
    """Return the brightness or, if that hides the ink of a picture, the colour channel with the most contrast."""
    if image.mode in ("1", "L"):
        return image.convert("L")
    image = image.convert("RGB")
    small = np.asarray(image.reduce(max(1, max(image.size) // _SMALL_SIDE)))
    if (small.max(axis=2) - small.min(axis=2)).max() < _LEAST_COLOUR:
        return image.convert("L")
    channels = small.reshape(-1, 3).T
    contrasts = [_contrast(channel) for channel in channels]
    if max(contrasts) > _MUCH_MORE * _contrast(np.array([0.299, 0.587, 0.114]) @ channels):
        return image.getchannel(int(np.argmax(contrasts)))
    return image.convert("L")


def _contrast(levels: NDArray) -> float:
    """Return the difference between the paper, which is most of a picture, and what differs most from it."""
    return float(np.percentile(np.abs(levels - np.median(levels)), 99))


def _grey_on_plain_paper(image: Image.Image) -> NDArray[np.uint8]:
    """Paste the opaque pixels on the level of the paper.

    If most pixels are opaque, they are a picture with its paper. If not, they are ink, and the paper is white if the
    ink is dark on average, and black if it is bright.
    """
    levels, opacity = _projected(image), image.getchannel("A")
    opaque = np.asarray(opacity) > 127
    if opaque.mean() > 0.5:
        level = int(np.median(np.asarray(levels)[opaque]))
    else:
        is_bright = opacity.getbbox() is not None and ImageStat.Stat(levels, opacity).mean[0] > 127
        level = _BLACK if is_bright else _WHITE
    paper = Image.new("L", image.size, level)
    paper.paste(levels, mask=opacity)
    return np.asarray(paper)


def shrink(levels: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], int]:
    """Average blocks of pixels so that the longest side is at most ``side``; also return the side of a block."""
    factor = -(-max(levels.shape) // side)
    if factor == 1:
        return levels, 1
    return np.asarray(Image.fromarray(levels).reduce(factor)), factor

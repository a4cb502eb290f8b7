"""read_digits: pictures as people take them, what may be a picture, and the limit on work."""

import ctypes
import io
import os
import pickle
import struct
import sys
import threading
import urllib.request
import warnings
import zipfile
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, rotate, zoom
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sk_mnist
from sk_mnist import DigitImageNormalizer, PixelScaler, fetch_mnist, load_pretrained, read_digits, reading
from sk_mnist.preprocessing import _handwriting, split_digits

# Digits of MNIST's test images that are easy to read, by their position.
EASY = [0, 1, 2, 3, 4]


@pytest.fixture(scope="module")
def images():
    return fetch_mnist(subset="test", normalize=False).images


def enlarged(image, side=140):
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)).astype(float)


@pytest.fixture(scope="module")
def row(images):
    """Ink of the number 72104 in an array of 300 x 800 pixels, from 0 to 1."""
    ink = np.zeros((300, 800))
    for k, position in enumerate(EASY):
        ink[80:220, 30 + 150 * k : 170 + 150 * k] = enlarged(images[position]) / 255
    return ink


def on_paper(ink, paper=220.0, contrast=150.0):
    return np.clip(paper - contrast * ink, 0, 255).astype(np.uint8)


def noise(shape, scale=3.0):
    return np.random.default_rng(0).normal(0, scale, shape)


READERS = {
    "read_digits": read_digits,
    "DigitImageNormalizer": lambda picture: DigitImageNormalizer().transform([picture]),
    "split_digits": split_digits,
}


def zipped(path):
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as writer:
        writer.write(path, path.name)
    return archive


class AsynchronousFile:
    """An upload, as Starlette and FastAPI give it."""

    async def read(self, size=-1):
        return b""


class TestWhatAPictureMayBe:
    @pytest.mark.parametrize(
        "convert",
        [
            lambda path: path,
            str,
            Path.read_bytes,
            lambda path: bytearray(path.read_bytes()),
            lambda path: memoryview(path.read_bytes()),
            lambda path: io.BytesIO(path.read_bytes()),
            lambda path: path.open("rb"),
            lambda path: urllib.request.urlopen(path.as_uri()),
            lambda path: array("B", path.read_bytes()),
            lambda path: (ctypes.c_ubyte * path.stat().st_size).from_buffer_copy(path.read_bytes()),
            lambda path: np.frombuffer(path.read_bytes(), np.uint8),
            lambda path: np.void(path.read_bytes()),
            lambda path: np.array(path.read_bytes(), dtype=object),
            lambda path: zipfile.Path(zipped(path), path.name),
            lambda path: zipfile.Path(zipped(path), path.name).open("rb"),
            Image.open,
            lambda path: np.asarray(Image.open(path)),
            lambda path: np.asarray(Image.open(path)) / 255,
            lambda path: np.asarray(Image.open(path)).tolist(),
        ],
    )
    def test_files_bytes_images_and_arrays_are_read_alike(self, convert, row, tmp_path):
        path = tmp_path / "row.png"
        Image.fromarray(on_paper(row)).save(path)
        picture = convert(path)
        assert read_digits(picture).text == "72104"
        if hasattr(picture, "close"):
            picture.close()

    @pytest.mark.parametrize("column", [list, pd.Series, pl.Series, lambda items: np.array(items, dtype=object)])
    def test_columns_of_bytes_are_read_alike(self, column, row):
        file = io.BytesIO()
        Image.fromarray(on_paper(row)).save(file, "PNG")
        expected = DigitImageNormalizer().transform([on_paper(row)] * 2)
        np.testing.assert_array_equal(DigitImageNormalizer().transform(column([file.getvalue()] * 2)), expected)

    @pytest.mark.parametrize(
        ("picture", "message"),
        [
            ("data:image/png;base64,iVBORw0KGgo=", r"is a URL \(data:\), .* urllib.request.urlopen\(url\).read\(\)"),
            ("https://example.com/seven.png", r"is a URL \(https:\), and not a file name. Give its content: urllib"),
            (Path("s3://bucket/seven.png"), r"is a URL \(s3:\), .* or download it first"),
            ("data:image/png;base64," + 999 * "A", r"is a URL \(data:\)"),
            ("iVBORw0KGgo" + 999 * "A", r"is text in base64, and not a file name. Give base64.b64decode\(text\)"),
            ("", "is an empty string, and not a file name"),
            (None, "is None; a picture is a file name, the bytes of a file, a binary file, a Pillow image, or an"),
            (3, "is 3; a picture is a file name"),
            ({"bytes": b""}, "has type dict; a picture is a file name"),
            (Image.Image, "has type type; a picture is a file name"),
            (io.StringIO("text"), "is a StringIO, whose read returns a str and not bytes. Open it in binary mode"),
            (AsynchronousFile(), "is a AsynchronousFile, whose read returns a coroutine and not bytes"),
            (np.zeros(784, dtype=np.uint8), r".* An array of shape \(784,\) is taken for the bytes of a file"),
        ],
    )
    def test_other_objects_are_rejected_with_what_would_do(self, picture, message):
        with pytest.raises(ValueError, match=f"^picture {message}"):
            read_digits(picture)
        with pytest.raises(ValueError, match=rf"^X\[1\] {message}"):
            DigitImageNormalizer().transform([np.zeros((28, 28)), picture])

    @pytest.mark.parametrize(
        ("stack", "given"),
        [
            (np.zeros((3, 28, 28)), r"an array of shape \(3, 28, 28\)"),
            (np.zeros((3, 28, 28, 1)), r"an array of shape \(3, 28, 28, 1\)"),
            (["a.png", "b.png"], "a list of 2 pictures"),
            ([np.zeros((30, 30)), np.zeros((40, 40))], "a list of 2 pictures"),
            ((Image.new("L", (9, 9)),), "a tuple of 1 pictures"),
        ],
    )
    def test_a_stack_is_an_error_that_says_how_to_read_it(self, stack, given):
        with pytest.raises(ValueError, match=rf"picture is {given}; .* \[read_digits\(image\) for image in images\]"):
            read_digits(stack)

    def test_errors_name_the_file(self, tmp_path):
        path = tmp_path / "text.png"
        path.write_text("text")
        with pytest.raises(ValueError, match=r"text.png is not a picture in a supported format"):
            read_digits(path)
        with pytest.raises(FileNotFoundError):
            read_digits(tmp_path / "missing.png")

    def test_a_heic_picture_is_named_with_the_way_out(self):
        with pytest.raises(ValueError, match=r"is a HEIC picture.*Export it as JPEG.*pillow-heif"):
            read_digits(b"\0\0\0\x18ftypheic" + bytes(100))

    @pytest.mark.parametrize(
        ("reader", "name"),
        [*zip(READERS.values(), ["picture", r"X\[0\]", "image"], strict=True)],
        ids=READERS,
    )
    def test_the_first_page_of_a_tiff_is_read_with_a_warning(self, reader, name, row):
        file, page = io.BytesIO(), io.BytesIO()
        Image.fromarray(on_paper(row)).save(page, "TIFF")
        Image.fromarray(on_paper(row)).save(file, "TIFF", save_all=True, append_images=[Image.new("L", (9, 9))])
        with pytest.warns(UserWarning, match=f"^{name} has several pages; only the first is read"):
            found = reader(file)
        assert pickle.dumps(found) == pickle.dumps(reader(page))  # without a warning

    @pytest.mark.parametrize("pointer", [3, 100, 10**6])
    def test_a_damaged_second_page_does_not_matter(self, pointer, row):
        file = io.BytesIO()
        page = Image.fromarray(on_paper(row))
        page.save(file, "TIFF", save_all=True, append_images=[page])
        content = bytearray(file.getvalue())
        start = int.from_bytes(content[4:8], "little")
        end = start + 2 + 12 * int.from_bytes(content[start : start + 2], "little")
        assert any(content[end : end + 4])  # where the second page begins
        content[end : end + 4] = pointer.to_bytes(4, "little")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert read_digits(content).text == "72104"

    @pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "MPO"])
    def test_other_files_of_several_images_are_one_picture(self, kind, row):
        file = io.BytesIO()
        picture = Image.fromarray(on_paper(row))
        picture.save(file, kind, save_all=True, append_images=[Image.new("L", picture.size)])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_digits(file.getvalue()).text == "72104"


class TestThreads:
    """Reading changes nothing that other threads see, and does not wait for them."""

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
    @pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
    def test_the_warning_filters_are_not_changed(self, reader, kind, row, monkeypatch):
        class Watched(io.BytesIO):
            def read(self, size=-1):
                seen.append([*warnings.filters])
                return super().read(size)

        def enter(self):
            raise AssertionError("another thread would see and restore these filters")

        file, before, seen = Watched(), [*warnings.filters], []
        Image.fromarray(on_paper(row)).save(file, kind)
        reading.shipped_model()  # is loaded once
        with monkeypatch.context() as patch:
            patch.setattr(warnings.catch_warnings, "__enter__", enter)
            reader(file)
        assert seen
        assert all(filters == before for filters in seen)

    @pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
    def test_a_slow_file_does_not_hold_up_other_threads(self, reader, row):
        class Slow(io.BytesIO):
            def read(self, size=-1):
                begun.set()
                assert resume.wait(60)
                return super().read(size)

        file, begun, resume = Slow(), threading.Event(), threading.Event()
        Image.fromarray(on_paper(row)).save(file, "PNG")
        with ThreadPoolExecutor(2) as pool:
            slow = pool.submit(reader, file)
            assert begun.wait(60)
            try:
                pool.submit(reader, file.getvalue()).result(timeout=60)
            finally:
                resume.set()
            slow.result(timeout=60)

    def test_warnings_about_damaged_metadata_are_left_to_the_filters_of_the_caller(self, row):
        exif = Image.Exif()
        exif[0x010E] = "a description that will be cut off"
        file = io.BytesIO()
        Image.fromarray(on_paper(row)).save(file, "JPEG", exif=exif.tobytes()[:-20], quality=95)
        with pytest.warns(UserWarning, match="Truncated|EXIF"):
            assert read_digits(file).text == "72104"
        with pytest.raises(ValueError, match=r"^picture is damaged"):  # the tests turn warnings into errors
            read_digits(file)


def progressive(levels, *, n_scans, **options):
    """A progressive JPEG whose last scan is repeated until there are so many."""
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", progressive=True, quality=95, **options)
    content = file.getvalue()
    start, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    return content[:end] + content[start:end] * (n_scans - content.count(b"\xff\xda")) + content[end:]


class TestWork:
    """A small file cannot make Pillow work for minutes."""

    @pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
    @pytest.mark.parametrize("convert", [lambda content: content, lambda content: Image.open(io.BytesIO(content))])
    @pytest.mark.parametrize("n_channels", [1, 3])
    def test_a_jpeg_with_more_than_100_scans_is_rejected(self, n_channels, convert, reader, row):
        levels = on_paper(row) if n_channels == 1 else np.stack([on_paper(row)] * 3, axis=-1)
        reader(convert(progressive(levels, n_scans=100)))
        with pytest.raises(ValueError, match="is a JPEG of 800 x 300 pixels with more than 100 scans"):
            reader(convert(progressive(levels, n_scans=101)))

    def test_scans_cannot_hide_behind_a_marker_without_a_length(self, row):
        content = progressive(on_paper(row), n_scans=101)
        start = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)  # of the second scan
        with pytest.raises(ValueError, match="with more than 100 scans"):
            read_digits(content[:start] + b"\xff\x01" + content[start:])

    def test_of_a_large_jpeg_fewer_scans_are_allowed(self, row, monkeypatch):
        monkeypatch.setattr("sk_mnist.preprocessing._pictures.MAX_SCANNED", 20 * 800 * 300)
        assert read_digits(progressive(on_paper(row), n_scans=20)).text == "72104"
        with pytest.raises(ValueError, match="with more than 20 scans"):
            read_digits(progressive(on_paper(row), n_scans=21))

    def test_scans_of_thumbnails_and_other_metadata_do_not_count(self, row):
        content = progressive(on_paper(row), n_scans=10)
        segment = b"\xff\xe3" + (2 + 400).to_bytes(2, "big") + b"\xff\xda" * 200
        assert read_digits(content[:2] + segment + content[2:]).text == "72104"
        assert read_digits(content + progressive(on_paper(row), n_scans=150)).text == "72104"  # another picture

    def test_a_jpeg_in_a_tiff_has_at_most_100_scans_too(self, row):
        jpeg = progressive(on_paper(row), n_scans=300)
        tags = [(256, 800), (257, 300), (258, 8), (259, 7), (262, 1), (273, 8), (277, 1), (278, 300), (279, len(jpeg))]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        tiff = b"II*\0" + struct.pack("<I", 8 + len(jpeg)) + jpeg + struct.pack("<H", len(tags)) + entries + bytes(4)
        with pytest.raises(ValueError, match="picture is damaged, or of an unsupported kind"):
            read_digits(tiff)

    def test_exif_data_of_many_parts_are_rejected(self, row):
        content = progressive(on_paper(row), n_scans=10)
        part = b"\xff\xe1\x00\x09Exif\0\0a"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is no EXIF data in them
            assert read_digits(content[:2] + 100 * part + content[2:]).text == "72104"
        with pytest.raises(ValueError, match="picture has more than 100 parts of EXIF data"):
            read_digits(content[:2] + 101 * part + content[2:])


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
class TestPipes:
    @pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
    def test_a_pipe_without_a_writer_does_not_hang(self, reader, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(ValueError, match="is not a picture in a supported format"):
            reader(tmp_path / "pipe.png")

    def test_a_pipe_that_another_program_fills_is_read(self, row):
        file = io.BytesIO()
        Image.fromarray(on_paper(row)).save(file, "PNG")
        reader, writer = os.pipe()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read_digits, f"/dev/fd/{reader}")
            with os.fdopen(writer, "wb", buffering=0) as pipe:
                for start in range(0, len(file.getvalue()), 1000):
                    pipe.write(file.getvalue()[start : start + 1000])
            assert reading.result(timeout=60).text == "72104"
        os.close(reader)

    @pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
    def test_devices_are_rejected(self, name):
        with pytest.raises(OSError, match=f"Not a regular file: '{name}'"):
            read_digits(name)

    def test_a_stream_that_never_ends_is_read_up_to_a_limit(self, monkeypatch):
        class Endless(io.RawIOBase):
            n_bytes = 0

            def readable(self):
                return True

            def readinto(self, buffer):
                Endless.n_bytes += len(buffer)
                return len(buffer)

        monkeypatch.setattr("sk_mnist.preprocessing._pictures.MAX_BYTES", 3_000_000)
        with pytest.raises(ValueError, match="picture has more than 3,000,000 bytes"):
            read_digits(Endless())
        assert Endless.n_bytes < 5_000_000


class TestReading:
    def test_it_says_what_was_read_and_where(self, row, images):
        result = read_digits(on_paper(row))
        assert str(result) == result.text == "72104"
        assert (result.reason, result.rejected) == (None, [])
        for k, digit in enumerate(result.digits):
            left, top, right, bottom = digit.box
            assert 30 + 150 * k <= left < right <= 170 + 150 * k
            assert 80 <= top < bottom <= 220
            assert digit.is_sure is (digit.confidence >= sk_mnist.pretrained.SURE)
            assert digit.runner_up != digit.label
            assert (digit.image.shape, digit.image.dtype) == ((28, 28), np.uint8)

    def test_each_line_has_its_line_of_text(self, row):
        assert read_digits(on_paper(np.vstack([row, row[:, ::-1] * 0, row]))).text == "72104\n72104"

    def test_split_false_reads_one_digit(self, images):
        assert read_digits(on_paper(np.pad(enlarged(images[0]) / 255, 60)), split=False).text == "7"

    @pytest.mark.parametrize(
        ("picture", "reason"),
        [
            (np.full((50, 60), 200, np.uint8), "the contrast is too low"),
            (on_paper(np.pad(np.ones((40, 40)), 60)), "no digit: looks like something else"),
        ],
    )
    def test_it_says_why_nothing_was_found(self, picture, reason):
        result = read_digits(picture)
        assert (result.text, result.digits, result.reason) == ("", [], reason)

    def test_what_is_no_digit_is_rejected(self, row):
        ink = row.copy()
        ink[5:65, 370:430] = 1  # a square above the number
        result = read_digits(on_paper(ink))
        assert "72104" in result.text.splitlines()
        assert result.rejected
        assert all(piece.box[3] <= 66 for piece in result.rejected)

    def test_a_model_of_the_user_reads_the_pieces_that_the_shipped_one_chose(self, row, images):
        rows = images[:2000].reshape(-1, 784)
        labels = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
        y = labels[fetch_mnist(subset="test", return_X_y=True)[1][:2000]]
        model = make_pipeline(PixelScaler(), LogisticRegression(max_iter=30, tol=0.01)).fit(rows, y)
        ours, theirs = read_digits(on_paper(row)), read_digits(on_paper(row), model)
        assert [digit.box for digit in theirs.digits] == [digit.box for digit in ours.digits]
        assert [digit.label for digit in theirs.digits][:2] == ["seven", "two"]

    def test_a_model_that_cannot_read_images_is_an_error(self):
        with pytest.raises(
            ValueError, match=r"it must be a fitted classifier with predict_proba for images of 28 x 28"
        ):
            read_digits(np.zeros((28, 28)), LogisticRegression())
        with pytest.raises(ValueError, match="it must be a fitted classifier"):
            read_digits(np.zeros((28, 28)), DummyClassifier().fit(np.zeros((2, 784)), [1, 1]))

    def test_a_reading_can_be_pickled(self, row):
        result = read_digits(on_paper(row))
        again = pickle.loads(pickle.dumps(result))
        assert again.text == result.text
        assert again.digits[0].box == result.digits[0].box

    def test_mnist_images_are_read_as_the_network_reads_them(self, images):
        expected = load_pretrained().predict(images[:300])
        assert [read_digits(image).text for image in images[:300]] == [str(label) for label in expected]

    def test_the_confidence_is_the_mean_over_turned_broader_and_narrower_forms(self, images):
        def with_width(image, factor):
            columns = 13.5 + (np.arange(28) - 13.5) / factor
            return np.array([np.interp(columns, np.arange(28), row, left=0, right=0) for row in image])

        for image in images[:10].astype(np.float32):
            turned = [rotate(image, degrees, order=1, reshape=False) for degrees in (-8, 8)]
            forms = np.array([image, *turned, with_width(image, 1.12), with_width(image, 0.85)])
            probabilities = load_pretrained().predict_proba(forms / 255).mean(axis=0)
            (digit,) = read_digits(image.astype(np.uint8)).digits
            assert digit.confidence == pytest.approx(probabilities.max(), abs=1e-4)
            assert digit.runner_up == probabilities.argsort()[-2]


class TestPictureOfAReading:
    def test_the_notebook_shows_boxes_in_the_picture(self, row):
        result = read_digits(on_paper(row))
        shown = np.asarray(Image.open(io.BytesIO(result._repr_png_())))
        assert shown.shape == (300, 800, 3)
        left, top, right, _ = result.digits[0].box
        assert (shown[top, left:right, 2] > shown[top, left:right, 0].astype(int) + 50).all()

    def test_plot_draws_boxes_and_answers(self, row):
        pytest.importorskip("matplotlib")
        result = read_digits(on_paper(row))
        ax = result.plot()
        assert [text.get_text().rstrip("?") for text in ax.texts] == list("72104")
        assert [patch.get_xy() for patch in ax.patches] == [digit.box[:2] for digit in result.digits]
        assert result.plot(ax=ax) is ax

    def test_plot_without_matplotlib_says_what_is_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"DigitReading.plot needs matplotlib: pip install matplotlib"):
            read_digits(np.zeros((28, 28))).plot()


def _on_a_desk(row):
    scene = np.full((600, 1100), 60.0)
    scene[150:450, 150:950] = 215 - 150 * row
    return gaussian_filter(scene, 1) + noise(scene.shape)


def _on_wood(row):
    grain = gaussian_filter(np.random.default_rng(0).standard_normal((600, 1100)), (60, 2))
    scene = 110 * (1 + 0.2 * grain / grain.std())
    scene[150:450, 150:950] = 215 - 110 * row
    return gaussian_filter(scene, 1) + noise(scene.shape)


def _squared_on_a_desk(row):
    paper = 215 - 110 * row
    for offset in (0, 1):
        paper[offset::40] -= 70
        paper[:, offset::40] -= 70
    scene = np.full((600, 1100), 40.0)
    scene[150:450, 150:950] = paper.clip(0)
    return gaussian_filter(scene, 1) + noise(scene.shape)


def _squared(row, level=25):
    paper = 220 - 150 * row
    paper[::40] -= level
    paper[:, ::40] -= level
    return paper + noise(row.shape, 1)


def _ruled(row):
    paper = 220 - 150 * row
    paper[60::90] = paper[61::90] = 120
    return paper + noise(row.shape, 1)


def _turned(row, degrees, spacing, *, squared):
    """Dark lines that are turned, each a little more than the one before, as in a photograph from the side."""
    paper = 220 - 150 * row
    for lines in (paper, paper.T)[: 1 + squared]:
        across, along = np.indices(lines.shape)
        for k in range(-5, lines.shape[0] // spacing + 5):
            turn = np.tan(np.deg2rad(degrees + 0.1 * k))
            lines[np.abs(across - spacing * (k + 0.3) - turn * along) < 1.2] = 115
    return gaussian_filter(paper, 0.7) + noise(row.shape, 1)


def _turned_rulings(row):
    return _turned(row, 3, 75, squared=False)


def _turned_squares(row):
    return _turned(row, -2, 60, squared=True)


def _bent_squares(row):
    """Dark lines whose ends bend, as on a page of a book."""
    paper = 220 - 150 * row
    for lines in (paper, paper.T):
        across, along = np.indices(lines.shape)
        bend = 6 * np.maximum(0, along / lines.shape[1] - 0.6) / 0.4
        for k in range(-1, lines.shape[0] // 60 + 1):
            lines[np.abs(across - 60 * (k + 0.3) - bend) < 1.2] = 115
    return gaussian_filter(paper, 0.7) + noise(row.shape, 1)


def _faint_pencil(row):
    return 190 - 14 * row + noise(row.shape, 1.5)


def _in_boxes(row):
    paper = 220 - 150 * row
    for k in range(5):
        rows, columns = slice(60, 240), slice(24 + 150 * k, 176 + 150 * k)
        paper[[60, 61, 238, 239], columns] = 60
        paper[rows, [columns.start, columns.start + 1, columns.stop - 2, columns.stop - 1]] = 60
    return paper


def _shadow(row):
    paper = 220 - 110 * row
    paper[:, 380:] -= 80
    return gaussian_filter(paper, 2) + noise(row.shape)


def _faint(row):
    return 200 - 50 * row + noise(row.shape, 2)


def _vignette(row):
    y, x = np.indices(row.shape)
    distance = np.hypot((y - 150) / 150, (x - 400) / 400)
    return (210 - 100 * row) * (1 - 0.35 * distance**2) + noise(row.shape)


SCENES = [
    _on_a_desk,
    _on_wood,
    _squared_on_a_desk,
    _squared,
    _ruled,
    _turned_rulings,
    _turned_squares,
    _bent_squares,
    _in_boxes,
    _shadow,
    _faint,
    _faint_pencil,
]


@pytest.mark.parametrize("scene", [*SCENES, _vignette])
def test_a_number_is_read_in_surroundings(scene, row):
    assert read_digits(np.clip(scene(row), 0, 255).astype(np.uint8)).text == "72104"


def _gradient(row):
    return (220 - 150 * row) * np.linspace(1, 0.5, row.shape[1]) + noise(row.shape)


@pytest.mark.parametrize("scene", [_shadow, _vignette, _gradient])
def test_1s_alone_are_read_in_shadow(scene):
    ink = np.zeros((300, 800))
    for k in range(4):
        ink[80:220, 100 + 150 * k : 112 + 150 * k] = 1
    assert read_digits(np.clip(scene(ink), 0, 255).astype(np.uint8)).text == "1111"


def test_1s_on_a_line_of_their_own_are_read_in_shadow(images):
    ink = np.zeros((700, 800))
    for k, position in enumerate(EASY[:3]):
        ink[80:220, 30 + 150 * k : 170 + 150 * k] = enlarged(images[position]) / 255
        ink[400:540, 100 + 150 * k : 112 + 150 * k] = 1
    paper = 220 - 150 * ink
    paper[470:] /= 2
    picture = np.clip(gaussian_filter(paper, 1) + noise(ink.shape), 0, 255).astype(np.uint8)
    assert read_digits(picture).text == "721\n111"


def test_small_digits_across_rulings_are_read(row):
    small = zoom(row, 1 / 5, order=1)
    paper = np.full((700, 1000), 220.0)
    for top in (100, 300, 500):
        paper[top : top + 60, 300:460] -= 150 * small
    paper[10::22] = paper[11::22] = 120
    picture = np.clip(gaussian_filter(paper, 0.5) + noise(paper.shape, 1), 0, 255).astype(np.uint8)
    assert read_digits(picture).text == "72104\n72104\n72104"


@pytest.mark.parametrize("strength", [25, 60])
def test_noise_is_no_digit(strength):
    picture = np.clip(150 + noise((240, 320), strength), 0, 255).astype(np.uint8)
    assert read_digits(picture).digits == []


def _face(draw):
    draw.ellipse((50, 50, 210, 210), outline=255, width=9)
    for left in (95, 145):
        draw.ellipse((left, 105, left + 14, 119), fill=255)
    draw.arc((90, 110, 165, 180), 20, 160, fill=255, width=9)


def _scribble(draw):
    points = [(50, 220), (220, 80), (210, 70), (110, 130), (170, 50), (110, 190), (170, 60)]
    draw.line(points, fill=255, width=12, joint="curve")


@pytest.mark.parametrize("draw_it", [_face, _scribble])
def test_parts_of_a_drawing_that_is_no_digit_are_not_sure(draw_it):
    picture = Image.new("L", (280, 280))
    draw_it(ImageDraw.Draw(picture))
    assert not any(digit.is_sure for digit in read_digits(picture).digits)


def test_what_is_cut_from_a_letter_is_not_sure(images):
    picture = Image.new("L", (560, 280))
    draw = ImageDraw.Draw(picture)
    draw.line((60, 60, 60, 210), fill=255, width=14)
    draw.line((60, 135, 150, 135), fill=255, width=14)
    draw.ellipse((145, 60, 255, 210), outline=255, width=14)
    picture.paste(Image.fromarray(images[0]).resize((200, 200)), (345, 40))
    assert [(digit.label, digit.is_sure) for digit in read_digits(picture).digits] == [(0, False), (7, True)]


def test_a_row_in_a_frame_is_sure(images):
    picture = Image.fromarray(np.pad(np.hstack(images[:3]), 10)).resize((624, 288), Image.Resampling.BICUBIC)
    ImageDraw.Draw(picture).rectangle((25, 25, 599, 263), outline=255, width=6)
    reading = read_digits(picture)
    assert reading.text == "721"
    assert all(digit.is_sure for digit in reading.digits)


def test_a_wide_0_with_a_gap_is_not_cut(row):
    picture = Image.fromarray(on_paper(row))
    picture.paste(220, (480, 0, 630, 300))
    ImageDraw.Draw(picture).arc([485, 95, 630, 210], 275, 622, fill=70, width=12)
    assert read_digits(picture).text == "72104"


def test_a_figure_of_matplotlib_is_read(images):
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, ax = plt.subplots()
    ax.imshow(images[0], cmap="gray")
    file = io.BytesIO()
    figure.savefig(file)
    plt.close(figure)
    assert read_digits(file.getvalue(), split=False).text == "7"


@pytest.mark.parametrize("position", EASY)
@pytest.mark.parametrize("surroundings", ["circle", "underline"])
def test_a_circle_around_a_digit_and_a_line_below_it_are_not_part_of_it(surroundings, position, images):
    ink = np.zeros((400, 400))
    ink[130:270, 130:270] = enlarged(images[position]) / 255
    bottom = np.flatnonzero((ink > 0.1).any(axis=1))[-1]
    if surroundings == "circle":
        rows, columns = np.ogrid[-200:200, -200:200]
        ink[np.abs(np.hypot(rows, columns) - 95) < 4] = 1
    else:
        ink[bottom + 12 : bottom + 19, 140:260] = 1
    picture = np.clip(on_paper(ink) + noise(ink.shape), 0, 255).astype(np.uint8)
    (digit,) = read_digits(picture, split=False).digits
    assert digit.label == fetch_mnist(subset="test").target[position]
    assert min(digit.box) >= 125  # without the circle, whose box begins at 101
    assert digit.box[3] <= bottom + 8


@pytest.mark.parametrize("position", EASY)
@pytest.mark.parametrize("level", [120, 250])
@pytest.mark.parametrize("columns", [slice(20, 110), slice(140, 230)])
def test_a_stripe_on_the_paper_is_not_the_digit(columns, level, position, images):
    paper = np.full((300, 300), 200.0)
    paper[:, columns] = level
    ink = np.zeros(paper.shape)
    ink[80:220, 100:240] = enlarged(images[position]) / 255
    picture = np.clip(gaussian_filter(paper * (1 - 0.8 * ink), 1) + noise(ink.shape), 0, 255).astype(np.uint8)
    (digit,) = read_digits(picture, split=False).digits
    assert digit.label == fetch_mnist(subset="test").target[position]


@pytest.mark.parametrize("position", EASY)
@pytest.mark.parametrize(("level", "n_pixels"), [(90, 140), (130, 70)])
def test_a_hard_shadow_with_a_corner_does_not_hide_the_digit(level, n_pixels, position, images):
    rows, columns = np.indices((300, 300))
    paper = np.where((rows > 2 * columns - 200) & (rows + columns > 230), level, 210.0)
    ink, place = np.zeros(paper.shape), slice(150 - n_pixels // 2, 150 + n_pixels // 2)
    ink[place, place] = enlarged(images[position])[:: 140 // n_pixels, :: 140 // n_pixels] / 255
    picture = np.clip(gaussian_filter(paper * (1 - 0.75 * ink), 1) + noise(ink.shape), 0, 255).astype(np.uint8)
    (digit,) = read_digits(picture, split=False).digits
    assert digit.label == fetch_mnist(subset="test").target[position]


@pytest.mark.parametrize("width", [4, 6, 10, 30])
@pytest.mark.parametrize("start", [0, 20, 150])
def test_a_long_line_is_not_a_digit(start, width):
    paper = np.full((400, 1000), 255, dtype=np.uint8)
    paper[200 : 200 + width, start : 1000 - start] = 0
    reading = read_digits(paper)
    assert reading.digits == []
    assert reading.reason


def _newsprint(shape):
    generator = np.random.default_rng(0)
    page = np.full(shape, 220.0)
    for top in range(10, shape[0] - 10, 14):
        letters = generator.random((9, shape[1])) < 0.5
        letters[:, ::7] = False
        page[top : top + 9] -= 170 * letters
    return page


def _checkerboard(shape):
    return 255.0 * (np.indices(shape).sum(0) // 8 % 2)


class TestLimitOnWork:
    @pytest.mark.parametrize("draw", [_newsprint, _checkerboard, lambda shape: 128 + noise(shape, 60)])
    @pytest.mark.parametrize("split", [True, pytest.param(False, marks=pytest.mark.slow)])
    def test_few_interpretations_and_pieces_are_judged(self, draw, split, monkeypatch):
        pieces, interpretations = [], []
        normalized, digits_of = _handwriting.DigitInPicture.normalized, _handwriting._digits_of
        monkeypatch.setattr(
            _handwriting.DigitInPicture, "normalized", lambda self: (pieces.append(1), normalized(self))[1]
        )
        monkeypatch.setattr(
            _handwriting, "_digits_of", lambda *a, **k: (interpretations.append(1), digits_of(*a, **k))[1]
        )
        read_digits(np.clip(draw((600, 800)), 0, 255).astype(np.uint8), split=split)
        assert len(pieces) <= reading.MAX_PIECES
        assert len(interpretations) <= reading.MAX_PROPOSALS

    def test_a_page_with_too_many_pieces_says_so(self):
        paper = np.full((720, 720), 255, dtype=np.uint8)
        for top in range(10, 700, 40):
            for left in range(10, 700, 40):
                paper[top : top + 24, left : left + 6] = 0
        reading = read_digits(paper)
        assert (reading.text, reading.reason) == ("", "there are more than 300 pieces")

    def test_a_clear_drawing_is_interpreted_once(self, row, monkeypatch):
        calls = []
        digits_of = _handwriting._digits_of
        monkeypatch.setattr(_handwriting, "_digits_of", lambda *a, **k: (calls.append(1), digits_of(*a, **k))[1])
        read_digits(on_paper(row))
        assert len(calls) == 1


class TestOtherEntrances:
    @pytest.mark.parametrize(
        "X",
        [
            "photo.jpg",
            Path("photo.jpg"),
            ["a.png", "b.png"],
            [np.zeros((40, 50)), np.zeros((30, 30))],
            np.zeros((2, 100, 100)),
            [np.zeros((40, 40)), np.zeros((40, 40))],
            [Image.new("L", (40, 40))],
        ],
    )
    def test_predict_names_read_digits_if_it_is_given_pictures(self, X):
        with pytest.raises(ValueError, match=r"sk_mnist.read_digits\(picture\)"):
            load_pretrained().predict(X)

    def test_the_normalizer_takes_bytes_too(self, row):
        file = io.BytesIO()
        Image.fromarray(on_paper(row[:, :180])).save(file, "PNG")
        image = DigitImageNormalizer().transform([file.getvalue()])
        assert load_pretrained().predict(image) == [7]


@pytest.mark.parametrize("number", [107, 141, 177])
def test_the_soft_edge_of_a_digit_that_touches_the_border_is_no_digit(number):
    # These 1s divide the picture into two regions of paper.
    one = zoom(load_digits().images[number] / 16, 8, order=3).clip(0, 1)
    (digit,) = read_digits(one, split=False).digits
    assert digit.label == 1


def test_a_picture_in_the_form_of_mnist_is_split_if_it_does_not_look_like_a_digit():
    picture = np.zeros((28, 28), dtype=np.uint8)
    picture[4:24, 8:10] = picture[4:24, 18:20] = 255
    assert read_digits(picture).text == "11"

"""DigitImageNormalizer and split_digits: pictures of people's own digits in the form of MNIST's."""

import io
import pickle
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy.ndimage import gaussian_filter, rotate, zoom
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from sk_mnist import DigitImageNormalizer, fetch_mnist, load_pretrained
from sk_mnist.preprocessing import split_digits
from tests.helpers.estimator_cases import CHECKS_WITHOUT_ROWS
from tests.helpers.examples import examples_times
from tests.helpers.memory import peak_memory


@pytest.fixture(scope="module")
def mnist_test_images():
    test = fetch_mnist(subset="test", normalize=False)
    return test.images, test.target


def enlarged(image, factor=5):
    return np.kron(image, np.ones((factor, factor), dtype=np.uint8))


@pytest.fixture(scope="module")
def seven(mnist_test_images):
    """A 7 as dark ink on white paper, 200 x 240 pixels."""
    paper = np.full((200, 240), 255, dtype=np.uint8)
    paper[30:170, 60:200] -= enlarged(mnist_test_images[0][0])
    return paper


def normalized(picture):
    return DigitImageNormalizer().transform([picture])[0]


def is_refused_as_mask(picture, read):
    """Whether integers are a mask of 0 and 1, which must be an error, because they would be a blank picture."""
    if picture.max() != 1:
        return False
    with pytest.raises(ValueError, match="integers of at most 1"):
        read(picture)
    return True


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    file.seek(0)
    return file


class TestPictures:
    """What a picture may be."""

    @pytest.mark.parametrize(
        "convert",
        [
            lambda levels: levels / 255,
            lambda levels: (levels / 255).astype(np.float32),
            lambda levels: levels.astype(np.int64),
            lambda levels: levels[..., np.newaxis],
            lambda levels: np.stack([levels] * 3, axis=-1),
            lambda levels: np.stack([*[levels] * 3, np.full_like(levels, 255)], axis=-1),
            lambda levels: levels.tolist(),
            np.asfortranarray,
            Image.fromarray,
            lambda levels: Image.fromarray(levels).convert("RGB"),
            lambda levels: Image.fromarray(levels).convert("P"),
            lambda levels: Image.fromarray(levels).convert("LA"),
            lambda levels: Image.fromarray(levels.astype(np.uint16) * 257),
            file_of,
            lambda levels: file_of(levels, "BMP"),
            lambda levels: file_of(levels, "TIFF"),
            lambda levels: file_of(levels, "GIF"),
            lambda levels: file_of(levels, "WEBP", lossless=True),
        ],
    )
    def test_all_array_and_file_formats_give_the_same_image(self, convert, seven):
        np.testing.assert_array_equal(normalized(convert(seven)), normalized(seven))

    def test_boolean_integer_and_float_masks_give_the_same_image(self, seven):
        mask = seven < 128
        images = DigitImageNormalizer().transform([mask, mask * 255, mask.astype(float)])
        assert images.max() == 255
        np.testing.assert_array_equal(images, images[[0, 0, 0]])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_rounding_errors_above_white_count_as_white(self, dtype, seven):
        picture = (seven / 255).astype(dtype)
        np.testing.assert_array_equal(normalized(picture * dtype(1 + 5e-7)), normalized(picture))
        with pytest.raises(ValueError, match="they must be floats of 0 to 1"):
            normalized(picture * dtype(1 + 1e-5))

    @pytest.mark.parametrize("as_path", [str, lambda path: path])
    def test_paths_are_accepted(self, as_path, seven, tmp_path):
        path = tmp_path / "seven.jpg"
        path.write_bytes(file_of(seven, "JPEG", quality=95).read())
        difference = normalized(as_path(path)).astype(int) - normalized(seven)
        assert np.abs(difference).max() < 30

    @pytest.mark.parametrize("sequence", [tuple, np.array, pd.Series, lambda names: np.array(names, dtype=object)])
    def test_file_names_may_be_in_any_sequence(self, sequence, seven, tmp_path):
        names = [str(tmp_path / f"{k}.png") for k in range(2)]
        for name in names:
            Image.fromarray(seven).save(name)
        images = DigitImageNormalizer().transform(sequence(names))
        np.testing.assert_array_equal(images, [normalized(seven)] * 2)

    def test_pictures_may_have_several_sizes(self, seven):
        images = DigitImageNormalizer().transform([seven, seven[20:180, 40:]])
        np.testing.assert_array_equal(images[0], images[1])

    def test_the_exif_orientation_is_applied(self, seven):
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to the right
        turned = file_of(np.rot90(seven).copy(), exif=exif)
        np.testing.assert_array_equal(normalized(turned), normalized(seven))

    @pytest.mark.parametrize("ink", [0, 255])
    def test_a_transparent_background_counts_as_paper(self, ink, seven):
        picture = np.full((*seven.shape, 4), ink, dtype=np.uint8)
        picture[..., 3] = 255 - seven
        np.testing.assert_array_equal(normalized(picture), normalized(seven))

    def test_colours_count_by_their_brightness(self, seven):
        picture = np.stack([seven, seven, np.full_like(seven, 255)], axis=-1)  # blue ink
        difference = normalized(picture).astype(int) - normalized(seven)
        assert np.abs(difference).max() <= 2


class TestBadPictures:
    @pytest.mark.parametrize(
        ("picture", "message"),
        [
            (np.zeros(784), r"X\[0\] has shape \(784,\); a picture has shape \(height, width\)"),
            (np.zeros((5, 5, 2)), r"has shape \(5, 5, 2\)"),
            (np.zeros((0, 5)), "has no pixels"),
            (np.full((5, 5), 2.0), r"has pixels of 2.0 to 2.0; with dtype float64, they must be floats of 0 to 1"),
            (np.full((5, 5), np.nan), "has pixels of nan to nan"),
            (np.full((5, 5), 300), "has pixels of 300 to 300; with dtype int64, they must be integers of 0 to 255"),
            (np.full((5, 5), -1), "has pixels of -1"),
            (np.eye(28, dtype=np.int64), r"integers of at most 1, .* give mask.astype\(bool\) or 255 \* mask"),
            (np.eye(28, dtype=np.uint8), r"integers of at most 1, .* give mask.astype\(bool\) or 255 \* mask"),
            (np.full((5, 5), "a"), "has dtype <U1; pixels are integers of 0 to 255, or floats of 0 to 1"),
            (np.full((5, 5), 1j), "has dtype complex128"),
            (io.BytesIO(b""), "is not a picture in a supported format: PNG, JPEG, GIF, BMP, TIFF, WEBP"),
            (io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "is not a picture in a supported"),
            (None, r"X\[0\] is None; a picture is a file name"),
        ],
    )
    def test_invalid_pictures_are_rejected(self, picture, message):
        with pytest.raises(ValueError, match=message):
            DigitImageNormalizer().transform([picture])

    def test_a_truncated_file_is_rejected(self, seven):
        whole = file_of(seven).read()
        with pytest.raises(ValueError, match=r"X\[1\] is damaged"):
            DigitImageNormalizer().transform([seven, io.BytesIO(whole[: len(whole) // 2])])

    @pytest.mark.parametrize("kind", ["JPEG", "BMP", "TIFF", "GIF", "WEBP"])
    def test_truncated_files_of_other_formats_are_rejected_with_their_index(self, kind, seven, tmp_path):
        path = tmp_path / "cut"
        path.write_bytes(file_of(seven, kind).read()[:60])
        with pytest.raises(ValueError, match=r"^X\[0\] is "):
            DigitImageNormalizer().transform([path])

    @pytest.mark.parametrize(("tag", "value"), [(0x0110, 1.5), (0x011A, -1), (0x011A, "text")])
    def test_malformed_exif_entries_are_ignored(self, tag, value, seven):
        exif = Image.Exif()
        exif[0x0112] = 6
        data = bytearray(exif.tobytes())
        kind, field = {1.5: (12, struct.pack("<d", 1.5)), -1: (9, struct.pack("<i", -1))}.get(value, (2, b"text"))
        # A second entry, which Pillow reads and could not write.
        data[14:16] = struct.pack("<H" if data[6:8] == b"II" else ">H", 2)
        order = "<" if data[6:8] == b"II" else ">"
        start = 14 + 2 + 2 * 12 + 4
        entry = struct.pack(order + "HHI", tag, kind, 1 if kind != 2 else 4)
        entry += (struct.pack(order + "I", start - 6) if kind == 12 else field)[:4]
        data = bytes(data[:16]) + bytes(data[16:28]) + entry + bytes(4) + field
        turned = file_of(np.rot90(seven).copy(), "JPEG", exif=data, quality=100)
        difference = normalized(turned).astype(int) - normalized(seven)
        assert np.abs(difference).mean() < 3

    def test_a_picture_one_pixel_high_does_not_exhaust_memory(self):
        picture = Image.new("L", (5_000_000, 1), 255)
        assert peak_memory(lambda: DigitImageNormalizer().transform([picture])) < 200_000_000

    def test_a_missing_file_raises_file_not_found_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            DigitImageNormalizer().transform([tmp_path / "missing.png"])

    @pytest.mark.parametrize("side", [7_100, 100_000])
    def test_a_huge_picture_is_rejected_before_it_is_decoded(self, side):
        # 10 kB or less, whatever it says: nothing of the pixels is there.
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
        png = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
        with pytest.raises(ValueError, match=r"more than 50,000,000.*Make it smaller"):
            DigitImageNormalizer().transform([io.BytesIO(png)])

    @pytest.mark.parametrize(
        ("X", "given"),
        [
            ("seven.png", "a str"),
            (np.zeros((28, 28)), r"an array of shape \(28, 28\)"),
            (np.zeros((2, 784)), r"an array of shape \(2, 784\)"),
            (np.zeros((20, 30, 3)), r"an array of shape \(20, 30, 3\)"),
            (Image.new("L", (28, 28)), "a Image"),
            (io.BytesIO(), "a BytesIO"),
            (b"", "a bytes"),
            (memoryview(b""), "a memoryview"),
            (np.zeros(9, dtype=np.uint8), r"an array of shape \(9,\)"),
        ],
    )
    def test_a_single_picture_outside_a_list_is_rejected(self, X, given):
        message = f"X is {given}; DigitImageNormalizer takes a sequence of pictures. Put a single one into a list"
        with pytest.raises(ValueError, match=message):
            DigitImageNormalizer().transform(X)

    @pytest.mark.parametrize(
        "X", [3, None, {"a.png"}, np.zeros(784), pd.Series([1.0]), pd.DataFrame({"a": ["a.png"], "b": 1})]
    )
    def test_other_input_is_rejected_with_advice_to_give_file_names(self, X):
        with pytest.raises(ValueError, match=r"takes a sequence of pictures\. Give a list of file names"):
            DigitImageNormalizer().transform(X)


class TestNormalizer:
    def test_the_digit_is_white_on_black_centred_and_twenty_pixels_high(self, seven):
        image = normalized(seven)
        assert (image.shape, image.dtype, image.max()) == ((28, 28), np.uint8, 255)
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        middles = np.arange(28) + 0.5
        for axis in (0, 1):
            centre = (image.sum(axis=1 - axis) * middles).sum() / image.sum()
            assert 14 <= centre <= 15  # as in MNIST's own images

    def test_proportions_are_kept(self):
        bar = np.zeros((300, 300))
        bar[50:250, 100:140] = 1
        image = normalized(bar)
        assert (image.any(axis=1).sum(), image.any(axis=0).sum()) == (20, 4)

    def test_bright_ink_on_dark_paper_gives_the_same_image(self, seven):
        np.testing.assert_array_equal(normalized(255 - seven), normalized(seven))

    @pytest.mark.parametrize("margins", [((0, 300), (500, 0)), ((7, 0), (0, 31)), ((0, 900), (1000, 0))])
    def test_the_position_of_the_digit_does_not_matter(self, margins, seven):
        moved = np.pad(seven, margins, constant_values=255)
        difference = normalized(moved).astype(int) - normalized(seven)
        if max(moved.shape) <= 1024:
            assert not difference.any()
        # Of a larger picture, blocks of pixels are averaged first, which softens the edges of strokes.
        assert np.abs(difference).mean() < 6

    def test_uneven_light_noise_and_low_contrast_do_not_matter(self, seven):
        light = np.linspace(0.9, 0.6, seven.shape[1])
        noise = 0.01 * np.random.default_rng(0).standard_normal(seven.shape)
        paper = np.clip(light * (0.5 + 0.5 * seven / 255) + noise, 0, 1)
        found = normalized(paper).astype(float)
        # Noise may move the middle of the mass across the border between two pixels; the strokes then lie up to half a
        # pixel elsewhere. A pixel more would be a difference of 12.
        shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        expected = [np.roll(normalized(seven), shift, axis=(0, 1)) for shift in shifts]
        assert min(np.abs(found - image).mean() for image in expected) < 5

    def test_specks_lines_and_the_edge_of_the_sheet_are_left_out(self, seven):
        dirty = np.pad(seven, 60, constant_values=255)
        dirty[100, 40] = 0  # a speck
        dirty[25:28] = 0  # a line across the paper
        dirty[:, :20] = 60  # the table
        difference = normalized(dirty).astype(int) - normalized(seven)
        assert np.abs(difference).max() <= 2

    def test_the_main_group_of_ink_is_the_digit(self, seven):
        wide = np.pad(seven, ((0, 0), (0, 300)), constant_values=255)
        wide[40:70, 480:500] = 0  # foreign ink far away
        difference = normalized(wide).astype(int) - normalized(seven)
        assert np.abs(difference).max() <= 2

    def test_parts_near_the_main_group_belong_to_it(self):
        picture = np.zeros((200, 200), dtype=np.uint8)
        picture[60:180, 80:100] = 255
        picture[30:45, 80:150] = 255  # a loose bar
        rows = np.flatnonzero(normalized(picture).any(axis=1))
        assert normalized(picture)[rows[0]].astype(bool).sum() > 5

    def test_one_pixel_lines_become_as_wide_as_those_of_mnist_in_every_direction(self):
        upright, diagonal = np.zeros((40, 40)), np.zeros((40, 40))
        upright[5:35, 20] = 1
        diagonal[np.arange(5, 35), np.arange(5, 35)] = 1
        areas = [(normalized(picture) / 255).sum() / length for picture, length in ((upright, 20), (diagonal, 28))]
        assert all(1.6 <= width <= 3 for width in areas)

    def test_wide_strokes_are_not_hollowed(self):
        ring = np.hypot(*(np.indices((200, 200)) - 99.5))
        marker = 230.0 - 200 * ((ring > 25) & (ring < 85))
        image = normalized(marker.astype(np.uint8))
        assert image[14, 5:9].max() == 255
        assert (image[14] > 200).sum() >= 12

    @pytest.mark.slow
    def test_wide_digits_of_eight_pixels_are_read_as_well_as_by_cropping(self):
        digits = load_digits()
        pictures = [np.clip(zoom(image / 16, 8, order=3), 0, 1) for image in digits.images]
        assert load_pretrained().score(DigitImageNormalizer().transform(pictures), digits.target) > 0.97

    @pytest.mark.parametrize("number", [1000, 1145])
    def test_a_stroke_in_the_corner_of_a_closely_cut_picture_is_not_the_paper(self, number):
        digits = load_digits()
        picture = np.clip(zoom(digits.images[number] / 16, 8, order=3), 0, 1)
        image = DigitImageNormalizer().transform([picture])
        assert load_pretrained().predict(image) == digits.target[number]

    @pytest.mark.parametrize("spacing", [12, 40])
    def test_faint_rulings_are_left_out(self, spacing, seven):
        ruled = np.pad(seven, 30, constant_values=255)
        on_line = np.zeros(ruled.shape, dtype=bool)
        on_line[::spacing] = True
        on_line[:, ::spacing] = True
        ruled[on_line & (ruled > 232)] = 232  # 23 levels below the paper
        (digit,) = split_digits(seven)
        (found,) = split_digits(ruled)
        assert np.abs(np.subtract(found.box, digit.box) - 30).max() <= 2

    def test_transparent_margins_beside_opaque_paper_count_as_paper(self, seven):
        picture = np.full((260, 300, 4), 0, dtype=np.uint8)
        picture[30:230, 30:270, :3] = (seven // 2 + 100)[..., np.newaxis]
        picture[30:230, 30:270, 3] = 255
        difference = normalized(picture).astype(int) - normalized(seven)
        assert np.abs(difference).max() <= 2

    def test_red_on_green_of_equal_brightness_is_ink(self, seven):
        ink = (255 - seven) / 255.0
        red, green = np.array([200, 30, 60]), np.array([30, 119, 46])
        picture = (green + ink[..., np.newaxis] * (red - green)).astype(np.uint8)
        assert np.ptp(np.asarray(Image.fromarray(picture).convert("L")).astype(int)) < 10
        assert load_pretrained().predict(normalized(picture)[np.newaxis]) == [7]

    def test_images_in_the_form_of_mnist_stay_as_they_are(self, mnist_test_images):
        images = mnist_test_images[0][:1000]
        np.testing.assert_array_equal(DigitImageNormalizer().transform(images), images)
        np.testing.assert_array_equal(DigitImageNormalizer().transform(255 - images), images)
        turned = rotate(images[0], 20, reshape=False, order=1)
        np.testing.assert_array_equal(normalized(turned), turned)

    def test_thin_strokes_become_as_wide_as_those_of_mnist(self):
        thin = np.zeros((400, 400))
        thin[100:300, 199:201] = 1
        assert (normalized(thin) > 127).sum(axis=1).max() == 2

    @pytest.mark.parametrize("level", [0, 90, 255])
    def test_an_empty_picture_gives_an_empty_image(self, level):
        assert not normalized(np.full((100, 80), level, dtype=np.uint8)).any()

    def test_noise_alone_gives_an_empty_image(self):
        noise = np.random.default_rng(0).normal(0.7, 0.02, (200, 200))
        assert not normalized(np.clip(noise, 0, 1)).any()

    @pytest.mark.slow
    def test_normalizing_mnist_costs_at_most_a_tenth_of_a_point_of_accuracy(self, mnist_test_images):
        images, y = mnist_test_images
        model = load_pretrained()
        again = DigitImageNormalizer().transform(images)
        assert model.score(again, y) >= model.score(images, y) - 0.001

    def test_the_pretrained_model_reads_pictures(self, mnist_test_images):
        generator = np.random.default_rng(0)
        pictures = []
        for image in mnist_test_images[0][:200]:
            top, left = generator.integers(0, 200, 2)
            paper = np.full((400, 400), 250.0)
            paper[top : top + 140, left : left + 140] -= 0.8 * enlarged(image)
            pictures.append(gaussian_filter(paper, 2).astype(np.uint8))
        model = make_pipeline(DigitImageNormalizer(), load_pretrained())
        assert model.score(pictures, mnist_test_images[1][:200]) >= 0.985
        # What people see without it.
        small = np.stack([np.asarray(Image.fromarray(255 - picture).resize((28, 28))) for picture in pictures])
        assert load_pretrained().score(small, mnist_test_images[1][:200]) < 0.6

    @examples_times(2)
    @given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
    def test_any_picture_gives_an_image(self, picture):
        if is_refused_as_mask(picture, normalized):
            return
        image = normalized(picture)
        assert (image.shape, image.dtype) == ((28, 28), np.uint8)
        assert image.max() in (0, 255)

    def test_the_transformer_is_stateless(self, seven):
        normalizer = DigitImageNormalizer()
        assert normalizer.fit([seven]) is normalizer
        assert clone(normalizer).get_params() == {}
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(normalizer)).transform([seven])[0], normalized(seven))
        assert vars(normalizer) == {}


# The other common checks fit rows.
@pytest.mark.parametrize("check", CHECKS_WITHOUT_ROWS, ids=lambda check: check.__name__)
def test_scikit_learn_check(check):
    check("DigitImageNormalizer", DigitImageNormalizer())


class TestSplitDigits:
    def test_digits_come_in_reading_order_with_their_boxes(self, mnist_test_images):
        paper = np.zeros((400, 600), dtype=np.uint8)
        places = [(20, 30), (35, 200), (10, 400), (220, 60), (230, 330)]
        for (top, left), image in zip(places, mnist_test_images[0], strict=False):
            paper[top : top + 140, left : left + 140] = enlarged(image)
        digits = split_digits(255 - paper)
        assert load_pretrained().predict(DigitImageNormalizer().transform([d.image for d in digits])).tolist() == (
            mnist_test_images[1][:5].tolist()
        )
        for (top, left), digit, image in zip(places, digits, mnist_test_images[0], strict=False):
            # All that is at least a quarter as bright as ink is in the box, and nothing without ink.
            most, least = (
                (left + 5 * columns[0], top + 5 * rows[0], left + 5 * columns[-1] + 5, top + 5 * rows[-1] + 5)
                for rows, columns in (
                    [np.flatnonzero((image > level).any(axis=axis)) for axis in (1, 0)] for level in (0, 64)
                )
            )
            assert all(most[k] <= digit.box[k] <= least[k] for k in (0, 1)), (most, digit.box, least)
            assert all(least[k] <= digit.box[k] <= most[k] for k in (2, 3)), (most, digit.box, least)

    def test_boxes_are_in_pixels_of_a_large_picture_too(self):
        paper = np.full((1500, 3000), 255, dtype=np.uint8)
        paper[300:1200, 600:690] = paper[300:1200, 1500:1590] = 0
        assert [digit.box for digit in split_digits(paper)] == [(600, 300, 690, 1200), (1500, 300, 1590, 1200)]

    def test_a_broken_five_is_one_digit(self):
        paper = np.zeros((200, 300))
        paper[60:70, 50:90] = 1  # the body
        paper[70:150, 50:60] = 1
        paper[140:150, 50:110] = 1
        paper[40:50, 60:110] = 1  # the loose bar
        paper[40:150, 200:210] = 1  # a one next to it
        assert [digit.box for digit in split_digits(paper)] == [(50, 40, 110, 150), (200, 40, 210, 150)]

    def test_digits_that_touch_by_a_thin_stroke_are_cut(self, mnist_test_images):
        images, y = mnist_test_images
        zero, six = images[y == 0][0], images[y == 6][0]
        zero, six = (enlarged(image[:, image.any(axis=0)]) for image in (zero, six))
        paper = np.pad(np.hstack([zero, np.zeros((140, 10), np.uint8), six]), 20)
        inked = np.flatnonzero(paper[90] > 127)
        start = inked[inked < 20 + zero.shape[1]][-1]
        paper[90:96, start : inked[inked > start][0]] = 255
        digits = split_digits(255 - paper)
        images = DigitImageNormalizer().transform([digit.image for digit in digits])
        assert load_pretrained().predict(images).tolist() == [0, 6]

    def test_single_digits_are_not_cut(self, mnist_test_images):
        n_digits = [len(split_digits(np.pad(image, 4))) for image in mnist_test_images[0][:1000]]
        assert np.mean(np.array(n_digits) == 1) >= 0.99

    def test_lines_and_dashes_are_ignored(self, seven):
        paper = np.pad(seven, ((0, 100), (0, 300)), constant_values=255)
        paper[220:224, 100:450] = 100  # a fold that fades out
        paper[100:112, 300:380] = 0  # a dash
        assert [digit.box for digit in split_digits(paper)] == [digit.box for digit in split_digits(seven)]

    def test_all_digits_of_a_tightly_cropped_row_are_found(self):
        paper = np.zeros((100, 200))
        paper[:, 0:10] = paper[:, 190:200] = 1  # 1 7 1
        paper[0:10, 60:120] = 1
        for k in range(100):
            paper[k, 108 - k // 2 : 120 - k // 2] = 1
        assert [digit.box[:3:2] for digit in split_digits(paper)] == [(0, 10), (59, 120), (190, 200)]

    def test_a_blank_picture_has_no_digits(self):
        assert split_digits(np.full((50, 50), 200, dtype=np.uint8)) == []

    def test_a_picture_with_too_many_strokes_is_rejected(self):
        paper = np.zeros((400, 400), dtype=np.uint8)
        paper[::10, ::10] = 255
        with pytest.raises(ValueError, match="more than 1,000 separate strokes"):
            split_digits(paper)

    def test_a_crop_is_normalized_like_the_whole_picture(self, seven):
        (digit,) = split_digits(seven)
        np.testing.assert_array_equal(normalized(digit.image), normalized(seven))
        turned = rotate(digit.image, 5, order=1)
        assert load_pretrained().predict(DigitImageNormalizer().transform([turned])) == [7]

    @given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)), st.booleans())
    def test_any_picture_can_be_split(self, picture, with_margin):
        if with_margin:
            picture = np.pad(picture, 10)
        if is_refused_as_mask(picture, split_digits):
            return
        height, width = picture.shape
        for (left, top, right, bottom), image in split_digits(picture):
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            assert image.any()

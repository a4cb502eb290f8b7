"""ImageFlattener and PixelScaler."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sk_mnist import ImageFlattener, KerasMLPClassifier, PixelScaler, load, save

IMAGES = np.random.default_rng(0).integers(0, 256, size=(6, 28, 28), dtype=np.uint8)
ROWS = IMAGES.reshape(6, 784)


@pytest.mark.parametrize(
    "images", [IMAGES, IMAGES[..., np.newaxis], ROWS, IMAGES.tolist()], ids=lambda x: type(x).__name__
)
def test_images_become_rows_and_come_back(images):
    flattener = ImageFlattener().fit(images)
    rows = flattener.transform(images)
    np.testing.assert_array_equal(rows, ROWS)
    np.testing.assert_array_equal(flattener.inverse_transform(rows), images)


def test_flattening_keeps_the_dtype_and_copies_nothing():
    rows = ImageFlattener().fit_transform(IMAGES)
    assert rows.dtype == np.uint8
    assert np.shares_memory(rows, IMAGES)


def test_pixels_are_named_by_row_and_column():
    names = ImageFlattener().fit(IMAGES).get_feature_names_out()
    assert names[0] == "pixel_0_0"
    assert names[28] == "pixel_1_0"
    assert names[-1] == "pixel_27_27"
    np.testing.assert_array_equal(ImageFlattener().fit(ROWS).get_feature_names_out(), names)


def test_rows_that_are_no_square_are_named_as_one_line():
    assert ImageFlattener().fit(np.zeros((2, 3))).get_feature_names_out().tolist() == [
        "pixel_0_0",
        "pixel_0_1",
        "pixel_0_2",
    ]


def test_flattener_gives_frames_when_asked():
    frame = ImageFlattener().set_output(transform="pandas").fit_transform(IMAGES)
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns[-1] == "pixel_27_27"


@pytest.mark.parametrize("shape", [(2, 28, 28, 3), (2, 1, 28, 28, 1)])
def test_colour_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"takes grey images of shape \(n_samples, height, width\)"):
        ImageFlattener().fit(np.zeros(shape))


def test_another_number_of_pixels_is_refused():
    flattener = ImageFlattener().fit(IMAGES)
    with pytest.raises(ValueError, match="783 features"):
        flattener.transform(ROWS[:, 1:])
    with pytest.raises(ValueError, match="783 pixels per row"):
        flattener.inverse_transform(ROWS[:, 1:])


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="0 sample"):
        ImageFlattener().fit(IMAGES[:0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_bytes_become_float32_in_0_to_1(dtype):
    scaled = PixelScaler().fit_transform(ROWS.astype(dtype))
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, ROWS.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_in_0_to_1_stay_as_they_are(dtype):
    pixels = (ROWS / 255).astype(dtype)
    scaled = PixelScaler().fit_transform(pixels)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, pixels.astype(np.float32))


def test_float32_in_0_to_1_is_not_copied():
    pixels = (ROWS / 255).astype(np.float32)
    assert np.shares_memory(PixelScaler().fit_transform(pixels), pixels)


@pytest.mark.parametrize("pixel_max", ["auto", "dtype", 1])
def test_a_rounding_above_white_is_white(pixel_max):
    white, above = np.float32([[0, 1]]), np.float32([[0, 1 + 2e-7]])
    scaler = PixelScaler(pixel_max)
    assert scaler.fit(above).pixel_max_ == 1
    assert scaler.transform(above).max() == scaler.transform(white).max() == 1
    with pytest.raises(ValueError, match=r"up to 1\.01"):
        scaler.transform(np.float32([[0, 1.01]]))


def test_integers_are_bytes_even_if_all_are_dark():
    with pytest.warns(UserWarning, match="The brightest pixel of X is 1"):
        assert PixelScaler().fit(np.array([[0, 1]], dtype=np.uint8)).pixel_max_ == 255


@pytest.mark.parametrize(
    ("X", "white", "brightest"),
    [
        (np.array([[0, 16]], dtype=np.uint8), 255, 16),
        (np.array([[0.0, 16.0]]), 255, 16),  # scikit-learn's own digits
        (np.array([[0, 1]], dtype=np.uint8), 255, 1),
        (np.array([[0.0, 0.25]]), 1, 0.25),
    ],
)
def test_a_scale_that_is_probably_another_is_a_warning_that_says_what_to_set(X, white, brightest):
    with pytest.warns(UserWarning, match=f"takes white to be {white}, .* set pixel_max={brightest}"):
        PixelScaler().fit(X)
    assert PixelScaler(pixel_max=brightest).fit(X).transform(X).max() == 1


@pytest.mark.parametrize("X", [[[0, 128]], [[0.0, 200.0]], [[0.0, 0.5]], [[0, 0]], [[0.0, 0.0]]])
def test_scales_that_are_not_in_doubt_warn_of_nothing(X):
    PixelScaler().fit(X)


def test_booleans_are_black_and_white():
    np.testing.assert_array_equal(PixelScaler().fit_transform(np.array([[False, True]])), [[0, 1]])


def test_a_scaler_of_bytes_refuses_pixels_in_0_to_1():
    with pytest.raises(ValueError, match=r"fitted on pixels of 0 to 255"):
        PixelScaler().fit(ROWS).transform(ROWS / 255)


def test_a_blank_image_in_fit_does_not_hide_the_scale():
    scaler = PixelScaler().fit(np.vstack([ROWS, np.zeros_like(ROWS[:1])]))
    assert scaler.min_image_max_ == ROWS.max(axis=1).min()
    with pytest.raises(ValueError, match="fitted on pixels of 0 to 255"):
        scaler.transform(ROWS / 255)
    assert PixelScaler().fit(np.zeros((2, 3))).min_image_max_ == 0


def test_a_scaler_of_pixels_in_0_to_1_refuses_bytes():
    with pytest.raises(ValueError, match=r"white is 1 for this PixelScaler \(fitted on pixels of 0 to 1\)"):
        PixelScaler().fit(ROWS / 255).transform(ROWS)


def by_dtype(X=ROWS):
    return PixelScaler(pixel_max="dtype").fit(X)


@pytest.mark.parametrize("X_fit", [ROWS, ROWS / 255], ids=["fitted on bytes", "fitted on floats"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.float16, np.float32, np.float64])
def test_by_dtype_integers_are_bytes_and_floats_are_in_0_to_1(X_fit, dtype):
    X = (ROWS if np.issubdtype(dtype, np.integer) else ROWS / 255).astype(dtype)
    scaled = by_dtype(X_fit).transform(X)
    assert scaled.dtype == np.float32
    expected = X.astype(np.float32) / np.float32(255) if np.issubdtype(dtype, np.integer) else X.astype(np.float32)
    np.testing.assert_array_equal(scaled, expected)


@pytest.mark.parametrize(
    ("X", "scaled"),
    [
        ([[0, 255]], [[0, 1]]),
        ([[0, 0.5]], [[0, 0.5]]),
        ([[False, True]], [[0, 1]]),
        (pd.DataFrame({"a": [0], "b": [255]}), [[0, 1]]),
        (pd.DataFrame({"a": [0], "b": [0.5]}), [[0, 0.5]]),
    ],
    ids=["integers", "floats", "booleans", "frame of integers", "frame of integers and floats"],
)
def test_by_dtype_lists_and_frames_are_what_their_values_are(X, scaled):
    np.testing.assert_array_equal(by_dtype(X).transform(X), scaled)


def test_by_dtype_the_darkest_bytes_are_no_floats():
    np.testing.assert_allclose(by_dtype().transform(np.full((1, 784), 2, np.uint8)), 2 / 255)


@pytest.mark.parametrize(
    ("X", "advice"),
    [
        (ROWS.astype(float), "floats of 0 to 1. Convert pixels of 0 to 255 by X.astype"),
        (ROWS.astype(object), "floats of 0 to 1. Convert pixels of 0 to 255 by X.astype"),
        (ROWS.astype(np.uint16) * 257, "takes integers of 0 to 255, .* Scale X to floats"),
        (ROWS.astype(np.int16) - 1, "Negative values"),
        (ROWS / -255, "Negative values"),
        (ROWS.astype("m8[s]"), "X has dtype timedelta64"),
    ],
    ids=["floats above 1", "objects", "deep pixels", "negative integers", "negative floats", "times"],
)
def test_by_dtype_pixels_beyond_the_scale_are_refused(X, advice):
    with pytest.raises(ValueError, match=advice):
        by_dtype().transform(X)
    with pytest.raises(ValueError, match=advice):
        by_dtype(X)


def test_by_dtype_integers_of_0_and_1_are_a_warning():
    with pytest.warns(
        UserWarning, match=r"The brightest pixel of X is 1, but X has integers, .* use X.astype\(float\)"
    ):
        dark = by_dtype().transform(np.eye(1, 784, dtype=np.int64))
    assert dark.max() == np.float32(1) / np.float32(255)
    assert by_dtype().transform(np.zeros((1, 784), np.int64)).max() == 0
    with pytest.warns(UserWarning, match="pixel_max='dtype' takes white to be 255, .* set pixel_max=1"):
        by_dtype(np.array([[0, 1]]))


@pytest.mark.parametrize(("X", "white"), [(ROWS, 255), (ROWS / 255, 1)], ids=["bytes", "floats"])
def test_by_dtype_pixels_go_back_to_the_scale_of_fit(X, white):
    scaler = by_dtype(X)
    assert (scaler.pixel_max_, scaler.min_image_max_) == (white, X.max(axis=1).min())
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(ROWS)), ROWS * np.float32(white / 255))


def test_by_dtype_floats_are_not_copied():
    pixels = (ROWS / 255).astype(np.float32)
    assert np.shares_memory(by_dtype().transform(pixels), pixels)


def test_by_dtype_is_kept_by_saving(tmp_path):
    loaded = load(save(by_dtype(), tmp_path / "scaler.skops"))
    np.testing.assert_array_equal(loaded.transform(ROWS / np.float32(255)), loaded.transform(ROWS))


def test_a_black_image_is_on_any_scale():
    black = np.zeros((1, 784))
    assert PixelScaler().fit(ROWS).transform(black).max() == 0
    assert PixelScaler().fit(ROWS / 255).transform(black).max() == 0


def test_deep_pixels_need_a_white_point():
    deep = ROWS.astype(np.uint16) * 257
    with pytest.raises(ValueError, match="set pixel_max"):
        PixelScaler().fit(deep)
    np.testing.assert_allclose(PixelScaler(pixel_max=65535).fit_transform(deep), ROWS / 255, rtol=1e-6)


def test_negative_pixels_are_refused():
    with pytest.raises(ValueError, match="Negative values"):
        PixelScaler().fit(-ROWS.astype(float))


@pytest.mark.parametrize("pixel_max", [0, -1, "brightest"])
def test_a_white_point_that_is_none_is_refused(pixel_max):
    with pytest.raises(ValueError, match="'pixel_max' parameter of PixelScaler"):
        PixelScaler(pixel_max=pixel_max).fit(ROWS)


def test_scaler_keeps_names_and_gives_frames_when_asked():
    frame = pd.DataFrame(ROWS[:, :3], columns=["a", "b", "c"])
    scaled = PixelScaler().set_output(transform="pandas").fit_transform(frame)
    assert scaled.columns.tolist() == ["a", "b", "c"]
    assert (scaled.dtypes == np.float32).all()


@given(arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_scaling_bytes_there_and_back_changes_nothing(pixels):
    pixels[0, 0] = 255
    scaler = PixelScaler().fit(pixels)
    scaled = scaler.transform(pixels)
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    np.testing.assert_array_equal(np.rint(scaler.inverse_transform(scaled)), pixels)


@given(arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_any_part_of_the_data_of_fit_is_on_its_scale(pixels):
    pixels[0, 0] = 255
    for scale in (1, 255):
        data = pixels / np.float32(scale)
        scaler = PixelScaler().fit(data)
        for row in data:
            scaler.transform(row[np.newaxis])


@pytest.mark.parametrize("scaler", [MinMaxScaler(), StandardScaler()], ids=lambda scaler: type(scaler).__name__)
def test_scalers_of_scikit_learn_work_in_its_place(scaler, mnist_sample):
    X, y = mnist_sample
    pipe = make_pipeline(ImageFlattener(), scaler, KerasMLPClassifier((32,), epochs=5, random_state=0))
    assert pipe.fit(X[:2000], y[:2000]).score(X[2000:], y[2000:]) > 0.8

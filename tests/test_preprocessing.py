"""ImageFlattener and PixelScaler."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sk_mnist import ImageFlattener, KerasMLPClassifier, PixelScaler

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


def test_pixels_of_non_square_rows_are_named_as_a_single_image_row():
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
def test_colour_images_are_rejected(shape):
    with pytest.raises(ValueError, match=r"takes grey images of shape \(n_samples, height, width\)"):
        ImageFlattener().fit(np.zeros(shape))


def test_another_number_of_pixels_is_rejected():
    flattener = ImageFlattener().fit(IMAGES)
    with pytest.raises(ValueError, match="783 features"):
        flattener.transform(ROWS[:, 1:])
    with pytest.raises(ValueError, match="783 pixels per row"):
        flattener.inverse_transform(ROWS[:, 1:])


def test_an_empty_batch_is_rejected():
    with pytest.raises(ValueError, match="0 sample"):
        ImageFlattener().fit(IMAGES[:0])


def test_float32_in_0_to_1_is_not_copied():
    pixels = (ROWS / 255).astype(np.float32)
    assert np.shares_memory(PixelScaler().fit_transform(pixels), pixels)


@pytest.mark.parametrize("pixel_max", ["auto", 1])
def test_rounding_errors_above_white_count_as_white(pixel_max):
    white, above = np.float32([[0, 1]]), np.float32([[0, 1 + 2e-7]])
    scaler = PixelScaler(pixel_max)
    assert scaler.fit(above).pixel_max_ == 1
    assert scaler.transform(above).max() == scaler.transform(white).max() == 1
    with pytest.raises(ValueError, match=r"up to 1\.01"):
        scaler.transform(np.float32([[0, 1.01]]))


FLOATS = ROWS / 255
# The same images in each form, and one of black and white, with the value of white.
DATA = {
    "uint8": (ROWS, 255),
    "uint16": (ROWS.astype(np.uint16), 255),
    "int64": (ROWS.astype(np.int64), 255),
    "bool": (ROWS > 127, 1),
    "float16": (FLOATS.astype(np.float16), 1),
    "float32": (FLOATS.astype(np.float32), 1),
    "float64": (FLOATS, 1),
    "floats of 255": (ROWS.astype(float), 255),
}


@pytest.mark.parametrize("given", DATA)
@pytest.mark.parametrize("fitted", DATA)
def test_white_follows_the_dtype_of_the_data_whatever_the_scaler_was_fitted_on(fitted, given):
    scaler = PixelScaler().fit(DATA[fitted][0])
    X, white = DATA[given]
    if given == "floats of 255" != fitted:
        with pytest.raises(
            ValueError, match=r"floats of up to 255, but white is 1 in floats .* fit with pixel_max=255"
        ):
            scaler.transform(X)
    elif fitted == "floats of 255" != given and X.dtype.kind == "f":
        with pytest.raises(ValueError, match=r"X has pixels of 0 to 1, .* the same scale as in fit"):
            scaler.transform(X)
    else:
        scaled = scaler.transform(X)
        assert scaled.dtype == np.float32
        np.testing.assert_array_equal(scaled, X.astype(np.float32) / np.float32(white))


@pytest.mark.parametrize("form", DATA)
def test_inverse_transform_returns_to_the_scale_of_fit(form):
    X, white = DATA[form]
    scaler = PixelScaler().fit(X)
    assert (scaler.pixel_max_, scaler.min_image_max_) == (white, X.max(axis=1).min())
    np.testing.assert_allclose(scaler.inverse_transform(FLOATS), FLOATS * white, rtol=1e-6)


@pytest.mark.parametrize("form", ["uint8", "floats of 255"])
def test_a_numeric_pixel_max_is_white_in_integers_and_floats(form):
    scaler = PixelScaler(pixel_max=510).fit(ROWS)
    np.testing.assert_array_equal(scaler.transform(DATA[form][0]), DATA[form][0].astype(np.float32) / np.float32(510))


def test_booleans_are_black_and_white_with_a_numeric_pixel_max():
    np.testing.assert_array_equal(PixelScaler(pixel_max=255).fit(ROWS).transform([[False, True] * 392]), [[0, 1] * 392])


@pytest.mark.parametrize("X_fit", [ROWS, FLOATS], ids=["bytes", "floats of 1"])
def test_pixel_max_set_after_fit_is_used_without_fitting_again(X_fit):
    scaler = PixelScaler().fit(X_fit).set_params(pixel_max=300)
    for form in ("uint8", "floats of 255"):
        np.testing.assert_array_equal(scaler.transform(DATA[form][0]), ROWS.astype(np.float32) / np.float32(300))


def test_a_rejected_fit_leaves_the_scaler_as_it_was():
    scaler = PixelScaler()
    with pytest.raises(ValueError, match="integers of at most 1"):
        scaler.fit(np.eye(1, 784, dtype=int))
    with pytest.raises(NotFittedError):
        scaler.transform(ROWS)
    fitted = vars(scaler.fit(ROWS.astype(float))).copy()
    with pytest.raises(ValueError, match="Scale X, or set pixel_max"):
        scaler.fit(ROWS * 4.0)
    assert vars(scaler) == fitted


@pytest.mark.parametrize(
    ("X", "scaled"),
    [
        ([[0, 255]], [[0, 1]]),
        ([[0, 0.5]], [[0, 0.5]]),
        ([[False, True]], [[0, 1]]),
        (pd.DataFrame({"a": [0], "b": [255]}), [[0, 1]]),
        (pd.DataFrame({"a": [0], "b": [0.5]}), [[0, 0.5]]),
        (pd.DataFrame({"a": [0], "b": [255]}, dtype="Int64"), [[0, 1]]),
    ],
    ids=["integers", "floats", "booleans", "frame of integers", "frame of integers and floats", "nullable integers"],
)
def test_lists_and_data_frames_are_scaled_by_the_type_of_their_values(X, scaled):
    np.testing.assert_array_equal(PixelScaler().fit_transform(X), scaled)


def test_dark_bytes_are_read_as_bytes():
    np.testing.assert_allclose(PixelScaler().fit(FLOATS).transform(np.full((1, 784), 2, np.uint8)), 2 / 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_integers_of_at_most_1_are_rejected_unless_pixel_max_is_a_number(dtype):
    mask = np.eye(1, 784, dtype=dtype)
    message = r"integers of at most 1, but white is 255 .* give X.astype\(bool\)\. .* fit with pixel_max=255"
    with pytest.raises(ValueError, match=message):
        PixelScaler().fit(mask)
    for X_fit in (ROWS, FLOATS, ROWS > 127, ROWS.astype(float)):
        scaler = PixelScaler().fit(X_fit)
        with pytest.raises(ValueError, match=message):
            scaler.transform(mask)
        assert scaler.transform(mask.astype(bool)).max() == 1
    for white in (1, 255):
        assert PixelScaler(pixel_max=white).fit_transform(mask).max() == np.float32(1) / np.float32(white)


@pytest.mark.parametrize(
    ("X", "white", "brightest"),
    [
        (np.array([[0, 16]], dtype=np.uint8), 255, 16),
        (np.array([[0.0, 16.0]]), 255, 16),  # scikit-learn's own digits
        (np.array([[0.0, 0.25]]), 1, 0.25),
    ],
)
def test_warns_about_a_doubtful_scale_and_suggests_pixel_max(X, white, brightest):
    with pytest.warns(UserWarning, match=f"takes white to be {white}, .* set pixel_max={brightest}"):
        PixelScaler().fit(X)
    assert PixelScaler(pixel_max=brightest).fit(X).transform(X).max() == 1


@pytest.mark.parametrize("X", [[[0, 128]], [[0.0, 200.0]], [[0.0, 0.5]], [[0, 0]], [[0.0, 0.0]]])
def test_plausible_scales_do_not_warn(X):
    PixelScaler().fit(X)


def test_a_scaler_with_pixel_max_255_rejects_floats_of_0_to_1():
    with pytest.raises(ValueError, match="fitted on pixels of 0 to 255"):
        PixelScaler(pixel_max=255).fit(ROWS).transform(FLOATS)


def test_a_blank_image_in_fit_does_not_hide_the_scale():
    scaler = PixelScaler().fit(np.vstack([ROWS, np.zeros_like(ROWS[:1])]).astype(float))
    assert scaler.min_image_max_ == ROWS.max(axis=1).min()
    with pytest.raises(ValueError, match="fitted on pixels of 0 to 255"):
        scaler.transform(FLOATS)
    assert PixelScaler().fit(np.zeros((2, 3))).min_image_max_ == 0


@pytest.mark.parametrize("fitted", DATA)
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float64])
def test_a_black_image_is_accepted_on_any_scale(fitted, dtype):
    black = np.zeros((1, 784), dtype)
    assert PixelScaler().fit(DATA[fitted][0]).transform(black).max() == PixelScaler().fit_transform(black).max() == 0


@pytest.mark.parametrize(
    ("X", "advice"),
    [
        (ROWS.astype(np.uint16) * 257, "integers of up to 65535, but white is 255 .* set pixel_max"),
        (ROWS * 257.0, "floats of up to 65535, but white is .* pixel_max"),
        (ROWS.astype(np.int16) - 1, "Negative values"),
        (ROWS / -255, "Negative values"),
        (ROWS.astype("m8[s]"), "X has dtype timedelta64"),
    ],
    ids=["deep pixels", "deep floats", "negative integers", "negative floats", "times"],
)
def test_pixels_beyond_the_scale_are_rejected(X, advice):
    with pytest.raises(ValueError, match=advice):
        PixelScaler().fit(X)
    for form in ("uint8", "floats of 255"):
        with pytest.raises(ValueError, match=advice):
            PixelScaler().fit(DATA[form][0]).transform(X)


def test_16_bit_pixels_can_be_scaled_with_pixel_max_65535():
    deep = ROWS.astype(np.uint16) * 257
    np.testing.assert_allclose(PixelScaler(pixel_max=65535).fit_transform(deep), FLOATS, rtol=1e-6)


@pytest.mark.parametrize(
    ("state", "readable"),
    [
        ({"pixel_max": "dtype", "pixel_max_": 255.0}, ["uint8", "float32", "bool"]),
        ({"pixel_max": "dtype", "pixel_max_": 1.0}, ["uint8", "float32", "bool"]),
        ({"pixel_max": "auto", "pixel_max_": 255.0}, ["uint8", "floats of 255"]),
        ({"pixel_max": "auto", "pixel_max_": 1.0}, ["float32", "bool"]),
        ({"pixel_max": 255, "pixel_max_": 255.0}, ["uint8", "floats of 255"]),
    ],
    ids=["by dtype, bytes", "by dtype, floats", "auto, of 255", "auto, of 1", "a number"],
)
def test_a_scaler_saved_by_version_0_1_still_accepts_its_data(state, readable):
    scaler = PixelScaler.__new__(PixelScaler)
    scaler.__setstate__({**state, "min_image_max_": 0.5 * state["pixel_max_"], "n_features_in_": 784})
    assert scaler.pixel_max == (255 if state["pixel_max"] == 255 else "auto")
    for form in readable:
        X, white = DATA[form]
        np.testing.assert_array_equal(scaler.transform(X), X.astype(np.float32) / np.float32(white))


@pytest.mark.parametrize("pixel_max", [0, -1, "brightest", "dtype"])
def test_a_pixel_max_that_is_not_a_positive_number_is_rejected(pixel_max):
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
def test_any_part_of_the_training_data_is_accepted(pixels):
    pixels[0, 0] = 255
    for scale in (1, 255):
        data = pixels / np.float32(scale)
        scaler = PixelScaler().fit(data)
        for row in data:
            scaler.transform(row[np.newaxis])


@pytest.mark.parametrize("scaler", [MinMaxScaler(), StandardScaler()], ids=lambda scaler: type(scaler).__name__)
def test_scikit_learn_scalers_can_replace_pixel_scaler(scaler, mnist_sample):
    X, y = mnist_sample
    pipe = make_pipeline(ImageFlattener(), scaler, KerasMLPClassifier((32,), epochs=5, random_state=0))
    assert pipe.fit(X[:2000], y[:2000]).score(X[2000:], y[2000:]) > 0.8


@pytest.mark.parametrize(("transformer", "X"), [(ImageFlattener, np.zeros((2, 3, 3))), (PixelScaler, np.eye(3))])
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_fit_transform_calls_the_methods_that_a_subclass_has_changed(transformer, X, method):
    def changed(self, X, y=None):
        called.append(method)
        return getattr(transformer, method)(self, X)

    called = []
    subclass = type("Changed", (transformer,), {method: changed})
    expected = transformer().fit_transform(X)
    np.testing.assert_array_equal(subclass().fit_transform(X), expected)
    assert called == [method]

"""Tables of pixels whose columns NumPy turns into objects: nullable and pyarrow types, booleans beside integers."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier

from sk_mnist import (
    DigitImageNormalizer,
    ImageFlattener,
    PixelScaler,
    RandomInk,
    RandomWarp,
    fetch_mnist,
    load_pretrained,
)
from sk_mnist.metrics import evaluate, expected_calibration_error
from sk_mnist.plotting import DigitsDisplay
from sk_mnist.preprocessing import split_digits

mpl.use("Agg")

DIGITS = load_digits(as_frame=True).data[:20].astype(np.uint8) * 15
MNIST = fetch_mnist(subset="test", normalize=False, as_frame=True).data[:20]


def with_boolean_corner(frame, dtype):
    """Return the frame with its first pixel, which is black, as a boolean."""
    return frame.astype({frame.columns[0]: dtype})


FRAMES = {
    "nullable": lambda frame: frame.astype("UInt8"),
    "nullable int64": lambda frame: frame.astype("Int64"),
    "pyarrow": lambda frame: frame.astype(needs_pyarrow("uint8[pyarrow]")),
    "int64 and booleans": lambda frame: with_boolean_corner(frame.astype("int64"), bool),
    "uint8 and nullable booleans": lambda frame: with_boolean_corner(frame, "boolean"),
    "nullable and plain": lambda frame: with_boolean_corner(frame, "UInt8"),
    "objects": lambda frame: frame.astype(object),
    "array of objects": lambda frame: frame.to_numpy().astype(object),
    "objects with booleans": lambda frame: np.asarray(with_boolean_corner(frame.astype("int64"), bool)),
    "list of rows of objects": lambda frame: list(frame.to_numpy().astype(object)),
    "polars": lambda frame: polars.DataFrame(with_boolean_corner(frame, bool).to_dict("list")),
}
FUNCTIONS = {
    "ImageFlattener": lambda X: ImageFlattener().fit_transform(X),
    "PixelScaler": lambda X: PixelScaler().fit_transform(X),
    "RandomWarp": lambda X: RandomWarp().transform(X, random_state=0),
    "RandomInk": lambda X: RandomInk().transform(X, random_state=0),
    "DigitsDisplay": lambda X: DigitsDisplay.from_predictions(X, [7] * 20, n_images=2).images,
}


def needs_pyarrow(dtype):
    if "pyarrow" in str(dtype):
        pytest.importorskip("pyarrow")
    return dtype


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("frame", FRAMES)
def test_pixels_of_any_integer_type_are_those_of_a_plain_array(frame, function):
    result = FUNCTIONS[function](FRAMES[frame](DIGITS))
    dtype = np.uint8 if result.dtype.kind == "f" else result.dtype
    expected = FUNCTIONS[function](DIGITS.to_numpy(dtype))
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("frame", ["nullable", "pyarrow", "int64 and booleans", "objects"])
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_the_pretrained_pipeline_reads_pixels_of_any_integer_type(frame):
    X, y = FRAMES[frame](MNIST), np.arange(20) % 10
    np.testing.assert_array_equal(load_pretrained().predict_proba(X), load_pretrained().predict_proba(MNIST))
    assert evaluate(load_pretrained(), X, y).log_loss == evaluate(load_pretrained(), MNIST, y).log_loss


def test_images_of_objects_are_images():
    images = DIGITS.to_numpy().reshape(-1, 8, 8)
    for function in (FUNCTIONS["ImageFlattener"], FUNCTIONS["DigitsDisplay"]):
        np.testing.assert_array_equal(function(images.astype(object)), function(images))


@pytest.mark.parametrize("dtype", ["boolean", "bool[pyarrow]", object])
def test_booleans_of_any_type_stay_booleans(dtype):
    frame = (DIGITS > 127).astype(needs_pyarrow(dtype))
    assert ImageFlattener().fit_transform(frame).dtype == bool
    assert PixelScaler().fit_transform(frame).max() == 1


@pytest.mark.parametrize("dtype", ["Float32", "Float64", "float32[pyarrow]"])
def test_floats_of_any_type_are_drawn_and_scaled(dtype):
    frame = (DIGITS / np.float32(240)).astype(needs_pyarrow(dtype))
    np.testing.assert_allclose(PixelScaler().fit_transform(frame), DIGITS.to_numpy(np.float32) / 240)
    assert DigitsDisplay.from_predictions(frame, [7] * 20).images.dtype.kind == "f"


def test_the_names_of_the_columns_are_kept_and_checked():
    scaler = PixelScaler().fit(DIGITS.astype("UInt8"))
    assert scaler.feature_names_in_.tolist() == DIGITS.columns.tolist()
    with pytest.raises(ValueError, match="feature names"):
        scaler.transform(DIGITS.astype("UInt8")[DIGITS.columns[::-1]])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["UInt8", "Int64", "Float32", "object", "uint8[pyarrow]"])
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_a_missing_value_is_the_usual_error_of_scikit_learn(function, dtype):
    frame = DIGITS.astype(needs_pyarrow(dtype))
    frame.iloc[3, 40] = pd.NA
    if function == "ImageFlattener":  # does not look at the pixels
        assert np.isnan(ImageFlattener().fit_transform(frame)[3, 40])
        return
    with pytest.raises(ValueError, match="Input X contains NaN"):
        FUNCTIONS[function](frame)


@pytest.mark.parametrize("dtype", ["UInt8", object, "mixed"])
def test_a_table_is_a_picture_whatever_its_integers(dtype):
    picture = pd.DataFrame(MNIST.to_numpy()[0].reshape(28, 28))
    given = with_boolean_corner(picture.astype("int64"), bool) if dtype == "mixed" else picture.astype(dtype)
    expected = DigitImageNormalizer().transform([picture])
    np.testing.assert_array_equal(DigitImageNormalizer().transform([given]), expected)
    assert [digit.box for digit in split_digits(given)] == [digit.box for digit in split_digits(picture)]


@pytest.mark.parametrize("dtype", ["Float32", "Float64", object])
def test_probabilities_in_a_nullable_frame_are_scored(dtype):
    proba = DummyClassifier().fit(DIGITS, [0, 1] * 10).predict_proba(DIGITS)
    frame = pd.DataFrame(proba).astype(dtype)
    assert expected_calibration_error([0, 1] * 10, frame) == expected_calibration_error([0, 1] * 10, proba)
    frame.iloc[0, 0] = pd.NA
    with pytest.raises(ValueError, match="NaN"):
        expected_calibration_error([0, 1] * 10, frame)

"""Pixels that NumPy turns into objects: nullable and pyarrow types, booleans beside integers, columns of images."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier

from sk_mnist import (
    DigitImageNormalizer,
    ImageFlattener,
    KerasMLPClassifier,
    PixelScaler,
    RandomInk,
    RandomWarp,
    fetch_mnist,
    load_pretrained,
    read_digits,
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


IMAGES = DIGITS.to_numpy().reshape(-1, 8, 8)


def array_of(items):
    """Return a 1-D array of objects, which NumPy would rather make an array of pixels."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def nested(items):
    return [item.tolist() for item in items]


def as_parquet(items):
    """Return a column as pandas does after it has read it from a parquet file."""
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({"image": nested(items)}).to_pandas()


COLUMNS = {
    "Series": lambda items: pd.Series(list(items)),
    "frame": lambda items: pd.DataFrame({"image": list(items)}),
    "array of objects": lambda items: array_of(list(items)),
    "column of objects": lambda items: array_of(list(items))[:, np.newaxis],
    "Series of lists": lambda items: pd.Series(nested(items)),
    "Series of arrays of arrays": lambda items: pd.Series([array_of(list(item)) for item in items]),
    "parquet": as_parquet,
    "parquet, a Series": lambda items: as_parquet(items)["image"],
    "polars": lambda items: polars.Series(nested(items)),
    "polars, shaped": lambda items: polars.Series(nested(items), dtype=polars.Array(polars.UInt8, items[0].shape)),
    "polars, a frame": lambda items: polars.DataFrame({"image": nested(items)}),
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("function", ["ImageFlattener", "RandomWarp", "RandomInk", "DigitsDisplay"])
def test_a_column_of_images_is_a_batch(column, function):
    if function.startswith("Random"):  # whose result depends on the dtype
        assert FUNCTIONS[function](COLUMNS[column](IMAGES)).shape == IMAGES.shape
    else:
        np.testing.assert_array_equal(FUNCTIONS[function](COLUMNS[column](IMAGES)), FUNCTIONS[function](IMAGES))


ROWS, LABELS = DIGITS.to_numpy(np.float32) / 240, np.arange(20) % 2


@pytest.fixture(scope="module")
def network():
    column = pd.Series(list(ROWS))
    mlp = KerasMLPClassifier((4,), epochs=1, random_state=0)
    return mlp.fit(column, LABELS, X_val=column, y_val=LABELS, X_outliers=column)


def test_a_network_is_fitted_on_columns_of_rows(network):
    expected = clone(network).fit(ROWS, LABELS, X_val=ROWS, y_val=LABELS, X_outliers=ROWS)
    np.testing.assert_array_equal(network.coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_of_rows_is_a_batch(column, network):
    X = DIGITS.to_numpy()
    np.testing.assert_array_equal(PixelScaler().fit_transform(COLUMNS[column](X)), PixelScaler().fit_transform(X))
    np.testing.assert_array_equal(network.predict_proba(COLUMNS[column](X)), network.predict_proba(X))


@pytest.mark.parametrize("column", ["Series", "frame", "parquet", "polars"])
def test_the_pretrained_pipeline_reads_a_column_of_images(column):
    X = MNIST.to_numpy().reshape(-1, 28, 28)
    np.testing.assert_array_equal(load_pretrained().predict(COLUMNS[column](X)), load_pretrained().predict(X))


def test_a_column_of_pillow_images_is_a_batch():
    column = pd.Series([Image.fromarray(image) for image in IMAGES])
    np.testing.assert_array_equal(ImageFlattener().fit_transform(column), DIGITS)


@pytest.mark.parametrize("column", sorted(COLUMNS.keys() - {"polars, shaped"}))
@pytest.mark.parametrize("function", ["ImageFlattener", "PixelScaler", "RandomWarp", "DigitsDisplay"])
def test_the_error_for_items_of_different_shapes_names_the_first_that_differs(column, function):
    images = [*IMAGES[:3], IMAGES[3, 1:], IMAGES[4, 2:], *IMAGES[5:]]
    with pytest.raises(ValueError, match=r"X\[0\] has \(8, 8\), but X\[3\] has \(7, 8\)\. .*read_digits"):
        FUNCTIONS[function](COLUMNS[column](images))


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (None, r"but X\[3\] has the type NoneType"),
        ("a.png", r"but X\[3\] has the type str"),
        ([[1, 2], [3]], r"X\[3\] is not an array"),
        (array_of([np.zeros(8), np.zeros(7)]), r"X\[3\]\[0\] has \(8,\), but X\[3\]\[1\] has \(7,\)"),
    ],
    ids=["missing", "file name", "ragged lists", "ragged arrays"],
)
def test_the_error_for_an_item_that_is_no_image_names_it(item, reason):
    with pytest.raises(ValueError, match=reason):
        ImageFlattener().fit(pd.Series([*IMAGES[:3], item]))


@pytest.mark.parametrize("item", ["a.png", b"png", Path("a.png")])
def test_the_error_for_a_column_of_files_names_read_digits(item):
    with pytest.raises(ValueError, match=rf"X is a Series of {type(item).__name__}; .*read_digits"):
        ImageFlattener().fit(pd.Series([item, item], dtype=object))


@pytest.mark.parametrize("column", COLUMNS)
def test_pictures_come_in_columns(column):
    X = MNIST.to_numpy()[:2].reshape(-1, 28, 28)
    expected = DigitImageNormalizer().transform(X)
    np.testing.assert_array_equal(DigitImageNormalizer().transform(COLUMNS[column](X)), expected)


@pytest.mark.parametrize("column", ["Series", "frame", "array of objects"])
def test_a_column_of_pictures_is_not_one_picture(column):
    with pytest.raises(ValueError, match=r"of 20 pictures; read_digits takes one picture"):
        read_digits(COLUMNS[column](IMAGES))

"""Networks are scored on distorted images and on pictures like those of people's own digits."""

import importlib
import importlib.util
import json
import re

import numpy as np
import pytest

import sk_mnist
from tests.helpers.benchmarks import PNG, run, run_with


@pytest.fixture
def distorted(shared):
    """Versions of two images with one white square of 2 x 2 pixels, by name."""
    images = np.zeros((2, 28, 28), dtype=np.float32)
    images[:, 13:15, 13:15] = 1
    return dict(importlib.import_module("robustness").distorted_versions(images))


def test_all_versions_are_images_and_each_differs(distorted):
    first, *others = distorted.values()
    for version in others:
        assert version.shape == first.shape
        assert version.dtype == np.float32
        assert version.min() >= 0
        assert version.max() <= 1
        assert not np.array_equal(version, first)


@pytest.mark.parametrize("pixels", [1, 2, 3, 4])
def test_a_shift_is_by_so_many_pixels_in_one_of_8_directions(distorted, pixels):
    for image in distorted[f"shifted by {pixels} px"]:
        rows, columns = np.nonzero(image)
        down, right = rows.min() - 13, columns.min() - 13
        assert (down, right) != (0, 0)
        assert {abs(down), abs(right)} <= {0, pixels}
        assert image.sum() == 4


def test_strokes_are_thickened_and_thinned_by_a_pixel_on_each_side(distorted):
    assert distorted["strokes thickened"][0].sum() == 16
    assert distorted["strokes thinned"].sum() == 0


@pytest.mark.slow
def test_kept_networks_are_scored_on_distorted_images(tmp_path):
    X, y = sk_mnist.fetch_mnist(subset="train", return_X_y=True)
    network = sk_mnist.KerasMLPClassifier((16,), epochs=1, batch_size=128, random_state=0).fit(X[:5000], y[:5000])
    for name in ("reference", "fast", "accurate"):
        sk_mnist.save(network, tmp_path / f"{name}-test-0.skops")
    process = run("robustness", "--images", "500", "--models", str(tmp_path), "--output", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "wide is left out" in process.stdout
    assert "training" not in process.stderr
    X_test, y_test = sk_mnist.fetch_mnist(subset="test", return_X_y=True)
    content = json.loads((tmp_path / "robustness.json").read_text())
    accuracy = content["accuracy"]["accurate"]
    assert content["accuracy"]["reference"] == accuracy
    assert 0.5 < accuracy["as they are"] == network.score(X_test[:500], y_test[:500])
    assert accuracy["shifted by 4 px"] < accuracy["shifted by 1 px"]
    for name, value in accuracy.items():
        assert re.search(rf"^  {re.escape(name)} +{100 * value:.2f}% ", process.stdout, re.MULTILINE), process.stdout
    if importlib.util.find_spec("matplotlib"):
        assert (tmp_path / "robustness.png").read_bytes().startswith(PNG)


@pytest.mark.slow
def test_pictures_of_own_digits_are_read_with_and_without_the_normaliser(tmp_path):
    process = run_with("own_digits.N_NO_DIGITS = 50", "own_digits", "--images", "100", "--models", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "accurate is left out" in process.stdout
    rows = dict(re.findall(r"^  (\w[^%]*?) {2,}(.*%)$", process.stdout, re.MULTILINE))
    for name in ("scaled 4 times", "inverted", "on paper", "JPEG"):
        reference, normalized, _, pretrained = (float(share.rstrip("%")) for share in rows[name].split())
        assert reference < 40
        assert min(normalized, pretrained) >= 95

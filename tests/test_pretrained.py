"""load_pretrained: the model that comes with the package."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sk_mnist import evaluate, fetch_mnist, load, load_pretrained, save, to_onnx
from sk_mnist.pretrained import _load
from tests.helpers.networks import weights_of
from tests.helpers.processes import output_of

SCRIPT = Path(__file__).parent.parent / "examples" / "train_pretrained.py"
CARD = json.loads((_load.DATA / "robust.json").read_text())
TEST = fetch_mnist(subset="test", normalize=False)
IMAGES, ROWS = TEST.images[:200], TEST.data[:200]
FLOATS = ROWS / np.float32(255)


@pytest.fixture(scope="module")
def probabilities():
    return load_pretrained().predict_proba(IMAGES)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A copy of the files in the package, which is loaded instead."""
    directory = shutil.copytree(_load.DATA, tmp_path / "data")
    monkeypatch.setattr(_load, "DATA", directory)
    return directory


class TestModel:
    def test_the_test_scores_match_the_model_card(self):
        result = evaluate(load_pretrained("robust"), TEST.images, TEST.target)
        assert abs(result.accuracy - CARD["test"]["accuracy"]) < 1.5 / 10_000  # one image
        assert result.log_loss == pytest.approx(CARD["test"]["log_loss"], abs=1e-4)
        assert CARD["test"]["n_images"] == result.n_samples == 10_000

    def test_the_weights_match_the_model_card(self):
        weights = weights_of(load_pretrained()["mlp"])
        digests = [hashlib.sha256(array.astype("<f4").tobytes()).hexdigest() for array in weights]
        assert digests == [
            digest for name, digest in CARD["sha256"].items() if name.startswith(("coef_", "intercept_"))
        ]
        assert [array.dtype for array in weights] == [np.float32] * 8

    @pytest.mark.parametrize(
        "X",
        [
            ROWS,
            ROWS.astype(np.int64),
            IMAGES[..., np.newaxis],
            FLOATS,
            FLOATS.reshape(-1, 28, 28),
            IMAGES.tolist(),
            fetch_mnist(subset="test", as_frame=True, normalize=False).data[:200],
            fetch_mnist(subset="test", as_frame=True).data[:200],
        ],
        ids=["rows", "int64", "channel", "floats", "images of floats", "lists", "frame", "frame of floats"],
    )
    @pytest.mark.filterwarnings("ignore:X has feature names")
    def test_takes_images_and_rows_of_bytes_and_of_floats(self, X, probabilities):
        np.testing.assert_array_equal(load_pretrained().predict_proba(X), probabilities)

    @pytest.mark.parametrize(
        ("X", "reason"),
        [
            (ROWS.astype(float), "floats of up to 255, but white is 1 in floats .* pixel_max=255"),
            (ROWS.astype(np.uint16) * 257, "integers of up to 65535"),
            (np.eye(1, 784, dtype=int), "integers of at most 1"),
            (FLOATS - np.float32(0.5), "Negative values"),
            (ROWS[:, 1:], "783 features"),
            (np.zeros((2, 28, 28, 3)), "takes grey images"),
        ],
        ids=["floats above 1", "deep pixels", "integers of 0 and 1", "negative", "783 pixels", "colours"],
    )
    def test_rejects_other_scales_and_shapes(self, X, reason):
        with pytest.raises(ValueError, match=reason):
            load_pretrained().predict(X)

    def test_needs_no_tensorflow_and_no_skops(self):
        code = """
import sys
for blocked in ("tensorflow", "keras", "scikeras", "skops"):
    sys.modules[blocked] = None  # importing it is an ImportError
from sk_mnist import fetch_mnist, load_pretrained
print(load_pretrained().score(*fetch_mnist(subset="test", return_X_y=True)))
"""
        assert float(output_of(code)) == pytest.approx(CARD["test"]["accuracy"], abs=1.5 / 10_000)

    def test_another_version_of_scikit_learn_does_not_warn(self, monkeypatch):
        monkeypatch.setattr(sklearn, "__version__", "99.0")
        load_pretrained().predict(IMAGES)

    def test_changing_a_loaded_model_does_not_change_the_next_one(self, probabilities):
        model = load_pretrained()
        for array in weights_of(model["mlp"]):
            array[:] = 0
        model["mlp"].loss_curve_.clear()
        model["mlp"].classes_[:] = 0
        other = load_pretrained()
        np.testing.assert_array_equal(other.predict_proba(IMAGES), probabilities)
        assert (len(other["mlp"].loss_curve_), other.classes_.tolist()) == (CARD["parameters"]["epochs"], [*range(10)])

    def test_loading_does_not_change_the_global_random_state(self):
        np.random.seed(0)
        expected = np.random.random()
        np.random.seed(0)
        load_pretrained()
        assert np.random.random() == expected


class TestAsAnyFittedPipeline:
    def test_has_the_attributes_of_a_fitted_pipeline(self):
        model = load_pretrained()
        fitted = clone(model).set_params(mlp__epochs=1)
        fitted.fit(FLOATS.reshape(-1, 28, 28), TEST.target[:200], mlp__X_outliers=FLOATS[:20])
        for (name, step), (_, fitted_step) in zip(model.steps, fitted.steps, strict=True):
            found, expected = vars(step), vars(fitted_step)
            assert {key: type(value) for key, value in found.items()} == {k: type(v) for k, v in expected.items()}, name
        assert vars(model["flatten"]) == vars(fitted["flatten"])
        assert model["scale"].pixel_max_ == fitted["scale"].pixel_max_
        assert model["mlp"]._seed == fitted["mlp"]._seed
        assert model["mlp"].history_.keys() == fitted["mlp"].history_.keys()
        assert model["mlp"].classes_.dtype == fitted["mlp"].classes_.dtype

    def test_parameters_match_the_model_card(self):
        mlp = load_pretrained()["mlp"]
        assert (mlp.hidden_layer_sizes, mlp.teacher) == ((128, 64, 32), None)
        assert (mlp.epochs, mlp.random_state) == (CARD["parameters"]["epochs"], CARD["seed"])
        changes = [{"class": type(change).__name__, **change.get_params()} for change in mlp.augmentation]
        assert changes == CARD["parameters"]["augmentation"]

    def test_saving_and_pickling_keep_the_predictions(self, tmp_path, probabilities):
        model = load_pretrained()
        for copied in (load(save(model, tmp_path / "model.skops")), pickle.loads(pickle.dumps(model))):
            np.testing.assert_array_equal(copied.predict_proba(IMAGES), probabilities)

    def test_a_clone_is_not_fitted(self):
        with pytest.raises(NotFittedError):
            clone(load_pretrained()).predict(IMAGES)

    def test_training_continues_from_the_pretrained_weights(self, mnist_sample):
        X, y = mnist_sample
        model = load_pretrained()
        n_epochs = len(model["mlp"].loss_curve_)
        model["mlp"].partial_fit(model[:-1].transform(X), y)
        assert len(model["mlp"].loss_curve_) == n_epochs + 1
        model.set_params(mlp__warm_start=True, mlp__epochs=2).fit(X, y)
        assert len(model["mlp"].loss_curve_) == n_epochs + 3
        # Far from where a new network would be after so few batches.
        assert model["mlp"].loss_ < 0.8

    # As of any Pipeline that was fitted without frames.
    @pytest.mark.filterwarnings("ignore:X has feature names")
    def test_transformers_give_frames_when_asked(self, probabilities):
        model = load_pretrained().set_output(transform="pandas")
        assert isinstance(model[:-1].transform(IMAGES), pd.DataFrame)
        assert model["flatten"].transform(IMAGES).columns[-1] == "pixel_27_27"
        np.testing.assert_array_equal(model.predict_proba(IMAGES), probabilities)

    @pytest.mark.parametrize("X", [IMAGES, FLOATS.reshape(-1, 28, 28)], ids=["bytes", "floats"])
    def test_onnx_predicts_the_same(self, X, probabilities):
        model = to_onnx(load_pretrained(), input_dtype=X.dtype.name)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        np.testing.assert_allclose(session.run(["probabilities"], {"X": X})[0], probabilities, atol=1e-5)


class TestErrors:
    def test_an_unknown_model_is_rejected_with_a_list_of_the_known_ones(self):
        with pytest.raises(ValueError, match=r"no pretrained model 'best'\. Known: robust\."):
            load_pretrained("best")

    def test_the_former_model_is_rejected_with_the_name_of_the_new_one(self):
        with pytest.raises(ValueError, match=r"no pretrained model 'accurate'\. It is replaced by \"robust\"\."):
            load_pretrained("accurate")

    def test_modified_weights_are_rejected(self, files):
        with np.load(files / "robust.npz") as archive:
            arrays = dict(archive)
        arrays["coef_2"][5, 5] += 1e-6
        np.savez(files / "robust.npz", **arrays)
        with pytest.raises(OSError, match=r"the sha256 of coef_2 is .* instead of .*Install sk-mnist again"):
            load_pretrained()

    @pytest.mark.parametrize("name", ["robust.npz", "robust.json"])
    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: content[:200],
            lambda content: b"",
            lambda content: content.replace(b"coef_1", b"feoc_1"),
            lambda content: bytes(255 - byte for byte in content),
        ],
        ids=["cut", "empty", "renamed", "inverted"],
    )
    def test_damaged_files_raise_os_error(self, files, name, damage):
        (files / name).write_bytes(damage((files / name).read_bytes()))
        with pytest.raises(OSError, match=r"The pretrained model 'robust' in .* cannot be read"):
            load_pretrained()

    @pytest.mark.parametrize("change", [
        {"parameters": None}, {"parameters": {}}, {"min_image_max": "?"}, {"sha256": {}},
        {"parameters": CARD["parameters"] | {"augmentation": [{"class": "Wind"}]}},
    ])  # fmt: skip
    def test_an_invalid_model_card_raises_os_error(self, files, change):
        (files / "robust.json").write_text(json.dumps(CARD | change))
        with pytest.raises(OSError, match=r"The pretrained model 'robust' in .* cannot be read"):
            load_pretrained()

    @pytest.mark.parametrize("name", ["robust.npz", "robust.json"])
    def test_missing_files_raise_os_error(self, files, name):
        (files / name).unlink()
        with pytest.raises(OSError, match=r"cannot be read: .*No such file"):
            load_pretrained()


class TestCard:
    def test_says_where_the_model_comes_from(self):
        assert CARD["command"].startswith("python examples/train_pretrained.py")
        assert CARD["data"]["licence"] == "CC-BY-SA-3.0"
        assert CARD["versions"].keys() >= {"python", "sk-mnist", "scikit-learn", "tensorflow", "keras", "numpy"}
        assert CARD["training"]["n_images"] == 60_000
        assert CARD["training"]["n_no_digits"] == 7000
        assert CARD["training"]["n_drawn_digits"] > 5000


@pytest.mark.weekly
@pytest.mark.slow
def test_the_training_script_resumes_and_reproduces_the_same_files(tmp_path):
    def run():
        command = [sys.executable, SCRIPT, "--epochs", "1", "--rows", "2000", "--models", tmp_path]
        process = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [line.split()[1] for line in process.stdout.splitlines() if line.startswith("training")]
        return lines, [(tmp_path / name).read_bytes() for name in ("robust.npz", "robust.json")]

    before = [path.read_bytes() for path in sorted(_load.DATA.iterdir())]
    trained, files = run()
    assert len(trained) == 3
    assert json.loads(files[1])["command"] == "python examples/train_pretrained.py --epochs 1 --rows 2000"
    # One of the networks is trained again, and is the same.
    (tmp_path / trained[0]).unlink()
    assert run() == ([trained[0]], files)
    # A trial writes nothing into the package.
    assert [path.read_bytes() for path in sorted(_load.DATA.iterdir())] == before

"""Saving, loading, and handing over to ONNX and Keras."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import onnxruntime
import pytest
import skops.io
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import sk_mnist
from sk_mnist import KerasMLPClassifier, fetch_mnist, load, make_mnist_pipeline, save, to_onnx


class Mine(StandardScaler):
    """A type that this package does not know."""


@pytest.fixture(scope="module")
def images():
    mnist = fetch_mnist(subset="train", normalize=False)
    return mnist.images[:600], mnist.target[:600]


@pytest.fixture(scope="module")
def fitted(images):
    return make_mnist_pipeline(epochs=2, random_state=0).fit(*images)


@pytest.fixture
def saved(fitted, tmp_path):
    return save(fitted, tmp_path / "model.skops")


def rewrite(path, change):
    """Rewrite the members of a zip file, uncompressed, with ``change(name, content)``."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if (changed := change(name, content)) is not None:
                archive.writestr(name, changed)


class TestRoundTrip:
    def test_predictions_are_the_same_bit_for_bit(self, fitted, saved, images):
        np.testing.assert_array_equal(load(saved).predict_proba(images[0]), fitted.predict_proba(images[0]))

    def test_a_process_that_cannot_import_tensorflow_predicts_the_same(self, fitted, saved, images, tmp_path):
        np.save(tmp_path / "images.npy", images[0])
        code = f"""
import sys
for blocked in ("tensorflow", "keras", "scikeras"):
    sys.modules[blocked] = None  # importing it is an ImportError
import numpy, sk_mnist
proba = sk_mnist.load({str(saved)!r}).predict_proba(numpy.load({str(tmp_path / "images.npy")!r}))
numpy.save({str(tmp_path / "proba.npy")!r}, proba)
"""
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        np.testing.assert_array_equal(np.load(tmp_path / "proba.npy"), fitted.predict_proba(images[0]))

    def test_all_that_was_fitted_comes_back(self, fitted, saved):
        before, after = fitted["mlp"], load(saved)["mlp"]
        assert after.history_ == before.history_
        assert after.classes_.tolist() == before.classes_.tolist()
        assert after.get_params() == before.get_params()

    def test_training_goes_on_as_if_never_saved(self, images, tmp_path):
        X, y = images[0].reshape(-1, 784) / 255, images[1]
        straight = KerasMLPClassifier((8,), random_state=0).partial_fit(X, y, classes=np.arange(10))
        loaded = load(save(straight, tmp_path / "model.skops")).partial_fit(X, y)
        np.testing.assert_array_equal(loaded.coefs_[0], straight.partial_fit(X, y).coefs_[0])

    def test_the_best_of_a_search_with_string_labels(self, images, tmp_path):
        X, y = images
        names = np.array([f"digit {label}" for label in y])
        pipe = make_mnist_pipeline(epochs=1, random_state=0)
        search = GridSearchCV(pipe, {"mlp__alpha": [0.0, 0.1]}, cv=2).fit(X, names)
        loaded = load(save(search.best_estimator_, tmp_path / "best.skops"))
        np.testing.assert_array_equal(loaded.predict(X), search.predict(X))

    def test_skops_itself_opens_the_file(self, fitted, saved, images):
        loaded = skops.io.load(saved, trusted=skops.io.get_untrusted_types(file=saved))
        np.testing.assert_array_equal(loaded.predict(images[0]), fitted.predict(images[0]))

    def test_paths_may_be_strings_with_blanks_and_umlauts(self, fitted, tmp_path):
        assert load(str(save(fitted, str(tmp_path / "mein größtes Modell")))).steps[0][0] == "flatten"


class TestSave:
    def test_an_existing_file_is_replaced_whole_or_not_at_all(self, saved):
        before = saved.read_bytes()
        with pytest.raises(TypeError, match="holds something that cannot be saved"):
            save(make_pipeline(FunctionTransformer(kw_args={"generator": (i for i in ())})), saved)
        assert saved.read_bytes() == before
        assert [path.name for path in saved.parent.iterdir()] == [saved.name]

    def test_a_keras_object_is_refused_with_the_way_out(self, tmp_path):
        import keras

        with pytest.raises(TypeError, match="can be replaced by set_params"):
            save(KerasMLPClassifier(optimizer=keras.optimizers.SGD(0.1)), tmp_path / "model.skops")
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_estimator_is_refused(self, tmp_path):
        with pytest.raises(TypeError, match="estimator must be an estimator or a Pipeline; got dict"):
            save({}, tmp_path / "model.skops")

    def test_a_directory_that_is_not_there_is_an_error_of_the_system(self, fitted, tmp_path):
        with pytest.raises(FileNotFoundError):
            save(fitted, tmp_path / "no" / "model.skops")


class TestTrust:
    def test_other_types_are_refused_by_name(self, tmp_path):
        path = save(Mine().fit([[0.0], [1.0]]), tmp_path / "mine.skops")
        with pytest.raises(ValueError, match=rf"types that are not trusted: {Mine.__module__}\.Mine\."):
            load(path)

    def test_other_types_can_be_trusted(self, tmp_path):
        path = save(Mine().fit([[0.0], [1.0]]), tmp_path / "mine.skops")
        assert isinstance(load(path, trusted=[f"{Mine.__module__}.Mine"]), Mine)


class TestDamage:
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_a_truncated_file_is_refused(self, saved, share):
        content = saved.read_bytes()
        saved.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"is damaged, or no model saved by sk_mnist\.save"):
            load(saved)

    def test_a_flipped_bit_in_the_weights_is_refused(self, saved):
        content = bytearray(saved.read_bytes())
        content[len(content) // 3] ^= 1
        saved.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged"):
            load(saved)

    @pytest.mark.parametrize(
        "content",
        [b"not a zip file", b"\x80\x04}\x94.", b"PK\x05\x06" + bytes(18)],
        ids=["text", "pickle", "empty zip"],
    )
    def test_a_foreign_file_is_refused(self, tmp_path, content):
        (tmp_path / "foreign").write_bytes(content)
        with pytest.raises(ValueError, match="is damaged, or no model"):
            load(tmp_path / "foreign")

    def test_another_zip_file_is_refused(self, tmp_path):
        np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
        with pytest.raises(ValueError, match="is damaged, or no model"):
            load(tmp_path / "arrays.npz")

    def test_a_zip_bomb_is_refused_unopened(self, tmp_path):
        path = tmp_path / "bomb.skops"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("schema.json", b" " * 50_000_000)
        assert path.stat().st_size < 100_000
        with pytest.raises(ValueError, match=r"its member 'schema\.json' is compressed"):
            load(path)

    def test_an_array_that_promises_more_than_it_holds_is_refused(self, saved):
        def promise(name, content):
            if not name.endswith(".npy"):
                return content
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)})
            return header.getvalue() + content[128:]

        rewrite(saved, promise)
        with pytest.raises(ValueError, match="is damaged"):
            load(saved)

    def test_no_file_is_an_error_of_the_system(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nothing.skops")


class TestVersions:
    def change_versions(self, path, **versions):
        def change(name, content):
            if name != "sk-mnist-versions.json":
                return content
            return json.dumps({**json.loads(content), **{key.replace("_", "-"): v for key, v in versions.items()}})

        rewrite(path, change)

    def test_another_version_of_scikit_learn_is_warned_of(self, saved):
        self.change_versions(saved, scikit_learn="1.8.0")
        with pytest.warns(InconsistentVersionWarning, match=r"from version 1\.8\.0"):
            load(saved)

    def test_another_version_of_the_package_is_warned_of(self, saved):
        self.change_versions(saved, sk_mnist="99.0")
        with pytest.warns(UserWarning, match=rf"saved by sk-mnist 99\.0, and this is {sk_mnist.__version__}"):
            load(saved)

    def test_a_file_without_versions_is_warned_of(self, fitted, tmp_path):
        skops.io.dump(fitted, tmp_path / "plain.skops")
        with pytest.warns(UserWarning, match="does not say which versions saved it"):
            load(tmp_path / "plain.skops")


class TestOnnx:
    def run(self, model, X):
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(["label", "probabilities"], {"X": X})

    @pytest.mark.parametrize("input_dtype", ["float32", "uint8"])
    def test_images_through_a_pipeline(self, fitted, images, input_dtype):
        X = images[0].astype(input_dtype)
        labels, proba = self.run(to_onnx(fitted, input_dtype=input_dtype), X)
        np.testing.assert_array_equal(labels, fitted.predict(X))
        np.testing.assert_allclose(proba, fitted.predict_proba(X), atol=1e-5)

    def test_rows_through_a_pipeline_fitted_on_rows_in_0_to_1(self, images):
        X, y = images[0].reshape(-1, 784) / np.float32(255), images[1]
        pipe = make_mnist_pipeline(epochs=1, random_state=0).fit(X, y)
        np.testing.assert_allclose(self.run(to_onnx(pipe), X)[1], pipe.predict_proba(X), atol=1e-5)

    @pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "elu", "gelu", "silu"])
    def test_every_activation(self, activation):
        X = 3 * np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
        y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
        mlp = KerasMLPClassifier((8, 6), activation=activation, epochs=3, random_state=0).fit(X, y)
        labels, proba = self.run(to_onnx(mlp), X)
        np.testing.assert_array_equal(labels, mlp.predict(X))
        np.testing.assert_allclose(proba, mlp.predict_proba(X), atol=1e-5)

    @pytest.mark.parametrize("labels", [["b", "a", "c"], [3, 1, 2], [True, False, True], [2.0, 0.0, 1.0]], ids=str)
    def test_labels_of_every_kind(self, labels):
        X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        y = np.array(labels)[np.arange(90) % 3]
        mlp = KerasMLPClassifier((6,), epochs=3, random_state=0).fit(X, y)
        np.testing.assert_array_equal(self.run(to_onnx(mlp), X)[0], mlp.predict(X))

    def test_scalers_of_scikit_learn_in_a_pipeline(self, images):
        X, y = images[0].reshape(-1, 784).astype(np.float32), images[1]
        pipe = make_pipeline(StandardScaler(), KerasMLPClassifier((8,), epochs=1, random_state=0)).fit(X, y)
        np.testing.assert_allclose(self.run(to_onnx(pipe), X)[1], pipe.predict_proba(X), atol=1e-5)

    def test_a_float64_network_is_computed_in_float32(self):
        X = np.random.default_rng(0).normal(size=(50, 4))
        mlp = KerasMLPClassifier((6,), dtype="float64", epochs=3, random_state=0).fit(X, X[:, 0] > 0)
        np.testing.assert_allclose(self.run(to_onnx(mlp), X.astype(np.float32))[1], mlp.predict_proba(X), atol=1e-5)

    def test_not_fitted(self):
        with pytest.raises(NotFittedError):
            to_onnx(KerasMLPClassifier())

    @pytest.mark.parametrize(
        ("given", "name"), [({"input_dtype": "int8"}, "input_dtype"), ({"estimator": 3}, "estimator")]
    )
    def test_wrong_arguments_are_named(self, given, name):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of to_onnx"):
            to_onnx(**{"estimator": LogisticRegression(), **given})

    def test_a_missing_extra_is_one_sentence(self, fitted, monkeypatch):
        monkeypatch.setitem(sys.modules, "skl2onnx", None)
        with pytest.raises(ImportError, match=r"^to_onnx needs skl2onnx: pip install 'sk-mnist\[onnx\]'$"):
            to_onnx(fitted)


# h5py, which Keras writes weights with, has not caught up with NumPy 2 here.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_keras_file_opens_in_plain_keras_in_a_fresh_process(fitted, images, tmp_path):
    X = (images[0].reshape(-1, 784) / np.float32(255)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    fitted["mlp"].to_keras().save(tmp_path / "model.keras")
    code = f"""
import sys, keras, numpy
model = keras.models.load_model({str(tmp_path / "model.keras")!r})
numpy.save({str(tmp_path / "proba.npy")!r}, model.predict(numpy.load({str(tmp_path / "X.npy")!r}), verbose=0))
assert "sk_mnist" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "proba.npy"), fitted["mlp"].predict_proba(X), atol=1e-5)

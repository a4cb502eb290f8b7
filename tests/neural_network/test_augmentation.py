"""KerasMLPClassifier(augmentation=...): what is distorted, when, and what is not."""

import copy
import os
import pickle

import keras
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sk_mnist import PixelScaler, RandomInk, RandomWarp, load, save
from sk_mnist.neural_network._job import XLA_MIN_STEPS
from tests.helpers.networks import assert_close_models, assert_same_model, small, weights_of
from tests.helpers.processes import output_of

# For images of 8 x 8 pixels.
SMALL_WARP = {"rotation": 8.0, "translation": 0.6, "elastic": 0.2}

# Steps at a rate of next to nothing, so that the training loss of an epoch measures the images that it saw.
STILL = {"learning_rate": 1e-30, "warm_start": True}


@pytest.fixture(scope="module")
def digits():
    """600 images of scikit-learn's digits as rows in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


def augmented(**params):
    return small(**{"epochs": 3, "augmentation": RandomWarp(**SMALL_WARP), **params})


def differ(one, other):
    return any((a != b).any() for a, b in zip(weights_of(one), weights_of(other), strict=True))


class TestChoice:
    @pytest.mark.parametrize(("name", "warp"), [("elastic", RandomWarp()), ("affine", RandomWarp(elastic=0))])
    def test_augmentation_by_name_equals_the_corresponding_random_warp(self, digits, name, warp):
        by_name, by_warp = augmented(augmentation=name).fit(*digits), augmented(augmentation=warp).fit(*digits)
        assert_same_model(by_name, by_warp)
        assert by_name.augmentation == name

    def test_different_augmentations_train_different_networks(self, digits):
        models = [augmented(augmentation=choice).fit(*digits) for choice in (None, "affine", "elastic", RandomWarp())]
        assert differ(models[0], models[1])
        assert differ(models[1], models[2])
        assert not differ(models[2], models[3])

    def test_a_warp_with_all_strengths_zero_changes_nothing(self, digits):
        nothing = RandomWarp(rotation=0, scale=0, shear=0, translation=0, elastic=0)
        assert_close_models(augmented(augmentation=nothing).fit(*digits), augmented(augmentation=None).fit(*digits))

    def test_image_shape_decides_how_non_square_images_are_distorted(self, digits):
        X, y = digits[0].reshape(-1, 8, 8)[:, :, 2:6].reshape(-1, 32), digits[1]
        tall = augmented(augmentation=RandomWarp(**SMALL_WARP, image_shape=(8, 4))).fit(X, y)
        wide = augmented(augmentation=RandomWarp(**SMALL_WARP, image_shape=(4, 8))).fit(X, y)
        assert differ(tall, wide)


# Each with the refusal, before TensorFlow is imported and before an epoch is trained.
REFUSED = {
    "unknown name": ("'rotate'", "np.zeros((4, 64))", "The 'augmentation' parameter of KerasMLPClassifier must be"),
    "other estimator": (
        "PixelScaler()",
        "np.zeros((4, 64))",
        "The 'augmentation' parameter of KerasMLPClassifier must be",
    ),
    "not square": ("'affine'", "np.zeros((4, 63))", "Rows of 63 pixels are not square images, which image_shape=None"),
    "other shape": ("RandomWarp(image_shape=(8, 8))", "np.zeros((4, 63))", "has 64 pixels, but X has 63 features"),
    "no shape": ("RandomWarp(image_shape=(64,))", "np.zeros((4, 64))", "image_shape must be (height, width)"),
    "negative": ("RandomWarp(shear=-1)", "np.zeros((4, 64))", "The 'shear' parameter of RandomWarp must be"),
    "NaN": ("RandomWarp(elastic=np.nan)", "np.zeros((4, 64))", "The 'elastic' parameter of RandomWarp must be"),
    "empty list": ("[]", "np.zeros((4, 64))", "augmentation is an empty list. Give None"),
    "unknown name in a list": ("['rotate']", "np.zeros((4, 64))", "or names from ['affine', 'elastic']; got 'rotate'"),
    "other estimator in a list": ("[RandomInk(), PixelScaler()]", "np.zeros((4, 64))", "; got PixelScaler()"),
    "negative in a list": ("['affine', RandomInk(blur=-1)]", "np.zeros((4, 64))", "The 'blur' parameter of RandomInk"),
    "two shapes": (
        "[RandomWarp(image_shape=(4, 16)), RandomInk()]",
        "np.zeros((4, 64))",
        "augmentation holds changes of images of different shapes",
    ),
    "unscaled": (
        "[RandomWarp(), RandomInk()]",
        "np.full((4, 64), 16.0)",
        "but X has a pixel of 16. Scale X to [0, 1]: in a Pipeline, with PixelScaler()",
    ),
}


class OwnWarp(RandomWarp):
    def transform(self, X, random_state=None):
        return X[..., ::-1]


class OwnInk(RandomInk):
    def transform(self, X, random_state=None):
        return super().transform(X, random_state)


class StrongWarp(RandomWarp):
    """Another default, and nothing else."""

    def __init__(self, *, rotation=20.0):
        super().__init__(rotation=rotation)


def patched_warp():
    warp = RandomWarp()
    warp.transform = lambda X, random_state=None: X
    return warp


@pytest.mark.parametrize(
    ("augmentation", "name"),
    [
        (OwnWarp(), "OwnWarp"),
        (OwnInk(), "OwnInk"),
        (["affine", OwnWarp()], "OwnWarp"),
        (type("Further", (OwnWarp,), {})(), "Further"),
        (patched_warp(), "RandomWarp"),
    ],
)
def test_a_transform_that_training_would_not_call_is_rejected(augmentation, name, digits):
    with pytest.raises(ValueError, match=f"augmentation holds a {name} with a transform of its own"):
        augmented(augmentation=augmentation).fit(*digits)
    with pytest.raises(ValueError, match="with a transform of its own"):
        augmented(augmentation=augmentation).partial_fit(*digits, classes=range(10))


def test_a_subclass_with_other_defaults_is_accepted(digits):
    one, other = (
        augmented(augmentation=warp, epochs=1).fit(*digits) for warp in (StrongWarp(), RandomWarp(rotation=20))
    )
    assert_same_model(one, other)


@pytest.mark.slow
def test_invalid_augmentations_are_rejected_before_tensorflow_is_imported():
    # In one process, because starting one takes longer than all of them.
    code = f"""
        import sys
        import numpy as np
        from sk_mnist import KerasMLPClassifier, PixelScaler, RandomInk, RandomWarp
        for name, (augmentation, X, message) in {REFUSED!r}.items():
            for method, options in {{"fit": {{}}, "partial_fit": {{"classes": [0, 1]}}}}.items():
                model = KerasMLPClassifier(augmentation=eval(augmentation))
                try:
                    getattr(model, method)(eval(X), [0, 1, 0, 1], **options)
                except ValueError as error:
                    assert message in str(error), (name, method, error)
                    assert not hasattr(model, "coefs_")
                else:
                    raise AssertionError((name, method))
        assert "tensorflow" not in sys.modules and "keras" not in sys.modules
        print("refused")
    """
    assert output_of(code) == "refused\n"


class TestFit:
    def test_augmentation_improves_accuracy_on_shifted_digits(self):
        X, y = load_digits(return_X_y=True)
        images = X.reshape(-1, 8, 8) / 16
        # Shifted by a pixel, which the digits of the training never are.
        shifted = np.roll(images[1200:], 1, axis=2).reshape(-1, 64)
        params = {"hidden_layer_sizes": (64,), "epochs": 40, "batch_size": 64}
        warp = RandomWarp(rotation=5.0, scale=0.1, shear=0.1, translation=1.0, elastic=0.2)
        train = images[:1200].reshape(-1, 64), y[:1200]
        plain, distorted = small(**params).fit(*train), small(**params, augmentation=warp).fit(*train)
        assert distorted.score(shifted, y[1200:]) > plain.score(shifted, y[1200:]) + 0.15
        assert distorted.score(images[1200:].reshape(-1, 64), y[1200:]) > 0.9

    @pytest.mark.parametrize("sparse_format", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
    def test_sparse_and_dense_images_train_the_same_network(self, digits, sparse_format):
        X, y = digits
        assert_same_model(augmented().fit(sparse_format(X), y), augmented().fit(X, y))

    def test_a_float64_network_sees_the_same_distortions_as_a_float32_network(self, digits):
        one, other = augmented(dtype="float64").fit(*digits), augmented(dtype="float32").fit(*digits)
        assert one.coefs_[0].dtype == np.float64
        assert_close_models(one, other, rtol=1e-2, atol=1e-3)
        assert one.loss_ == pytest.approx(other.loss_, rel=1e-3)

    def test_the_input_is_not_changed(self, digits):
        X, y = digits[0].astype(np.float32), digits[1]
        before = X.copy()
        augmented().fit(X, y)
        np.testing.assert_array_equal(X, before)

    def test_rows_of_weight_zero_are_left_out(self, digits):
        X, y = digits
        weight = np.ones(len(y))
        weight[::3] = 0
        X_marked = X.copy()
        X_marked[::3] = 1e6  # would spoil everything
        weighted = augmented().fit(X_marked, y, sample_weight=weight)
        assert_same_model(weighted, augmented().fit(X[weight > 0], y[weight > 0]))

    def test_sample_weights_apply_to_distorted_images(self, digits):
        X, y = digits
        weight = np.where(y < 5, 1.0, 1e-6)
        model = augmented(epochs=20).fit(X, y, sample_weight=weight)
        assert model.score(X[y < 5], y[y < 5]) > 0.9
        assert model.score(X[y >= 5], y[y >= 5]) < 0.1

    def test_images_are_distorted_differently_in_each_epoch(self, digits):
        # The same image in all rows, so that their order makes no difference; the one row of class 1 has no weight.
        X, y = np.repeat(digits[0][:1], 65, axis=0), np.arange(65) // 64
        params = {"hidden_layer_sizes": (), "epochs": 4, **STILL}
        losses = augmented(**params, augmentation=RandomWarp(**SMALL_WARP, fade=0)).fit(X, y, 1 - y).loss_curve_
        assert np.diff(sorted(losses)).min() > 1e-5
        assert np.ptp(small(**params).fit(X, y, 1 - y).loss_curve_) < 1e-6

    def test_images_within_an_epoch_are_distorted_differently(self):
        # A single image, over and over: were all distorted alike, or batches, few losses would be seen.
        X = np.repeat(load_digits().data[:1] / 16, 600, axis=0)
        losses = []
        callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
        y = np.arange(600) % 2
        augmented(hidden_layer_sizes=(), batch_size=1, epochs=1, learning_rate=1e-30, keras_callbacks=[callback]).fit(
            X, y
        )
        # The mean loss so far, from which that of each step is got back.
        steps = np.diff(np.array(losses) * np.arange(1, 601))[y[1:] == 0]
        assert len(np.unique(steps.round(3))) > 30

    def test_validation_images_are_never_distorted(self, digits):
        X, y = digits
        model = augmented(epochs=3).fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])
        assert model.validation_scores_[-1] == model.score(X[400:], y[400:])
        expected = -model.predict_log_proba(X[400:])[np.arange(200), y[400:]].mean()
        assert model.history_["val_loss"][-1] == pytest.approx(expected, rel=1e-5)
        assert_same_model(model, augmented(epochs=3).fit(X[:400], y[:400]))

    def test_images_held_out_are_never_distorted(self, digits):
        # Still, the network scores the same rows in each epoch; distorted, they would score otherwise.
        model = small(epochs=5).fit(*digits)
        model.set_params(early_stopping=True, epochs=3, augmentation="elastic", **STILL).fit(*digits)
        assert len(set(model.validation_scores_[-3:])) == 1
        assert len(set(model.history_["val_loss"][-3:])) == 1
        assert len(set(model.loss_curve_[-3:])) == 3

    def test_predicting_distorts_nothing(self, digits):
        X, y = digits
        model = augmented().fit(X, y)
        proba = model.predict_proba(X)
        np.testing.assert_array_equal(model.predict_proba(X), proba)
        np.testing.assert_array_equal(model.set_params(augmentation=None).predict_proba(X), proba)


COPIES = {"clone": clone, "deepcopy": copy.deepcopy, "pickle": lambda model: pickle.loads(pickle.dumps(model))}

SMALL_INK = {"thickness": 0.5, "blur": 0.5, "noise": 0.2}
BOTH = [RandomWarp(**SMALL_WARP), RandomInk(**SMALL_INK)]


class TestInk:
    def test_it_makes_a_network_right_on_noisy_digits(self):
        X, y = load_digits(return_X_y=True)
        X = X / 16
        noisy = np.clip(X[1200:] + np.random.default_rng(0).normal(0, 0.25, X[1200:].shape), 0, 1)
        plain, inked = (
            small(hidden_layer_sizes=(64,), epochs=40, augmentation=ink).fit(X[:1200], y[:1200]).score(noisy, y[1200:])
            for ink in (None, RandomInk(thickness=0, blur=0, contrast=0, noise=0.5, share=0.5))
        )
        assert inked > plain + 0.03

    def test_without_a_share_it_changes_nothing(self, digits):
        assert_close_models(
            augmented(augmentation=RandomInk(share=0)).fit(*digits), augmented(augmentation=None).fit(*digits)
        )

    def test_it_fades_to_half(self, digits):
        losses = []
        for noise, fade in ((0.4, 0.3), (0.2, 0.0)):
            ink = RandomInk(thickness=0, blur=0, contrast=0, noise=noise, share=1, fade=fade)
            still = small(epochs=2, augmentation=ink, learning_rate=1e-30).fit(*digits)
            losses.append(still.loss_curve_)
        assert losses[0][1] == pytest.approx(losses[1][1], rel=1e-5)
        assert losses[0][0] != pytest.approx(losses[1][0], rel=1e-5)

    def test_the_input_is_not_changed(self, digits):
        X = digits[0].astype(np.float32)
        before = X.copy()
        augmented(augmentation=RandomInk(share=1)).fit(X, digits[1])
        np.testing.assert_array_equal(X, before)


class TestLists:
    def test_a_list_of_one_equals_what_it_holds(self, digits):
        for choice in (RandomWarp(**SMALL_WARP), RandomInk(), "affine"):
            assert_same_model(
                augmented(augmentation=[choice]).fit(*digits), augmented(augmentation=choice).fit(*digits)
            )

    def test_names_and_instances_can_be_mixed(self, digits):
        mixed, instances = ["affine", RandomInk()], (RandomWarp(elastic=0), RandomInk())
        assert_same_model(augmented(augmentation=mixed).fit(*digits), augmented(augmentation=instances).fit(*digits))

    def test_every_change_in_a_list_counts_and_so_does_their_order(self, digits):
        models = [augmented(augmentation=choice).fit(*digits) for choice in (BOTH[:1], BOTH[1:], BOTH, BOTH[::-1])]
        for i, one in enumerate(models):
            assert all(differ(one, other) for other in models[:i])

    @pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
    def test_a_copy_has_its_own_list_and_trains_the_same_network(self, digits, make_copy):
        model = augmented(augmentation=[clone(change) for change in BOTH])
        copied = make_copy(model)
        for one, other in zip(copied.augmentation, model.augmentation, strict=True):
            assert one is not other
            assert one.get_params() == other.get_params()
        assert_same_model(copied.fit(*digits), model.fit(*digits))

    def test_a_saved_model_keeps_its_list(self, digits, tmp_path):
        model = augmented(augmentation=["affine", RandomInk(**SMALL_INK)]).fit(*digits)
        loaded = load(save(model, tmp_path / "model.skops"))
        assert repr(loaded.augmentation) == repr(model.augmentation)
        assert_same_model(loaded.fit(*digits), model)

    def test_whole_lists_can_be_searched(self, digits):
        grid = {"augmentation": [None, "affine", BOTH]}
        search = GridSearchCV(augmented(epochs=2), grid, cv=2).fit(*digits)
        assert search.best_params_["augmentation"] in grid["augmentation"]
        expected = clone(search.best_estimator_).fit(*digits)
        assert_same_model(search.best_estimator_, expected)


class TestFading:
    def losses(self, digits, fade, epochs=10):
        """Training losses of a network that stands still, which stronger distortions make larger."""
        warp = RandomWarp(rotation=20.0, translation=1.0, elastic=0.3, fade=fade)
        model = small(epochs=30, augmentation=None).fit(*digits)
        model.set_params(epochs=epochs, augmentation=warp, **STILL).fit(*digits)
        return np.array(model.loss_curve_[-epochs:])

    def test_strengths_fade_to_half_in_the_last_epochs(self, digits):
        steady, fading = self.losses(digits, fade=0.0), self.losses(digits, fade=0.5)
        # Up to the middle nothing fades, bit for bit; then each epoch is easier than the same without fading.
        np.testing.assert_array_equal(fading[:5], steady[:5])
        assert (np.diff(fading[4:] / steady[4:]) < 0).all()
        assert fading[-1] < 0.5 * steady[-1]

    def test_the_last_epoch_is_distorted_with_half_the_strength(self, digits):
        X, y = digits
        model = small(epochs=30).fit(X, y)
        last = {}
        for strength, fade in ((1.0, 0.3), (0.5, 0.0)):
            warp = RandomWarp(
                rotation=20 * strength, scale=0.1 * strength, shear=0.1 * strength,
                translation=strength, elastic=0.3 * strength, fade=fade,
            )  # fmt: skip
            last[strength] = clone(model).set_params(epochs=2, augmentation=warp, **STILL)
            last[strength].set_params(warm_start=False, random_state=0).fit(X, y)
        assert last[1.0].loss_curve_[1] == pytest.approx(last[0.5].loss_curve_[1], rel=1e-5)
        assert last[1.0].loss_curve_[0] != pytest.approx(last[0.5].loss_curve_[0], rel=1e-3)

    def test_a_fit_that_fades_throughout_begins_at_full_strength(self, digits):
        steady, fading = self.losses(digits, fade=0.0, epochs=4), self.losses(digits, fade=1.0, epochs=4)
        assert fading[0] == steady[0]
        assert (fading[1:] < steady[1:]).all()

    def test_partial_fit_does_not_fade(self, digits):
        models = [augmented(augmentation=RandomWarp(**SMALL_WARP, fade=fade)) for fade in (0.0, 1.0)]
        for _ in range(3):
            for model in models:
                model.partial_fit(*digits, classes=np.arange(10))
        assert_same_model(*models)


class TestContinuation:
    def test_partial_fit_equals_one_epoch_of_a_fit_without_fading(self, digits):
        warp = RandomWarp(**SMALL_WARP, fade=0)
        model = augmented(augmentation=warp)
        for _ in range(3):
            model.partial_fit(*digits, classes=np.arange(10))
        assert_same_model(model, augmented(augmentation=warp, epochs=3).fit(*digits))

    def test_warm_start_continues_with_new_distortions(self, digits):
        warp = RandomWarp(**SMALL_WARP, fade=0)
        parts = augmented(augmentation=warp, epochs=2, warm_start=True).fit(*digits).fit(*digits)
        assert_same_model(parts, augmented(augmentation=warp, epochs=4).fit(*digits))


class TestReproducibility:
    def test_a_seed_gives_the_same_network(self, digits):
        assert_same_model(augmented().fit(*digits), augmented().fit(*digits))
        assert differ(augmented().fit(*digits), augmented(random_state=1).fit(*digits))

    def test_the_global_random_state_is_not_changed(self, digits):
        before = np.random.get_state()[1].copy()
        augmented().fit(*digits)
        np.testing.assert_array_equal(np.random.get_state()[1], before)

    @pytest.mark.weekly
    @pytest.mark.slow
    @pytest.mark.parametrize("n_threads", ["1", "2"])
    def test_another_process_and_number_of_threads_give_the_same_network(self, digits, n_threads, tmp_path):
        code = """
            import sys
            import numpy as np
            from sklearn.datasets import load_digits
            from sk_mnist import KerasMLPClassifier, RandomWarp
            X, y = load_digits(return_X_y=True)
            warp = RandomWarp(rotation=8.0, translation=0.6, elastic=0.2)
            params = {"hidden_layer_sizes": (16, 8), "epochs": 3, "learning_rate": 0.01, "random_state": 0}
            model = KerasMLPClassifier(**params, augmentation=warp).fit(X[:600] / 16, y[:600])
            np.savez(sys.argv[1], *model.coefs_)
        """
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), n_threads)
        output_of(code, tmp_path / "coefs.npz", env={**os.environ, **threads})
        with np.load(tmp_path / "coefs.npz") as arrays:
            for here, there in zip(augmented().fit(*digits).coefs_, arrays.values(), strict=True):
                np.testing.assert_array_equal(here, there)

    @pytest.mark.parametrize(
        ("batch_size", "epochs"),
        [(32, 3), pytest.param(2, XLA_MIN_STEPS // 100, id="long enough for XLA", marks=pytest.mark.slow)],
    )
    def test_batch_hooks_do_not_change_the_training(self, digits, batch_size, epochs):
        # With them, blocks are single batches, and the automatic choice compiles nothing with XLA.
        batches = []
        callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
        # In float64, because a training takes roundings a long way.
        params = {"batch_size": batch_size, "epochs": epochs, "dtype": "float64", "optimizer": "sgd"}
        # Fewer rows than warps, so that with XLA most of a block is there to fill it up.
        X, y = digits[0][:200], digits[1][:200]
        without = augmented(**params).fit(X, y)
        hooked = augmented(**params, keras_callbacks=[callback]).fit(X, y)
        assert len(batches) == epochs * -(-200 // batch_size)
        assert_close_models(hooked, without, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(hooked.loss_curve_, without.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
class TestCopies:
    def test_a_copy_has_its_own_warp_and_trains_the_same_network(self, digits, make_copy):
        model = augmented()
        copied = make_copy(model)
        assert copied.augmentation is not model.augmentation
        assert copied.augmentation.get_params() == model.augmentation.get_params()
        model.fit(*digits)
        assert_same_model(copied.fit(*digits), model)
        if make_copy is not clone:
            assert_same_model(make_copy(model), model)

    def test_a_frozen_teacher_stays_frozen(self, digits, make_copy):
        # It passes on what it does not have, such as __deepcopy__, to the network in it.
        model = augmented(teacher=FrozenEstimator(small(epochs=1).fit(*digits)))
        copied = make_copy(model)
        assert type(copied.teacher) is FrozenEstimator
        assert_same_model(copied.teacher.estimator, model.teacher.estimator)
        assert_same_model(copied.fit(*digits), model.fit(*digits))


class TestSearch:
    def test_strengths_can_be_searched(self, digits):
        search = GridSearchCV(augmented(epochs=1), {"augmentation__rotation": [0.0, 90.0]}, cv=2).fit(*digits)
        assert search.best_estimator_.augmentation.rotation == search.best_params_["augmentation__rotation"]
        scores = search.cv_results_["mean_test_score"]
        assert scores[0] != scores[1]

    def test_strengths_can_be_set_in_a_pipeline(self, digits):
        X, y = digits
        pipe = Pipeline([("scale", PixelScaler(pixel_max=1.0)), ("mlp", augmented())])
        pipe.set_params(mlp__augmentation__rotation=40.0).fit(X, y)
        expected = augmented(augmentation=RandomWarp(**SMALL_WARP | {"rotation": 40.0})).fit(X.astype(np.float32), y)
        assert_same_model(pipe["mlp"], expected)

    def test_kinds_of_distortions_can_be_searched(self, digits):
        grid = {"augmentation": [None, "affine", RandomWarp(**SMALL_WARP)]}
        search = GridSearchCV(augmented(epochs=1), grid, cv=2).fit(*digits)
        assert len(set(search.cv_results_["mean_test_score"])) > 1

    def test_a_fit_does_not_change_the_warp(self, digits):
        warp = RandomWarp(**SMALL_WARP)
        before = dict(vars(warp))
        model = augmented(augmentation=warp).fit(*digits)
        assert model.augmentation is warp
        assert vars(warp) == before

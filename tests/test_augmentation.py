"""RandomWarp and RandomInk: what they do to images, by how much, and what they refuse."""

import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.ndimage import center_of_mass, map_coordinates
from sklearn.base import clone

from sk_mnist import RandomInk, RandomWarp
from tests.helpers.estimator_cases import CHECKS_WITHOUT_ROWS
from tests.helpers.examples import examples_times
from tests.helpers.processes import output_of

NOTHING = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "translation": 0.0, "elastic": 0.0}
# The spacing of float32 at 1, in which positions and weights of the interpolation are computed.
EPS = np.finfo(np.float32).eps
IMAGES = np.random.default_rng(0).integers(0, 256, size=(40, 28, 28), dtype=np.uint8)


def only(**strengths):
    """A warp of these strengths, all others 0."""
    return RandomWarp(**NOTHING | strengths)


def sources_of(warp, height, width, n_images, seed):
    """Rows and columns that the pixels of each image come from, NaN where they lie outside, even by a part of EPS.

    Images whose pixels are their own rows or columns, interpolated linearly, show them, up to 2.5 EPS times the height
    or width. The four weights are wrong by 1.5 EPS together, and a pixel that counts as inside takes up to 1 EPS of its
    value from the background.
    """
    rows, columns = np.mgrid[:height, :width].astype(float)
    ramps = (np.ones_like(rows), rows, columns)
    inside, rows, columns = (warp.transform(np.repeat(r[None], n_images, axis=0), seed) for r in ramps)
    is_outside = inside < 1 - EPS / 2  # the weights of a pixel that is inside add up to 1 within EPS / 2
    return np.where(is_outside, np.nan, rows), np.where(is_outside, np.nan, columns)


NO_INK = {"thickness": 0.0, "blur": 0.0, "contrast": 0.0, "noise": 0.0, "share": 1.0}


def only_ink(**amounts):
    """A RandomInk of these amounts for each image, all others 0."""
    return RandomInk(**NO_INK | amounts)


@pytest.fixture(params=[RandomWarp(), RandomInk(share=1.0)], ids=["warp", "ink"])
def change(request):
    return clone(request.param)


class TestForms:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.float64])
    def test_images_and_rows_are_warped_alike_and_keep_shape_and_dtype(self, change, dtype):
        images = IMAGES.astype(dtype) if np.dtype(dtype).kind in "iu" else (IMAGES / 255).astype(dtype)
        warped = change.transform(images, random_state=0)
        assert (warped.shape, warped.dtype) == (images.shape, images.dtype)
        for shape in [(40, 28, 28, 1), (40, 784)]:
            again = change.transform(images.reshape(shape), random_state=0)
            assert again.shape == shape
            np.testing.assert_array_equal(again.reshape(images.shape), warped)

    @pytest.mark.parametrize("dtype", [bool, np.float16])
    def test_other_dtypes_become_float32(self, change, dtype):
        assert change.transform((IMAGES > 99).astype(dtype), random_state=0).dtype == np.float32

    def test_lists_and_data_frames_are_accepted(self, change):
        expected = change.transform(IMAGES.astype(np.int64), random_state=0)
        np.testing.assert_array_equal(change.transform(IMAGES.tolist(), random_state=0), expected)
        frame = pd.DataFrame(IMAGES.reshape(40, 784).astype(np.int64))
        np.testing.assert_array_equal(change.transform(frame, random_state=0), expected.reshape(40, 784))

    def test_rows_of_images_that_are_not_square_need_a_shape(self, change):
        images = IMAGES[:, :14]
        expected = change.transform(images, random_state=0)
        for shape in [(14, 28), [14, 28], (np.int64(14), np.int64(28))]:
            rows = clone(change).set_params(image_shape=shape).transform(images.reshape(40, -1), random_state=0)
            np.testing.assert_array_equal(rows.reshape(images.shape), expected)
        np.testing.assert_array_equal(
            clone(change).set_params(image_shape=(14, 28)).transform(images, random_state=0), expected
        )

    def test_integers_are_rounded(self):
        images = IMAGES.astype(np.float64)
        warped = RandomWarp().transform(images, random_state=0)
        rounded = RandomWarp().transform(images.astype(np.int64), random_state=0)
        np.testing.assert_array_equal(rounded, np.rint(warped))
        assert (warped != rounded).any()

    def test_the_input_is_never_changed(self, change):
        for images in (IMAGES.copy(), (IMAGES / 255).astype(np.float32), IMAGES / 255):
            before = images.copy()
            warped = change.transform(images, random_state=0)
            np.testing.assert_array_equal(images, before)
            assert not np.shares_memory(warped, images)

    def test_the_memory_layout_of_images_does_not_matter(self, change):
        images = np.asfortranarray(IMAGES[:, ::-1] / 255)
        images.flags.writeable = False
        expected = change.transform(np.ascontiguousarray(images), random_state=0)
        np.testing.assert_array_equal(change.transform(images, random_state=0), expected)


class TestRandomness:
    def test_a_seed_and_a_generator_of_this_seed_draw_the_same(self, change):
        expected = change.transform(IMAGES, random_state=3)
        np.testing.assert_array_equal(change.transform(IMAGES, random_state=3), expected)
        generator = np.random.RandomState(3)
        np.testing.assert_array_equal(change.transform(IMAGES, random_state=generator), expected)
        # A generator continues, a seed starts again.
        assert (change.transform(IMAGES, random_state=generator) != expected).any()
        assert (change.transform(IMAGES, random_state=4) != expected).any()

    def test_random_state_none_uses_the_global_generator_of_numpy(self, change):
        before = np.random.get_state()
        try:
            np.random.seed(3)
            one, other = change.transform(IMAGES), change.transform(IMAGES)
            assert (one != other).any()
            np.testing.assert_array_equal(one, change.transform(IMAGES, random_state=3))
        finally:
            np.random.set_state(before)

    @pytest.mark.parametrize("seed", [3, np.random.RandomState(3)], ids=["int", "RandomState"])
    def test_a_seed_leaves_the_global_generator_alone(self, change, seed):
        before = np.random.get_state()[1:3]
        change.transform(IMAGES, random_state=seed)
        after = np.random.get_state()[1:3]
        np.testing.assert_array_equal(after[0], before[0])
        assert after[1] == before[1]

    @pytest.mark.parametrize(
        "n_threads", [pytest.param("1", marks=pytest.mark.weekly), pytest.param("2", marks=pytest.mark.slow)]
    )
    def test_changes_do_not_depend_on_the_process_or_its_number_of_threads(self, n_threads, tmp_path):
        images = np.tile(IMAGES / 255, (20, 1, 1))
        np.save(tmp_path / "images.npy", images)
        code = """
            import sys
            import numpy as np
            from sk_mnist import RandomInk, RandomWarp
            directory = sys.argv[1]
            images = np.load(directory + "/images.npy")
            for change in (RandomWarp(), RandomInk()):
                np.save(f"{directory}/{type(change).__name__}.npy", change.transform(images, 3))
        """
        output_of(code, tmp_path, env={**os.environ, "OPENBLAS_NUM_THREADS": n_threads, "OMP_NUM_THREADS": n_threads})
        for change in (RandomWarp(), RandomInk()):
            changed = np.load(tmp_path / f"{type(change).__name__}.npy")
            np.testing.assert_array_equal(changed, change.transform(images, 3))

    def test_each_image_is_changed_in_its_own_way(self, change):
        # More than are warped at a time.
        warped = change.transform(np.repeat(IMAGES[:1], 1100, axis=0), random_state=0)
        assert len(np.unique(warped.reshape(1100, -1), axis=0)) == 1100

    @pytest.mark.parametrize("name", NOTHING)
    def test_each_strength_alone_changes_the_images(self, name):
        warped = only(**{name: getattr(RandomWarp(), name)}).transform(IMAGES, random_state=0)
        assert (warped != IMAGES).any(axis=(1, 2)).all()


@st.composite
def image_stacks(draw, dtypes=(np.float32, np.float64, np.uint8)):
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    generator = np.random.default_rng(draw(st.integers(0, 100)))
    if dtype.kind == "f":
        return generator.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    # float64 holds no more than 53 bits.
    low, high = max(limits.min, -(2**53)), min(limits.max, 2**53)
    return generator.integers(low, high, size=shape, dtype=dtype, endpoint=True)


strengths = st.fixed_dictionaries(
    {
        "rotation": st.floats(0, 180),
        "scale": st.floats(0, 5),
        "shear": st.floats(0, 1e6),
        "translation": st.floats(0, 1e6),
        "elastic": st.floats(0, 1e6),
    }
)
INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]


class TestAnyImages:
    @given(image_stacks([*INTEGERS, np.float32, np.float64]))
    @example(np.full((1, 1, 1), 2**32 - 1, dtype=np.uint32))
    @example(np.full((1, 2, 2), -(2**31), dtype=np.int32))
    @examples_times(0.6)
    def test_zero_strengths_leave_images_unchanged(self, images):
        warped = only().transform(images, random_state=0)
        # Sides of an even length have their centre between two pixels, where float32 is exact, too.
        np.testing.assert_array_equal(warped, images, strict=True)

    @given(image_stacks(), strengths, st.integers(0, 100))
    @example(np.ones((1, 1, 1)), NOTHING | {"elastic": 1e6}, 0)
    @example(np.ones((1, 1, 40)), NOTHING | {"rotation": 180.0}, 0)
    @example(
        np.ones((3, 28, 28)), {"rotation": 180.0, "scale": 5.0, "shear": 1e6, "translation": 1e6, "elastic": 1e6}, 0
    )
    @examples_times(0.6)
    def test_values_stay_between_those_of_the_image_and_the_background(self, images, amounts, seed):
        warped = RandomWarp(**amounts).transform(images, seed)
        # Four weights that add up to at most 1 + EPS, and the rounding of four products and three sums.
        slack = 0 if images.dtype.kind in "iu" else 4 * EPS * np.abs(images).max()
        assert (warped.max(axis=(1, 2)) <= np.maximum(images.max(axis=(1, 2)), 0) + slack).all()
        assert (warped.min(axis=(1, 2)) >= np.minimum(images.min(axis=(1, 2)), 0) - slack).all()

    @given(
        st.tuples(st.integers(1, 30), st.integers(1, 30)),
        st.fixed_dictionaries(
            {
                "rotation": st.floats(0, 30),
                "scale": st.floats(0, 0.4),
                "shear": st.floats(0, 0.4),
                "translation": st.floats(0, 3),
                "elastic": st.floats(0, 2),
            }
        ),
        st.integers(0, 100),
    )
    @example((28, 28), {name: getattr(RandomWarp(), name) for name in NOTHING}, 0)
    # The only row is moved out of the image by a hundred-thousandth of a pixel.
    @example((1, 22), NOTHING | {"shear": 1e-6}, 0)
    @example((1, 22), NOTHING | {"shear": 1e-6, "elastic": 1e-5}, 0)
    @examples_times(0.6)
    def test_interpolation_agrees_with_scipy(self, shape, amounts, seed):
        warp = RandomWarp(**amounts)
        images = np.random.default_rng(seed).normal(size=(3, *shape))
        warped = warp.transform(images, seed)
        rows, columns = sources_of(warp, *shape, 3, seed)
        for image, found, row, column in zip(images, warped, rows, columns, strict=True):
            points = [np.nan_to_num(row), np.nan_to_num(column)]
            expected = map_coordinates(image, points, order=1, mode="grid-constant")
            is_inside = np.isfinite(row)
            # As in sources_of: the weights are wrong by 1.5 EPS, and each position by 2.5 EPS times the side. An error
            # of position changes the value by the steepest slope at most.
            slopes = [np.abs(np.diff(np.pad(image, 1), axis=axis)).max() for axis in (0, 1)]
            bound = EPS * (1.5 * np.abs(image).max() + 2.5 * np.dot(slopes, shape))
            np.testing.assert_allclose(found[is_inside], expected[is_inside], rtol=0, atol=bound)


def test_pixels_from_outside_the_image_are_background():
    # An image of ones fades to 0 within a pixel of its border, as scipy's grid-constant does.
    warp = only(translation=3.0)
    warped = warp.transform(np.ones((50, 12, 9)), random_state=0)
    rows, columns = sources_of(warp, 12, 9, 50, 0)
    grid = np.mgrid[:12, :9]
    row_shifts, column_shifts = np.nanmean(rows - grid[0], axis=(1, 2)), np.nanmean(columns - grid[1], axis=(1, 2))
    for image, *shift in zip(warped, row_shifts, column_shifts, strict=True):
        points = grid + np.reshape(shift, (2, 1, 1))
        expected = map_coordinates(np.ones((12, 9)), points, order=1, mode="grid-constant", cval=0.0)
        np.testing.assert_allclose(image, expected, atol=1e-4)


class TestAmounts:
    """As documented: drawn uniformly from both sides of 0, up to the strength."""

    N_IMAGES = 400

    def maps(self, warp, side=41):
        """Matrix, shift and residual of the affine map that fits the sources of each warp."""
        rows, columns = sources_of(warp, side, side, self.N_IMAGES, 0)
        centred = np.mgrid[:side, :side] - (side - 1) / 2
        inner = (slice(side // 4, -(side // 4)),) * 2
        design = np.stack([centred[0][inner].ravel(), centred[1][inner].ravel(), np.ones(centred[0][inner].size)], 1)
        points = np.stack([rows, columns], axis=-1)[(slice(None), *inner)].reshape(self.N_IMAGES, -1, 2)
        fits = np.stack([np.linalg.lstsq(design, p - (side - 1) / 2, rcond=None)[0] for p in points])
        assert np.abs(points - (side - 1) / 2 - design @ fits).max() < 1e-3
        return fits[:, :2].transpose(0, 2, 1), fits[:, 2]

    def assert_uniform(self, amounts, limit):
        assert np.abs(amounts).max() <= limit * (1 + 1e-3)
        # 400 uniform numbers: the largest lies within 3 % of the limit, and the mean within 5 standard errors of 0.
        assert amounts.max() > 0.97 * limit
        assert amounts.min() < -0.97 * limit
        assert abs(amounts.mean()) < 5 * limit / np.sqrt(3 * len(amounts))
        assert amounts.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)

    def test_translation_is_up_to_its_strength_in_each_direction(self):
        matrices, shifts = self.maps(only(translation=2.5))
        np.testing.assert_allclose(matrices, np.broadcast_to(np.eye(2), matrices.shape), atol=1e-4)
        self.assert_uniform(shifts[:, 0], 2.5)
        self.assert_uniform(shifts[:, 1], 2.5)
        assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.25

    def test_rotation_is_in_degrees_about_the_centre(self):
        matrices, shifts = self.maps(only(rotation=20.0))
        np.testing.assert_allclose(shifts, 0, atol=1e-4)
        np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), [np.eye(2)] * self.N_IMAGES, atol=1e-4)
        self.assert_uniform(np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])), 20.0)

    def test_scale_is_the_logarithm_of_factors_of_height_and_width(self):
        matrices, shifts = self.maps(only(scale=0.3))
        np.testing.assert_allclose(shifts, 0, atol=1e-4)
        np.testing.assert_allclose(matrices[:, [0, 1], [1, 0]], 0, atol=1e-4)
        height, width = np.log(matrices[:, 0, 0]), np.log(matrices[:, 1, 1])
        self.assert_uniform(height, 0.3)
        self.assert_uniform(width, 0.3)
        assert abs(np.corrcoef(height, width)[0, 1]) < 0.25

    def test_shear_is_a_vertical_shift_from_one_column_to_the_next(self):
        matrices, shifts = self.maps(only(shear=0.3))
        np.testing.assert_allclose(shifts, 0, atol=1e-4)
        np.testing.assert_allclose(matrices[:, [0, 1, 1], [0, 1, 0]], [[1, 1, 0]] * self.N_IMAGES, atol=1e-4)
        self.assert_uniform(matrices[:, 0, 1], 0.3)

    def test_translation_moves_a_blot_by_up_to_its_strength(self):
        image = np.zeros((1, 31, 31))
        image[0, 13:18, 14:20] = 1.0
        warped = only(translation=2.0).transform(np.repeat(image, 200, axis=0), random_state=0)
        moved = np.array([center_of_mass(w) for w in warped]) - center_of_mass(image[0])
        assert np.abs(moved).max() <= 2.0 + 1e-5
        assert np.abs(moved).max(axis=0) == pytest.approx([2.0, 2.0], rel=0.1)
        np.testing.assert_allclose(warped.sum(axis=(1, 2)), image.sum(), rtol=1e-5)

    @pytest.mark.parametrize("shape", [(28, 28), (60, 20)], ids=str)
    @pytest.mark.parametrize("elastic", [0.5, 2.0])
    def test_elastic_is_the_root_mean_square_in_pixels(self, elastic, shape):
        # Blank borders would leave out the largest displacements, so that they lie outside of what is looked at.
        height, width = shape
        rows, columns = sources_of(only(elastic=elastic), height, width, 2000, 0)
        inner = (slice(None), slice(8, height - 8), slice(8 if width > 20 else 7, -8 if width > 20 else -7))
        for found, axis in zip((rows, columns), np.mgrid[:height, :width], strict=True):
            displacements = (found - axis)[inner]
            assert np.isfinite(displacements).mean() > 0.99
            assert np.sqrt(np.nanmean(displacements**2)) == pytest.approx(elastic, rel=0.06)
            assert abs(np.nanmean(displacements)) < 0.1 * elastic

    def test_elastic_displacements_are_smooth(self):
        rows, _ = sources_of(only(elastic=2.0), 28, 28, 200, 0)
        displacements = (rows - np.mgrid[:28, :28][0])[:, 8:-8, 8:-8]
        # Of two independent numbers of standard deviation 2, the difference would be 2.8 pixels on average.
        assert np.sqrt(np.nanmean(np.diff(displacements, axis=2) ** 2)) < 0.2 * 2.8
        # Far apart they are independent, so that the image is bent and not merely shifted.
        far = rows[:, 14, [4, 24]] - 14
        far = far[np.isfinite(far).all(axis=1)]
        assert abs(np.corrcoef(far.T)[0, 1]) < 0.3


class TestRefused:
    @pytest.mark.parametrize("name", NOTHING)
    @pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, 1e300, "much", None])
    def test_invalid_strengths_are_rejected(self, name, value):
        with pytest.raises(
            ValueError, match=f"The '{name}' parameter of RandomWarp must be a float in the range .* Got"
        ):
            RandomWarp(**{name: value}).transform(IMAGES)

    @pytest.mark.parametrize("fade", [-0.1, 1.1, np.nan])
    def test_a_fade_outside_0_to_1_is_rejected(self, fade):
        with pytest.raises(ValueError, match=r"The 'fade' parameter of RandomWarp must be .* \[0.0, 1.0\]"):
            RandomWarp(fade=fade).transform(IMAGES)

    def test_rotations_above_180_degrees_are_rejected(self):
        with pytest.raises(ValueError, match="The 'rotation' parameter of RandomWarp"):
            RandomWarp(rotation=181).transform(IMAGES)

    def test_rows_of_non_square_images_are_rejected_without_image_shape(self):
        with pytest.raises(ValueError, match=r"Rows of 783 pixels are not square .* Give RandomWarp\(image_shape="):
            RandomWarp().transform(np.zeros((2, 783)))

    def test_an_image_shape_that_does_not_match_the_images_is_rejected(self):
        with pytest.raises(
            ValueError, match=r"image_shape=\(14, 28\) .* differs from X, .* 28 x 14. Set it to \(28, 14\)"
        ):
            RandomWarp(image_shape=(14, 28)).transform(np.zeros((2, 28, 14)))
        with pytest.raises(
            ValueError, match=r"image_shape=\(14, 28\) .* has 392 pixels, but X has 784 features. Set it"
        ):
            RandomWarp(image_shape=(14, 28)).transform(np.zeros((2, 784)))

    @pytest.mark.parametrize("shape", [(784,), (1, 28, 28), (0, 784), (-28, -28), (28.0, 28.0), ("28", "28"), ()])
    def test_an_invalid_image_shape_is_rejected(self, shape):
        with pytest.raises(
            ValueError, match=r"image_shape must be \(height, width\), two integers of at least 1, or None; got"
        ):
            RandomWarp(image_shape=shape).transform(np.zeros((2, 784)))
        with pytest.raises(ValueError, match="The 'image_shape' parameter of RandomWarp"):
            RandomWarp(image_shape="28x28").transform(np.zeros((2, 784)))

    @pytest.mark.parametrize("shape", [(2, 28, 28, 3), (2, 3, 28, 28), (2, 1, 28, 28, 1)])
    def test_colour_images_are_rejected(self, shape):
        with pytest.raises(ValueError, match=r"X has shape .*; RandomWarp takes grey images of shape"):
            RandomWarp().transform(np.zeros(shape))

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (np.zeros(784), "Expected 2D array, got 1D array"),
            (np.zeros((0, 784)), "0 sample"),
            (np.full((1, 28, 28), np.nan), "Input X contains NaN"),
            (np.full((1, 28, 28), np.inf), "Input X contains infinity"),
            ([["a", "b", "c", "d"]], "could not convert string"),
        ],
        ids=["one image", "no image", "NaN", "infinity", "words"],
    )
    def test_anything_but_a_batch_of_finite_images_is_rejected(self, X, message):
        with pytest.raises(ValueError, match=message):
            RandomWarp().transform(X)


# They have no fit, so that these are the common checks that apply.
@pytest.mark.parametrize("check", CHECKS_WITHOUT_ROWS, ids=lambda check: check.__name__)
def test_scikit_learn_check(check, change):
    check(type(change).__name__, change.set_params(fade=0.5, image_shape=(28, 28)))


def test_a_clone_warps_alike_and_its_repr_shows_changed_parameters():
    warp = RandomWarp(rotation=5.0, image_shape=(28, 28))
    assert repr(clone(warp)) == "RandomWarp(image_shape=(28, 28), rotation=5.0)"
    np.testing.assert_array_equal(clone(warp).transform(IMAGES, 0), warp.transform(IMAGES, 0))


def test_transform_stores_no_state(change):
    before = dict(vars(change))
    change.transform(IMAGES, random_state=0)
    assert vars(change) == before


@pytest.mark.parametrize("white", [np.float32(1), np.float64(1), np.uint8(255)])
def test_no_pixel_becomes_brighter_than_white(white):
    warped = RandomWarp().transform(np.full((500, 28 * 28), white), random_state=0)
    assert warped.max() == white
    assert warped.min() == 0


class TestInk:
    """As documented: for a share of the images, by amounts drawn uniformly."""

    N_IMAGES = 400

    def assert_uniform(self, amounts, least, largest):
        width = largest - least
        assert amounts.min() >= least - 1e-3 * width
        assert amounts.max() <= largest + 1e-3 * width
        # 400 uniform numbers: the extremes lie within 3 % of the limits, and the mean within 5 standard errors.
        assert amounts.min() < least + 0.03 * width
        assert amounts.max() > largest - 0.03 * width
        assert abs(amounts.mean() - (least + largest) / 2) < 5 * width / np.sqrt(12 * len(amounts))
        assert amounts.std() == pytest.approx(width / np.sqrt(12), rel=0.1)

    @pytest.mark.parametrize("thickness", [0.6, 1.0, 2.5])
    def test_thickness_moves_the_edges_of_strokes_in_pixels(self, thickness):
        bars = np.zeros((self.N_IMAGES, 31, 20))
        bars[:, 11:20] = 1.0
        for images in (bars, bars.transpose(0, 2, 1)):
            changed = only_ink(thickness=thickness).transform(images, random_state=0)
            # The ink that is won or lost at two edges of a stroke that spans the image.
            self.assert_uniform((changed - images).sum(axis=(1, 2)) / (2 * 20), -thickness, thickness)

    @pytest.mark.parametrize("blur", [0.7, 2.0])
    def test_blur_has_a_standard_deviation_in_pixels(self, blur):
        images = np.zeros((self.N_IMAGES, 41, 41))
        images[:, 20, 20] = 1.0
        changed = only_ink(blur=blur).transform(images, random_state=0)
        np.testing.assert_allclose(changed.sum(axis=(1, 2)), 1, rtol=1e-6)
        assert (changed.reshape(self.N_IMAGES, -1).argmax(axis=1) == 20 * 41 + 20).all()
        squares = (np.arange(41) - 20.0) ** 2
        down, across = changed.sum(axis=2) @ squares, changed.sum(axis=1) @ squares
        np.testing.assert_allclose(down, across, rtol=1e-6)
        self.assert_uniform(np.sqrt(down), 0, blur)

    def test_contrast_is_the_logarithm_of_a_factor(self):
        images = np.tile(np.linspace(0, 0.4, 5), (self.N_IMAGES, 5, 1))
        changed = only_ink(contrast=0.8).transform(images, random_state=0)
        factors = changed[:, 0, 1] / images[:, 0, 1]
        np.testing.assert_allclose(changed, images * factors[:, np.newaxis, np.newaxis])
        self.assert_uniform(np.log(factors), -0.8, 0.8)

    def test_noise_has_a_standard_deviation_where_white_is_one(self):
        images = np.full((self.N_IMAGES, 40, 40), 0.5)
        changed = only_ink(noise=0.1).transform(images, random_state=0)
        # Half of white is five standard deviations from both limits, and 1,600 pixels show theirs within 10 %.
        deviations = changed.std(axis=(1, 2))
        assert deviations.max() < 0.1 * 1.1
        assert deviations.mean() == pytest.approx(0.05, rel=0.15)
        np.testing.assert_allclose(changed.mean(axis=(1, 2)), 0.5, atol=5 * 0.1 / 40)

    @pytest.mark.parametrize("name", ["thickness", "blur", "contrast", "noise"])
    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_a_share_of_the_images_is_changed(self, name, share):
        images = np.zeros((1000, 12, 12))
        images[:, 3:9, 5:8] = 0.9
        changed = only_ink(**{name: 0.5, "share": share}).transform(images, random_state=0)
        # 1,000 images: five standard errors.
        found = (changed != images).any(axis=(1, 2)).mean()
        assert abs(found - share) <= 5 * np.sqrt(share * (1 - share) / 1000)

    def test_changes_are_chosen_independently(self):
        images = np.zeros((4000, 5, 5))
        images[:, 2, 2] = 0.5
        changed = only_ink(blur=0.7, contrast=0.5, share=0.5).transform(images, random_state=0)
        is_blurred = changed[:, 1, 2] > 0
        is_scaled = np.abs(changed.sum(axis=(1, 2)) - 0.5) > 1e-9
        assert abs(np.corrcoef(is_blurred, is_scaled)[0, 1]) < 5 / np.sqrt(4000)

    @given(image_stacks((np.float32, np.float64, np.uint8)), st.floats(0, 5), st.floats(0, 1), st.integers(0, 100))
    @examples_times(0.6)
    def test_pixels_stay_between_black_and_white(self, images, amount, share, seed):
        white = 255 if images.dtype == np.uint8 else 1
        images = images if white == 255 else np.minimum(np.abs(images), 1)
        ink = RandomInk(thickness=amount, blur=amount, contrast=amount, noise=amount, share=share)
        changed = ink.transform(images, random_state=seed)
        assert changed.dtype == images.dtype
        assert np.isfinite(changed).all()
        assert changed.min() >= 0
        assert changed.max() <= white

    @given(image_stacks((np.uint8,)), st.integers(0, 100))
    @examples_times(0.6)
    def test_bytes_are_changed_like_floats_up_to_rounding(self, images, seed):
        ink = RandomInk(share=1.0)
        changed, expected = ink.transform(images, seed), ink.transform(images / np.float32(255), seed)
        # Half a grey level, and float32's rounding of some twenty steps.
        np.testing.assert_allclose(changed, 255 * expected, rtol=0, atol=0.5 + 255 * 20 * EPS)

    def test_each_image_has_its_own_noise(self):
        grey = np.full((100, 28, 28), 0.5)
        changed = only_ink(noise=0.1).transform(grey, random_state=0)
        between = np.corrcoef(changed.reshape(100, -1))[np.triu_indices(100, 1)]
        # For independent pixels, the standard deviation of a correlation is 1 / 28.
        assert np.abs(between).max() < 5 / 28

    @pytest.mark.parametrize("amounts", [NO_INK, {"share": 0.0}], ids=["no amounts", "no share"])
    def test_nothing_is_changed_without_amounts_or_share(self, amounts):
        images = IMAGES / 255
        np.testing.assert_array_equal(RandomInk(**amounts).transform(images, random_state=0), images)

    def test_bright_pixels_of_small_integers_do_not_overflow(self):
        images = np.full((50, 6, 6), 100, np.int8)
        changed = RandomInk(thickness=0, blur=0, noise=0, share=1).transform(images, random_state=0)
        assert 50 < changed.min() < 100
        assert changed.max() == 127

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            (
                IMAGES.astype(float),
                r"in floats, a white of 1, but X has a pixel of 255. Scale X to .0, 1.: ",
            ),
            (
                IMAGES.astype(int) * 2,
                r"in integers, a white of 255, but X has a pixel of 510. Scale X to .0, 255.: ",
            ),
            (IMAGES / -255, "background of 0 .* has a pixel of -1"),
        ],
        ids=["floats", "integers", "negative"],
    )
    def test_pixels_outside_of_black_and_white_are_rejected(self, images, message):
        with pytest.raises(ValueError, match=message):
            RandomInk().transform(images)

    @pytest.mark.parametrize("name", ["thickness", "blur", "contrast", "noise", "share", "fade"])
    @pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, 1e300, "much", None])
    def test_invalid_amounts_are_rejected(self, name, value):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of RandomInk must be a float in the range"):
            RandomInk(**{name: value}).transform(IMAGES)

"""The estimators for the common checks, with the reason for every parameter that is not a default."""

from typing import NamedTuple

from sklearn.utils import estimator_checks

from sk_mnist import ImageFlattener, KerasMLPClassifier, PixelScaler


class Case(NamedTuple):
    name: str
    estimator: object
    reason: str
    is_slow: bool = False


# The checks fit 9 to 200 rows and compare to 1e-7, which float32 and mini-batches cannot reach.
EXACT = {"dtype": "float64", "batch_size": 1000, "learning_rate": 0.03, "hidden_layer_sizes": (16, 8), "epochs": 60}
EXACT_REASON = (
    "with float64 and full batches, weighted rows equal repeated rows to the 1e-7 of the checks; "
    "60 steps at 0.03 of a small network are enough to learn the checks' blobs"
)

CASES = [
    Case("flattener", ImageFlattener(), "defaults"),
    Case("scaler", PixelScaler(), "defaults"),
    Case("scaler with a fixed white", PixelScaler(pixel_max=1000.0), "no pixel of the checks' data is brighter"),
    Case("mlp", KerasMLPClassifier(**EXACT), EXACT_REASON),
    Case(
        "mlp with another activation and a penalty",
        KerasMLPClassifier(**EXACT | {"activation": "tanh", "alpha": 1e-3}),
        EXACT_REASON + "; activation and alpha, the parameters that change the computation and keep it exact",
        is_slow=True,
    ),
]

# For estimators that are not fitted on rows.
CHECKS_WITHOUT_ROWS = [
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]

"""All private names of scikit-learn that this package uses, so that a new scikit-learn release breaks only one file.

scikit-learn has no type hints. The decorators below are scikit-learn's, but keep the type of the decorated function, so
that type checkers still see the signatures of `fit`, `evaluate` and `fetch_mnist`.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import sklearn.base
import sklearn.callback
from sklearn.utils import _param_validation, _safe_indexing, multiclass, validation

Function = TypeVar("Function", bound=Callable[..., Any])

HasMethods = _param_validation.HasMethods
Interval = _param_validation.Interval
Options = _param_validation.Options
StrOptions = _param_validation.StrOptions

check_feature_names_in = validation._check_feature_names_in
check_partial_fit_first_call = multiclass._check_partial_fit_first_call
check_sample_weight = validation._check_sample_weight
safe_indexing = _safe_indexing

# Attributes in which scikit-learn stores the values of set_output, set_fit_request and set_callbacks.
OUTPUT_CONFIG = "_sklearn_output_config"
METADATA_REQUEST = "_metadata_request"
CALLBACKS = "_skl_callbacks"


def column_positions(columns: Any, name: str) -> list[int]:
    """Return the positions of the columns that a part of a fitted ColumnTransformer takes."""
    return [int(position) for position in columns._transformer_to_input_indices[name]]


def validate_params(
    parameter_constraints: dict[str, Any], *, prefer_skip_nested_validation: bool = True
) -> Callable[[Function], Function]:
    """Validate the arguments of a function, like scikit-learn's decorator of the same name."""
    decorator = _param_validation.validate_params(
        parameter_constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return cast(Callable[[Function], Function], decorator)


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Function], Function]:
    """Validate the parameters of an estimator before a method that fits it, like ``sklearn.base._fit_context``."""
    decorator = sklearn.base._fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)
    return cast(Callable[[Function], Function], decorator)


def with_callbacks(fit: Function) -> Function:
    """Set up scikit-learn's callbacks before a method that fits, and tear them down after it."""
    return cast(Function, sklearn.callback.with_callbacks(fit))


def validate_estimator(estimator: sklearn.base.BaseEstimator) -> None:
    """Raise a ValueError if a parameter of an estimator violates the constraints of its class."""
    estimator._validate_params()


def begin_fit(estimator: Any, *, max_subtasks: int = 0, **task_info: Any) -> Any:
    """Tell scikit-learn's callbacks that a fit begins.

    Parameters
    ----------
    estimator : estimator instance
        Estimator with scikit-learn's ``CallbackSupportMixin``.
    max_subtasks : int, default=0
        Maximum number of subtasks, such as epochs, of the fit.
    **task_info : dict
        Passed to the callbacks: X, y, metadata.

    Returns
    -------
    context : sklearn.callback.CallbackContext
        Makes the contexts of the subtasks. The caller must tell it when the fit ends.
    """
    context = estimator._init_callback_context(max_subtasks=max_subtasks)
    return context.call_on_fit_task_begin(estimator=estimator, **task_info)

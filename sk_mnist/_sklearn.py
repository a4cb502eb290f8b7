"""Every private name of scikit-learn that this package uses, so that a new release of it breaks one file.

scikit-learn carries no types. The decorators below are its own, with the type of what they decorate kept, so that type
checkers still see the signatures of `fit`, `evaluate` and `fetch_mnist`.
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

# Attributes in which scikit-learn keeps what set_output, set_fit_request and set_callbacks have set.
OUTPUT_CONFIG = "_sklearn_output_config"
METADATA_REQUEST = "_metadata_request"
CALLBACKS = "_skl_callbacks"


def validate_params(
    parameter_constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
) -> Callable[[Function], Function]:
    """Validate the arguments of a function, as scikit-learn's decorator of this name does."""
    decorator = _param_validation.validate_params(
        parameter_constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return cast(Callable[[Function], Function], decorator)


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Function], Function]:
    """Validate the parameters of an estimator before a method that fits it, as ``sklearn.base._fit_context`` does."""
    decorator = sklearn.base._fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)
    return cast(Callable[[Function], Function], decorator)


def with_callbacks(fit: Function) -> Function:
    """Set up scikit-learn's callbacks before a method that fits, and tear them down after it."""
    return cast(Function, sklearn.callback.with_callbacks(fit))


def validate_estimator(estimator: sklearn.base.BaseEstimator) -> None:
    """Raise a ValueError if a parameter of an estimator is not as its class declares it."""
    estimator._validate_params()


def begin_fit(estimator: Any, *, max_subtasks: int = 0, **task_info: Any) -> Any:
    """Tell scikit-learn's callbacks that a fit begins.

    Parameters
    ----------
    estimator : estimator instance
        With scikit-learn's ``CallbackSupportMixin``.
    max_subtasks : int, default=0
        Number of tasks, such as epochs, that the fit consists of at most.
    **task_info : dict
        What callbacks are told: X, y, metadata.

    Returns
    -------
    context : sklearn.callback.CallbackContext
        Makes the contexts of the subtasks, and is told when the fit ends.
    """
    context = estimator._init_callback_context(max_subtasks=max_subtasks)
    return context.call_on_fit_task_begin(estimator=estimator, **task_info)

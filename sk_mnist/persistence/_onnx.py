"""`to_onnx` and the skl2onnx converters of this package's estimators."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from sk_mnist._files import replacing
from sk_mnist._optional import import_optional
from sk_mnist._sklearn import StrOptions, validate_params
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.persistence._convertible import convertible, steps_of
from sk_mnist.persistence._load import path_or_file
from sk_mnist.preprocessing import ImageFlattener, PixelScaler

if TYPE_CHECKING:
    import onnx

# The newest opset that skl2onnx 1.20, the lowest version of the extra, writes with its own converters.
TARGET_OPSET = {"": 18, "ai.onnx.ml": 3}


@validate_params(
    {
        "estimator": [BaseEstimator],
        "path": [str, os.PathLike, None],
        "input_dtype": [StrOptions({"float32", "uint8"})],
    }
)
def to_onnx(
    estimator: BaseEstimator, path: str | os.PathLike | None = None, *, input_dtype: str = "float32"
) -> onnx.ModelProto:
    """Convert a fitted classifier or Pipeline to ONNX.

    Parameters
    ----------
    estimator : estimator instance
        A fitted :class:`~sk_mnist.KerasMLPClassifier`, or a Pipeline of this package's and scikit-learn's estimators.
        The page on saving and loading lists which ones.
    path : str or path-like, default=None
        The file to write; ".onnx" is the usual suffix. An existing file is replaced, once the new one is complete.
        None writes no file.
    input_dtype : {"float32", "uint8"}, default="float32"
        Type of the model's input. A :class:`~sk_mnist.PixelScaler` scales it as in ``predict``: by default, "uint8" is
        0 to 255, and "float32" is 0 to 1 unless ``fit`` saw floats above 1. Without one, the input has to be on the
        scale of ``fit``, because the scale is part of the model.

    Returns
    -------
    model : onnx.ModelProto
        Model with the input "X", shaped like the data in ``fit`` (any number of rows), and the outputs "label" of shape
        (n_samples,) and "probabilities", float32 of shape (n_samples, n_classes). These are the shares of the votes
        for a VotingClassifier with ``voting="hard"``. It computes in float32 and does not check its input.

    Raises
    ------
    ImportError
        If skl2onnx is missing.
    ValueError
        If ``estimator`` is not a classifier, if it is or holds an estimator whose answers would differ in ONNX or that
        has no converter, or if a label does not fit into int64, the type of labels in ONNX.
    OSError
        If the file cannot be written.
    sklearn.exceptions.NotFittedError
        If ``estimator`` is not fitted.

    References
    ----------
    .. [1] ONNX operators, https://onnx.ai/onnx/operators/

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist import fetch_mnist, make_mnist_pipeline, to_onnx
    >>> mnist = fetch_mnist(subset="train", normalize=False)
    >>> pipe = make_mnist_pipeline(epochs=1, random_state=0).fit(mnist.images[:1000], mnist.target[:1000])
    >>> model = to_onnx(pipe, input_dtype="uint8")
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(model.SerializeToString())
    >>> labels, probabilities = session.run(None, {"X": mnist.images[:5]})
    >>> bool((labels == pipe.predict(mnist.images[:5])).all())
    True
    """
    skl2onnx = import_optional("skl2onnx", "to_onnx")
    from skl2onnx.common.data_types import FloatTensorType, UInt8TensorType

    target = None if path is None else path_or_file(path, "write")
    check_is_fitted(estimator)
    if not is_classifier(estimator):
        raise ValueError(f"to_onnx converts classifiers, and Pipelines that end in one; got {estimator!r}.")
    model = convertible(estimator)
    steps = list(steps_of(model))
    _onnx_labels(steps[-1].classes_)
    row_shape = getattr(steps[0], "image_shape_", None) or (steps[0].n_features_in_,)
    register_onnx_converters()
    tensor_type = {"float32": FloatTensorType, "uint8": UInt8TensorType}[input_dtype]
    converted = skl2onnx.to_onnx(
        model,
        initial_types=[("X", tensor_type([None, *row_shape]))],
        target_opset=TARGET_OPSET,
        options={"zipmap": False},
    )
    if target is not None:
        with replacing(target) as partial:
            partial.write_bytes(converted.SerializeToString())
    return converted


def register_onnx_converters() -> None:
    """Register this package's estimators with skl2onnx, so that ``skl2onnx.to_onnx`` converts them as well.

    One call per process is enough. :func:`to_onnx` calls it for you.

    Raises
    ------
    ImportError
        If skl2onnx is missing.

    Examples
    --------
    >>> import skl2onnx
    >>> from sklearn.datasets import load_iris
    >>> from sk_mnist import KerasMLPClassifier
    >>> from sk_mnist.persistence import register_onnx_converters
    >>> register_onnx_converters()
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = KerasMLPClassifier((16,), epochs=1, random_state=0).fit(X, y)
    >>> model = skl2onnx.to_onnx(clf, X[:1].astype("float32"))
    >>> [output.name for output in model.graph.output]
    ['output_label', 'output_probability']
    """
    import_optional("skl2onnx", "register_onnx_converters")
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    update_registered_converter(ImageFlattener, "SkMnistImageFlattener", _flattener_shape, _convert_flattener)
    update_registered_converter(PixelScaler, "SkMnistPixelScaler", _scaler_shape, _convert_scaler)
    update_registered_converter(
        KerasMLPClassifier,
        "SkMnistKerasMLPClassifier",
        calculate_linear_classifier_output_shapes,
        _convert_mlp,
        options={"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]},
    )


def _flattener_shape(operator: Any) -> None:
    images = operator.inputs[0].type
    operator.outputs[0].type = type(images)([images.shape[0], operator.raw_operator.n_features_in_])


def _scaler_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([operator.inputs[0].type.shape[0], operator.raw_operator.n_features_in_])


def _convert_flattener(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.algebra.onnx_ops import OnnxFlatten

    rows = OnnxFlatten(operator.inputs[0], axis=1, op_version=container.target_opset, output_names=operator.outputs[:1])
    rows.add_to(scope, container)


def _convert_scaler(scope: Any, operator: Any, container: Any) -> None:
    from onnx.helper import tensor_dtype_to_np_dtype
    from skl2onnx.algebra.onnx_ops import OnnxCast, OnnxDiv
    from skl2onnx.common.data_types import guess_proto_type
    from skl2onnx.proto import onnx_proto

    opset = container.target_opset
    pixels = OnnxCast(operator.inputs[0], to=onnx_proto.TensorProto.FLOAT, op_version=opset)
    scaler = operator.raw_operator
    dtype = tensor_dtype_to_np_dtype(guess_proto_type(operator.inputs[0].type))
    white = scaler._white_in(dtype, scaler.float_pixel_max_)
    OnnxDiv(pixels, np.array([white], dtype=np.float32), op_version=opset, output_names=operator.outputs[:1]).add_to(
        scope, container
    )


def _convert_mlp(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.algebra.onnx_ops import OnnxArgMax, OnnxCast, OnnxGather, OnnxGemm, OnnxIdentity, OnnxSoftmax
    from skl2onnx.proto import onnx_proto

    opset = container.target_opset
    mlp = operator.raw_operator
    out = OnnxCast(operator.inputs[0], to=onnx_proto.TensorProto.FLOAT, op_version=opset)
    for layer, (coef, intercept) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        if layer:
            out = _activation(out, mlp.activation, opset)
        out = OnnxGemm(out, coef.astype(np.float32), intercept.astype(np.float32), op_version=opset)
    probabilities = OnnxSoftmax(out, axis=1, op_version=opset)
    best = OnnxArgMax(out, axis=1, keepdims=0, op_version=opset)
    labels = OnnxGather(_onnx_labels(mlp.classes_), best, op_version=opset)
    OnnxIdentity(labels, op_version=opset, output_names=operator.outputs[:1]).add_to(scope, container)
    OnnxIdentity(probabilities, op_version=opset, output_names=operator.outputs[1:]).add_to(scope, container)


def _activation(out: Any, name: str, opset: int) -> Any:
    from skl2onnx.algebra import onnx_ops as ops

    activations = {
        "relu": ops.OnnxRelu,
        "tanh": ops.OnnxTanh,
        "sigmoid": ops.OnnxSigmoid,
        "elu": ops.OnnxElu,
        "gelu": _gelu,
        "silu": _silu,
    }
    return activations[name](out, op_version=opset)


def _silu(out: Any, op_version: int) -> Any:
    from skl2onnx.algebra.onnx_ops import OnnxMul, OnnxSigmoid

    return OnnxMul(out, OnnxSigmoid(out, op_version=op_version), op_version=op_version)


def _gelu(out: Any, op_version: int) -> Any:
    from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxDiv, OnnxErf, OnnxMul

    half, one, root = (np.array([value], dtype=np.float32) for value in (0.5, 1.0, np.sqrt(2)))
    erf = OnnxErf(OnnxDiv(out, root, op_version=op_version), op_version=op_version)
    share = OnnxMul(OnnxAdd(erf, one, op_version=op_version), half, op_version=op_version)
    return OnnxMul(out, share, op_version=op_version)


def _onnx_labels(classes: np.ndarray) -> np.ndarray:
    # Like skl2onnx, which declares labels as int64 if they are numbers (float labels are whole), else as strings.
    if classes.dtype.kind == "u" and classes.max() >= 2**63:
        raise ValueError(
            f"classes_ go up to {classes.max()}, but ONNX labels are int64, at most 2**63 - 1. Fit on smaller labels, "
            "or on strings."
        )
    return classes.astype(np.int64) if classes.dtype.kind in "biuf" else classes.astype(str)

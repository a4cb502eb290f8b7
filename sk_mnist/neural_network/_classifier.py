"""KerasMLPClassifier, the scikit-learn estimator: parameters, validation, fit, predict."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, TypedDict

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags, assert_all_finite, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_mnist._arguments import explain_wrong_names
from sk_mnist._images import look_like_bytes, stack_column
from sk_mnist._sklearn import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    check_partial_fit_first_call,
    fit_context,
    with_callbacks,
)
from sk_mnist._tensorflow import check_backend, check_process, start_quietly
from sk_mnist.augmentation import RandomInk, RandomWarp
from sk_mnist.neural_network import _forward
from sk_mnist.neural_network._checkpoint import find_checkpoint
from sk_mnist.neural_network._epochs import Result
from sk_mnist.neural_network._job import AUGMENTATIONS, Job, check_parameters, check_partial_fit, make_job
from sk_mnist.neural_network._keras.parameters import (
    DEFAULT_LEARNING_RATE,
    OPTIMIZERS,
    copy_callbacks,
    copy_optimizer,
    make_optimizer,
    make_picklable,
)
from sk_mnist.neural_network._old_versions import update_attributes
from sk_mnist.neural_network._reporting import NoTask, fit_task
from sk_mnist.neural_network._rows import (
    Rows,
    Seen,
    check_classes,
    check_classes_of_outputs,
    check_is_one_label_a_row,
    check_is_rows,
    check_same_classes,
    hold_out,
    make_rows,
    weigh_classes,
)
from sk_mnist.neural_network._schedules import SCHEDULES
from sk_mnist.neural_network._teacher import fit_teacher
from sk_mnist.neural_network._training import (
    MONITORS,
    History,
    Layer,
    OptimizerState,
    State,
    arrays_of,
    empty_history,
    find_best_epoch,
    layers_of,
)

if TYPE_CHECKING:
    import keras
    import scikeras.wrappers


# Probabilities and tiny pixels may round to 0, also in a program that has called np.seterr(all="raise").
_WITHOUT_UNDERFLOW = np.errstate(under="ignore")

Augmentation: TypeAlias = RandomWarp | RandomInk | Literal["affine", "elastic"]

# Names that MLPClassifier, Keras, scikeras and skorch use.
_OTHER_NAMES = {
    "max_iter": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "lr": "learning_rate",
    "learning_rate_init": "learning_rate",
    "solver": "optimizer",
    "callbacks": "Give Keras' callbacks as keras_callbacks, and scikit-learn's to set_callbacks().",
    "validation_split": "Set early_stopping=True and validation_fraction.",
    "validation_data": "Give X_val and y_val to fit().",
}


class MLPParameters(TypedDict, total=False):
    """The parameters of KerasMLPClassifier, for functions that pass them on."""

    hidden_layer_sizes: int | Sequence[int] | np.ndarray
    activation: Literal["relu", "tanh", "sigmoid", "elu", "gelu", "silu"]
    dropout: float
    alpha: float
    optimizer: Any
    learning_rate: float
    learning_rate_schedule: Literal["constant", "cosine", "one_cycle"]
    batch_size: int
    epochs: int
    label_smoothing: float
    augmentation: Augmentation | Sequence[Augmentation] | None
    teacher: Any
    teacher_weight: float
    early_stopping: bool
    monitor: Literal["val_accuracy", "val_loss"]
    validation_fraction: float
    n_iter_no_change: float
    class_weight: dict | Literal["balanced"] | None
    warm_start: bool
    checkpoint_dir: str | os.PathLike | None
    keras_callbacks: list | None
    jit_compile: bool | Literal["auto"]
    dtype: Literal["float32", "float64"]
    random_state: int | np.random.RandomState | None
    verbose: int


class KerasMLPClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Multilayer perceptron that trains with Keras and predicts with NumPy.

    Dense layers with the same activation, followed by a softmax, trained on the cross-entropy of the labels. Training
    goes through a :class:`scikeras.wrappers.KerasClassifier`. The fitted state, which is also what is pickled, consists
    of NumPy arrays, so predicting does not need TensorFlow.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(128, 64, 32)
        Number of units of each hidden layer. An empty sequence gives softmax regression.

    activation : {"relu", "tanh", "sigmoid", "elu", "gelu", "silu"}, default="relu"
        Activation of the hidden layers, named as in Keras.

    dropout : float, default=0.0
        Fraction in [0, 1) of each hidden layer's outputs that is dropped while training [2]_.

    alpha : float, default=0.0
        Strength of the L2 penalty, defined as in :class:`sklearn.neural_network.MLPClassifier`: ``alpha / 2`` times the
        sum of the squared weights (not the intercepts), divided by the total sample weight of the batch, is added to
        the mean loss of the batch.

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        Name of a Keras optimizer ("adam" [1]_, "muon" [10]_, "sgd", ...), or an instance of a Keras optimizer
        or of your own subclass. An instance is copied, never changed, and carries its own learning rate. With
        ``use_ema=True``, the averaged weights are validated and kept.

    learning_rate : float, default=1e-3
        Largest learning rate of the schedule. Must keep its default if ``optimizer`` is an instance, which carries its
        own rate.

    learning_rate_schedule : {"constant", "cosine", "one_cycle"}, default="constant"
        How the learning rate changes from step to step over the ``epochs`` of a ``fit``: "cosine" falls to 0 along half
        a cosine [3]_, "one_cycle" rises for 30 % of the steps, then falls [4]_. ``partial_fit`` does not know the total
        number of steps, so it always uses ``learning_rate``.

    batch_size : int, default=32
        Rows per step, capped at ``n_samples``.

    epochs : int, default=20
        Passes over the training data.

    label_smoothing : float, default=0.0
        Share in [0, 1) of each label that the loss spreads evenly over all classes [5]_.

    augmentation : RandomWarp, RandomInk, {"affine", "elastic"} or a list of them, default=None
        Random changes of the training images and outliers, new in each epoch [6]_: "elastic" is ``RandomWarp()`` and
        "affine" is ``RandomWarp(elastic=0)``. A list makes several changes in turn. Validation data is never changed.
        To save time, up to 16 images share a warp. Rows are treated as square images unless an instance sets
        ``image_shape``, and the background must be 0. :class:`~sk_mnist.RandomInk` also needs pixels of at most 1.

    teacher : classifier, default=None
        A classifier with ``predict_proba``, whose probabilities the network learns in addition to the labels [7]_.
        ``fit`` first fits a clone of it on the training rows, with ``sample_weight`` if the teacher accepts it. A
        fitted teacher in a :class:`~sklearn.frozen.FrozenEstimator` is used as it is. If ``X`` is sparse, so are the
        rows on which it is fitted, and a teacher that takes only dense ones raises its own error; it always predicts on
        dense ones. The teacher sees the same rows as the network, distortions included [8]_. The fitted clone is not
        kept; ``set_params(teacher=None)`` also removes the parameter from a model before saving.

    teacher_weight : float, default=0.7
        Weight in [0, 1] of the teacher's probabilities in the training targets; the labels have the remaining weight.
        Ignored without a ``teacher``.

    early_stopping : bool, default=False
        Whether to hold out part of the training data, stop when ``monitor`` on it has not improved for
        ``n_iter_no_change`` epochs, and keep the weights of the best epoch. The split is stratified and drawn with
        ``random_state``. If ``fit`` is given ``X_val`` and ``y_val``, it uses them instead.

    monitor : {"val_accuracy", "val_loss"}, default="val_accuracy"
        Validation score that determines the best epoch: the highest accuracy or the lowest loss.

    validation_fraction : float, default=0.1
        Share in (0, 1) of the training data to hold out if ``early_stopping``.

    n_iter_no_change : int or numpy.inf, default=5
        Number of epochs without a better ``monitor`` before training stops; infinity trains for all ``epochs`` and
        keeps the best one.

    class_weight : dict or "balanced", default=None
        Non-negative weights of the classes, multiplied by ``sample_weight``; "balanced" gives all classes the same
        total weight in the training data. Held-out rows are scored without class weights.

    warm_start : bool, default=False
        Whether ``fit`` continues from the weights and the optimizer state of the last fit. Only ``warm_start=True`` and
        ``partial_fit`` keep the optimizer state; pickles without it are a third of the size.

    checkpoint_dir : str or path-like, default=None
        Directory in which ``fit`` keeps a checkpoint file, replaced after each epoch. It is created if needed, and
        "~" stands for the home directory. A later ``fit`` with the same parameters and data resumes from this file and
        ends with the same weights as an uninterrupted fit. If the first fit had finished, the later one returns at
        once. Every other fit has its own file, so the fits of a search can share the directory. Needs a
        ``random_state``, and cannot be combined with ``keras_callbacks``.

    keras_callbacks : list, default=None
        ``keras.callbacks.Callback`` instances, or functions without arguments that return one for each fit. They are
        called as ``keras.Sequential.fit`` calls them. ``fit`` uses the given instances; ``clone``, and therefore every
        search, copies them. A fitted estimator is pickled without them.

    jit_compile : bool or "auto", default="auto"
        Whether to compile training with XLA. Compilation takes half a second longer, once per architecture and batch
        size in a process; each step then takes a quarter to nine tenths of the time. With ``keras_callbacks``, each fit
        compiles again. "auto" compiles if a single fit gains by it: from 1,500 planned steps, with
        ``batch_size <= n_samples`` and without batch-level callbacks. True suits many short fits, as in a search; False
        never compiles. Results with and without XLA differ by rounding.

    dtype : {"float32", "float64"}, default="float32"
        Type in which the network computes and predicts.

    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the order of the rows, dropout and the validation split. No global generator is
        changed, except NumPy's if this is None.

    verbose : int, default=0
        If above 0, print a line for each epoch, with the validation scores if there are any. In a notebook, 1 shows
        one bar instead, with the values of the last epoch. The line is always sent to the logger
        ``sk_mnist.neural_network`` at level INFO. For the progress of a search or a Pipeline, pass
        :class:`sklearn.callback.ProgressBar` to ``set_callbacks``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.

    n_features_in_ : int
        Number of features seen during ``fit``.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during ``fit``. Defined only if ``X`` has feature names that are all strings.

    coefs_ : list of ndarray of shape (n_inputs, n_units)
        Weights of each layer.

    intercepts_ : list of ndarray of shape (n_units,)
        Biases of each layer.

    out_activation_ : str
        "softmax".

    n_layers_ : int
        Number of layers, input and output included.

    n_iter_ : int
        Number of epochs of the last call of ``fit`` or ``partial_fit``. The number of all epochs since the weights were
        initialized is ``len(loss_curve_)``.

    loss_ : float
        Training loss of the last epoch, penalty included; NaN if none was completed.

    loss_curve_ : list of float
        Training loss of each epoch, including those of earlier calls that the last one continued.

    history_ : dict of str to list of float
        Values of each epoch: "loss", "accuracy", with validation data "val_loss" and "val_accuracy", with
        ``X_outliers`` "outlier_loss", and values added by ``keras_callbacks``. All lists are as long as
        ``loss_curve_``, with NaN where an epoch has no such value.

    validation_scores_ : list of float or None
        Validation accuracy of each epoch, ``history_["val_accuracy"]``; None if no epoch had validation data.

    best_epoch_ : int or None
        Epoch of the last call with the best ``monitor``; the first such epoch if there are several. None if that call
        had no validation data, or all scores are NaN. With ``early_stopping``, the weights of this epoch are kept.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : scikit-learn's multilayer perceptron, with the same attribute names.
    sk_mnist.make_mnist_pipeline : Pipeline for MNIST with this classifier.

    Notes
    -----
    The first fit in a process limits each TensorFlow operation to ``OMP_NUM_THREADS`` threads, if that environment
    variable is set and TensorFlow has not started yet.

    Keras' global settings do not affect a fit: neither the dtype policy, ``floatx`` and epsilon, nor the seeds.

    References
    ----------
    .. [1] Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015. https://arxiv.org/abs/1412.6980
    .. [2] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014.
    .. [3] Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017.
       https://arxiv.org/abs/1608.03983
    .. [4] Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates",
       2018. https://arxiv.org/abs/1708.07120
    .. [5] Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.
    .. [6] Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document
       Analysis", ICDAR 2003.
    .. [7] Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
       https://arxiv.org/abs/1503.02531
    .. [8] Beyer et al., "Knowledge Distillation: A Good Teacher Is Patient and Consistent", CVPR 2022.
       https://arxiv.org/abs/2106.05237
    .. [9] Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection with Outlier Exposure", ICLR 2019.
       https://arxiv.org/abs/1812.04606
    .. [10] Liu et al., "Muon is Scalable for LLM Training", 2025. https://arxiv.org/abs/2502.16982

    Examples
    --------
    scikit-learn's digits are 1,797 images of 8 x 8 pixels from 0 to 16. With pixels scaled to [0, 1], a small network
    learns them in a second:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sk_mnist import KerasMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> clf = KerasMLPClassifier((32,), learning_rate=0.01, epochs=10, random_state=0).fit(X_train, y_train)
    >>> clf.score(X_test, y_test) > 0.95
    True

    The probabilities show which predictions to trust:

    >>> sure = clf.predict_proba(X_test).max(axis=1) > 0.9
    >>> clf.score(X_test[sure], y_test[sure]) > clf.score(X_test, y_test)
    True

    With early stopping, a tenth of the rows is held out, and the weights of the epoch that predicts them best are kept:

    >>> clf = clf.set_params(epochs=20, early_stopping=True).fit(X_train, y_train)
    >>> clf.best_validation_score_ == max(clf.validation_scores_)
    True

    The network is also available as a Keras model, with copies of its weights:

    >>> clf.to_keras().count_params()  # 64 * 32 + 32 in the hidden layer, 32 * 10 + 10 in the output layer
    2410
    """

    __module__ = "sk_mnist.neural_network"  # what pickles and model files remember

    _parameter_constraints: dict = {  # noqa: RUF012 (scikit-learn's own way of declaring it)
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(_forward.ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), HasMethods(["apply_gradients", "get_config"])],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "augmentation": [StrOptions(set(AUGMENTATIONS)), RandomWarp, RandomInk, list, tuple, None],
        "teacher": [HasMethods(["fit", "predict_proba"]), None],
        "teacher_weight": [Interval(Real, 0, 1, closed="both")],
        "early_stopping": ["boolean"],
        "monitor": [StrOptions(set(MONITORS))],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "keras_callbacks": [list, tuple, None],
        "jit_compile": ["boolean", StrOptions({"auto"})],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    classes_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    n_iter_: int
    history_: History
    best_epoch_: int | None

    @explain_wrong_names(_OTHER_NAMES)
    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | np.ndarray = (128, 64, 32),
        *,
        activation: Literal["relu", "tanh", "sigmoid", "elu", "gelu", "silu"] = "relu",
        dropout: float = 0.0,
        alpha: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: float = DEFAULT_LEARNING_RATE,
        learning_rate_schedule: Literal["constant", "cosine", "one_cycle"] = "constant",
        batch_size: int = 32,
        epochs: int = 20,
        label_smoothing: float = 0.0,
        augmentation: Augmentation | Sequence[Augmentation] | None = None,
        teacher: Any = None,
        teacher_weight: float = 0.7,
        early_stopping: bool = False,
        monitor: Literal["val_accuracy", "val_loss"] = "val_accuracy",
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 5,
        class_weight: dict | Literal["balanced"] | None = None,
        warm_start: bool = False,
        checkpoint_dir: str | os.PathLike | None = None,
        keras_callbacks: list | None = None,
        jit_compile: bool | Literal["auto"] = "auto",
        dtype: Literal["float32", "float64"] = "float32",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes: Any = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.alpha = alpha
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.batch_size = batch_size
        self.epochs = epochs
        self.label_smoothing = label_smoothing
        self.augmentation = augmentation
        self.teacher = teacher
        self.teacher_weight = teacher_weight
        self.early_stopping = early_stopping
        self.monitor = monitor
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.keras_callbacks = keras_callbacks
        self.jit_compile = jit_compile
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    @explain_wrong_names(
        {
            **dict.fromkeys(_parameter_constraints, "It is a parameter of KerasMLPClassifier()."),
            "callbacks": "Give Keras' callbacks to KerasMLPClassifier(keras_callbacks=...).",
            "validation_data": "Give X_val and y_val.",
        }
    )
    @with_callbacks
    # The teacher validates its own parameters.
    @fit_context(prefer_skip_nested_validation=False)
    @_WITHOUT_UNDERFLOW
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        X_outliers: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, scaled to at most a few units, such as pixels in [0, 1].
        y : array-like of shape (n_samples,)
            Labels: numbers, strings or booleans.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Rows of weight 0 are left out. With ``batch_size >= n_samples``, a weight of 2 is the
            same as giving the row twice.
        X_val : {array-like, sparse matrix} of shape (n_validation_samples, n_features), default=None
            Validation data, scored after each epoch. It replaces the part of ``X`` that would be held out. In a search,
            scikit-learn selects its rows like those of ``X`` if both have as many; use ``early_stopping`` alone there.
        y_val : array-like of shape (n_validation_samples,), default=None
            Labels of ``X_val``; each must occur in ``y``.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Weights of the rows of ``X_val``.
        X_outliers : {array-like, sparse matrix} of shape (n_outliers, n_features), default=None
            Rows that belong to no class, and on which the network learns to be unsure: for them, it is trained on
            equal probabilities of all classes. Each epoch trains once on every row of ``X`` and of ``X_outliers``, in
            one random order. Each outlier has the mean weight of the training rows, so their number sets their share.
            Losses and scores are those of ``X`` alone; ``history_["outlier_loss"]`` is the loss on the outliers.

        Returns
        -------
        self : KerasMLPClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data is invalid, training diverges to weights that are not finite, or a checkpoint is damaged.
        TypeError
            If ``X`` is sparse and the ``teacher`` cannot be fitted on sparse rows.
        OSError
            If ``checkpoint_dir`` is not a directory, or a checkpoint cannot be written.
        ImportError
            If TensorFlow is not installed, or Keras runs on another backend.
        KeyboardInterrupt
            If training is interrupted by Ctrl-C. The network trained so far is kept, with a warning, and the interrupt
            is raised again, so that an enclosing search also stops.

        Warns
        -----
        UserWarning
            If ``X`` looks like pixels of 0 to 255: at least 64 features, only whole numbers from 0 to 255, some zeros,
            and a value of at least 128 in half of the rows. The check reads about a hundred rows. Also if ``X_val`` or
            ``X_outliers`` looks like this and ``X`` does not. Also if the penalty of ``alpha`` is more than half of the
            loss of the first epoch, as with weights that sum to 1.
        """
        # Every check that NumPy can make: so far nothing is written, and the estimator is unchanged.
        job = self._describe_fit(X, y, sample_weight, X_val, y_val, sample_weight_val, X_outliers)
        # TensorFlow starts here. The checks that need Keras come next.
        workspace = _import_workspace()
        setup = workspace.prepare(job)
        if job.checkpoint_dir is not None:
            job.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        self._begin(job)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        with fit_task(self, self._as_attributes, X=job.rows.X, y=job.y, metadata=metadata) as task:
            make_targets = fit_teacher(job.teacher, job.rows)
            checkpoint = find_checkpoint(setup.job, setup.optimizer_content, make_targets)
            self._adopt(workspace.train_network(setup, make_targets, task, checkpoint), setup.job)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    @_WITHOUT_UNDERFLOW
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, X_outliers: Any = None
    ) -> Self:
        """Train for one more epoch.

        The optimizer continues from its last state, at the constant ``learning_rate``, and distortions do not fade. No
        validation data is held out and scikit-learn's callbacks are not called. The number of rows may differ between
        calls: one compiled network serves them all, or a few with ``jit_compile=True``, and others serve calls with
        ``X_outliers``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that may occur in any call. Required only in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        X_outliers : {array-like, sparse matrix} of shape (n_outliers, n_features), default=None
            Rows that belong to no class, as in ``fit``.

        Returns
        -------
        self : KerasMLPClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``classes`` is missing in the first call, ``y`` has other labels, or one of these is set, which only
            ``fit`` supports: ``class_weight="balanced"``, ``early_stopping=True``, ``checkpoint_dir``, or a
            ``teacher`` that is not fitted.
        """
        job = self._describe_partial_fit(X, y, classes, sample_weight, X_outliers)
        workspace = _import_workspace()
        setup = workspace.prepare(job)
        self._begin(job)
        self._adopt(workspace.train_network(setup, fit_teacher(job.teacher, job.rows), NoTask()), setup.job)
        return self

    @_WITHOUT_UNDERFLOW
    def predict(self, X: Any) -> np.ndarray:
        """Most probable label of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            In the dtype of ``classes_``.
        """
        # Computed first: an unfitted estimator should raise NotFittedError, and not an AttributeError for classes_.
        logits = self._logits(X)
        return self.classes_[logits.argmax(axis=1)]

    @_WITHOUT_UNDERFLOW
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In ``dtype``, with columns in the order of ``classes_``. Each row sums to 1.
        """
        return _forward.softmax(self._logits(X))

    @_WITHOUT_UNDERFLOW
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probability of each class, finite even if the probability itself rounds to 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In ``dtype``, with columns in the order of ``classes_``.
        """
        return _forward.log_softmax(self._logits(X))

    @classmethod
    def from_keras(cls, model: keras.Model, classes: Any = None) -> Self:
        """Make a fitted classifier of a trained Keras model.

        The result predicts without TensorFlow, and can be saved, converted to ONNX and used in a Pipeline. To continue
        training, set ``warm_start=True`` and call ``fit``, or call ``partial_fit``.

        Parameters
        ----------
        model : keras.Model
            A Sequential or a functional model of Dense, Flatten, Reshape and Dropout layers and activations, as
            arguments or as layers. All hidden layers have the same activation, one of those that ``activation`` names.
            The last layer has a softmax, or none if the outputs are logits, or is a single unit for two classes, with
            a sigmoid or as a logit. A Rescaling or BatchNormalization before or after a Dense is multiplied into its
            weights. The model is not changed.
        classes : array-like of shape (n_classes,), default=None
            Labels of the outputs, in their order; for a single unit the label of 0, then that of 1. None numbers them
            from 0.

        Returns
        -------
        classifier : KerasMLPClassifier
            Fitted on 0 epochs. ``dtype`` is "float64" if the weights are, else "float32". ``dropout`` is that of the
            model if all hidden layers have the same, else 0; it only matters if training continues. All other
            parameters, among them the optimizer's, have their defaults.

        Raises
        ------
        TypeError
            If ``model`` is neither a Sequential nor a functional model.
        ValueError
            If a layer or an activation cannot be converted exactly, the model has no weights, or ``classes`` does not
            have one label for each output.

        See Also
        --------
        to_keras : The network as a Keras model.

        Examples
        --------
        >>> import keras
        >>> from sklearn.datasets import load_digits
        >>> from sk_mnist import KerasMLPClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> layers = [keras.Input((64,)), keras.layers.Rescaling(1 / 16)]
        >>> layers += [keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")]
        >>> model = keras.Sequential(layers)
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> _ = model.fit(X, y, epochs=2, verbose=0)
        >>> clf = KerasMLPClassifier.from_keras(model)
        >>> bool((clf.predict(X) == model.predict(X, verbose=0).argmax(axis=1)).all())
        True
        """
        from sk_mnist.neural_network._keras.conversion import convert_model

        (*hidden, output), activation, dropout = convert_model(model)
        labels, order = check_classes_of_outputs(classes, len(output.bias))
        layers = [*hidden, Layer(output.kernel[:, order], output.bias[order])]
        parameters: dict[str, Any] = {"dropout": dropout, "dtype": output.kernel.dtype.name}
        if activation is not None:
            parameters["activation"] = activation
        mlp = cls(tuple(len(layer.bias) for layer in hidden), **parameters)
        # The random_state of the first fit that continues decides its seed.
        mlp._start_over(len(layers[0].kernel), Seen(labels, None), seed=None)
        for name, value in mlp._as_attributes(layers, mlp.history_).items():
            setattr(mlp, name, value)
        return mlp

    def to_keras(self) -> keras.Sequential:
        """Return the network as a separate Keras model, with a copy of the weights.

        Returns
        -------
        model : keras.Sequential
            Not compiled. Takes (n_samples, n_features) and returns probabilities of shape (n_samples, n_classes).
        """
        check_is_fitted(self)
        start_quietly()
        from sk_mnist.neural_network._keras.network import build_model

        return build_model(self._layers(), self.activation, self.dropout)

    def to_keras_classifier(self) -> scikeras.wrappers.KerasClassifier:
        """Return a fitted scikeras classifier with a copy of the weights, for code that expects one.

        Returns
        -------
        classifier : scikeras.wrappers.KerasClassifier
            Makes the same predictions. It takes data in ``dtype``, because scikeras does not convert float64 to
            float32.
        """
        check_is_fitted(self)
        start_quietly()
        from sk_mnist.neural_network._keras.scikeras import build_classifier

        return build_classifier(self.to_keras(), self.classes_, self.optimizer, self.learning_rate)

    @property
    def out_activation_(self) -> str:
        """Activation of the output layer, "softmax"."""
        check_is_fitted(self)
        return "softmax"

    @property
    def n_layers_(self) -> int:
        """Number of layers, input and output included."""
        check_is_fitted(self)
        return len(self.coefs_) + 1

    @property
    def loss_curve_(self) -> list[float]:
        """Training loss of each epoch, ``history_["loss"]``."""
        check_is_fitted(self)
        return self.history_["loss"]

    @property
    def loss_(self) -> float:
        """Training loss of the last epoch."""
        return self.loss_curve_[-1] if self.loss_curve_ else np.nan

    @property
    def validation_scores_(self) -> list[float] | None:
        """Validation accuracy of each epoch, ``history_["val_accuracy"]``; None if no epoch had validation data."""
        check_is_fitted(self)
        return self.history_.get("val_accuracy")

    @property
    def n_parameters_(self) -> int:
        """Number of trained weights and biases."""
        check_is_fitted(self)
        return sum(array.size for array in [*self.coefs_, *self.intercepts_])

    @property
    def n_outputs_(self) -> int:
        """Number of outputs: one per class, even for two classes."""
        check_is_fitted(self)
        return len(self.classes_)

    @property
    def best_loss_(self) -> float | None:
        """Smallest training loss of any epoch; None with ``early_stopping``, which uses ``best_validation_score_``."""
        check_is_fitted(self)
        return None if self.early_stopping else min(self.loss_curve_, default=np.nan)

    @property
    def best_validation_score_(self) -> float | None:
        """Validation accuracy in ``best_epoch_``; None without validation data."""
        check_is_fitted(self)
        if self.best_epoch_ is None or self.validation_scores_ is None:
            return None
        return self.validation_scores_[self.best_epoch_ - 1]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict:
        state = super().__getstate__()
        if self.__sklearn_is_fitted__():
            # Callbacks hold models and threads, and a fitted estimator no longer needs them. An unfitted one keeps
            # them, because a search pickles it to send it to its workers.
            state = {**state, "keras_callbacks": None}
        if not isinstance(self.optimizer, str):
            # Keras pickles an optimizer as the name of its class and its settings, and loses everything else.
            state = {**state, "optimizer": make_picklable(self.optimizer)}
        if isinstance(self.checkpoint_dir, os.PathLike):
            # A path object of one system cannot be unpickled on every other, and model files hold plain values.
            state = {**state, "checkpoint_dir": os.fspath(self.checkpoint_dir)}
        return state

    def __setstate__(self, state: dict) -> None:
        state = {**update_attributes(state), "optimizer": make_optimizer(state.get("optimizer", "adam"))}
        # Defaults for parameters that an older version did not have.
        super().__setstate__({**KerasMLPClassifier().get_params(deep=False), **state})

    def __copy__(self) -> Self:
        # Does not use __getstate__, which leaves out what cannot be pickled.
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self, memo: dict) -> Self:
        copied = copy.copy(self)
        for name, value in self.__dict__.items():
            if name not in ("optimizer", "keras_callbacks", "teacher"):
                copied.__dict__[name] = copy.deepcopy(value, memo)
        copied.optimizer = copy_optimizer(self.optimizer)
        copied.keras_callbacks = copy_callbacks(self.keras_callbacks)
        # A FrozenEstimator, also a nested one, passes __deepcopy__ on to its estimator: a deep copy is not frozen.
        copied.teacher = clone(self.teacher, safe=False)
        return copied

    def __sklearn_clone__(self) -> Self:
        # copy.deepcopy does not copy these two parameters faithfully, so they are copied separately.
        rest = copy.copy(self)
        rest.optimizer, rest.keras_callbacks = "adam", None
        cloned = super(KerasMLPClassifier, rest).__sklearn_clone__()
        cloned.optimizer = copy_optimizer(self.optimizer)
        cloned.keras_callbacks = copy_callbacks(self.keras_callbacks)
        return cloned

    def _describe_fit(
        self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, sample_weight_val: Any, X_outliers: Any
    ) -> Job:
        parameters = self._parameters()
        check_parameters(parameters)
        trial, X, y = self._check_data(X, y, continues=self.warm_start and self.__sklearn_is_fitted__())
        if trial.__sklearn_is_fitted__():
            check_same_classes(np.unique(y), trial.classes_)
        else:
            trial.classes_ = np.unique(y)
        check_classes(trial.classes_)
        rows = make_rows(X, y, trial.classes_, sample_weight, self.dtype)
        rows = weigh_classes(rows, self.class_weight, trial.classes_)
        validation = trial._given_validation(rows, X_val, y_val, sample_weight_val)
        outliers = trial._given_outliers(rows, X_outliers)
        seed = trial._draw_seed()
        if validation is None and self.early_stopping:
            rows, validation = hold_out(rows, self.validation_fraction, trial.classes_, seed)
        return make_job(parameters, rows, validation, outliers, y, trial._seen(), seed, trial._state())

    def _describe_partial_fit(self, X: Any, y: Any, classes: Any, sample_weight: Any, X_outliers: Any) -> Job:
        # One more epoch, from which the next call continues.
        parameters = self._parameters(epochs=1, learning_rate_schedule="constant", warm_start=True)
        check_partial_fit(parameters)
        check_parameters(parameters)
        trial, X, y = self._check_data(X, y, continues=self.__sklearn_is_fitted__())
        check_partial_fit_first_call(trial, classes)
        check_classes(trial.classes_)
        rows = make_rows(X, y, trial.classes_, sample_weight, self.dtype)
        rows = weigh_classes(rows, self.class_weight, trial.classes_)
        outliers = trial._given_outliers(rows, X_outliers)
        return make_job(parameters, rows, None, outliers, y, trial._seen(), trial._draw_seed(), trial._state())

    def _parameters(self, **changes: Any) -> SimpleNamespace:
        """Return the parameters as values, some of them changed."""
        if self.teacher is self:
            raise ValueError("teacher is the KerasMLPClassifier itself. Give a clone of it.")
        # Not get_params, because a subclass may have other ones.
        return SimpleNamespace(**{name: getattr(self, name) for name in _PARAMETERS} | changes)

    def _check_data(self, X: Any, y: Any, *, continues: bool) -> tuple[Self, Any, np.ndarray]:
        """Return a copy of the estimator that has seen the data, and the checked data.

        scikit-learn's checks set attributes, and a rejected fit must not change the estimator.
        """
        trial = copy.copy(self)
        if not continues:
            # A fit that failed may have left its classes behind.
            for name in (*_FITTED, "classes_"):
                trial.__dict__.pop(name, None)
        return trial, *trial._check_X_y(X, y, reset=not continues)

    def _seen(self) -> Seen:
        return Seen(self.classes_, getattr(self, "feature_names_in_", None))

    def _draw_seed(self) -> int:
        """Return the seed of a fit: that of the last one if the fit continues from it, or else a new one."""
        if self.__sklearn_is_fitted__() and self._seed is not None:
            return self._seed
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _check_X_y(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, np.ndarray]:
        X = stack_column(X)
        check_is_rows(X, None if reset else self.n_features_in_)
        check_is_one_label_a_row(y)
        X, y = validate_data(self, X, y, reset=reset, accept_sparse="csr", dtype=self.dtype)
        check_classification_targets(y)
        if reset and look_like_bytes(X):
            warnings.warn(
                "X has whole numbers from 0 to 255, like unscaled pixels, on which KerasMLPClassifier learns poorly. "
                "Put a PixelScaler() before it, or divide X by 255."
            )
        return X, y

    def _given_validation(self, rows: Rows, X_val: Any, y_val: Any, sample_weight_val: Any) -> Rows | None:
        """Return the rows of X_val; None if they were not given."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together; got only " + ("y_val." if X_val is None else "X_val."))
        if X_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val needs X_val and y_val; got neither.")
            return None
        try:
            X_val, y_val = self._check_X_y(X_val, y_val, reset=False)
        except (ValueError, TypeError) as error:
            raise type(error)(f"X_val and y_val, given as validation data: {error}") from error
        if look_like_bytes(X_val) and not look_like_bytes(rows.X):
            warnings.warn(
                "X_val has whole numbers from 0 to 255, like unscaled pixels, but X has not, so scores on X_val "
                "say nothing. Scale X_val like X: in a Pipeline, name it in transform_input."
            )
        return make_rows(X_val, y_val, self.classes_, sample_weight_val, self.dtype, suffix="_val")

    def _given_outliers(self, rows: Rows, X_outliers: Any) -> Any:
        """Return the checked X_outliers; None if they were not given."""
        if X_outliers is None:
            return None
        try:
            X_outliers = stack_column(X_outliers)
            check_is_rows(X_outliers, self.n_features_in_)
            checked = validate_data(self, X_outliers, reset=False, accept_sparse="csr", dtype=self.dtype)
        except (ValueError, TypeError) as error:
            raise type(error)(f"X_outliers: {error}") from error
        if look_like_bytes(checked) and not look_like_bytes(rows.X):
            warnings.warn(
                "X_outliers has whole numbers from 0 to 255, like unscaled pixels, but X has not, so the network "
                "learns nothing useful from it. Scale X_outliers like X: in a Pipeline, name it in transform_input."
            )
        return checked

    def _layers(self) -> list[Layer]:
        return list(map(Layer, self.coefs_, self.intercepts_))

    def _state(self) -> State | None:
        """Return the state from which a fit continues; None if nothing is fitted."""
        if not self.__sklearn_is_fitted__():
            return None
        state = State(self._layers(), history=self.history_)
        if self._optimizer_state is not None:
            state.optimizer, state.slots, trained = self._optimizer_state
            if trained:
                state.layers, state.average = layers_of(trained), state.layers
        return state

    def _begin(self, job: Job) -> None:
        """Forget what is fitted, unless the job continues from it.

        If training fails, the estimator is unfitted: no model is better than the old one with new labels.
        """
        if job.start is None:
            self._start_over(job.specification.n_features, job.seen, job.settings.seed)

    def _start_over(self, n_features: int, seen: Seen, seed: int | None) -> None:
        for name in _FITTED:
            self.__dict__.pop(name, None)
        self.n_features_in_ = n_features
        if seen.feature_names is not None:
            self.feature_names_in_ = seen.feature_names
        self.classes_ = seen.classes
        self.n_iter_ = 0
        self.history_ = empty_history()
        self._seed = seed
        self._optimizer_state: OptimizerState | None = None

    def _adopt(self, result: Result, job: Job) -> None:
        """Take over the result of a training."""
        state = result.state
        layers = state.fitted_layers
        if not all(np.isfinite(array).all() for array in arrays_of(layers)):
            if result.is_interrupted:
                raise KeyboardInterrupt
            raise ValueError(f"Training diverged: the weights are not finite. {_advice_on_divergence(job)}")
        trained = [] if state.average is None else arrays_of(state.layers)
        self._optimizer_state = None if state.slots is None else (state.optimizer, state.slots, trained)
        for name, value in self._as_attributes(layers, state.history).items():
            setattr(self, name, value)
        if result.is_interrupted:
            try:
                warnings.warn("Training interrupted by user.", stacklevel=3)
            finally:
                # MLPClassifier swallows the interrupt, and a search then continues with its next fit.
                raise KeyboardInterrupt

    def _as_attributes(self, layers: list[Layer], history: History) -> dict[str, Any]:
        """Return the fitted attributes after a training; all others are derived from them."""
        n_before = len(self.history_["loss"])
        return {
            "coefs_": [layer.kernel for layer in layers],
            "intercepts_": [layer.bias for layer in layers],
            "history_": history,
            "n_iter_": len(history["loss"]) - n_before,
            "best_epoch_": find_best_epoch(history, self.monitor, n_before),
        }

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        if not self._needs_no_conversion(X):
            X = stack_column(X)
            check_is_rows(X, self.n_features_in_)
            # The forward pass detects NaN and infinity in a fraction of the time.
            X = validate_data(
                self, X, reset=False, accept_sparse="csr", dtype=self.coefs_[0].dtype, ensure_all_finite=False
            )
        # Plain pairs, because making Layers would take a twentieth of the time of predicting one row.
        pairs = list(zip(self.coefs_, self.intercepts_, strict=True))
        return _forward.logits(X, pairs, self.activation, self._check_finite)

    def _check_finite(self, X: Any) -> None:
        assert_all_finite(X, estimator_name=type(self).__name__, input_name="X")

    def _needs_no_conversion(self, X: Any) -> bool:
        # scikit-learn's checks would return this array unchanged, and for one row would take longer than the network.
        return (
            type(X) is np.ndarray
            and X.dtype == self.coefs_[0].dtype
            and X.ndim == 2
            and X.shape[0] > 0
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        )


def _advice_on_divergence(job: Job) -> str:
    settings, weights = job.settings, job.rows.weight
    advice = []
    if (largest := abs(job.rows.X).max()) > _MAX_UNITS:
        advice.append(f"scale X, which has values of up to {largest:.3g}, to a few units")
    mean = float(weights.mean())
    if mean < _MIN_WEIGHT or settings.alpha > mean * settings.block.batch_size:
        penalty = f"lower alpha={settings.alpha:g}, or " if settings.alpha else ""
        advice.append(
            f"{penalty}scale sample_weight, of which {len(weights):,} sum to {weights.sum():.3g}, to a mean of 1"
        )
    advice.append(f"lower learning_rate (now {settings.learning_rate})")
    if job.keras_callbacks:
        advice.append("check whether a callback has set the weights")
    first, *others = advice
    return ", or ".join([first[0].upper() + first[1:], *others]) + "."


_PARAMETERS = tuple(KerasMLPClassifier._parameter_constraints)

# Beyond these, the size of X or of the weights may be why training diverged.
_MAX_UNITS = 10
_MIN_WEIGHT = 1e-6

# Attributes that an unfitted estimator does not have.
_FITTED = ("coefs_", "intercepts_", "best_epoch_", "feature_names_in_")


def _import_workspace() -> ModuleType:
    """Start TensorFlow, and return the module that trains networks."""
    check_process()
    check_backend()
    start_quietly()
    from sk_mnist.neural_network._keras import workspace

    return workspace


def adopt_training(mlp: KerasMLPClassifier, classes: np.ndarray, state: State) -> None:
    """Make a classifier the fitted one of a training that took place elsewhere.

    Parameters
    ----------
    mlp : KerasMLPClassifier
        Has the parameters of that training. Modified in place.
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    state : State
        How the training ended, with layers in the dtype of ``mlp``.
    """
    mlp._start_over(len(state.layers[0].kernel), Seen(classes, None), mlp._draw_seed())
    for name, value in mlp._as_attributes(state.fitted_layers, state.history).items():
        setattr(mlp, name, value)

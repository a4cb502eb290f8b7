"""Parameter grids and distributions for searches over the Pipeline of `make_mnist_pipeline`."""

from typing import Any

from scipy.stats import loguniform, uniform

from sk_mnist._sklearn import StrOptions, validate_params


@validate_params({"size": [StrOptions({"small", "large"})]})
def mnist_param_grid(size: str = "small") -> dict[str, list[Any]]:
    """Return a parameter grid for the Pipeline of `make_mnist_pipeline`.

    It does not include the number of epochs, so it also works with
    ``HalvingGridSearchCV(resource="mlp__epochs", max_resources=...)``.

    Parameters
    ----------
    size : {"small", "large"}, default="small"
        "small" has 6 candidates, "large" has 36.

    Returns
    -------
    grid : dict of str to list
        For `GridSearchCV`, `HalvingGridSearchCV` or `ParameterGrid`. Each call returns a new grid, which may be
        modified.

    Examples
    --------
    >>> from sklearn.model_selection import ParameterGrid
    >>> from sk_mnist.model_selection import mnist_param_grid
    >>> mnist_param_grid("small")
    {'mlp__learning_rate': [0.0003, 0.001, 0.003], 'mlp__dropout': [0.0, 0.2]}
    >>> len(ParameterGrid(mnist_param_grid("large")))
    36
    """
    grid: dict[str, list[Any]] = {"mlp__learning_rate": [3e-4, 1e-3, 3e-3], "mlp__dropout": [0.0, 0.2]}
    if size == "large":
        grid["mlp__hidden_layer_sizes"] = [(128, 64, 32), (256, 128), (512,)]
        grid["mlp__batch_size"] = [32, 128]
    return grid


def mnist_param_distributions() -> dict[str, Any]:
    """Return distributions for the parameters of the Pipeline of `make_mnist_pipeline`.

    Returns
    -------
    distributions : dict of str to list or scipy.stats distribution
        For `RandomizedSearchCV`, `HalvingRandomSearchCV` or `ParameterSampler`, without the number of epochs. Each
        call returns a new dict, which may be modified.

    Examples
    --------
    >>> from sklearn.model_selection import ParameterSampler
    >>> from sk_mnist.model_selection import mnist_param_distributions
    >>> candidates = list(ParameterSampler(mnist_param_distributions(), n_iter=3, random_state=0))
    >>> sorted(candidates[0])
    ['mlp__alpha', 'mlp__batch_size', 'mlp__dropout', 'mlp__hidden_layer_sizes', 'mlp__learning_rate',
     'mlp__learning_rate_schedule']
    """
    return {
        "mlp__learning_rate": loguniform(1e-4, 1e-2),
        "mlp__learning_rate_schedule": ["constant", "cosine", "one_cycle"],
        "mlp__hidden_layer_sizes": [(128, 64, 32), (256, 128), (512,), (512, 256)],
        "mlp__dropout": uniform(0.0, 0.5),
        "mlp__alpha": loguniform(1e-6, 1e-2),
        "mlp__batch_size": [32, 64, 128, 256],
    }

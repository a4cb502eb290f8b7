"""
Tuning with progress bars
=========================

This example runs a grid search over the learning rate and the dropout on the first 4,000 training images, with
scikit-learn's own progress bars.
"""

# %%
# ``set_callbacks`` and ``ProgressBar`` are part of scikit-learn. The search passes the callback on to each Pipeline,
# and the Pipeline to the network. ``max_propagation_depth`` sets the level of detail: 0 shows the search, 1 (the
# default) also shows each fit, and 2 the epochs of each fit. In a terminal the bars move; this page shows their final
# state.

from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV

from sk_mnist import fetch_mnist, make_mnist_pipeline

X, y = fetch_mnist(subset="train", return_X_y=True)
X, y = X[:4000], y[:4000]

grid = {"mlp__learning_rate": [1e-3, 3e-3, 1e-2], "mlp__dropout": [0.0, 0.2]}
search = GridSearchCV(make_mnist_pipeline(epochs=4, jit_compile=True, random_state=0), grid, cv=2)
search.set_callbacks(ProgressBar())
search.fit(X, y)

# %%
# For two parameters, the plot is a heat map with a frame around the best candidate.

from sk_mnist.plotting import SearchResultsDisplay

SearchResultsDisplay.from_estimator(search)

# %%
# For one parameter, the plot is a line. Each point is the best of the candidates with that value.

SearchResultsDisplay.from_estimator(search, params="mlp__learning_rate")

# %%
# Successive halving is cheaper: it trains all candidates for a few epochs, and only the best third of them for three
# times as many. The resource is the number of epochs.

from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV

halving = HalvingGridSearchCV(
    make_mnist_pipeline(random_state=0),
    grid,
    resource="mlp__epochs",
    max_resources=9,
    cv=2,
    random_state=0,
)
halving.fit(X, y)
for n_candidates, epochs in zip(halving.n_candidates_, halving.n_resources_, strict=True):
    print(f"{n_candidates:2} candidates trained for {epochs} epoch(s)")
print("best:", halving.best_params_)

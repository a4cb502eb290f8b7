"""The scores of a search against its parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist.plotting._base import COLORS, STAR, import_pyplot, make_axes

MAX_CELLS_WITH_TEXT = 12  # in a row or column of the heat map
_BEST = {**STAR, "markersize": 17, "markeredgecolor": "black"}


@dataclass(eq=False, repr=False)
class SearchResultsDisplay:
    """Mean cross-validated score of a search against one or two parameters.

    Create it with :meth:`from_estimator` or :meth:`from_cv_results`. If candidates differ in other parameters
    too, the best of them counts. One parameter gives a line with a band of one standard deviation over the
    folds on either side. Two parameters give a heat map or, if candidates were drawn from distributions,
    points.

    Parameters
    ----------
    params : list of str
        One or two parameter names.
    values : list of list
        The values of each parameter, in order.
    mean_score : ndarray of shape (n_values,) or (n_values_0, n_values_1)
        Mean score of the best candidate with these values; NaN if there is none.
    std_score : ndarray of the shape of `mean_score`
        Its standard deviation over the folds.
    score_name : str, default="score"
        Name of the score.

    Attributes
    ----------
    line_ : matplotlib Line2D or None
        The means, with one parameter.
    band_ : matplotlib PolyCollection or None
        The band of one standard deviation, with one parameter.
    image_ : matplotlib AxesImage or None
        The heat map, with two parameters.
    points_ : matplotlib PathCollection or None
        The candidates, with two numeric parameters whose grid would be mostly empty.
    text_ : list of matplotlib Text
        The numbers in the heat map.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.svm import SVC
    >>> from sk_mnist.plotting import SearchResultsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> search = GridSearchCV(SVC(), {"C": [0.1, 1, 10], "gamma": [1e-4, 1e-3]}, cv=3).fit(X[:500], y[:500])
    >>> SearchResultsDisplay.from_estimator(search).mean_score.shape
    (3, 2)
    """

    __module__ = "sk_mnist.plotting"  # stored in pickles

    params: Sequence[str]
    values: Sequence[Sequence[Any]]
    mean_score: NDArray[np.float64]
    std_score: NDArray[np.float64]
    score_name: str = field(default="score", kw_only=True)

    @classmethod
    def from_estimator(
        cls,
        search: Any,
        *,
        params: str | Sequence[str] | None = None,
        scoring: str | None = None,
        ax: Any = None,
    ) -> SearchResultsDisplay:
        """Draw the results of a fitted search.

        Parameters
        ----------
        search : estimator instance
            Fitted `GridSearchCV`, `RandomizedSearchCV`, `HalvingGridSearchCV` or a similar search.
        params : str or list of str, default=None
            One or two parameters to draw. None uses the parameters that vary, if there are one or two.
        scoring : str, default=None
            Name of the score, if the search has several. None uses the score of `refit`.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : SearchResultsDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `search` is not a fitted search, or for the reasons of :meth:`from_cv_results`.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        if not hasattr(search, "cv_results_"):
            raise ValueError(f"{type(search).__name__} has no cv_results_; fit a search such as GridSearchCV first.")
        if scoring is None:
            scoring = search.refit if search.multimetric_ and isinstance(search.refit, str) else "score"
        return cls.from_cv_results(search.cv_results_, params=params, scoring=scoring, ax=ax)

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        params: str | Sequence[str] | None = None,
        scoring: str = "score",
        ax: Any = None,
    ) -> SearchResultsDisplay:
        """Draw the `cv_results_` of a search.

        Parameters
        ----------
        cv_results : dict
            The attribute `cv_results_`. For successive halving, only the last score of each candidate is used,
            which comes from the most resources.
        params : str or list of str, default=None
            One or two parameters to draw. None uses the parameters that vary, if there are one or two.
        scoring : str, default="score"
            Name of the score: results are taken from ``mean_test_<scoring>``.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : SearchResultsDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If a parameter or score is unknown, if `params` is None and no or more than two parameters vary, or if all
            scores are NaN.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_cv_results")
        if f"mean_test_{scoring}" not in cv_results:
            known = [key.removeprefix("mean_test_") for key in cv_results if key.startswith("mean_test_")]
            raise ValueError(f"scoring={scoring!r} is not among the scores of the search: {known}.")
        settings = _last_setting_of_each_candidate(cv_results)
        names = _chosen_params(params, settings.values())
        # A grid given as a list of dicts has candidates without some of the parameters.
        settings = {row: setting for row, setting in settings.items() if all(name in setting for name in names)}
        if not settings:
            raise ValueError(f"No candidate of the search sets both of params={names!r}. Draw one of them.")
        values = [_in_order([setting[name] for setting in settings.values()]) for name in names]
        mean = np.full([len(column) for column in values], np.nan)
        std = np.full_like(mean, np.nan)
        for row, setting in settings.items():
            cell = tuple(_position(setting[name], column) for name, column in zip(names, values, strict=True))
            score = cv_results[f"mean_test_{scoring}"][row]
            if np.isnan(mean[cell]) or score > mean[cell]:
                mean[cell], std[cell] = score, cv_results[f"std_test_{scoring}"][row]
        return cls(names, values, mean, std, score_name=scoring).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> SearchResultsDisplay:
        """Draw the line, heat map or points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : SearchResultsDisplay
            This display, with `ax_`, `figure_` and the drawn artists.
        """
        if np.isnan(self.mean_score).all():
            raise ValueError(
                f"All values of mean test {self.score_name} are NaN, so there is nothing to draw. Fit the search with "
                "error_score='raise' to see why."
            )
        if len(self.params) == 1:
            draw, figsize = self._draw_line, (6.0, 4.0)
        elif self._is_scattered():
            draw, figsize = self._draw_points, (6.0, 4.0)
        else:
            n_rows, n_columns = self.mean_score.shape
            draw, figsize = self._draw_heat_map, (min(2.5 + 0.9 * n_columns, 14.0), min(1.5 + 0.7 * n_rows, 12.0))
        ax = make_axes(ax, f"{type(self).__name__}.plot", figsize=figsize)
        self.line_: Any = None
        self.band_: Any = None
        self.image_: Any = None
        self.points_: Any = None
        self.text_: list[Any] = []
        draw(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _is_scattered(self) -> bool:
        """Whether the candidates are drawn from distributions, so that a grid would be mostly empty."""
        return bool(np.isnan(self.mean_score).mean() > 0.5) and all(_are_numbers(v) for v in self.values)

    def _draw_line(self, ax: Any) -> None:
        (name,), (values,) = self.params, self.values
        is_numeric = _are_numbers(values)
        x = np.asarray(values, dtype=float) if is_numeric else np.arange(len(values))
        (self.line_,) = ax.plot(x, self.mean_score, marker="o", color=COLORS[0], label="mean over the folds")
        self.band_ = ax.fill_between(
            x,
            self.mean_score - self.std_score,
            self.mean_score + self.std_score,
            color=COLORS[0],
            alpha=0.2,
            label="± 1 standard deviation",
        )
        best = int(np.nanargmax(self.mean_score))
        ax.plot(x[best], self.mean_score[best], **_BEST, label=f"best: {self.mean_score[best]:.4f}")
        if is_numeric:
            ax.set_xscale(_scale(values))
        else:
            ax.set_xticks(x, [_text(value) for value in values])
        ax.set(xlabel=name, ylabel=f"Mean test {self.score_name}")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")

    def _draw_points(self, ax: Any) -> None:
        rows, columns = np.nonzero(~np.isnan(self.mean_score))
        x, y = np.asarray(self.values[1], float)[columns], np.asarray(self.values[0], float)[rows]
        scores = self.mean_score[rows, columns]
        self.points_ = ax.scatter(x, y, c=scores, cmap="cividis", s=70, edgecolors="black", zorder=2)
        best = int(np.argmax(scores))
        ax.plot(x[best], y[best], **_BEST, label=f"best: {scores[best]:.4f}")
        ax.figure.colorbar(self.points_, ax=ax, label=f"Mean test {self.score_name}")
        ax.set(
            xlabel=self.params[1],
            ylabel=self.params[0],
            xscale=_scale(self.values[1]),
            yscale=_scale(self.values[0]),
        )
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")

    def _draw_heat_map(self, ax: Any) -> None:
        from matplotlib.patches import Rectangle

        self.image_ = ax.imshow(self.mean_score, cmap="cividis", aspect="auto")
        ax.figure.colorbar(self.image_, ax=ax, label=f"Mean test {self.score_name}")
        row_values, column_values = self.values
        ax.set_yticks(range(len(row_values)), [_text(value) for value in row_values])
        names = [_text(value) for value in column_values]
        slant = {"rotation": 30, "ha": "right"} if max(map(len, names)) > 8 else {}
        ax.set_xticks(range(len(names)), names, **slant)
        ax.set(xlabel=self.params[1], ylabel=self.params[0])
        best = np.unravel_index(np.nanargmax(self.mean_score), self.mean_score.shape)
        frame = Rectangle((best[1] - 0.47, best[0] - 0.47), 0.94, 0.94, fill=False, edgecolor="black", linewidth=3)
        ax.add_patch(frame)
        ax.set_title(f"framed: best, {self.mean_score[best]:.4f}", fontsize="medium")
        if max(self.mean_score.shape) > MAX_CELLS_WITH_TEXT:
            return
        for row, column in zip(*np.nonzero(~np.isnan(self.mean_score)), strict=True):
            score = self.mean_score[row, column]
            # cividis runs from dark to light.
            color = "white" if self.image_.norm(score) < 0.5 else "black"
            figures = f"{score:.4f}\n± {self.std_score[row, column]:.4f}"
            self.text_.append(ax.text(column, row, figures, ha="center", va="center", color=color, fontsize="small"))


def _last_setting_of_each_candidate(cv_results: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the rows to draw and their parameters; for successive halving, the last row of each candidate."""
    settings = cv_results["params"]
    if "iter" not in cv_results:
        return dict(enumerate(settings))
    # The resource may be a parameter, such as the number of epochs, which then grows from row to row.
    amounts = cv_results["n_resources"]
    resources = {
        name
        for name in settings[0]
        if all(_is_same(setting.get(name), amount) for setting, amount in zip(settings, amounts, strict=True))
    }
    last = {}
    for row, setting in enumerate(settings):
        candidate = {name: value for name, value in setting.items() if name not in resources}
        last[repr(sorted(candidate.items()))] = row, candidate
    return dict(last.values())


def _chosen_params(params: str | Sequence[str] | None, settings: Collection[Mapping[str, Any]]) -> list[str]:
    known = list(dict.fromkeys(name for setting in settings for name in setting))
    if params is None:
        varying = [name for name in known if len(_in_order([s[name] for s in settings if name in s])) > 1]
        if len(varying) not in (1, 2):
            raise ValueError(f"The search varies {varying or 'no parameter'}; choose one or two of {known} as params.")
        return varying
    chosen = [params] if isinstance(params, str) else list(params)
    if len(chosen) not in (1, 2) or any(name not in known for name in chosen):
        raise ValueError(f"params={params!r} must be one or two of the searched parameters: {known}.")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"params={params!r} names a parameter twice; choose one or two different ones of {known}.")
    return chosen


def _in_order(values: Sequence[Any]) -> list[Any]:
    """Return the distinct values, numbers sorted, others in order of first occurrence."""
    distinct: list[Any] = []
    for value in values:
        if not any(_is_same(value, other) for other in distinct):
            distinct.append(value)
    return sorted(distinct) if _are_numbers(distinct) else distinct


def _position(value: Any, values: Sequence[Any]) -> int:
    return next(k for k, other in enumerate(values) if _is_same(value, other))


def _is_same(value: Any, other: Any) -> bool:
    if value is other:
        return True
    if isinstance(value, np.ndarray) or isinstance(other, np.ndarray):
        return type(value) is type(other) and np.array_equal(value, other)
    try:
        return bool(value == other)
    except ValueError:  # frames, or tuples that hold arrays
        return repr(value) == repr(other)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, Real) and not isinstance(value, bool) for value in values)


def _scale(values: Sequence[float]) -> str:
    return "log" if min(values) > 0 and max(values) >= 30 * min(values) else "linear"


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

"""Standard errors, tests and measures of fit of linear and logistic models, defined as in textbooks and statsmodels.

Plain numbers in, a `Summary` out: nothing here knows an estimator. Distributions come from `scipy.special`;
`scipy.stats`, which wraps the same functions, takes longer to import than everything else here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ..validation import is_number

_Values = NDArray[np.float64]
_Measure = float | NDArray[np.float64]

_LABELS = {
    "n_rows": "rows",
    "condition": "condition number",
    "df_model": "degrees of freedom, model",
    "df_residual": "degrees of freedom, residual",
    "r_squared": "R-squared",
    "adjusted_r_squared": "R-squared, adjusted",
    "f_statistic": "F statistic",
    "f_p_value": "P(F)",
    "pseudo_r_squared": "pseudo R-squared (McFadden)",
    "log_likelihood_null": "log-likelihood, null model",
    "likelihood_ratio": "likelihood ratio",
    "likelihood_ratio_p_value": "P(likelihood ratio)",
    "log_likelihood": "log-likelihood",
    "residual_standard_error": "residual standard error",
    "aic": "AIC",
    "bic": "BIC",
}
# without intercept: about zero, not about the mean
_UNCENTRED = {"r_squared": "R-squared (uncentred)", "adjusted_r_squared": "R-squared, adj. (uncentred)"}


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """What a fit says of its coefficients and of itself; printed, a table.

    Attributes
    ----------
    names : tuple of str
        Of the k coefficients: "intercept" if there is one, then the features.
    coefficients, standard_errors, statistics, p_values : ndarray of shape (k,), (k, q) or (K - 1, k)
        (k, q) for linear models of a y with q columns; (K - 1, k) for K > 2 classes, each class against the first.
        The p-values are two-sided, of the hypothesis that the coefficient is zero.
    confidence_intervals : ndarray of shape (k, 2), (k, 2, q) or (K - 1, k, 2)
        Lower and upper bounds.
    statistic_name : {"t", "z"}
    confidence_level : float
    n_rows, df_model, df_residual : int
        `df_model` counts coefficients without the intercepts, `df_residual` is `n_rows` less all coefficients.
    condition : float
        Of X, as the caller measured it.
    log_likelihood, aic, bic : float or ndarray of shape (q,)
    r_squared, adjusted_r_squared, f_statistic, f_p_value, residual_standard_error : float or ndarray of shape (q,)
        Of linear models, else None. Without intercept R^2 is the uncentred one, about zero, and printed as such.
    exact_fit : bool or ndarray of shape (q,)
        Of linear models, else None: whether the residuals are no more than rounding. There is nothing to test
        coefficients against then: t, F, p-values and the log-likelihood are NaN.
    pseudo_r_squared, log_likelihood_null, likelihood_ratio, likelihood_ratio_p_value : float
        Of logistic models, else None.
    output_names : tuple of str
        Headings of the outputs or of the contrasts of classes; empty for a single unnamed one.
    """

    names: tuple[str, ...]
    coefficients: _Values
    standard_errors: _Values
    statistics: _Values
    p_values: _Values
    confidence_intervals: _Values
    statistic_name: str
    confidence_level: float
    n_rows: int
    df_model: int
    df_residual: int
    condition: float
    log_likelihood: _Measure
    aic: _Measure
    bic: _Measure
    r_squared: _Measure | None = None
    adjusted_r_squared: _Measure | None = None
    f_statistic: _Measure | None = None
    f_p_value: _Measure | None = None
    residual_standard_error: _Measure | None = None
    exact_fit: bool | NDArray[np.bool_] | None = None
    pseudo_r_squared: float | None = None
    log_likelihood_null: float | None = None
    likelihood_ratio: float | None = None
    likelihood_ratio_p_value: float | None = None
    output_names: tuple[str, ...] = ()

    def __str__(self) -> str:
        linear = self.statistic_name == "t"
        axis = 1 if linear else -1
        columns = [self.coefficients, self.standard_errors, self.statistics, self.p_values]
        table = np.concatenate([np.stack(columns, axis), self.confidence_intervals], axis)
        blocks = table[np.newaxis] if table.ndim == 2 else np.moveaxis(table, -1, 0) if linear else table
        tail = (1.0 - self.confidence_level) / 2.0
        bounds = [f"[{tail:.6g}", f"{1.0 - tail:.6g}]"]
        heads = ["coefficient", "std. error", self.statistic_name, f"P>|{self.statistic_name}|", *bounds]
        width = max(map(len, self.names), default=0)
        labels = _LABELS | (_UNCENTRED if self.df_model == len(self.names) else {})
        measures = [
            (label, np.asarray(v)) for field, label in labels.items() if (v := getattr(self, field)) is not None
        ]
        exact = np.atleast_1d(False if self.exact_fit is None else self.exact_fit)
        lines = _in_pairs([(label, value) for label, value in measures if value.ndim == 0])
        for i, block in enumerate(blocks):
            lines += ["", *self.output_names[i : i + 1]]
            lines += _in_pairs([(label, value[i]) for label, value in measures if value.ndim])
            lines.append(" " * width + "".join(f"{head:>13}" for head in heads))
            lines += [
                f"{name:<{width}}" + "".join(map(_cell, row)) for name, row in zip(self.names, block, strict=True)
            ]
            if exact[i : i + 1].any():
                lines.append("The fit is exact: its residuals are rounding, against which nothing can be tested.")
        return "\n".join(lines)

    __repr__ = __str__


def linear_summary(
    *,
    names: Sequence[str],
    coefficients: ArrayLike,
    unscaled_variances: ArrayLike,
    residual_sum_of_squares: ArrayLike,
    total_sum_of_squares: ArrayLike,
    n_rows: int,
    fit_intercept: bool,
    rounding: ArrayLike = 0.0,
    y_scale: ArrayLike = 1.0,
    log_weight: float = 0.0,
    condition: float,
    confidence_level: float = 0.95,
) -> Summary:
    """Inference for (weighted) least squares with independent normal errors of variance sigma^2 / w_i.

    With s^2 = RSS / (n - k), the standard error of b_j is the root of s^2 [(X'WX)^-1]_jj, and b_j over it has Student's
    t distribution with n - k degrees of freedom if the true coefficient is zero.

    Parameters
    ----------
    names : sequence of str
        Of the features; "intercept" is put before them.
    coefficients : array_like of shape (k,) or (k, q)
        The intercept first, if there is one. They must be the unpenalised solution, of an X of full column rank.
    unscaled_variances : array_like of shape (k,)
        Diagonal of (X'WX)^-1, the intercept's column of ones included.
    residual_sum_of_squares : float or array_like of shape (q,)
        sum_i w_i (y_i - x_i b)^2, at least 0.
    total_sum_of_squares : float or array_like of shape (q,)
        sum_i w_i (y_i - m)^2, m the weighted mean of y, or 0 without an intercept: R^2 is then the uncentred one.
    n_rows : int
        Rows of weights above 0.
    fit_intercept : bool
    rounding : float or array_like of shape (q,), default=0.0
        What rounding alone may make of either sum of squares. Residuals of no more are those of an exact fit: t, F,
        their p-values and the log-likelihood, which compare something with them, are NaN. Where y is constant, its
        sum no more than that, R^2 is NaN.
    y_scale : float or array_like of shape (q,), default=1.0
        Sums of squares are those of y times this (y itself may be too large or too small to be squared).
    log_weight : float, default=0.0
        sum_i log(w_i) / 2, which weights add to the log-likelihood.
    condition : float
    confidence_level : float, default=0.95

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        If there are no more rows than coefficients, for a confidence level outside (0, 1), and for shapes that do not
        fit.

    References
    ----------
    Greene, Econometric Analysis, 7th ed., sections 3.5, 4.4, 5.4 and 14.9.
    """
    confidence_level = _check_confidence_level(confidence_level)
    b = np.array(coefficients, np.float64)  # a copy: the model may be fitted again
    rss, tss = np.asarray(residual_sum_of_squares, np.float64), np.asarray(total_sum_of_squares, np.float64)
    k, n = len(b), n_rows
    df_model, df_residual = k - bool(fit_intercept), n - k
    if df_residual <= 0:
        raise ValueError(
            f"{k} coefficients, the intercept included, were fitted to {n} rows. As many coefficients as rows leave no "
            f"residuals to estimate the noise from, hence no standard errors: at least {k + 1} rows are needed, or "
            "fewer features."
        )
    least = np.asarray(rounding, np.float64)
    exact, constant = rss <= least, tss <= least
    variance = rss / df_residual
    unscaled = np.asarray(unscaled_variances, np.float64)
    _check_shape("unscaled_variances", unscaled, (k,))
    _check_shape("residual_sum_of_squares", rss, b.shape[1:])
    _check_shape("total_sum_of_squares", tss, b.shape[1:])
    scale = np.asarray(y_scale, np.float64)
    errors = np.sqrt(np.multiply.outer(unscaled, variance)) / scale
    # the lower tail: 1 - (1 - level) / 2 would round the levels near 1
    half = -special.stdtrit(df_residual, (1.0 - confidence_level) / 2.0) * errors
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = np.where(exact, np.nan, b / errors)
        r_squared = np.where(constant, np.nan, 1.0 - rss / tss)[()]
        f_statistic = np.where(exact | (df_model == 0), np.nan, (tss - rss) / max(df_model, 1) / variance)[()]
        log_likelihood = -n / 2 * (np.log(2.0 * np.pi * rss / n) - 2.0 * np.log(scale) + 1.0) + log_weight
        log_likelihood = np.where(exact, np.nan, log_likelihood)[()]
    return Summary(
        names=_named(names, fit_intercept, k),
        coefficients=b,
        standard_errors=errors,
        statistics=statistics,
        p_values=2.0 * special.stdtr(df_residual, -np.abs(statistics)),
        confidence_intervals=np.stack([b - half, b + half], axis=1),
        statistic_name="t",
        confidence_level=confidence_level,
        n_rows=n,
        df_model=df_model,
        df_residual=df_residual,
        condition=condition,
        log_likelihood=log_likelihood,
        aic=2.0 * k - 2.0 * log_likelihood,
        bic=k * np.log(n) - 2.0 * log_likelihood,
        r_squared=r_squared,
        adjusted_r_squared=1.0 - (n - bool(fit_intercept)) / df_residual * (1.0 - r_squared),
        f_statistic=f_statistic,
        # rounding can leave RSS above the total, where the tail function is undefined
        f_p_value=special.fdtrc(df_model, df_residual, np.maximum(f_statistic, 0.0)),
        residual_standard_error=np.sqrt(variance) / scale,
        exact_fit=exact[()] if b.ndim == 2 else bool(exact),
        output_names=tuple(f"output {i}" for i in range(1, b.shape[1] + 1)) if b.ndim == 2 else (),
    )


def logistic_summary(
    *,
    names: Sequence[str],
    coefficients: ArrayLike,
    covariance: ArrayLike,
    log_likelihood: float,
    log_likelihood_null: float,
    n_rows: int,
    fit_intercept: bool,
    condition: float,
    class_names: Sequence[Any] | None = None,
    confidence_level: float = 0.95,
) -> Summary:
    """Inference for unpenalised logistic regression, from the asymptotic normality of maximum likelihood.

    The covariance of the coefficients is the inverse of the information, X' diag(p (1 - p)) X for two classes; a
    coefficient over its standard error is standard normal if the true one is zero, and twice the gain in log-likelihood
    over the null model is chi-squared with `df_model` degrees of freedom if all but the intercepts are zero.

    Parameters
    ----------
    names : sequence of str
        Of the features; "intercept" is put before them.
    coefficients : array_like of shape (k,) or (K - 1, k)
        The intercept first, if there is one. One row a class for K > 2 classes: log odds against the first class.
    covariance : array_like of shape (k, k) or ((K - 1) k, (K - 1) k)
        Of `coefficients` read row by row.
    log_likelihood : float
    log_likelihood_null : float
        Of the intercepts alone; without intercepts, of all coefficients zero, which is -n log(K).
    n_rows : int
    fit_intercept : bool
    condition : float
    class_names : sequence, optional
        All K classes, the first included; 0, 1, ... for more than two if not given.
    confidence_level : float, default=0.95

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        For a confidence level outside (0, 1), and for shapes that do not fit.

    Notes
    -----
    statsmodels' Logit counts k - 1 degrees of freedom and takes the intercept as the null model even where X has none.
    That model is not nested in this one, and the ratio not chi-squared; here, as in R's glm, the null is nested.

    References
    ----------
    McCullagh and Nelder, Generalized Linear Models, 2nd ed., sections 4.4 and 5.2. Greene, Econometric Analysis, 7th
    ed., sections 17.3 and 18.2.
    """
    confidence_level = _check_confidence_level(confidence_level)
    b, covariance = np.array(coefficients, np.float64), np.asarray(covariance, np.float64)
    _check_shape("covariance", covariance, (b.size, b.size))
    contrasts = b.size // b.shape[-1]
    classes = range(contrasts + 1) if class_names is None and b.ndim == 2 else class_names
    if classes is not None and len(classes) != contrasts + 1:
        raise ValueError(f"class_names has {len(classes)} names, but there are {contrasts + 1} classes.")
    errors = np.sqrt(np.diagonal(covariance)).reshape(b.shape)
    half = -special.ndtri((1.0 - confidence_level) / 2.0) * errors
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = b / errors
    df_model = b.size - contrasts * bool(fit_intercept)
    ratio = 2.0 * (log_likelihood - log_likelihood_null)
    return Summary(
        names=_named(names, fit_intercept, b.shape[-1]),
        coefficients=b,
        standard_errors=errors,
        statistics=statistics,
        p_values=2.0 * special.ndtr(-np.abs(statistics)),
        confidence_intervals=np.stack([b - half, b + half], axis=-1),
        statistic_name="z",
        confidence_level=confidence_level,
        n_rows=n_rows,
        df_model=df_model,
        df_residual=n_rows - b.size,
        condition=condition,
        log_likelihood=log_likelihood,
        aic=2.0 * b.size - 2.0 * log_likelihood,
        bic=b.size * np.log(n_rows) - 2.0 * log_likelihood,
        pseudo_r_squared=1.0 - log_likelihood / log_likelihood_null,
        log_likelihood_null=log_likelihood_null,
        likelihood_ratio=ratio,
        # rounding can leave a useless model below the null, where the tail function is undefined
        likelihood_ratio_p_value=special.chdtrc(df_model, max(ratio, 0.0)) if df_model else np.nan,
        output_names=() if classes is None else tuple(f"{name} against {classes[0]}" for name in classes[1:]),
    )


def _check_confidence_level(level: float) -> float:
    if not is_number(level) or not 0 < level < 1:
        raise ValueError(
            f"confidence_level is {level!r}, but must lie between 0 and 1 (0.95, not 95): it is the share of samples "
            "whose interval holds the true coefficient."
        )
    return float(level)


def _check_shape(name: str, array: _Values, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, but the coefficients ask for {shape}.")


def _named(names: Sequence[str], fit_intercept: bool, k: int) -> tuple[str, ...]:
    named = ("intercept",) * bool(fit_intercept) + tuple(map(str, names))
    if len(named) != k:
        raise ValueError(f"{k} coefficients have {len(named)} names: {', '.join(named)}.")
    return named


def _cell(value: float) -> str:
    return f"{value:>13.5g}"


def _in_pairs(measures: list[tuple[str, Any]]) -> list[str]:
    """Two measures a line, a whole number with all its digits."""
    cells = [f"{label:<29}" + (f"{v:>12}" if v.dtype.kind == "i" else f"{v:>12.6g}") for label, v in measures]
    return ["    ".join(cells[i : i + 2]) for i in range(0, len(cells), 2)]

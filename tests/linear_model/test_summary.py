"""Summaries of fits against numbers frozen from statsmodels, and against statsmodels itself where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from sklearn.datasets import load_diabetes

import mlcore
from mlcore.linear_model._summary import linear_summary, logistic_summary

X, Y = load_diabetes(return_X_y=True)
X = 10.0 * X[:, [2, 3, 6]]
NAMES = ("bmi", "bp", "s3")
WEIGHT = np.random.default_rng(0).uniform(0.1, 2, len(X))
TWO_CLASSES = (Y > 140).astype(int)
THREE_CLASSES = np.digitize(Y, [100, 180])

# statsmodels 0.15, A = add_constant(X):
#   OLS(Y, A).fit(), WLS(Y, A, WEIGHT).fit(), OLS(Y, X).fit(), WLS(Y, X, WEIGHT).fit(),
#   Logit(TWO_CLASSES, A).fit(method="newton", tol=1e-14), MNLogit(THREE_CLASSES, A).fit(method="newton", tol=1e-14)
FROZEN = {
    "OLS": {
        "coefficients": [152.133484163, 67.7748821845, 38.9378364293, -32.0933659304],
        "standard_errors": [2.77806352949, 6.73034344847, 6.36371223527, 6.28305451278],
        "statistics": [54.7624208547, 10.0700480894, 6.11872991577, -5.10792415776],
        "p_values": [4.69963417077e-198, 1.35836547663e-21, 2.09445089541e-09, 4.87017520311e-07],
        "confidence_intervals": [
            [146.673492348, 157.593475977],
            [54.5470996853, 81.0026646838],
            [26.4306290363, 51.4450438223],
            [-44.4420490492, -19.7446828115],
        ],
        "r_squared": 0.429950993431,
        "adjusted_r_squared": 0.426046548181,
        "f_statistic": 110.118330736,
        "f_p_value": 3.85657897388e-53,
        "log_likelihood": -2422.95652875,
        "aic": 4853.9130575,
        "bic": 4870.27829703,
        "df_model": 3,
        "df_residual": 438,
        "residual_standard_error": 58.4054410346,
    },
    "WLS": {
        "coefficients": [152.236233542, 72.1100880069, 35.0470000081, -26.4342293022],
        "standard_errors": [2.77558747065, 6.48660342407, 6.37130129787, 6.47398038829],
        "statistics": [54.8482925332, 11.1167714893, 5.50076010686, -4.08314942535],
        "p_values": [2.58143729513e-198, 1.85137082031e-25, 6.44167833583e-08, 5.28224883739e-05],
        "confidence_intervals": [
            [146.781108161, 157.691358923],
            [59.3613509016, 84.8588251121],
            [22.5248771104, 47.5691229058],
            [-39.1581571577, -13.7103014467],
        ],
        "r_squared": 0.427974546462,
        "adjusted_r_squared": 0.424056563903,
        "f_statistic": 109.233397565,
        "f_p_value": 8.21115930091e-53,
        "log_likelihood": -2464.42170308,
        "aic": 4936.84340615,
        "bic": 4953.20864568,
        "df_model": 3,
        "df_residual": 438,
        "residual_standard_error": 61.4667750536,
    },
    "OLS without intercept": {
        "coefficients": [67.7748821845, 38.9378364293, -32.0933659304],
        "standard_errors": [18.8317140627, 17.80586832, 17.5801854587],
        "statistics": [3.59897574692, 2.18679795501, -1.82554194356],
        "p_values": [0.000355871065294, 0.0292843734165, 0.0685985198909],
        "confidence_intervals": [
            [30.7633615382, 104.786402831],
            [3.94249501971, 73.9331778389],
            [-66.6451542012, 2.45842234049],
        ],
        "r_squared": 0.0876906392035,
        "adjusted_r_squared": 0.0814561788791,
        "f_statistic": 14.065473937,
        "f_p_value": 9.04677483137e-09,
        "log_likelihood": -2878.24147671,
        "aic": 5762.48295342,
        "bic": 5774.75688307,
        "df_model": 3,
        "df_residual": 439,
        "residual_standard_error": 163.420273228,
    },
    "WLS without intercept": {
        "coefficients": [84.70978699, 22.8403742317, -32.7054072526],
        "standard_errors": [18.163156794, 17.8406030127, 18.136360339],
        "statistics": [4.66382512416, 1.28024676158, -1.80330599091],
        "p_values": [4.12578559985e-06, 0.201134416989, 0.0720256910685],
        "confidence_intervals": [
            [49.0122370778, 120.407336902],
            [-12.223234134, 57.9039825974],
            [-68.350291882, 2.93947737676],
        ],
        "r_squared": 0.099321565153,
        "adjusted_r_squared": 0.0931665872383,
        "f_statistic": 16.1367866026,
        "f_p_value": 5.7433977192e-10,
        "log_likelihood": -2920.31106077,
        "aic": 5846.62212154,
        "bic": 5858.89605119,
        "df_model": 3,
        "df_residual": 439,
        "residual_standard_error": 172.221324613,
    },
    "Logit": {
        "coefficients": [0.0127325111269, 1.78025038964, 1.19197987587, -1.13075980963],
        "standard_errors": [0.113963650629, 0.303726301772, 0.267616487192, 0.27331192001],
        "statistics": [0.111724317856, 5.86136392947, 4.45405994367, -4.13725025089],
        "p_values": [0.911041997182, 4.59080582769e-09, 8.42615584971e-06, 3.51492697224e-05],
        "confidence_intervals": [
            [-0.210632139652, 0.236097161906],
            [1.18495777701, 2.37554300227],
            [0.667461199302, 1.71649855243],
            [-1.66644132939, -0.595078289866],
        ],
        "pseudo_r_squared": 0.239392350201,
        "log_likelihood": -233.028167203,
        "log_likelihood_null": -306.371053807,
        "likelihood_ratio": 146.685773209,
        "likelihood_ratio_p_value": 1.36664002239e-31,
        "aic": 474.056334406,
        "bic": 490.421573934,
        "df_model": 3,
        "df_residual": 438,
    },
    "MNLogit": {
        "coefficients": [
            [0.31766691202, 1.01611666416, 0.760553605356, -1.02355801689],
            [0.0645634721485, 2.69114486962, 1.87149420503, -1.46838645127],
        ],
        "standard_errors": [
            [0.144866006625, 0.36520725227, 0.319061900068, 0.286653790996],
            [0.158758983723, 0.404979931384, 0.350917824037, 0.349747071646],
        ],
        "statistics": [
            [2.19283266944, 2.78230144075, 2.38371803463, -3.57071160068],
            [0.406676023203, 6.64513142769, 5.33314091458, -4.19842386201],
        ],
        "p_values": [
            [0.0283194372183, 0.00539748817001, 0.0171387284494, 0.000356012715869],
            [0.684245952803, 3.02946630738e-11, 9.65283442325e-08, 2.68779191239e-05],
        ],
        "confidence_intervals": [
            [
                [0.0337347564501, 0.60159906759],
                [0.300323602822, 1.7319097255],
                [0.135203772384, 1.38590343833],
                [-1.58538912327, -0.461726910503],
            ],
            [
                [-0.246598418172, 0.375725362469],
                [1.89739878965, 3.4848909496],
                [1.18370790838, 2.55928050168],
                [-2.15387811539, -0.782894787143],
            ],
        ],
        "pseudo_r_squared": 0.200743398564,
        "log_likelihood": -387.716151402,
        "log_likelihood_null": -485.095963807,
        "likelihood_ratio": 194.759624808,
        "likelihood_ratio_p_value": 2.47349865189e-39,
        "aic": 791.432302805,
        "bic": 824.162781861,
        "df_model": 6,
        "df_residual": 434,
    },
}
#: of Summary, and of statsmodels' results
SHARED = {"log_likelihood": "llf", "aic": "aic", "bic": "bic", "df_model": "df_model", "df_residual": "df_resid"}
TESTED = {
    "coefficients": "params",
    "standard_errors": "bse",
    "statistics": "tvalues",
    "p_values": "pvalues",
}
LINEAR = {
    "r_squared": "rsquared",
    "adjusted_r_squared": "rsquared_adj",
    "f_statistic": "fvalue",
    "f_p_value": "f_pvalue",
}
LOGISTIC = {
    "pseudo_r_squared": "prsquared",
    "log_likelihood_null": "llnull",
    "likelihood_ratio": "llr",
    "likelihood_ratio_p_value": "llr_pvalue",
}


def design(rows, fit_intercept):
    return np.column_stack([np.ones(len(rows)), rows]) if fit_intercept else rows


def least_squares(y=Y, weight=None, fit_intercept=True, rows=X, **changes):
    A, w = design(rows, fit_intercept), np.ones(len(rows)) if weight is None else weight
    scaled, targets = np.sqrt(w)[:, None] * A, (np.sqrt(w) * y.T).T
    coefficients = np.linalg.lstsq(scaled, targets, rcond=None)[0]
    mean = np.average(y, axis=0, weights=w) if fit_intercept else 0.0
    return linear_summary(
        **{
            "names": [f"x{i}" for i in range(rows.shape[1])] if rows is not X else NAMES,
            "coefficients": coefficients,
            "unscaled_variances": np.diag(np.linalg.inv(scaled.T @ scaled)),
            "residual_sum_of_squares": w @ (y - A @ coefficients) ** 2,
            "total_sum_of_squares": w @ (y - mean) ** 2,
            "n_rows": len(rows),
            "fit_intercept": fit_intercept,
            "log_weight": 0.0 if weight is None else np.log(weight).sum() / 2,
            "condition": np.linalg.cond(A),
        }
        | changes
    )


def logistic(y, fit_intercept=True, **changes):
    """Newton's method on the log-likelihood, of contrasts against class 0."""
    A, hot = design(X, fit_intercept), np.eye(y.max() + 1)[y]
    n, k = A.shape
    b = np.zeros((hot.shape[1] - 1, k))
    for _ in range(30):
        odds = np.exp(np.column_stack([np.zeros(n), A @ b.T]))
        p = odds / odds.sum(axis=1, keepdims=True)
        q = p[:, 1:]
        spread = q[:, :, None] * (np.eye(len(b)) - q[:, None, :])
        information = np.einsum("nab,ni,nj->aibj", spread, A, A).reshape(b.size, b.size)
        b = b + np.linalg.solve(information, ((hot - p)[:, 1:].T @ A).ravel()).reshape(b.shape)
    share = hot.mean(axis=0) if fit_intercept else np.full(hot.shape[1], 1.0 / hot.shape[1])
    return logistic_summary(
        **{
            "names": NAMES,
            "coefficients": b[0] if len(b) == 1 else b,
            "covariance": np.linalg.inv(information),
            "log_likelihood": (hot * np.log(p)).sum(),
            "log_likelihood_null": (hot @ np.log(share)).sum(),
            "n_rows": n,
            "fit_intercept": fit_intercept,
            "condition": np.linalg.cond(A),
        }
        | changes
    )


CASES = {
    "OLS": lambda **changes: least_squares(**changes),
    "WLS": lambda **changes: least_squares(weight=WEIGHT, **changes),
    "OLS without intercept": lambda **changes: least_squares(fit_intercept=False, **changes),
    "WLS without intercept": lambda **changes: least_squares(weight=WEIGHT, fit_intercept=False, **changes),
    "Logit": lambda **changes: logistic(TWO_CLASSES, **changes),
    "MNLogit": lambda **changes: logistic(THREE_CLASSES, **changes),
}


def same(summary, wanted, rtol):
    for field, value in wanted.items():
        np.testing.assert_allclose(getattr(summary, field), value, rtol, atol=0, err_msg=field)
        assert np.shape(getattr(summary, field)) == np.shape(value), field


def taken(result, fields):
    """From statsmodels' result; one row a contrast of classes."""
    found = {field: getattr(result, theirs) for field, theirs in fields.items()}
    return found | {field: np.transpose(found[field]) for field in TESTED}


@pytest.mark.parametrize("name", CASES)
def test_frozen_numbers(name):
    summary = CASES[name]()
    same(summary, FROZEN[name], 1e-7)  # statsmodels' null models are solved to some 1e-10
    linear = "LS" in name
    assert summary.names == NAMES if "without" in name else ("intercept", *NAMES)
    assert summary.statistic_name == ("t" if linear else "z")
    assert summary.n_rows == len(X)
    assert all((getattr(summary, field) is None) != linear for field in [*LINEAR, "residual_standard_error"])
    assert all((getattr(summary, field) is None) == linear for field in LOGISTIC)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("n", [5, 442])
def test_linear_beside_statsmodels(n, weight, fit_intercept, level):
    from statsmodels.regression import linear_model as api

    weight = None if weight is None else weight[:n]
    A = design(X[:n], fit_intercept)
    result = (api.OLS(Y[:n], A) if weight is None else api.WLS(Y[:n], A, weight)).fit()
    wanted = taken(result, SHARED | TESTED | LINEAR)
    wanted |= {"confidence_intervals": result.conf_int(1 - level), "residual_standard_error": np.sqrt(result.mse_resid)}
    same(least_squares(Y[:n], weight, fit_intercept, X[:n], confidence_level=level), wanted, 1e-7)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("y", [TWO_CLASSES, THREE_CLASSES], ids=["two", "three"])
def test_logistic_beside_statsmodels(y, fit_intercept, level):
    from statsmodels.discrete import discrete_model as api

    model = api.Logit if y is TWO_CLASSES else api.MNLogit
    result = model(y, design(X, fit_intercept)).fit(method="newton", tol=1e-14, maxiter=50, disp=0)
    wanted = taken(result, SHARED | TESTED | LOGISTIC) | {"confidence_intervals": result.conf_int(1 - level)}
    if not fit_intercept:  # statsmodels' null model has an intercept, which this model has not
        wanted = {field: wanted[field] for field in wanted if field not in LOGISTIC and field != "df_model"}
    same(logistic(y, fit_intercept, confidence_level=level), wanted, 1e-7)


@pytest.mark.parametrize("y", [TWO_CLASSES, THREE_CLASSES], ids=["two", "three"])
def test_null_model_is_nested_without_intercept(y):
    summary = logistic(y, fit_intercept=False)
    assert summary.df_model == summary.coefficients.size == len(X) - summary.df_residual
    assert summary.log_likelihood_null == pytest.approx(-len(X) * np.log(y.max() + 1))
    assert summary.likelihood_ratio > 0.0


def test_several_outputs_are_summaries_side_by_side():
    both = least_squares(np.column_stack([Y, Y**2]), WEIGHT)
    assert both.confidence_intervals.shape == (4, 2, 2)
    for i, y in enumerate([Y, Y**2]):
        one = least_squares(y, WEIGHT)
        for field in [
            *TESTED,
            "confidence_intervals",
            *LINEAR,
            "residual_standard_error",
            "log_likelihood",
            "aic",
            "bic",
        ]:
            value = getattr(both, field)
            np.testing.assert_allclose(value[..., i], getattr(one, field), rtol=1e-9, err_msg=field)
    for i, block in enumerate(str(both).split("\n\n")[1:]):
        assert block.splitlines()[0] == f"output {i + 1}"
        assert block.splitlines()[1].split()[1] == f"{both.r_squared[i]:.6g}"


def bare(coefficients, rss, tss, n_rows=5, **changes):
    k = len(coefficients)
    return linear_summary(
        **{"names": [f"x{i}" for i in range(1, k)], "fit_intercept": True, "condition": 1.0} | changes,
        coefficients=coefficients,
        unscaled_variances=np.ones(k),
        residual_sum_of_squares=rss,
        total_sum_of_squares=tss,
        n_rows=n_rows,
    )


def not_tested(summary):
    """Of an exact fit: nothing is compared with its residuals."""
    measures = ("f_statistic", "f_p_value", "log_likelihood", "aic", "bic")
    assert np.isnan([getattr(summary, name) for name in measures]).all()
    assert np.isnan([summary.statistics, summary.p_values]).all()
    return bool(summary.exact_fit) and "The fit is exact" in str(summary)


def test_perfect_fit():
    summary = bare([1.0, -2.0], 0.0, 40.0)
    assert summary.standard_errors.tolist() == [0.0, 0.0]
    assert summary.confidence_intervals.tolist() == [[1.0, 1.0], [-2.0, -2.0]]
    assert summary.r_squared == 1.0
    assert not_tested(summary)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("unit", [1.0, 1e200, 1e-200])
def test_fits_that_are_exact_but_for_rounding(unit, offset, fit_intercept):
    """Residuals of 1e-32 of y's squares say nothing of the coefficients, a zero one among them."""
    X = np.random.default_rng(3).normal(size=(40, 3)) + offset
    y = unit * (X @ [1.0, -2.0, 0.0] + 5.0 * fit_intercept)
    summary = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y).summary()
    assert not_tested(summary)
    assert summary.r_squared == pytest.approx(1.0, abs=1e-15)
    assert (summary.standard_errors[fit_intercept:] <= 1e-14 * unit * max(offset, 1.0)).all()
    noise = 1e-6 * np.random.default_rng(4).normal(size=40)
    summary = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y + unit * noise).summary()
    assert not summary.exact_fit
    assert "The fit is exact" not in str(summary)
    assert np.isfinite(summary.p_values).all()
    assert summary.residual_standard_error == pytest.approx(1e-6 * unit, rel=0.3)


def test_exact_fits_are_told_output_by_output():
    X, noise = np.random.default_rng(5).normal(size=(2, 20, 2))
    summary = mlcore.LinearRegression().fit(X, np.column_stack([X[:, 0], X[:, 0] + noise[:, 0]])).summary()
    assert summary.exact_fit.tolist() == [True, False]
    assert np.isnan(summary.p_values).all(axis=0).tolist() == [True, False]
    assert str(summary).count("The fit is exact") == 1
    assert str(summary).index("The fit is exact") < str(summary).index("output 2")


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9])
def test_a_constant_answer(constant):
    summary = mlcore.LinearRegression().fit(X[:20], np.full(20, constant)).summary()
    assert not_tested(summary)
    assert np.isnan([summary.r_squared, summary.adjusted_r_squared]).all()


def test_units_of_the_answer_change_its_units_alone():
    """Also where its squares overflow or vanish."""
    plain = least_squares()
    for unit in (2.0**600, 2.0**-600):
        other = mlcore.LinearRegression().fit(X, Y * unit).summary()
        for name in ("statistics", "p_values", "r_squared", "f_statistic"):
            np.testing.assert_allclose(getattr(other, name), getattr(plain, name), rtol=1e-12)
        for name in ("coefficients", "standard_errors", "confidence_intervals", "residual_standard_error"):
            np.testing.assert_allclose(getattr(other, name), getattr(plain, name) * unit, rtol=1e-12)
        moved = len(X) * np.log(unit)
        assert other.log_likelihood == pytest.approx(plain.log_likelihood - moved, rel=1e-12)


def test_r_squared_without_intercept_is_said_to_be_uncentred():
    for text, said in ((str(least_squares(fit_intercept=False)), True), (str(least_squares()), False)):
        assert ("R-squared (uncentred)" in text) == said
        assert ("R-squared, adj. (uncentred)" in text) == said


def test_what_is_undefined_is_nan():
    constant = bare([3.0, 0.0], 0.0, 0.0)
    assert np.isnan([constant.r_squared, constant.f_statistic, *constant.statistics]).all()
    alone = bare([3.0], 8.0, 8.0)
    assert (alone.df_model, alone.r_squared) == (0, 0.0)
    assert np.isnan([alone.f_statistic, alone.f_p_value]).all()
    share = {"names": [], "coefficients": [0.1], "covariance": [[1.0]], "log_likelihood": -3.0}
    assert np.isnan(logistic(TWO_CLASSES, **share).likelihood_ratio_p_value)


def test_the_coefficients_are_copied():
    coefficients = np.ones(4)
    summaries = [case(coefficients=coefficients) for case in (CASES["OLS"], CASES["Logit"])]
    coefficients[:] = np.nan
    assert all((summary.coefficients == 1.0).all() for summary in summaries)


def test_rounding_below_the_null_model():
    assert bare([3.0, 0.0], 8.0 + 1e-14, 8.0).f_p_value == 1.0
    null = logistic(TWO_CLASSES).log_likelihood_null
    assert logistic(TWO_CLASSES, log_likelihood=null - 1e-12).likelihood_ratio_p_value == 1.0


@pytest.mark.parametrize("name", ["OLS", "Logit"])
def test_levels_near_one_keep_their_digits(name):
    level = 1 - 1e-12
    summary = CASES[name](confidence_level=level)
    half = np.diff(summary.confidence_intervals)[0, 0] / summary.standard_errors[0] / 2
    tail = scipy.special.stdtr(len(X) - 4, -half) if name == "OLS" else scipy.special.ndtr(-half)
    assert 2 * tail == pytest.approx(1 - level, rel=1e-6, abs=0)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_too_few_rows(n_rows):
    with pytest.raises(ValueError, match="at least 3 rows"):
        bare([1.0, 2.0], 0.0, 1.0, n_rows)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5, np.nan])
@pytest.mark.parametrize("name", ["OLS", "Logit"])
def test_wrong_confidence_level(name, level):
    with pytest.raises(ValueError, match="between 0 and 1 .*0.95, not 95"):
        CASES[name](confidence_level=level)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("OLS", {"names": ["intercept", *NAMES]}, "4 coefficients have 5 names"),
        ("OLS", {"unscaled_variances": np.eye(4)}, "unscaled_variances has shape"),
        ("OLS", {"residual_sum_of_squares": [1.0, 2.0]}, "residual_sum_of_squares has shape"),
        ("OLS", {"total_sum_of_squares": [1.0]}, "total_sum_of_squares has shape"),
        ("MNLogit", {"names": ["bmi"]}, "4 coefficients have 2 names"),
        ("MNLogit", {"covariance": np.eye(4)}, "covariance has shape"),
        ("MNLogit", {"class_names": ["low", "high"]}, "class_names has 2 names, but there are 3 classes"),
    ],
)
def test_shapes_that_do_not_fit(name, changes, message):
    with pytest.raises(ValueError, match=message):
        CASES[name](**changes)


def test_printed():
    summary = least_squares(confidence_level=0.9)
    assert repr(summary) == str(summary)
    head, table = str(summary).split("\n\n")
    assert head.splitlines()[0].split() == ["rows", "442", "condition", "number", f"{summary.condition:.6g}"]
    assert table.splitlines()[0].split() == ["coefficient", "std.", "error", "t", "P>|t|", "[0.05", "0.95]"]
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(summary.names)
    assert table.splitlines()[2].split()[1:4] == ["67.775", "6.7303", "10.07"]
    assert len({len(line) for line in table.splitlines()}) == 1
    classes = np.array(["low", "middle", "high"])
    blocks = str(logistic(THREE_CLASSES, class_names=classes)).split("\n\n")[1:]
    assert [block.splitlines()[0] for block in blocks] == ["middle against low", "high against low"]
    assert [block.splitlines()[2].split()[1] for block in blocks] == ["0.31767", "0.064563"]
    assert "P>|z|" in blocks[0]
    assert "1 against 0" not in str(logistic(TWO_CLASSES))
    assert "high against low" in str(logistic(TWO_CLASSES, class_names=classes[[0, 2]]))

"""Summaries of fits against numbers frozen from statsmodels, against statsmodels itself and against textbooks."""

import numpy as np
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import mlcore
from mlcore.linear_model._summary import linear_summary, logistic_summary

from .problems import data, weights_of

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


def textbook_logistic(model, X, y, weight=1.0):
    """(coefficients, standard errors, log-likelihood) with the inverse of the Hessian at the solution."""
    A = np.column_stack([np.ones(len(X)), X]) if model.fit_intercept else np.asarray(X)
    B = np.column_stack([model.intercept_, model.coef_]) if model.fit_intercept else model.coef_
    # as contrasts with the first class
    B = B if len(B) == 1 else B[1:] - B[0]
    P = scipy.special.softmax(np.column_stack([np.zeros(len(A)), A @ B.T]), axis=1)
    blocks = [[A.T @ (A * (weight * P[:, i] * ((i == j) - P[:, j]))[:, np.newaxis]) for j in range(1, P.shape[1])]
              for i in range(1, P.shape[1])]  # fmt: skip
    errors = np.sqrt(np.linalg.inv(np.block(blocks)).diagonal()).reshape(B.shape)
    likelihood = (weight * np.log(P[np.arange(len(A)), np.searchsorted(model.classes_, y)])).sum()
    return np.squeeze(B), np.squeeze(errors), likelihood


class TestLogisticSummary:
    @pytest.mark.parametrize("n", [300, 30_000])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_against_the_textbook(self, n, classes, fit_intercept, weighted):
        X, y = data(n, classes)
        weight = np.random.default_rng(5).integers(0, 4, n) if weighted else np.ones(n, int)
        model = mlcore.LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(X, y, weight if weighted else None)
        B, errors, likelihood = textbook_logistic(model, X, y, weight)
        found = model.summary(0.9)
        rows, k = weight.sum(), 4 + fit_intercept
        np.testing.assert_allclose(found.coefficients, B, rtol=1e-12)
        np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-6)
        np.testing.assert_allclose(found.statistics, B / errors, rtol=1e-6)
        np.testing.assert_allclose(found.p_values, 2 * scipy.stats.norm.sf(np.abs(B / errors)), rtol=1e-4)
        half = scipy.stats.norm.ppf(0.95) * errors
        np.testing.assert_allclose(found.confidence_intervals, np.stack([B - half, B + half], axis=-1), rtol=1e-5)
        np.testing.assert_allclose(found.log_likelihood, likelihood, rtol=1e-12)
        assert found.n_rows == rows
        assert found.df_model == 4 * (classes - 1)
        assert found.df_residual == rows - k * (classes - 1)
        shares = np.bincount(y, weight) / rows if fit_intercept else np.full(classes, 1 / classes)
        null = (np.bincount(y, weight) * np.log(shares)).sum()
        np.testing.assert_allclose(found.log_likelihood_null, null, rtol=1e-12)
        np.testing.assert_allclose(found.likelihood_ratio, 2 * (likelihood - null), rtol=1e-9)
        np.testing.assert_allclose(found.pseudo_r_squared, 1 - likelihood / null, rtol=1e-9)
        np.testing.assert_allclose(found.aic, 2 * k * (classes - 1) - 2 * likelihood, rtol=1e-12)
        np.testing.assert_allclose(found.bic, k * (classes - 1) * np.log(rows) - 2 * likelihood, rtol=1e-12)
        assert found.names == ("intercept",) * fit_intercept + ("x0", "x1", "x2", "x3")

    def test_is_that_of_the_repeated_rows(self):
        X, y = data(300, 3)
        counts = np.random.default_rng(5).integers(0, 4, 300)
        found = mlcore.LogisticRegression(C=np.inf).fit(X, y, counts).summary()
        wanted = mlcore.LogisticRegression(C=np.inf).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).summary()
        for name in ("standard_errors", "log_likelihood", "log_likelihood_null", "aic", "bic"):
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-6)
        assert found.n_rows == wanted.n_rows

    def test_does_not_depend_on_units(self):
        X, y = data(300, 2)
        plain = mlcore.LogisticRegression(C=np.inf).fit(X, y).summary()
        unit = np.array([1e6, 1e-6, 1.0, 1e3])
        found = mlcore.LogisticRegression(C=np.inf).fit(X * unit, y).summary()
        np.testing.assert_allclose(found.standard_errors[1:] * unit, plain.standard_errors[1:], rtol=1e-6)
        np.testing.assert_allclose(found.condition, plain.condition, rtol=1e-6)

    def test_names(self):
        import pandas

        X, y = data(300, 3)
        labels = np.array(["maybe", "no", "yes"])[y]
        found = mlcore.LogisticRegression(C=np.inf).fit(pandas.DataFrame(X, columns=list("abcd")), labels).summary()
        assert found.names == ("intercept", "a", "b", "c", "d")
        assert found.output_names == ("no against maybe", "yes against maybe")
        assert "yes against maybe" in str(found)

    # of scikit-learn 1.8, for C=inf
    @pytest.mark.filterwarnings("ignore:Setting penalty=None will ignore the C:UserWarning")
    def test_refusals(self):
        X, y = data(300, 2)
        free = mlcore.LogisticRegression(C=np.inf)
        with pytest.raises(NotFittedError):
            free.summary()
        for model in (
            mlcore.LogisticRegression(),
            mlcore.LogisticRegression(C=1e10),
            mlcore.LogisticRegression(C=0.1, l1_ratio=0.5),
            mlcore.LogisticRegression(C=np.inf, solver="newton-cholesky"),
            mlcore.LogisticRegression(C=np.inf, solver="gradient_descent", max_iter=3),
        ):
            with pytest.raises(ValueError, match="for an unpenalised fit"):
                model.fit(X, y).summary()
        with pytest.raises(ValueError, match="for an unpenalised fit"):
            mlcore.LogisticRegression(C=np.inf, max_iter=2000).fit(scipy.sparse.csr_array(X), y).summary()
        # what an earlier fit has left does not count
        with pytest.raises(ValueError, match="for an unpenalised fit"):
            free.fit(X, y).set_params(C=1.0).fit(X, y).summary()
        with pytest.raises(ValueError, match="confidence_level"):
            mlcore.LogisticRegression(C=np.inf).fit(X, y).summary(95)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_refuses_dependent_columns(self, classes):
        X, y = data(300, classes)
        for more in (X[:, 0], X.sum(axis=1), np.full(300, 2.0), np.full(300, 0.1)):
            model = mlcore.LogisticRegression(C=np.inf).fit(np.column_stack([X, more]), y)
            with pytest.raises(ValueError, match="depend on each other"):
                model.summary()

    def test_refuses_separated_classes(self):
        X, y = data(300, 2)
        for rows, labels in ((X, (X[:, 0] > 5).astype(int)), (X[:5], y[:5])):
            with pytest.warns(ConvergenceWarning, match="separated"):
                model = mlcore.LogisticRegression(C=np.inf).fit(rows, labels)
            with pytest.raises(ValueError, match="separated"):
                model.summary()

    def test_refuses_where_the_maximum_was_not_reached(self):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            model = mlcore.LogisticRegression(C=np.inf, max_iter=2).fit(*data(300, 2))
        with pytest.raises(ValueError, match="maximum"):
            model.summary()


class TestLinearSummary:
    @pytest.mark.parametrize("n", [60, 30_000])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("outputs", [0, 1, 2])
    @pytest.mark.parametrize(
        "kind", [mlcore.LinearRegression, lambda **more: mlcore.Ridge(0.0, **more)], ids=["", "Ridge"]
    )
    def test_against_the_textbook(self, kind, n, outputs, weighted, fit_intercept):
        X, _ = data(n, 2)
        rng = np.random.default_rng(6)
        y = X @ rng.standard_normal((4, max(outputs, 1))) + 3.0 + 2.0 * rng.standard_normal((n, max(outputs, 1)))
        y = y if outputs else y[:, 0]
        weight = np.where(np.arange(n) % 5, weights_of(n), 0.0) if weighted else np.ones(n)
        model = kind(fit_intercept=fit_intercept).fit(X, y, weight if weighted else None)
        found = model.summary(0.9)
        A = np.column_stack([np.ones(n), X]) if fit_intercept else X
        rows, k = np.count_nonzero(weight), A.shape[1]
        T = y.reshape(n, -1)
        covariance = np.linalg.inv(A.T @ (A * weight[:, np.newaxis]))
        b = covariance @ (A.T @ (weight[:, np.newaxis] * T))
        rss = weight @ (T - A @ b) ** 2
        tss = weight @ (T - (weight @ T / weight.sum() if fit_intercept else 0.0)) ** 2
        errors = np.sqrt(np.outer(covariance.diagonal(), rss / (rows - k)))
        t = b / errors
        half = scipy.stats.t.ppf(0.95, rows - k) * errors
        likelihood = -rows / 2 * (np.log(2 * np.pi * rss / rows) + 1) + np.log(weight[weight > 0]).sum() / 2
        f = (tss - rss) / 4 / (rss / (rows - k))
        for name, wanted in {
            "coefficients": b, "standard_errors": errors, "statistics": t,
            "p_values": 2 * scipy.stats.t.sf(np.abs(t), rows - k),
            "confidence_intervals": np.stack([b - half, b + half], axis=1),
            "r_squared": 1 - rss / tss, "adjusted_r_squared": 1 - (rows - fit_intercept) / (rows - k) * rss / tss,
            "f_statistic": f, "f_p_value": scipy.stats.f.sf(f, 4, rows - k),
            "residual_standard_error": np.sqrt(rss / (rows - k)), "log_likelihood": likelihood,
            "aic": 2 * k - 2 * likelihood, "bic": k * np.log(rows) - 2 * likelihood,
        }.items():  # fmt: skip
            value = getattr(found, name)
            # scikit-learn's Ridge, and with it ours, flattens coefficients of one column
            assert np.ndim(value) == np.ndim(wanted) - (np.ndim(model.coef_) == 1), name
            np.testing.assert_allclose(value, wanted.reshape(np.shape(value)), rtol=1e-7, atol=1e-300, err_msg=name)
        assert (found.n_rows, found.df_model, found.df_residual) == (rows, 4, rows - k)
        np.testing.assert_allclose(found.condition, model.condition_)

    def test_condition(self):
        X, _ = data(300, 2)
        y = X[:, 0]
        for fit_intercept in (True, False):
            model = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y)
            A = X - X.mean(axis=0) if fit_intercept else X
            wanted = np.linalg.cond(A / np.linalg.norm(A, axis=0))
            np.testing.assert_allclose(model.condition_, wanted, rtol=1e-10)
            np.testing.assert_allclose(model.singular_, np.linalg.svd(A)[1], rtol=1e-10)

    def test_a_perfect_fit(self):
        X, _ = data(300, 2)
        found = mlcore.LinearRegression().fit(np.round(X), np.round(X) @ [1.0, 2.0, 3.0, 4.0]).summary()
        np.testing.assert_allclose(found.coefficients, [0.0, 1.0, 2.0, 3.0, 4.0], atol=1e-14)
        assert found.r_squared == 1.0
        assert found.residual_standard_error < 1e-14

    def test_refusals(self):
        X, y = data(300, 2)
        with pytest.raises(NotFittedError):
            mlcore.LinearRegression().summary()
        for model, message in (
            (mlcore.Ridge(), "penalty"),
            (mlcore.Ridge(1e-12), "penalty"),
            (mlcore.LinearRegression(positive=True), "no sums"),
            (mlcore.LinearRegression(solver="gradient_descent", max_iter=2, learning_rate=1e-3), "no sums"),
        ):
            with pytest.raises(ValueError, match=message):
                model.fit(X, y).summary()
        with pytest.raises(ValueError, match="confidence_level"):
            mlcore.LinearRegression().fit(X, y).summary(95)
        # as many coefficients as rows, the intercept included
        for rows in (3, 4, 5):
            with pytest.raises(ValueError, match="As many coefficients as rows|rank"):
                mlcore.LinearRegression().fit(X[:rows], y[:rows]).summary()
        assert mlcore.LinearRegression().fit(X[:6], y[:6]).summary().df_residual == 1
        weight = np.r_[np.zeros(295), np.ones(5)]
        with pytest.raises(ValueError, match="fitted to 5 rows"):
            mlcore.LinearRegression().fit(X, y, weight).summary()

    def test_refuses_dependent_columns(self):
        X, y = data(300, 2)
        for more in (X[:, 0], X.sum(axis=1), np.full(300, 2.0), np.full(300, 0.1)):
            with pytest.warns(UserWarning, match="X has rank 4 of 5"):
                model = mlcore.LinearRegression().fit(np.column_stack([X, more]), y)
            with pytest.raises(ValueError, match="rank 4 of 5"):
                model.summary()
            assert model.condition_ == np.inf

    def test_of_a_penalty_turned_off_later(self):
        """It would tell of other coefficients than the model's."""
        X, y = data(300, 2)
        model = mlcore.Ridge(100.0).fit(X, y).set_params(alpha=0.0)
        try:
            found = model.summary()
        except ValueError as error:
            assert "penalty" in str(error)  # noqa: PT017 - or the model's own coefficients
        else:
            np.testing.assert_allclose(found.coefficients[1:], model.coef_)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_hessian_of_a_summary_is_that_of_the_maximum(classes, fit_intercept):
    """Of columns about zero, where the textbook's inverse has twelve digits; moving them changes no slope's error."""
    X, y = data(300, classes)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = mlcore.LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(X, y)
    _, errors, _ = textbook_logistic(model, X, y)
    np.testing.assert_allclose(model.summary().standard_errors, errors, rtol=1e-12)
    if fit_intercept:
        moved = mlcore.LogisticRegression(C=np.inf).fit(X + 2.0**10, y).summary()
        np.testing.assert_allclose(moved.standard_errors[..., 1:], errors[..., 1:], rtol=1e-11)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_without_weight(missing):
    """Its rows tell nothing: as without them, also of weights that balance the classes."""
    X, y = data(300, 3)
    weight = np.where(y == missing, 0.0, weights_of(300))
    kept = weight > 0
    found, wanted = (
        mlcore.LogisticRegression(C=np.inf).fit(X[rows], y[rows], weight[rows]).summary()
        for rows in (slice(None), kept)
    )
    for name in ("coefficients", "standard_errors", "log_likelihood", "log_likelihood_null", "aic", "bic", "p_values"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-10, err_msg=name)
    assert (found.df_model, found.n_rows, found.output_names) == (wanted.df_model, wanted.n_rows, ())
    model, alone = (
        mlcore.LogisticRegression(class_weight="balanced", C=np.inf).fit(X[rows], y[rows], weight[rows])
        for rows in (slice(None), kept)
    )
    probabilities = np.delete(model.predict_proba(X), missing, axis=1)
    np.testing.assert_allclose(probabilities, alone.predict_proba(X), atol=1e-8)

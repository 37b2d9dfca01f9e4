"""Fits to rows that come in parts: partial_fit and merge of linear models, fit_chunks of logistic regression, files."""

import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save as to_bytes
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import mlcore

LINEAR = [mlcore.LinearRegression, mlcore.Ridge]
COLUMNS = 5


@pytest.fixture(params=[80, 30_000], ids=["few", "many"])
def n(request):
    return request.param


@pytest.fixture(params=LINEAR, ids=lambda kind: kind.__name__)
def linear(request):
    return request.param


def problem(n, outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    # chunks differ: the columns drift
    X = rng.standard_normal((n, COLUMNS)) + np.linspace(0.0, 5.0, n)[:, np.newaxis] * np.arange(COLUMNS)
    y = X @ rng.standard_normal((COLUMNS, outputs)) + 2.0 + rng.standard_normal((n, outputs))
    return X, y[:, 0] if outputs == 1 else y


def labelled(n, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, COLUMNS)) * [1.0, 3.0, 0.2, 1.0, 1.0] + [0.0, 9.0, 0.0, -4.0, 0.0]
    scores = (X - X.mean(axis=0)) @ rng.standard_normal((COLUMNS, classes)) + 2.0 * rng.gumbel(size=(n, classes))
    return X, scores.argmax(axis=1)


def parts(n, count=7):
    """Unequal slices."""
    bounds = np.unique(np.linspace(0.0, 1.0, count + 1) ** 1.7 * n).astype(int)
    return [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True) if b > a]


def of(array, part):
    return None if array is None else array[part]


def numbers(model):
    return np.concatenate([np.ravel(model.coef_), np.ravel(model.intercept_)])


def agree(ours, other, rtol=1e-11):
    """To so many parts of the largest coefficient, in the same shapes and types."""
    found, wanted = numbers(ours), numbers(other)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * np.abs(wanted).max())
    assert ours.coef_.shape == other.coef_.shape
    assert np.shape(ours.intercept_) == np.shape(other.intercept_)
    assert ours.coef_.dtype == other.coef_.dtype
    assert np.asarray(ours.intercept_).dtype == np.asarray(other.intercept_).dtype


def in_parts(model, X, y, weight=None, count=7):
    for part in parts(len(X), count):
        model.partial_fit(X[part], y[part], of(weight, part))
    return model


WEIGHTS = {"": lambda n: None, "weighted": lambda n: np.random.default_rng(1).uniform(0.0, 2.0, n)}


class TestPartialFit:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("outputs", [1, 3])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
    def test_is_one_fit(self, linear, n, weight, fit_intercept, outputs, dtype):
        X, y = problem(n, outputs)
        X, weight = X.astype(dtype), weight(n)
        model = in_parts(linear(fit_intercept=fit_intercept), X, y, weight)
        agree(model, linear(fit_intercept=fit_intercept).fit(X, y, weight), 1e-11 if dtype is np.float64 else 1e-6)
        assert model.n_features_in_ == COLUMNS
        if linear is mlcore.LinearRegression:
            assert model.rank_ == COLUMNS

    def test_row_by_row(self, linear):
        X, y = problem(80)
        model = linear()
        for i in range(80):
            model.partial_fit(X[i : i + 1], y[i : i + 1])
        agree(model, linear().fit(X, y), 1e-14)

    def test_goes_on_after_fit(self, linear, n):
        X, y = problem(n)
        agree(linear().fit(X[:30], y[:30]).partial_fit(X[30:], y[30:]), linear().fit(X, y))
        agree(linear().fit(X[:-30], y[:-30]).partial_fit(X[-30:], y[-30:]), linear().fit(X, y))

    def test_fit_begins_anew(self, linear, n):
        X, y = problem(n)
        np.testing.assert_array_equal(numbers(linear().partial_fit(-X, y).fit(X, y)), numbers(linear().fit(X, y)))

    def test_a_column_of_answers(self, linear, n):
        """Of two dimensions, or of one: as the first chunk had it."""
        X, y = problem(n)
        for first, second in ((y[:, np.newaxis], y), (y, y[:, np.newaxis])):
            model = linear().partial_fit(X[:40], first[:40]).partial_fit(X[40:], second[40:])
            agree(model, linear().fit(X, first))

    def test_what_a_chunk_cannot_know(self, linear, n):
        """Columns that are constant, zero, far larger or far smaller than later."""
        X, y = problem(n)
        for change in (
            lambda a: np.where(np.arange(COLUMNS) == 2, 7.7, a),
            lambda a: np.where(np.arange(COLUMNS) == 2, 0.0, a),
            lambda a: a + 1e7,
            lambda a: a * 1e-200,
        ):
            A = X.copy()
            A[:40] = change(A[:40])
            for first, second in ((slice(40), slice(40, n)), (slice(40, n), slice(40))):
                model = _quietly(linear(), A[first], y[first]).partial_fit(A[second], y[second])
                agree(model, linear().fit(A, y))

    @pytest.mark.parametrize("linear", [mlcore.LinearRegression, lambda: mlcore.Ridge(0.0)], ids=["", "Ridge(0)"])
    def test_zeros_first_and_tiny_numbers_later(self, linear, n):
        """Numbers whose squares vanish, in columns that were zero when their scale was chosen."""
        X, y = problem(n)
        X *= 1e-200
        X[:40] = 0.0
        whole = linear().fit(X, y)
        merged = _quietly(linear(), X[:40], y[:40])
        merged.merge(linear().fit(X[40:], y[40:]))
        agree(merged, whole)
        agree(_quietly(linear(), X[:40], y[:40]).partial_fit(X[40:], y[40:]), whole)

    def test_chunks_that_do_not_count(self, linear, n):
        """Rows without weight, a whole chunk of them."""
        X, y = problem(n)
        weight = np.r_[np.ones(40), np.zeros(20), np.ones(n - 60)]
        model = linear()
        for part in (slice(40), slice(40, 60), slice(60, n)):
            model.partial_fit(X[part], y[part], weight[part])
        agree(model, linear().fit(X, y, weight))

    def test_the_penalty_of_the_moment(self):
        """Sums know nothing of alpha: the last one counts, one for all outputs or one each."""
        X, y = problem(80, 3)
        model = mlcore.Ridge(1.0).partial_fit(X[:50], y[:50]).set_params(alpha=[0.5, 2.0, 30.0])
        agree(model.partial_fit(X[50:], y[50:]), mlcore.Ridge([0.5, 2.0, 30.0]).fit(X, y))
        assert not hasattr(model, "condition_")

    @pytest.mark.parametrize("first", [True, False])
    def test_the_intercept_of_the_moment(self, linear, n, first):
        X, y = problem(n)
        model = linear(fit_intercept=first).fit(X[:40], y[:40]).set_params(fit_intercept=not first)
        agree(model.partial_fit(X[40:], y[40:]), linear(fit_intercept=not first).fit(X, y))

    def test_summary_counts_all_rows(self, linear, n):
        X, y = problem(n)
        weight = WEIGHTS["weighted"](n)
        linear = linear if linear is mlcore.LinearRegression else lambda: mlcore.Ridge(0.0)
        found, wanted = in_parts(linear(), X, y, weight).summary(), linear().fit(X, y, weight).summary()
        assert (found.n_rows, found.df_residual) == (wanted.n_rows, wanted.df_residual)
        for name in ("coefficients", "standard_errors", "r_squared", "log_likelihood", "condition"):
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9)

    def test_does_not_grow(self, linear, tmp_path):
        X, y = problem(3_000)
        sizes = set()
        for rows in (30, 300, 3_000):
            model = in_parts(linear(), X[:rows], y[:rows], count=rows // 10)
            model.save(tmp_path / "model")
            sizes.add((len(pickle.dumps(model)) // 64, (tmp_path / "model").stat().st_size // 64))
        assert len(sizes) <= 2  # a number of rows may take a digit more

    def test_refusals(self, linear):
        X, y = problem(80)
        other = "gradient_descent" if linear is mlcore.LinearRegression else "svd"
        for parameters in ({"solver": other}, {"positive": True}):
            fresh = linear(**parameters)
            with pytest.raises(ValueError, match="solver='auto' and positive=False"):
                fresh.partial_fit(X, y)
            assert not hasattr(fresh, "coef_")
        done = linear(positive=True).fit(X, y).set_params(positive=False)
        before = pickle.dumps(done)
        with pytest.raises(ValueError, match="no sums of products"):
            done.partial_fit(X, y)
        assert pickle.dumps(done) == before

    def test_errors_leave_it_as_it_was(self, linear, n, monkeypatch):
        """Those of the data, and those that nobody foresees."""
        X, y = problem(n)
        model = linear().fit(X, y)
        before = pickle.dumps(model)
        with pytest.raises(ValueError, match="NaN"):
            model.partial_fit(X * np.nan, y)
        with pytest.raises(ValueError, match="alpha|expecting"):
            model.set_params(**({"alpha": -1.0} if linear is mlcore.Ridge else {})).partial_fit(X[:, :4], y)
        model.set_params(**({"alpha": 1.0} if linear is mlcore.Ridge else {}))
        assert pickle.dumps(model) == before
        monkeypatch.setattr(type(model), "_solve", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, y)
        monkeypatch.undo()
        assert pickle.dumps(model) == before
        agree(model.partial_fit(X, y), linear().fit(np.tile(X, (2, 1)), np.tile(y, 2)))


def _quietly(model, X, y):
    """A first chunk whose columns say nothing yet."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has rank", UserWarning)
        return model.partial_fit(X, y)


class TestMerge:
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("outputs", [1, 3])
    @pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
    def test_a_tree_of_many(self, linear, n, weight, outputs, fit_intercept):
        X, y = problem(n, outputs)
        weight = weight(n)
        models = [linear(fit_intercept=fit_intercept).fit(X[part], y[part], of(weight, part))
                  for part in parts(n, 16)]  # fmt: skip
        while len(models) > 1:
            models = [a.merge(b) for a, b in zip(models[::2], models[1::2], strict=False)] + models[len(models) & ~1 :]
        agree(models[0], linear(fit_intercept=fit_intercept).fit(X, y, weight))

    def test_into_one_that_is_not_fitted(self, linear, n):
        import pandas

        X, y = problem(n, 3)
        other = linear().fit(pandas.DataFrame(X, columns=list("abcde")), y)
        model = linear().merge(other)
        np.testing.assert_array_equal(numbers(model), numbers(other))
        assert list(model.feature_names_in_) == list("abcde")
        assert model.n_features_in_ == COLUMNS
        np.testing.assert_allclose(model.predict(pandas.DataFrame(X, columns=list("abcde"))), X @ other.coef_.T
                                   + other.intercept_, rtol=1e-10)  # fmt: skip

    def test_leaves_the_other_as_it_was(self, linear, n):
        X, y = problem(n)
        other = linear().fit(X[40:], y[40:])
        before = pickle.dumps(other)
        model, fresh = linear().fit(X[:40], y[:40]).merge(other), linear().merge(other)
        assert pickle.dumps(other) == before
        # neither later
        fresh.partial_fit(X, y)
        model.merge(fresh).partial_fit(X, y)
        assert pickle.dumps(other) == before

    def test_with_itself(self, linear, n):
        X, y = problem(n)
        model = linear().fit(X, y)
        agree(model.merge(model), linear().fit(np.tile(X, (2, 1)), np.tile(y, 2)))

    def test_after_the_intercept_was_turned_off(self, linear, n):
        """What a model says of itself now, and the sums it was fitted with, are two things."""
        X, y = problem(n)
        model = linear().fit(X[:40], y[:40]).set_params(fit_intercept=False)
        agree(model.merge(linear(fit_intercept=False).fit(X[40:], y[40:])), linear(fit_intercept=False).fit(X, y))

    def test_clones_start_empty(self, linear):
        X, y = problem(80)
        assert not hasattr(clone(linear().fit(X, y)), "coef_")
        agree(clone(linear().fit(-X, y)).partial_fit(X, y), linear().fit(X, y))

    def test_pickled(self, linear, n):
        X, y = problem(n)
        model = pickle.loads(pickle.dumps(linear().fit(X[:40], y[:40])))
        agree(model.partial_fit(X[40:], y[40:]), linear().fit(X, y))


def edited(model, path, change):
    """Save a model, its header and its tensors changed."""
    model.save(path)
    with safe_open(str(path), framework="numpy") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    content = json.loads(header["content"])
    change(content["attributes"], tensors)
    path.write_bytes(to_bytes(tensors, metadata=header | {"content": json.dumps(content)}))


def holding(attributes, group, name):
    """The pairs of the dictionary, wherever within a group of the header, that has such an entry."""
    waiting = [attributes[group]]
    while waiting:
        pairs = waiting.pop()["dict"]
        if any(key == name for key, _ in pairs):
            return pairs
        waiting += [value for _, value in pairs if isinstance(value, dict) and "dict" in value]
    raise AssertionError(f"{group} has no {name}")


def setting(group, name, value):
    """A change of one entry."""

    def change(attributes, _):
        for pair in holding(attributes, group, name):
            if pair[0] == name:
                pair[1] = value

    return change


def dropping(group, name):
    def change(attributes, _):
        pairs = holding(attributes, group, name)
        pairs[:] = [pair for pair in pairs if pair[0] != name]

    return change


def turning(group, name, function):
    """A change of one array."""

    def change(attributes, tensors):
        for key, value in holding(attributes, group, name):
            if key == name:
                tensors[value["tensor"]] = np.ascontiguousarray(function(tensors[value["tensor"]]))

    return change


def adding(group, beside, pair):
    return lambda attributes, _: holding(attributes, group, beside).append(pair)


HOSTILE = {
    "n_rows is a name": setting("_statistics", "n_rows", "many"),
    "n_rows is none": setting("_statistics", "n_rows", None),
    "n_rows is negative": setting("_statistics", "n_rows", -1),
    "n_rows is a list": setting("_statistics", "n_rows", {"list": [1, 2]}),
    "n_rows is infinite": setting("_statistics", "n_rows", float("inf")),
    "n_features is another": setting("_statistics", "n_features", COLUMNS + 1),
    "n_features is a name": setting("_statistics", "n_features", "5"),
    "n_outputs is another": setting("_statistics", "n_outputs", 2),
    "n_outputs is negative": setting("_statistics", "n_outputs", -1),
    "eps is a name": setting("_statistics", "eps", "small"),
    "eps is negative": setting("_statistics", "eps", -1.0),
    "eps is nan": setting("_statistics", "eps", float("nan")),
    "log_weight is none": setting("_statistics", "log_weight", None),
    "log_weight is a list": setting("_statistics", "log_weight", {"list": [0.0]}),
    "in_pairs is a name": setting("_statistics", "in_pairs", "yes"),
    "shift is none": setting("_statistics", "shift", None),
    "scale is a list": setting("_statistics", "scale", {"list": [1.0] * (COLUMNS + 1)}),
    "unknown entry": adding("_statistics", "n_rows", ["evil", 1]),
    "entry of no name": adding("_statistics", "n_rows", [3, 1]),
    "a list": lambda attributes, _: attributes.update(_statistics={"list": [1.0]}),
    "a name": lambda attributes, _: attributes.update(_statistics="sums"),
    "other columns": lambda attributes, _: attributes.update(n_features_in_=COLUMNS - 1),
    "singular values are a name": lambda attributes, _: attributes.update(_singular="large"),
}
for _name in ("n_rows", "n_features", "eps", "shift", "high"):
    HOSTILE[f"{_name} is missing"] = dropping("_statistics", _name)
for _name in ("shift", "scale", "high", "low"):
    HOSTILE[f"{_name} is shorter"] = turning("_statistics", _name, lambda a: a[:-1])
    HOSTILE[f"{_name} is empty"] = turning("_statistics", _name, lambda a: a[:0])
    HOSTILE[f"{_name} is in float32"] = turning("_statistics", _name, lambda a: a.astype(np.float32))
    HOSTILE[f"{_name} is whole"] = turning("_statistics", _name, lambda a: a.astype(np.int64))
    HOSTILE[f"{_name} is nan"] = turning("_statistics", _name, lambda a: a * np.nan)
    HOSTILE[f"{_name} is infinite"] = turning("_statistics", _name, lambda a: a + np.inf)
HOSTILE["scale is negative"] = turning("_statistics", "scale", lambda a: -a)
HOSTILE["scale is zero"] = turning("_statistics", "scale", lambda a: 0 * a)
HOSTILE["high is negative"] = turning("_statistics", "high", lambda a: -a - 1.0)

HOSTILE_INFORMATION = {
    "a name": lambda attributes, _: attributes.update(_information="hessian"),
    "a number": lambda attributes, _: attributes.update(_information=1),
    "a list": lambda attributes, _: attributes.update(_information={"list": [1]}),
    "empty": lambda attributes, _: attributes.update(_information={"dict": []}),
}
for _name in ("hessian", "shift", "scale", "counts", "log_likelihood"):
    HOSTILE_INFORMATION[f"{_name} is missing"] = dropping("_information", _name)
    HOSTILE_INFORMATION[f"{_name} is a name"] = setting("_information", _name, "x")
    HOSTILE_INFORMATION[f"{_name} is none"] = setting("_information", _name, None)
    HOSTILE_INFORMATION[f"{_name} is a list"] = setting("_information", _name, {"list": [1.0]})
    if _name != "log_likelihood":
        HOSTILE_INFORMATION[f"{_name} is shorter"] = turning("_information", _name, lambda a: a[:-1])
        HOSTILE_INFORMATION[f"{_name} is nan"] = turning("_information", _name, lambda a: a * np.nan)


class TestFiles:
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("outputs", [1, 3])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_go_on(self, linear, n, dtype, outputs, fit_intercept, tmp_path):
        X, y = problem(n, outputs)
        X = X.astype(dtype)
        model = linear(fit_intercept=fit_intercept).fit(X[:40], y[:40])
        model.save(tmp_path / "model")
        again = mlcore.load(tmp_path / "model")
        assert vars(again).keys() == vars(model).keys()
        for now in (model, again):
            now.partial_fit(X[40:], y[40:])
        np.testing.assert_array_equal(numbers(again), numbers(model))
        agree(again, linear(fit_intercept=fit_intercept).fit(X, y), 1e-11 if dtype is np.float64 else 1e-6)

    def test_are_merged(self, linear, n, tmp_path):
        X, y = problem(n)
        for i, part in enumerate(parts(n, 4)):
            linear().fit(X[part], y[part]).save(tmp_path / str(i))
        model = linear()
        for i in range(len(parts(n, 4))):
            model.merge(mlcore.load(tmp_path / str(i)))
        agree(model, linear().fit(X, y))

    def test_truncated(self, linear, tmp_path):
        path = tmp_path / "model"
        linear().fit(*problem(80)).save(path)
        whole = path.read_bytes()
        for cut in (1, 8, 9, len(whole) // 3, len(whole) - 8, len(whole) - 1):
            path.write_bytes(whole[:cut])
            with pytest.raises(ValueError, match="damaged|no model"):
                mlcore.load(path)

    @pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
    def test_hostile_sums(self, change, tmp_path):
        edited(mlcore.LinearRegression().fit(*problem(80)), tmp_path / "model", change)
        with pytest.raises(ValueError, match="damaged"):
            mlcore.load(tmp_path / "model")

    @pytest.mark.parametrize("change", HOSTILE_INFORMATION.values(), ids=HOSTILE_INFORMATION)
    def test_hostile_hessians(self, change, tmp_path):
        edited(mlcore.LogisticRegression(C=np.inf).fit(*labelled(80)), tmp_path / "model", change)
        with pytest.raises(ValueError, match="damaged"):
            mlcore.load(tmp_path / "model")

    @pytest.mark.parametrize("classes", [2, 3])
    def test_keep_the_hessian(self, n, classes, tmp_path):
        model = mlcore.LogisticRegression(C=np.inf).fit(*labelled(n, classes))
        model.save(tmp_path / "model")
        assert str(mlcore.load(tmp_path / "model").summary()) == str(model.summary())

    def test_without_sums(self, tmp_path):
        """Of models that have none, among them those that an older mlcore wrote."""
        X, y = problem(80)
        model = mlcore.LinearRegression(positive=True).fit(X, y)
        model.save(tmp_path / "model")

        def older(attributes, tensors):
            del attributes["_statistics"], attributes["_singular"]
            for name in [name for name in tensors if name.startswith("_")]:
                del tensors[name]
            for value in attributes.values():
                if isinstance(value, dict):
                    del value["dtype"]

        edited(mlcore.LinearRegression().fit(X, y), tmp_path / "older", older)
        for name in ("model", "older"):
            again = mlcore.load(tmp_path / name)
            again.predict(X)
            with pytest.raises(ValueError, match="no sums of products"):
                again.set_params(positive=False).partial_fit(X, y)


def chunks(X, y, weight=None, count=6):
    """A function that returns another iterator at each call."""

    def read():
        for part in parts(len(X), count):
            yield (X[part], y[part]) if weight is None else (X[part], y[part], weight[part])

    return read


class TestFitChunks:
    @pytest.mark.parametrize("options", [{}, {"C": 0.01}, {"C": np.inf}, {"fit_intercept": False}], ids=str)
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
    def test_is_one_fit(self, n, weight, classes, options):
        X, y = labelled(n, classes)
        weight = weight(n)
        model = mlcore.LogisticRegression(tol=1e-8, **options).fit_chunks(chunks(X, y, weight))
        whole = mlcore.LogisticRegression(tol=1e-8, **options).fit(X, y, weight)
        agree(model, whole, 1e-8)
        np.testing.assert_array_equal(model.classes_, whole.classes_)
        if options.get("C") == np.inf:
            for name in ("standard_errors", "log_likelihood", "aic", "likelihood_ratio", "n_rows"):
                np.testing.assert_allclose(getattr(model.summary(), name), getattr(whole.summary(), name), rtol=1e-6)

    @pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
    @pytest.mark.parametrize("classes", [2, 3])
    def test_with_l1(self, n, classes, l1_ratio):
        X, y = labelled(n, classes)
        options = {"C": 0.05, "l1_ratio": l1_ratio, "tol": 1e-8}
        model = mlcore.LogisticRegression(**options).fit_chunks(chunks(X, y))
        whole = mlcore.LogisticRegression(**options).fit(X, y)
        np.testing.assert_array_equal(model.coef_ == 0, whole.coef_ == 0)
        np.testing.assert_allclose(model.coef_, whole.coef_, atol=1e-6)
        np.testing.assert_allclose(model.predict_proba(X), whole.predict_proba(X), atol=1e-6)

    def test_by_default(self, n):
        """To what a default fit promises: both end within 1e-10 of the least objective."""
        X, y = labelled(n)
        agree(mlcore.LogisticRegression().fit_chunks(chunks(X, y)), mlcore.LogisticRegression().fit(X, y), 1e-5)

    def test_sources(self, n):
        X, y = labelled(n)
        whole = mlcore.LogisticRegression(tol=1e-8).fit(X, y)
        pieces = list(chunks(X, y)())

        class Pieces:
            def __iter__(self):
                return iter(pieces)

        single = [(X[i : i + 1], y[i : i + 1]) for i in range(50)] + [(X[50:], y[50:])]
        fortran = [(np.asfortranarray(a), b) for a, b in pieces]
        for source in (pieces, tuple(pieces), [list(piece) for piece in pieces], Pieces(), lambda: pieces, chunks(X, y),
                       [(X.tolist(), y.tolist())], fortran, pieces[::-1], single):  # fmt: skip
            agree(mlcore.LogisticRegression(tol=1e-8).fit_chunks(source), whole, 1e-8)
        some = [(*pieces[0], np.ones(len(pieces[0][1]))), *pieces[1:]]
        agree(mlcore.LogisticRegression(tol=1e-8).fit_chunks(some), whole, 1e-8)

    @pytest.mark.parametrize("names", [["no", "yes", "undecided"], [-1.0, 0.0, 7.0], [-5, 10**12, 10**15]], ids=str)
    def test_labels_and_classes_missing_in_chunks(self, n, names):
        """Sorted by class, so that no chunk holds all, and strings grow longer."""
        X, y = labelled(n, 3)
        order = np.argsort(y, kind="stable")
        X, labels = X[order], np.array(names)[y[order]]
        bounds = np.searchsorted(y[order], [1, 2])
        pieces = list(zip(np.split(X, bounds), np.split(labels, bounds), strict=True))
        pieces = [(rows, np.array(answers.tolist())) for rows, answers in pieces]  # each as short as may be
        model = mlcore.LogisticRegression(tol=1e-8).fit_chunks(pieces)
        whole = mlcore.LogisticRegression(tol=1e-8).fit(X, labels)
        np.testing.assert_array_equal(model.classes_, whole.classes_)
        assert model.classes_.dtype == whole.classes_.dtype
        agree(model, whole, 1e-8)
        np.testing.assert_array_equal(model.predict(X), whole.predict(X))

    def test_float32(self, n):
        X, y = labelled(n)
        model = mlcore.LogisticRegression(tol=1e-8).fit_chunks(chunks(X.astype(np.float32), y))
        agree(model, mlcore.LogisticRegression(tol=1e-8).fit(X.astype(np.float32), y), 1e-6)

    def test_frames(self, n):
        import pandas

        X, y = labelled(n)
        pieces = [(pandas.DataFrame(a, columns=list("abcde")), pandas.Series(b)) for a, b in chunks(X, y)()]
        model = mlcore.LogisticRegression().fit_chunks(pieces)
        assert list(model.feature_names_in_) == list("abcde")

    @pytest.mark.parametrize("value", [2.0, 0.1])
    def test_a_column_that_is_constant_in_the_first_chunk(self, n, value):
        X, y = labelled(n)
        X[:30, 1] = value
        pieces = [(X[:30], y[:30]), (X[30:], y[30:])]
        agree(
            mlcore.LogisticRegression(tol=1e-8).fit_chunks(pieces), mlcore.LogisticRegression(tol=1e-8).fit(X, y), 1e-8
        )

    def test_chunks_that_do_not_count(self, n):
        X, y = labelled(n)
        pieces = [(X[:30], y[:30]), (X[30:50], y[30:50], np.zeros(20)), (X[50:], y[50:])]
        whole = mlcore.LogisticRegression(tol=1e-8).fit(np.delete(X, slice(30, 50), 0), np.delete(y, slice(30, 50)))
        agree(mlcore.LogisticRegression(tol=1e-8).fit_chunks(pieces), whole, 1e-8)
        refused(mlcore.LogisticRegression(), [(a, b, np.zeros(len(b))) for a, b in chunks(X, y)()], "non-zero")

    def test_warm_start(self, n):
        X, y = labelled(n)
        model = mlcore.LogisticRegression(warm_start=True, tol=1e-8).fit_chunks(chunks(X, y))
        first = model.n_iter_[0]
        assert first > 2
        assert model.fit_chunks(chunks(X, y)).n_iter_[0] <= 2
        agree(model, mlcore.LogisticRegression(tol=1e-8).fit(X, y), 1e-8)

    def test_does_not_converge_quietly(self):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            mlcore.LogisticRegression(max_iter=1).fit_chunks(chunks(*labelled(80)))

    def test_separated(self):
        X, _ = labelled(80)
        with pytest.warns(ConvergenceWarning, match="perfectly separated"):
            mlcore.LogisticRegression(C=np.inf).fit_chunks(chunks(X, (X[:, 0] > 0).astype(int)))

    def test_sources_that_can_be_read_once(self):
        X, y = labelled(80)
        pieces = list(chunks(X, y)())
        fitted = mlcore.LogisticRegression().fit(X, y)
        for model in (mlcore.LogisticRegression(), fitted):
            spent = iter(pieces)
            refused(model, lambda spent=spent: spent, "80 rows when it was first read")
            for source in (chunks(X, y)(), iter(pieces), zip([X], [y], strict=True)):
                refused(model, source, "only once")

    @pytest.mark.parametrize(
        "kind", ["fewer", "more", "longer", "labels", "columns", "nan", "weights", "none", "failure"]
    )
    @pytest.mark.parametrize("when", [2, 4])
    def test_sources_that_change(self, kind, when):
        X, y = labelled(80)
        pieces = list(chunks(X, y)())
        calls = 0

        def read():
            nonlocal calls
            calls += 1
            for i, (rows, labels) in enumerate(pieces):
                if calls < when or i != 3:
                    yield rows, labels
                elif kind == "more":
                    yield rows, labels
                    yield rows, labels
                elif kind == "longer":
                    yield np.tile(rows, (2, 1)), np.tile(labels, 2)
                elif kind == "labels":
                    yield rows, labels + 7
                elif kind == "columns":
                    yield rows[:, :3], labels
                elif kind == "nan":
                    yield rows * np.nan, labels
                elif kind == "weights":
                    yield rows, labels, -np.ones(len(labels))
                elif kind == "none":
                    yield None
                elif kind == "failure":
                    raise ValueError("The disk is gone.")

        message = {"columns": "expecting 5", "nan": "NaN", "weights": "Negative", "none": "tuple", "failure": "disk"}
        fitted = mlcore.LogisticRegression().fit(X, y)
        refused(fitted, read, message.get(kind, "others now"))

    def test_what_is_no_source(self):
        X, y = labelled(80)
        fitted = mlcore.LogisticRegression().fit(X, y)
        for source, message in (
            (None, "must be a function"),
            (7, "must be a function"),
            (X, "must be a tuple"),
            ([(X,)], "must be a tuple"),
            ([(X, y, y, y)], "must be a tuple"),
            ([X], "must be a tuple"),
            ([], "no chunks"),
            (lambda: None, "iter"),
            ([(X, y), (X, np.array(["a", "b"])[y])], "label|others now"),
        ):
            refused(fitted, source, message)
        wide = np.zeros((80, 1100))
        refused(fitted, [(wide, y)], "use fit")
        for parameters in ({"solver": "lbfgs"}, {"class_weight": "balanced"}, {"max_iter": -1}, {"C": 0.0}):
            refused(mlcore.LogisticRegression(**parameters), [(X, y)], next(iter(parameters)))


def refused(model, source, message, **options):
    """The right error, and the model as it was."""
    before = pickle.dumps(model)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit_chunks(source, **options)
    assert pickle.dumps(model) == before


class TestParquet:
    @pytest.fixture
    def table(self, tmp_path):
        import pyarrow
        from pyarrow import parquet

        X, y = labelled(200, 3)
        columns = {f"x{i}": X[:, i] for i in range(COLUMNS)}
        columns["x1"] = columns["x1"].astype(np.float32)
        columns["x2"] = np.round(10 * columns["x2"]).astype(np.int32)
        labels = np.array(["no", "yes", "undecided"])[y]

        def write(**more):
            names = {"x0": columns["x0"], "answer": labels, **{k: v for k, v in columns.items() if k != "x0"}, **more}
            path = tmp_path / "table.parquet"
            parquet.write_table(pyarrow.table(names), path, row_group_size=33)
            return path

        return write, np.column_stack(list(columns.values())).astype(np.float64), labels

    def test_is_one_fit(self, table):
        write, X, labels = table
        path = write()
        whole = mlcore.LogisticRegression(tol=1e-8).fit(X, labels)
        for source in (path, str(path)):
            model = mlcore.LogisticRegression(tol=1e-8).fit_chunks(source, target="answer")
            agree(model, whole, 1e-8)
            assert sorted(model.classes_) == ["no", "undecided", "yes"]
            assert model.feature_names_in_.tolist() == [f"x{i}" for i in range(COLUMNS)]
            rows = pd.DataFrame(X, columns=model.feature_names_in_)
            np.testing.assert_array_equal(model.predict(rows), whole.predict(X))

    @pytest.mark.parametrize("name", [None, "id", "range"])
    def test_leaves_out_the_index_of_pandas(self, table, name, tmp_path):
        """An index that would tell the classes apart is none of the features, unless it is asked for."""
        _, X, labels = table
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(COLUMNS)]).assign(answer=labels)
        whole = mlcore.LogisticRegression(tol=1e-8).fit(frame.drop(columns="answer"), labels)
        index = pd.Index(labels == "yes", name=name)
        indexed = frame if name == "range" else frame.set_axis(index)
        indexed.to_parquet(tmp_path / "indexed.parquet")
        model = mlcore.LogisticRegression(tol=1e-8).fit_chunks(tmp_path / "indexed.parquet", target="answer")
        agree(model, whole, 1e-8)
        assert model.feature_names_in_.tolist() == whole.feature_names_in_.tolist()
        again = model.fit_chunks([(X, labels)])
        assert not hasattr(again, "feature_names_in_")
        if name == "id":
            indexed.drop(columns="answer").to_parquet(tmp_path / "indexed.parquet")
            asked = mlcore.LogisticRegression().fit_chunks(tmp_path / "indexed.parquet", target="id")
            assert asked.classes_.tolist() == [False, True]
            assert asked.n_features_in_ == COLUMNS

    def test_a_file_of_an_index_alone(self, tmp_path):
        pd.DataFrame({"answer": ["a", "b"]}, index=[3, 5]).to_parquet(tmp_path / "alone.parquet")
        refused(mlcore.LogisticRegression().fit([[0], [1]], [0, 1]), tmp_path / "alone.parquet", "no column for X",
                target="answer")  # fmt: skip

    def test_in_several_batches(self, table, monkeypatch):
        write, X, labels = table
        monkeypatch.setattr("mlcore.linear_model._streaming._CHUNK", 17)
        model = mlcore.LogisticRegression(tol=1e-8).fit_chunks(write(), target="answer")
        agree(model, mlcore.LogisticRegression(tol=1e-8).fit(X, labels), 1e-8)

    def test_refusals(self, table, tmp_path):
        write, X, labels = table
        path = write()
        fitted = mlcore.LogisticRegression().fit(X, labels)
        refused(fitted, path, "target is None")
        refused(fitted, path, "must be a column of the file: x0, answer", target="x9")
        refused(fitted, [(X, labels)], "names a column of a Parquet file", target="answer")
        refused(fitted, write(extra=np.array(["a"] * 200)), "could not convert", target="answer")
        refused(fitted, write(extra=[None] + [1.0] * 199), "NaN", target="answer")
        refused(fitted, write(answer=np.full(200, "no")), "only one class", target="answer")
        (tmp_path / "text").write_text("x0,answer\n1,no\n")
        refused(fitted, tmp_path / "text", "[Pp]arquet", target="answer")
        with pytest.raises(FileNotFoundError):
            fitted.fit_chunks(tmp_path / "none", target="answer")

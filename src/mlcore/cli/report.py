"""What the command line says about data, models and predictions: plain pairs and tables, never cut short."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from .tables import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tables import Table

_MOST_NUMBERS_SHOWN = 50
_MOST_CLASSES_SHOWN = 10
_MOST_GROUPS_SHOWN = 3
_LONGEST_REASON = 160
_WIDE_SCALES = 100.0
_Pairs = list[tuple[str, str]]


def console() -> Console:
    """A console that takes text as it is; a terminal breaks what is too wide for it."""
    return Console(markup=False, highlight=False, emoji=False, width=2**20)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}{'es' if noun.endswith('s') else 's'}"


def number(value: float) -> str:
    """The shortest text that reads back to the same float64."""
    return repr(float(value)).removesuffix(".0")


def exact(value: Any) -> str:
    """A number as `number`; a class by its name."""
    return number(value) if isinstance(value, float) else str(value)


def _part(value: float, whole: float = 1.0, digits: int = 6) -> str:
    """A part of a whole in some digits, in all of them where those would say that it is none or all of it."""
    text = f"{value:.{digits}g}"
    return number(value) if float(text) in (0.0, whole) and float(text) != value else text


def print_pairs(to: Console, pairs: _Pairs) -> None:
    """Names, and what is to be said of each."""
    width = max(len(name) for name, _ in pairs)
    for name, text in pairs:
        to.print(f"{name:{max(width, 10)}}  {text}")


def print_grid(to: Console, header: list[str], rows: list[list[str]]) -> None:
    """Columns set flush right under their names."""
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in header:
        grid.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    to.print(grid)


def describe_data(table: Table, inputs: list[int], target: int, y: NDArray[Any], dropped: int) -> _Pairs:
    """What was found in a table."""
    header = "names in the first line" if table.has_header else "no header: columns are named by position"
    pairs = [("data", f"{table.path}: {_count(len(y), 'row')}, {_count(len(table.names), 'column')} ({header})")]
    if dropped:
        pairs.append(("left out", f"{_count(dropped, 'row')} with a missing value"))
    pairs += [("left out", f"column {table.names[c]!r}: {why}") for c, why in table.index.items() if c != target]
    pairs.append(("inputs", f"{len(inputs)}: {listed([table.names[column] for column in inputs])}"))
    if y.dtype.kind == "f":
        return [*pairs, ("target", f"{table.names[target]!r}: numbers from {number(y.min())} to {number(y.max())}")]
    labels, counts = np.unique(y, return_counts=True)
    shown = [f"{label} ({_count(count, 'row')})" for label, count in zip(labels, counts, strict=True)][
        :_MOST_CLASSES_SHOWN
    ]
    more = ["..."] if len(labels) > len(shown) else []
    return [*pairs, ("target", f"{table.names[target]!r}: {len(labels)} classes, {', '.join(shown + more)}")]


def describe_groups(names: list[str], counts: NDArray[Any]) -> _Pairs:
    """The groups that rows belong to, by one column or several."""
    least, most = int(counts.min()), int(counts.max())
    sizes = f"{least} to {most} rows" if least < most else _count(least, "row")
    return [("groups", f"{len(counts)} by {listed(names)}, of {sizes} each")]


def describe_models(many: Any, seconds: float) -> _Pairs:
    """What became of the fits of many groups."""
    fitted = len(many) - len(many.failures_)
    score = "accuracy" if hasattr(many, "classes_") else "R^2"
    known = many._scores[~np.isnan(many._scores)]
    return [
        ("models", f"{fitted} of {len(many)}"),
        ("error", f"median {score} {_part(float(np.median(known))) if len(known) else 'undefined'} (training rows)"),
        ("seconds", f"{seconds:.3g} ({fitted / seconds:,.0f} models a second)"),
    ]


def describe_many(many: Any) -> _Pairs:
    """A file of many models: what they are, which groups they are of, what goes in and what comes out."""
    of = "" if many._by is None else f" by {listed(list(many._by))}"
    failed = f", of which {len(many.failures_)} have no model" if many.failures_ else ""
    names = getattr(many, "feature_names_in_", None)
    pairs = [
        ("models", f"{type(many.estimator).__name__}, one a group"),
        ("groups", f"{len(many)}{of}{failed}: {listed(list(many))}"),
        ("parameters", _parameters(many.estimator)),
        ("inputs", f"{many.n_features_in_}" + ("" if names is None else f": {listed(list(names))}")),
    ]
    return pairs + _answers(many)


def first_of(messages: Any, several: bool) -> str:
    """Some groups and what is said of them."""
    shown = [
        f"{key!r}: {' '.join((texts[0] if several else texts).split())}"
        for key, texts in islice(messages.items(), _MOST_GROUPS_SHOWN)
    ]
    shown = [text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "..." for text in shown]
    more = len(messages) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def describe_training(estimator: Any, X: NDArray[Any], y: NDArray[Any]) -> _Pairs:
    """The model that is to be trained."""
    outputs = 1 if y.dtype.kind == "f" else len(np.unique(y))
    return [_model(estimator, [X.shape[1], *_hidden(estimator), 1 if outputs == 2 else outputs])]


def describe_model(estimator: Any) -> _Pairs:
    """A trained model: what it is, its parameters that are no defaults, what goes in and what comes out."""
    shapes = [weights.shape for weights, _ in _layers(estimator)]
    names = getattr(estimator, "feature_names_in_", None)
    pairs = [
        _model(estimator, [shapes[0][0], *(shape[1] for shape in shapes)]),
        ("parameters", _parameters(estimator)),
        ("inputs", f"{estimator.n_features_in_}" + ("" if names is None else f": {listed(list(names))}")),
    ]
    return pairs + _answers(estimator)


def _parameters(estimator: Any) -> str:
    """Those that are no defaults."""
    defaults = type(estimator)().get_params(deep=False)
    chosen = [f"{k}={v!r}" for k, v in estimator.get_params(deep=False).items() if repr(v) != repr(defaults[k])]
    return ", ".join(chosen) or "defaults"


def _answers(model: Any) -> _Pairs:
    """What comes out."""
    pairs = [("target", repr(model.target_name_))] if hasattr(model, "target_name_") else []
    if hasattr(model, "classes_"):
        pairs.append(("classes", ", ".join(str(label) for label in model.classes_)))
    return pairs


def describe_error(estimator: Any, X: NDArray[Any], y: NDArray[Any]) -> _Pairs:
    """How far a model is from the answers it was trained on."""
    predicted = estimator.predict(X)
    epochs = [("epochs", f"{estimator.n_iter_}, at most {estimator.max_iter}")] if _hidden(estimator) else []
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):
            error, spread = float(np.mean((predicted - y) ** 2)), float(np.var(y))
        r2 = _part(1.0 - error / spread) if spread > 0 else "undefined (all answers are equal)"
        return [*epochs, ("error", f"mean squared error {error:.6g}, R^2 {r2} (training rows)")]
    true = estimator.predict_proba(X)[np.arange(len(y)), np.searchsorted(estimator.classes_, y)]
    loss = float(-np.log(np.maximum(true, np.finfo(true.dtype).tiny)).mean())
    right = int((predicted == y).sum())
    accuracy = f"{_part(100.0 * right / len(y), 100.0, 4)} % ({right} of {len(y)})"
    return [*epochs, ("error", f"log loss {loss:.6g}, accuracy {accuracy} (training rows)")]


def advise_on_scales(estimator: Any, X: NDArray[Any], names: list[str]) -> str | None:
    """Advice if a network gets inputs of very different spreads."""
    with np.errstate(over="ignore"):
        spreads = X.std(axis=0)
    if not _hidden(estimator) or not spreads.any():
        return None
    spreads[spreads == 0.0] = np.nan
    least, most = int(np.nanargmin(spreads)), int(np.nanargmax(spreads))
    if spreads[most] < _WIDE_SCALES * spreads[least]:
        return None
    return (
        f"input scales differ widely (standard deviations: {names[least]!r} {spreads[least]:.3g}, {names[most]!r} "
        f"{spreads[most]:.3g}); a network learns better from inputs of similar scale."
    )


def print_layers(to: Console, estimator: Any, names: list[str]) -> None:
    """Weights and biases, or their shapes if they are many."""
    layers = _layers(estimator)
    few = sum(weights.size + biases.size for weights, biases in layers) <= _MOST_NUMBERS_SHOWN
    for i, (weights, biases) in enumerate(layers):
        title = f"layer {i + 1}" if len(layers) > 1 else "input"
        if not few:
            print_pairs(
                to, [(f"layer {i + 1}", f"weights {weights.shape[0]} x {weights.shape[1]}, biases {len(biases)}")]
            )
            continue
        last = i == len(layers) - 1
        units = [str(label) for label in estimator.classes_] if last and len(biases) > 2 else _numbered(len(biases))
        rows = names if i == 0 else [f"unit {unit}" for unit in _numbered(len(weights))]
        heads = [title, *(["weight"] if len(units) == 1 else units)]
        cells = [[row, *map(number, values)] for row, values in zip(rows, weights, strict=True)]
        to.print()
        print_grid(to, heads, [*cells, ["bias", *map(number, biases)]])
    to.print()


def print_predictions(to: Console, estimator: Any, names: list[str], asked: list[str], rows: list[list[float]]) -> None:
    """A table of inputs as they were written, answers, and how probable each is."""
    X = np.array(rows, np.float64)
    answers = estimator.predict(X).tolist()
    cells = [
        [*(field.strip() for field in text.split(",")), exact(answer)]
        for text, answer in zip(asked, answers, strict=True)
    ]
    header = [*names, "prediction"]
    if hasattr(estimator, "predict_proba"):
        header.append("probability")
        for row, probabilities in zip(cells, estimator.predict_proba(X), strict=True):
            row.append(number(probabilities.max()))
    to.print()
    print_grid(to, header, cells)


def _hidden(estimator: Any) -> list[int]:
    sizes: Any = getattr(estimator, "hidden_layer_sizes", ())
    return list(sizes) if hasattr(sizes, "__iter__") else [sizes]


def _model(estimator: Any, sizes: list[int]) -> tuple[str, str]:
    weights, biases = sum(a * b for a, b in zip(sizes, sizes[1:], strict=False)), sum(sizes[1:])
    shape = "-".join(map(str, sizes))
    return "model", f"{type(estimator).__name__} {shape}: {_count(weights, 'weight')}, {_count(biases, 'bias')}"


def _layers(estimator: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Weights (n_in, n_out) and biases of each layer; a linear model has one."""
    if hasattr(estimator, "coefs_"):
        return list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    weights = np.atleast_2d(estimator.coef_).T
    return [(weights, np.broadcast_to(np.atleast_1d(estimator.intercept_), weights.shape[1]))]


def _numbered(n: int) -> list[str]:
    return [str(i + 1) for i in range(n)]

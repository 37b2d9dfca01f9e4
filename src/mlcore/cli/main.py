"""The command ``mlcore``: train on a table, predict with a saved model, tell about either."""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tables import Table

_MOST_CLASSES = 1000
_MOST = 2**31 - 1
_LONGEST = 1000
# with what training needs beside them, some gigabytes
_MOST_WEIGHTS = 10**8
_INTERRUPTED, _PIPE_CLOSED = 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Default: the arguments of the process.

    Returns
    -------
    int
        The exit code: 0; 2 after an error, told in one line on stderr; 130 after Ctrl-C; 141 if nobody reads stdout.
    """
    try:
        if sys.stdout is None:
            raise ValueError("standard output is closed.")
        arguments = _parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
        arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _tell("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except OSError as error:
        _tell(f"error: {error.filename}: {error.strerror}" if error.filename and error.strerror else f"error: {error}")
        return 2
    except (ValueError, ImportError, MemoryError, OverflowError) as error:
        _tell(f"error: {error}")
        return 2
    return 0


def _tell(message: str) -> None:
    text = " ".join(message.split())
    if sys.stderr is not None:  # it may be closed, as stdout
        with suppress(OSError):
            print("mlcore:", text if len(text) <= _LONGEST else text[:_LONGEST] + "...", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} ({self.prog} --help tells more)")


def _parser() -> argparse.ArgumentParser:
    from .. import __version__

    parser = _Parser(prog="mlcore", description="Train models on tables, and predict with them.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mlcore {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a model on a CSV or Parquet file", allow_abbrev=False)
    train.set_defaults(run=_train)
    train.add_argument("data", metavar="DATA", help="the table: numbers, and one column of answers")
    train.add_argument("--target", metavar="COLUMN", required=True, help="the answers: a name, or a position from 0 on")
    train.add_argument(
        "--by",
        metavar="COLUMN",
        action="append",
        default=[],
        help="train one model for each group of rows: the column that names it; several with commas, or repeated",
    )
    train.add_argument(
        "--model",
        choices=("auto", "linear", "logistic", "mlp"),
        default="auto",
        help="auto: logistic for classes, else linear",
    )
    train.add_argument(
        "--task",
        choices=("auto", "regression", "classification"),
        default="auto",
        help="auto: classification for text, codes with leading zeros, or at most 10 distinct whole numbers",
    )
    train.add_argument(
        "--predict", metavar="ROW", action="append", default=[], help='inputs to answer, such as "4,4,4,4"; repeatable'
    )
    train.add_argument("--drop-missing", action="store_true", help="leave out rows with a missing value")
    train.add_argument("--output", metavar="MODEL", help="save the model in this file")
    train.add_argument("--hidden", metavar="N,N", type=_sizes, help="mlp: units a hidden layer (default: by the data)")
    train.add_argument("--epochs", metavar="N", type=_count, help="mlp: at most so many (default: 1000)")
    train.add_argument("--learning-rate", metavar="R", type=_rate, help="mlp: of adam (default: 0.01)")
    train.add_argument("--seed", metavar="N", type=_seed, default=0, help="mlp: of weights and batches (default: 0)")
    train.add_argument("--quiet", action="store_true", help="print nothing but predictions and problems")

    predict = commands.add_parser("predict", help="predict with a saved model, as CSV", allow_abbrev=False)
    predict.set_defaults(run=_predict)
    predict.add_argument("model", metavar="MODEL", help="a file that train --output wrote")
    predict.add_argument("data", metavar="DATA", help="a table of the model's inputs")
    predict.add_argument("--target", metavar="COLUMN", help="a column of DATA to leave out")
    predict.add_argument("--output", metavar="FILE", help="write here instead of stdout")
    predict.add_argument(
        "--by",
        metavar="COLUMN",
        action="append",
        default=[],
        help="many models: the column with the groups, if it is another than in training",
    )
    predict.add_argument("--fallback", metavar="VALUE", help="many models: the answer for groups without a model")

    for command in (train, predict):
        command.add_argument(
            "--header",
            choices=("auto", "yes", "no"),
            default="auto",
            help="whether the first line of a CSV file names the columns (default: judged by its text and numbers)",
        )
        command.add_argument(
            "--missing-values",
            metavar="TEXT,TEXT",
            type=_marks,
            help="what stands for a missing value, spelled so (default: nothing, NA, N/A, NaN, null and the like)",
        )

    info = commands.add_parser("info", help="tell about a saved model, or about mlcore", allow_abbrev=False)
    info.set_defaults(run=_info)
    info.add_argument("model", metavar="MODEL", nargs="?", help="a file that train --output wrote")
    return parser


def _joined(argv: Sequence[str]) -> list[str]:
    """``--predict -3,0`` as ``--predict=-3,0``, which argparse would take for an option."""
    joined: list[str] = []
    for argument in argv:
        if (
            joined
            and joined[-1] in ("--predict", "--missing-values", "--by", "--fallback")
            and re.match(r"-[^-a-zA-Z]", argument)
        ):
            joined[-1] += "=" + argument
        else:
            joined.append(argument)
    return joined


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 0 < int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0 (and up to {_MOST})")
    return int(text)


def _rate(text: str) -> float:
    from .tables import to_number

    value = to_number(text)
    if value is None or not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_count(size) for size in text.split(","))


def _seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def _marks(text: str) -> tuple[str, ...]:
    return tuple(mark.strip() for mark in text.split(","))


# mlcore train


def _train(arguments: argparse.Namespace) -> None:
    from . import report
    from .many import keys_of_rows
    from .tables import listed

    _check_options(arguments)
    table = _table(arguments)
    if len(table.names) == 1:
        raise ValueError(f"{table.path} has one column only; columns are separated by commas, semicolons or tabs.")
    target = table.position(arguments.target)
    if target in table.index and re.fullmatch(r"-?[0-9]+", arguments.target):
        raise ValueError(
            f"{table.path}: column {arguments.target} is {table.index[target]}; only by a name can it be the target."
        )
    by = table.positions_of(arguments.by)
    if target in by:
        raise ValueError(f"{table.path}: {table.names[target]!r} cannot be --target and --by at once.")
    inputs = table.inputs(target, *by)
    if not inputs:
        raise ValueError(f"{table.path} has no inputs beside {listed([arguments.target, *arguments.by])}.")
    task = {"linear": "regression", "logistic": "classification"}.get(arguments.model, arguments.task)
    X, y, kept = table.rows(inputs, target, arguments.drop_missing, task, by)
    dropped = int((~kept).sum())
    if y.dtype.kind != "f":
        _check_classes(arguments, table, target, y)
    names = [table.names[column] for column in inputs]
    asked = [_asked(row, names) for row in arguments.predict]

    keys, counts = keys_of_rows(table, by, kept)
    estimator = _untrained(arguments, X, y, counts)
    console = report.console()
    if not arguments.quiet:
        report.print_pairs(console, report.describe_data(table, inputs, target, y, dropped))
        if by:
            report.print_pairs(console, report.describe_groups([table.names[column] for column in by], counts))
        report.print_pairs(console, report.describe_training(estimator, X, y))
        advice = report.advise_on_scales(estimator, X, names)
        if advice:
            _tell(f"note: {advice}")
        if table.nameless and 0 in inputs:
            _tell(
                f"note: the first column has no name, but does not tell the rows apart, and is taken for an input,"
                f" {names[0]!r}; leave it out of the file if it is an index."
            )
    if y.dtype.kind == "f":
        _tell_rounded(table, [*inputs, target], X, y)
    else:
        _tell_rounded(table, inputs, X)
    if by:
        _train_many(arguments, console, estimator, (X, y, keys), table, (names, target, by))
        return
    seconds = _fit(estimator, X, y, arguments.quiet)
    if not arguments.quiet:
        report.print_layers(console, estimator, names)
        report.print_pairs(
            console,
            [
                *report.describe_error(estimator, X, y),
                ("seconds", f"{seconds:.3f}" if seconds >= 0.1 else f"{seconds:.3g}"),
            ],
        )
    if asked:
        report.print_predictions(console, estimator, names, arguments.predict, asked)
    if arguments.output:
        _save(estimator, arguments.output, names if table.has_header else [], table.names[target])
        if not arguments.quiet:
            report.print_pairs(console, [("saved in", arguments.output)])


def _train_many(
    arguments: argparse.Namespace,
    console: Any,
    estimator: Any,
    rows: tuple[NDArray[Any], NDArray[Any], Any],
    table: Table,
    columns: tuple[list[str], int, list[int]],
) -> None:
    """One model for each group; what Ctrl-C leaves is saved, too."""
    import numpy as np

    from .. import fit_many
    from . import report

    (X, y, keys), (names, target, by) = rows, columns
    start = perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        many: Any = fit_many(estimator, X, y, groups=keys, progress=not arguments.quiet)
    seconds = perf_counter() - start
    failed, warned = len(many.failures_), len(many.warnings_)
    if failed == len(many):
        raise ValueError(f"none of {failed} groups has a model: {_in_options(report.first_of(many.failures_, False))}.")
    if not arguments.quiet:
        report.print_pairs(console, report.describe_models(many, seconds))
    if failed:
        _tell(f"warning: {failed} of {len(many)} groups failed: {_in_options(report.first_of(many.failures_, False))}")
    if warned:
        _tell(
            f"warning: {warned} of {len(many)} models were fitted with a warning: "
            f"{_in_options(report.first_of(many.warnings_, True))}"
        )
    if arguments.output:
        many._by = [table.names[column] for column in by]
        if table.has_header:
            many.feature_names_in_, many.target_name_ = np.array(names, dtype=object), table.names[target]
        many.save(arguments.output)
        if not arguments.quiet:
            report.print_pairs(console, [("saved in", arguments.output)])
    if any(str(entry.message).startswith("Interrupted") for entry in caught):
        raise KeyboardInterrupt


def _table(arguments: argparse.Namespace) -> Table:
    from .tables import MISSING, read_table

    marks = MISSING if arguments.missing_values is None else arguments.missing_values
    return read_table(arguments.data, arguments.header, marks)


def _tell_rounded(table: Table, columns: list[int], *numbers: NDArray[Any]) -> None:
    """Tell of long whole numbers, with `numbers` what was made of the columns."""
    import numpy as np

    largest = np.abs(np.column_stack(numbers)).max(axis=0)
    for column, size in zip(columns, largest, strict=True):
        rounded = table.rounded(column) if size >= 2**53 else None
        if rounded:
            _tell(f"warning: {rounded}")


def _check_classes(arguments: argparse.Namespace, table: Table, target: int, y: NDArray[Any]) -> None:
    import numpy as np

    from .tables import to_number

    column = f"{table.path}, column {table.names[target]!r}"
    distinct = np.unique(y)
    if arguments.task == "auto" and distinct.dtype.kind == "U":
        numbers = np.array([to_number(label) for label in distinct.tolist()], np.float64)  # None becomes NaN
        if np.isfinite(numbers).all() and (numbers != np.round(numbers)).any():
            raise ValueError(
                f"{column}: logistic wants classes, but here are real numbers; --model linear takes them, and --task "
                "classification takes them as classes."
            )
    advice = "" if arguments.task == "classification" else " --task regression takes numbers as they are."
    if len(distinct) < 2:
        raise ValueError(f"{column}: all answers are {str(y[0])!r}; there is nothing to tell apart.{advice}")
    if len(distinct) > _MOST_CLASSES:
        raise ValueError(f"{column}: {len(distinct)} distinct values are too many for classes.{advice}")


def _asked(row: str, names: list[str]) -> list[float]:
    from .tables import listed, to_number

    values = [to_number(field) for field in row.split(",")]
    if None in values:
        raise ValueError(f"--predict {row!r}: numbers separated by commas are wanted.")
    if len(values) != len(names):
        raise ValueError(f"--predict {row!r}: {len(values)} numbers for {len(names)} inputs ({listed(names)}).")
    found = [value for value in values if value is not None and abs(value) < float("inf")]
    if len(found) != len(values):
        raise ValueError(f"--predict {row!r}: every number must be finite.")
    return found


def _check_options(arguments: argparse.Namespace) -> None:
    """What is wrong whatever the data are."""
    if arguments.model != "mlp":
        for name in ("hidden", "epochs", "learning_rate"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} is for --model mlp.")
    if (arguments.task, arguments.model) in (("classification", "linear"), ("regression", "logistic")):
        raise ValueError(f"--task {arguments.task} contradicts --model {arguments.model}.")
    if arguments.by and arguments.predict:
        raise ValueError("--predict is for one model; mlcore predict answers rows of many groups.")
    if arguments.output:
        _check_output(arguments.output, arguments.data)


def _check_output(output: str, *inputs: str) -> None:
    path = Path(output)
    if not path.parent.is_dir() or (path.exists() and not path.is_file()):
        raise ValueError(f"--output {output}: there is no place for a file of this name.")
    if path.exists() and any(path.samefile(name) for name in inputs):
        raise ValueError(f"--output {output}: this would replace a file that is read.")


def _untrained(arguments: argparse.Namespace, X: NDArray[Any], y: NDArray[Any], counts: NDArray[Any]) -> Any:
    """The estimator that suits the answers of groups of so many rows."""
    import numpy as np

    from .. import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor, suggest_network

    numbers = y.dtype.kind == "f"
    if arguments.model != "mlp":
        # lbfgs stops at its tolerance, long before max_iter
        return LinearRegression() if numbers else LogisticRegression(max_iter=10000)
    usual = np.linspace(0, len(y) - 1, int(np.median(counts))).astype(np.intp)  # as many rows as most groups have
    hidden = arguments.hidden or suggest_network(X[usual], y[usual]).layer_sizes[1:-1]
    sizes = [X.shape[1], *hidden, 1 if numbers else len(set(y.tolist()))]
    weights = sum(n_in * n_out for n_in, n_out in pairwise(sizes))
    if weights * len(counts) > _MOST_WEIGHTS:
        made = f"{len(counts)} networks" if len(counts) > 1 else "a network"
        raise ValueError(f"--hidden makes {made} of {weights} weights, and {_MOST_WEIGHTS} are the most.")
    return (MLPRegressor if numbers else MLPClassifier)(
        hidden_layer_sizes=hidden,
        max_iter=arguments.epochs or 1000,
        learning_rate_init=arguments.learning_rate or 0.01,
        random_state=arguments.seed,
    )


def _fit(estimator: Any, X: NDArray[Any], y: NDArray[Any], quiet: bool) -> float:
    """Train, with a bar on a terminal; the seconds it took."""
    with warnings.catch_warnings(record=True) as caught, _progress(estimator, quiet):
        warnings.simplefilter("always")
        start = perf_counter()
        try:
            estimator.fit(X, y)
        except ValueError as error:
            raise ValueError(_in_options(str(error))) from None
        seconds = perf_counter() - start
    for message in dict.fromkeys(str(entry.message) for entry in caught if issubclass(entry.category, UserWarning)):
        if message.startswith("Training interrupted"):  # the estimators keep what they have, but do not raise
            raise KeyboardInterrupt
        _tell(f"warning: {_in_options(message)}")
    return seconds


def _in_options(message: str) -> str:
    return message.replace("learning_rate_init", "--learning-rate")


@contextmanager
def _progress(estimator: Any, quiet: bool) -> Iterator[None]:
    """A bar of epochs, or of one step, on stderr if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ..neural_network._training import watch

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=estimator.max_iter if hasattr(estimator, "hidden_layer_sizes") else 1, state="")

        def update(epoch: int, loss: float) -> None:
            bar.update(task, completed=epoch, state=f"epoch {epoch}, loss {loss:.6g}")

        with watch(update):
            yield
        bar.update(task, total=1, completed=1)


def _save(estimator: Any, path: str, names: list[str], target: str) -> None:
    """Save the model with the names of its columns."""
    import numpy as np

    if names:
        estimator.feature_names_in_ = np.array(names, dtype=object)
        estimator.target_name_ = target
    estimator.save(path)


# mlcore predict


def _predict(arguments: argparse.Namespace) -> None:
    from .. import ManyModels, load
    from .many import columns_of_keys

    estimator: Any = load(arguments.model)
    if not isinstance(estimator, ManyModels) and (arguments.by or arguments.fallback is not None):
        raise ValueError(f"{arguments.model} holds one model; --by and --fallback are for many.")
    # with its names put aside the model takes plain arrays
    names = vars(estimator).pop("feature_names_in_", None)
    table = _table(arguments)
    left_out = None if arguments.target is None else table.position(arguments.target)
    by = columns_of_keys(table, arguments.by, estimator) if isinstance(estimator, ManyModels) else []
    columns = table.inputs(left_out, *by)
    if names is not None:
        columns = _by_name(table, (left_out, *by), list(names), getattr(estimator, "target_name_", None))
    for column, why in table.index.items():
        if column not in (*columns, *by, left_out):
            _tell(f"note: column {table.names[column]!r} is left out: {why}.")
    if len(columns) != estimator.n_features_in_:
        raise ValueError(
            f"{table.path} has {len(columns)} columns of inputs, but the model has {estimator.n_features_in_}; "
            "--target COLUMN leaves one out."
        )
    X, _, _ = table.rows(columns, by=by)
    _tell_rounded(table, columns, X)
    lines = _routed(arguments, table, estimator, X, by) if by else _predictions(estimator, X)
    if arguments.output:
        _check_output(arguments.output, arguments.data, arguments.model)
        with open(arguments.output, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)
    else:
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)


def _routed(
    arguments: argparse.Namespace, table: Table, many: Any, X: NDArray[Any], by: list[int]
) -> list[Sequence[str]]:
    """As `_predictions`, each row by the model of its group; cells without an answer are empty."""
    from .many import fallback_of, known_keys

    keys, fallback = known_keys(table, by, many), fallback_of(arguments.fallback, many)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            lines = _predictions(many, X, {"groups": keys}, {"fallback": fallback})
        except ValueError as error:
            advice = f"--fallback VALUE answers them ({arguments.model} has models of {len(many)} groups)."
            raise ValueError(str(error).replace("pass fallback=.", advice)) from None
    for entry in caught:
        _tell(f"note: {str(entry.message).replace('their prediction is NaN', 'their predictions are empty')}")
    return lines


def _by_name(table: Table, left_out: tuple[int | None, ...], names: list[str], target: str | None) -> list[int]:
    """Where a model's inputs stand in a table."""
    from .tables import listed

    if not table.has_header:
        raise ValueError(f"{table.path} has no header, but the model knows its inputs by name: {listed(names)}.")
    there = {name: column for column, name in enumerate(table.names) if column not in left_out}
    missing = [name for name in names if name not in there]
    if missing:
        raise ValueError(f"{table.path} misses inputs of the model: {listed(missing)}; it has {listed(list(there))}.")
    more = [name for name, column in there.items() if name not in names and column not in table.index]
    if target in more:
        more.remove(target)
        _tell(f"note: column {target!r} is left out; it is what the model predicts.")
    if table.nameless and table.names[0] in more:  # the index of a part of the rows
        more.remove(table.names[0])
        _tell(f"note: column {table.names[0]!r} is left out: it has no name, and the model does not know it.")
    if more:
        raise ValueError(f"{table.path} has columns unknown to the model: {listed(more)}; --target leaves one out.")
    return [there[name] for name in names]


def _predictions(
    estimator: Any, X: NDArray[Any], groups: dict[str, Any] | None = None, more: dict[str, Any] | None = None
) -> list[Sequence[str]]:
    """A header, and for each row what is predicted and the probability of each class; nothing where that is NaN."""
    from .report import exact

    predicted = estimator.predict(X, **(groups or {}), **(more or {}))
    several = predicted.ndim == 2
    columns = list(predicted.T) if several else [predicted]
    header = [f"prediction_{i}" for i in range(len(columns))] if several else ["prediction"]
    if hasattr(estimator, "classes_"):
        columns += list(estimator.predict_proba(X, **(groups or {})).T)
        header += [f"probability_{label}" for label in estimator.classes_]
    cells = (["" if value != value else exact(value) for value in column.tolist()] for column in columns)
    return [header, *zip(*cells, strict=True)]


# mlcore info


def _info(arguments: argparse.Namespace) -> None:
    from .. import ManyModels, load, show_config
    from . import report

    if arguments.model is None:
        show_config()
        return
    model = load(arguments.model)
    describe = report.describe_many if isinstance(model, ManyModels) else report.describe_model
    report.print_pairs(report.console(), describe(model))

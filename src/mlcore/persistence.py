"""Models in files: arrays as safetensors, everything else as JSON in the header. Reading runs no code.

What a file says is held against what a fitted model must be before anything is made from it, so that a damaged header
gives an error and never another model. The same checks come before writing: what `save` wrote, `load` reads.
"""

from __future__ import annotations

import errno
import json
import os
import re
import reprlib
import stat
import types
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

import mlcore  # for annotations, which are read when all of it is there

from .losses import LOSSES, Loss
from .validation import FLOATS

# what each kind of file says that it is
_ONE, MANY = "mlcore-model", "mlcore-models"
_VERSION = 1
_ESTIMATORS = ("LinearRegression", "Ridge", "LogisticRegression", "MLPRegressor", "MLPClassifier")
# what safetensors reads at most
_LONGEST_HEADER = 100_000_000
# characters in an array of text that none of the texts needs: more would be room for nothing
_MOST_PADDING = 2**24


# values: as JSON, and back


class Writer:
    """Turns values into JSON, arrays into tensors that the JSON names."""

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}

    def write(self, name: str, value: Any) -> Any:
        """The JSON of a value, whose arrays are called `name`, and something more where there are several."""
        if isinstance(value, np.generic):
            # floats keep their type, and times have no other form
            return self.write(name, np.asarray(value) if value.dtype.kind in "fmM" else value.item())
        if isinstance(value, np.ndarray):
            return self._write_array(name, value)
        if is_plain(value):
            return value
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [self.write(f"{name}.{i}", item) for i, item in enumerate(value)]}
        if isinstance(value, dict):
            pairs = [
                [self.write(f"{name}.{i}k", k), self.write(f"{name}.{i}", v)] for i, (k, v) in enumerate(value.items())
            ]
            return {"dict": pairs}
        if isinstance(value, Loss):
            options = {"reduction": value.reduction, "epsilon": value.epsilon, "threshold": value.threshold}
            if value.name in LOSSES and replace(LOSSES[value.name], **options) == value:  # type: ignore[arg-type]
                return {"loss": value.name, **options}
        if isinstance(value, np.random.RandomState):
            return None  # a stream is no part of a model; the loaded one draws afresh
        raise ValueError(f"{name} is {reprlib.repr(value)}, which a model file cannot hold")

    def _write_array(self, name: str, array: Any) -> Any:
        dtype = array.dtype
        if dtype.kind in "mM":
            self.tensors[name] = np.asarray(array, dtype.newbyteorder("="), order="C").view(np.int64)
            return {"times": name, "dtype": dtype.str}
        if dtype.kind in "biuf" and dtype.itemsize <= 8:
            self.tensors[name] = np.asarray(array, dtype.newbyteorder("="), order="C")
            return {"tensor": name, "dtype": dtype.str}
        if dtype.kind in "OU" and array.ndim == 1:
            items = [item.item() if isinstance(item, np.generic) else item for item in array.tolist()]
            if all(map(is_plain, items)):
                return {"array": items, "dtype": "object" if dtype.kind == "O" else dtype.str}
        raise ValueError(
            f"{name} is an array of dtype {dtype} and shape {array.shape}, which a model file cannot hold; it holds "
            "numbers of at most 64 bits, truth values, text, datetime64 and timedelta64"
        )


class Reader:
    """Turns JSON back into values. Each place names its own tensor, and each tensor has one place."""

    def __init__(self, tensors: dict[str, Any]) -> None:
        self.tensors = tensors
        self.places: dict[str, bool] = {}  # of tensors that were read, and whether the JSON tells their dtype

    def read(self, name: str, value: Any) -> Any:
        """The value that the JSON stands for, at the place where `write` had this name."""
        match value:
            case _ if is_plain(value):
                return value
            case {"tensor": place} if place == name and len(value) == 1:
                return self._tensor(name, False)[()]
            case {"tensor": place, "dtype": str(dtype)} | {"times": place, "dtype": str(dtype)} if place == name:
                if len(value) == 2:
                    return _restored(self._tensor(name, True), np.dtype(dtype))[()]
            case {"array": list(items), "dtype": str(dtype)} if len(value) == 2:
                return _array_of(items, dtype)
            case {"list": list(items)} if len(value) == 1:
                return [self.read(f"{name}.{i}", item) for i, item in enumerate(items)]
            case {"tuple": list(items)} if len(value) == 1:
                return tuple(self.read(f"{name}.{i}", item) for i, item in enumerate(items))
            case {"dict": list(pairs)} if len(value) == 1:
                return {self.read(f"{name}.{i}k", k): self.read(f"{name}.{i}", v) for i, (k, v) in enumerate(pairs)}
            case {"loss": str(loss), "reduction": str(), "epsilon": float(), "threshold": float()} if len(value) == 4:
                return LOSSES[loss].with_options(**{key: item for key, item in value.items() if key != "loss"})
        raise ValueError(f"{name} is {reprlib.repr(value)}")

    def _tensor(self, name: str, has_dtype: bool) -> Any:
        self.places[name] = has_dtype
        return self.tensors[name]

    def is_older(self) -> bool:
        """Whether the file is of an mlcore that did not write dtypes beside the names, and less in other places."""
        if unread := self.tensors.keys() - self.places.keys():
            raise ValueError(f"nothing refers to the tensors {sorted(unread)}")
        if len(found := set(self.places.values())) > 1:
            raise ValueError("some of its arrays have a dtype, and others none")
        return found == {False}


def _restored(array: Any, dtype: np.dtype[Any]) -> Any:
    """A tensor as the array that it was: of the other byte order, or of times."""
    is_time = dtype.kind in "mM"
    if array.dtype != (np.int64 if is_time else dtype.newbyteorder("=")):
        raise ValueError(f"a tensor of {array.dtype} is said to be of {dtype}")
    return (array.view(dtype.newbyteorder("=")) if is_time else array).astype(dtype, copy=False)


def is_plain(value: Any) -> bool:
    """Whether JSON can hold it, and other programs can read it."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    return value is None or isinstance(value, (float, str))


def _array_of(items: list[Any], dtype: str) -> Any:
    """An array of text, or of objects that JSON can hold."""
    if not all(map(is_plain, items)):
        raise ValueError(f"{reprlib.repr(items)} is no list of plain values")
    if dtype != "object":
        longest = max((len(item) for item in items if isinstance(item, str)), default=0)
        width = int(re.fullmatch(r"[<>]U(\d{1,9})", dtype)[1])  # type: ignore[index]
        if (width - longest) * max(len(items), 1) > _MOST_PADDING:
            raise ValueError(f"texts of at most {longest} characters are said to be of {dtype}")
    array = np.array(items, dtype)
    if array.tolist() != items:
        raise ValueError(f"{reprlib.repr(items)} is no list of values of {dtype}")
    return array


# what a model may hold

# of parameters whose annotation is Any: what a file can hold of what they take
_PARAMETERS: dict[str, Any] = {
    "activation": str | Sequence[str],
    "alpha": float | Sequence[float],
    "batch_size": int | Literal["auto"],
    "class_weight": dict[Any, float] | Literal["balanced"] | None | list[dict[Any, float] | Literal["balanced"] | None],
    "dropout": float | Sequence[float],
    "hidden_layer_sizes": int | Sequence[int],
    "loss": str | Loss,
    "penalty": str | None,
    "random_state": int | np.random.RandomState | None,
}
_ANY_MODEL = {"n_features_in_": int}
_LINEAR = {
    **_ANY_MODEL, "coef_": np.ndarray, "intercept_": np.ndarray | float, "n_iter_": np.ndarray | int | None,
    "_statistics": dict[str, Any] | None, "_singular": np.ndarray | None,
}  # fmt: skip
_CLASSES = {"classes_": np.ndarray}
_PERCEPTRON = {
    **_ANY_MODEL, "n_outputs_": int, "n_layers_": int, "n_iter_": int, "t_": int, "out_activation_": str,
    "loss_": float, "coefs_": list[np.ndarray], "intercepts_": list[np.ndarray], "_activations": Sequence[str],
}  # fmt: skip
#: what every fitted model of a kind has
_ALWAYS: dict[str, dict[str, Any]] = {
    "LinearRegression": _LINEAR,
    "Ridge": _LINEAR,
    "LogisticRegression": {
        **_ANY_MODEL, **_CLASSES, "coef_": np.ndarray, "intercept_": np.ndarray, "n_iter_": np.ndarray,
        "_information": dict[str, Any] | None,
    },
    "MLPRegressor": _PERCEPTRON,
    "MLPClassifier": {**_PERCEPTRON, **_CLASSES, "_target_type": str},
}  # fmt: skip
#: and what one more may have: one of them, all of them
_STOCHASTIC = {
    "loss_curve_": list[float], "best_loss_": float | None, "validation_scores_": list[float] | None,
    "best_validation_score_": float | None, "history_": dict[str, list[float]], "_no_improvement_count": int,
}  # fmt: skip
_SOMETIMES: dict[str, tuple[dict[str, Any], ...]] = {
    "LinearRegression": ({"rank_": int},),
    "Ridge": ({"solver_": str},),
    "LogisticRegression": (),
    "MLPRegressor": (_STOCHASTIC, {"validation_loss_curve_": list[float]}),
    "MLPClassifier": (_STOCHASTIC, {"validation_loss_curve_": list[float]}),
}
#: what older files lack
_SINCE = ("_statistics", "_singular", "_information")
_NAMES = {"feature_names_in_": np.ndarray}, {"target_name_": str}
_WEIGHTS = ("coef_", "intercept_", "coefs_", "intercepts_")


def _suits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says; NumPy's numbers are numbers, and 0 and 1 truth values."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if hint in (int, float):
        numbers = (int, np.integer) if hint is int else (int, float, np.integer, np.floating)
        return isinstance(value, numbers) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, (bool, np.bool_)) or (_suits(value, int) and value in (0, 1))
    if origin in (Union, types.UnionType):
        return any(_suits(value, part) for part in parts)
    if origin is Literal:
        return is_plain(value) and value in parts
    if origin is dict:
        return isinstance(value, dict) and all(_suits(k, parts[0]) and _suits(v, parts[1]) for k, v in value.items())
    if origin in (list, Sequence):
        is_list = isinstance(value, list if origin is list else (list, tuple, np.ndarray))
        return is_list and getattr(value, "ndim", 1) == 1 and all(_suits(item, parts[0]) for item in value)
    return isinstance(value, origin or hint)


def _check_kinds(values: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if not _suits(value, hints[name]):
            wanted = hints[name].__name__ if isinstance(hints[name], type) else str(hints[name]).replace("typing.", "")
            raise ValueError(f"{name} is {reprlib.repr(value)}, but must be {wanted}")


def _hints(kind: str) -> dict[str, Any]:
    """What each attribute of such a model must be."""
    return _ALWAYS[kind] | {name: hint for group in (*_SOMETIMES[kind], *_NAMES) for name, hint in group.items()}


def _attributes(model: Any) -> dict[str, Any]:
    """What a file holds of a fitted model beside its parameters; ``ValueError`` if that is not all and nothing else."""
    kind = type(model).__name__
    hints, groups = _hints(kind), (*_SOMETIMES[kind], *_NAMES)
    found = {name: getattr(model, name) for name in hints if hasattr(model, name)}
    wanted = _ALWAYS[kind].keys() | {name for group in groups if group.keys() & found.keys() for name in group}
    if missing := wanted - found.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    others = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")} - found.keys()
    if others:
        raise ValueError(f"{', '.join(sorted(others))}: a file has no place for what is no attribute of a {kind}")
    if hasattr(found.get("coef_"), "tocsr"):
        raise ValueError("its coefficients are sparse; call densify() first")
    _check_kinds(found, hints)
    return found


def is_ordered(labels: Any) -> bool:
    """Whether labels are such as `numpy.unique` gives; NaN and NaT are equal to nothing, and in no order."""
    if labels.ndim != 1 or labels.dtype.kind not in "biufOUmM":
        return False
    try:
        return bool((labels == labels).all() and (labels[:-1] < labels[1:]).all())
    except TypeError:
        return False


def check(model: Any) -> dict[str, Any]:
    """The attributes of a model that may be written or given; ``ValueError`` says what is wrong with it."""
    hints = get_type_hints(type(model).__init__)
    parameters = model.get_params(deep=False)
    _check_kinds(parameters, hints)
    _check_kinds(parameters, {name: _PARAMETERS.get(name, Any) for name in parameters})
    seed = parameters.get("random_state")
    if _suits(seed, int) and not 0 <= seed < 2**32:
        raise ValueError(f"random_state is {seed}, but must lie in [0, 2**32)")
    attributes = _attributes(model)
    p, names = attributes["n_features_in_"], attributes.get("feature_names_in_")
    if p < 1 or (names is not None and (names.shape != (p,) or not _suits(names, Sequence[str]))):
        raise ValueError(f"feature_names_in_ is {reprlib.repr(names)}, but must be {p} texts, one for each input")
    for name in _WEIGHTS:
        value = attributes.get(name, [])
        for array in map(np.asarray, value if isinstance(value, list) else [value]):
            if array.dtype not in FLOATS:
                raise ValueError(f"{name} is of {array.dtype}, but must be of float32 or float64")
            if not np.isfinite(array).all():
                raise ValueError(
                    f"{name} holds NaN or infinity, with which nothing can be predicted: the fit diverged. Scale X and "
                    "y or lower the learning rate, and fit again"
                )
    if (classes := attributes.get("classes_")) is not None:
        if not is_ordered(classes):
            raise ValueError(
                f"classes_ is {reprlib.repr(classes.tolist())}, but must be distinct numbers, truth values, texts or "
                "times in their order; leave out rows whose label is NaN or NaT"
            )
    model._check_loaded()
    return attributes


# files


def _write(path: Any, data: bytes) -> None:
    """Put a file in place whole, or leave what is there."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        there = None
    if there is not None and not stat.S_ISREG(there.st_mode):
        Path(path).write_bytes(data)  # a pipe or a device; a folder raises
        return
    # what a link leads to is replaced, not the link
    target = Path(os.path.realpath(path))
    if there is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    temporary = target.with_name(f".mlcore-{uuid.uuid4().hex}.tmp")
    try:
        # with the permissions of any new file
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if there is not None:
            with suppress(OSError, AttributeError):  # not where the owner may not be given away, or has no number
                os.chown(temporary, there.st_uid, there.st_gid)
            os.chmod(temporary, stat.S_IMODE(there.st_mode))
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):  # of the file that was asked for
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator: its parameters, and what its fit found."""
    kind = type(estimator).__name__
    if type(estimator) is not class_of(kind):
        raise ValueError(f"A model file holds one of mlcore's own estimators, and no {type(estimator)}.")
    writer = Writer()
    try:
        content = content_of(estimator, writer)
    except (TypeError, ValueError) as error:
        raise ValueError(f"This {kind} cannot be saved: {error}.") from None
    write_file(path, _ONE, content, writer.tensors)


def content_of(estimator: Any, writer: Writer, prefix: str = "") -> dict[str, Any]:
    """What a header says of a fitted estimator, whose arrays' names in the file begin with `prefix`."""
    attributes = check(estimator)
    parameters = estimator.get_params(deep=False)
    return {
        "estimator": type(estimator).__name__,
        "parameters": {name: writer.write(f"{prefix}parameters.{name}", value) for name, value in parameters.items()},
        "attributes": {name: writer.write(f"{prefix}{name}", value) for name, value in attributes.items()},
    }


def write_file(path: Any, kind: str, content: dict[str, Any], tensors: dict[str, Any]) -> None:
    """Write a file of models: one of them, or many."""
    from safetensors.numpy import save as to_bytes

    header = {"format": kind, "version": str(_VERSION), "content": json.dumps(content)}
    _write(path, to_bytes(tensors, metadata=header))


def class_of(kind: Any) -> Any:
    """The estimator of that name; None if there is none."""
    return getattr(import_module(__package__), kind) if kind in _ESTIMATORS else None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _parts(data: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """The header's texts and the tensors of a safetensors file, which must stand in the order that writers give them.

    The order tells apart tensors of one size, should their places have been exchanged.
    """
    from safetensors.numpy import load as from_bytes

    tensors = from_bytes(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")], object_pairs_hook=_without_doubles)
    texts = header.pop("__metadata__", {})
    placed = sorted(header, key=lambda name: (header[name]["dtype"], header[name]["data_offsets"]))
    if placed != sorted(header, key=lambda name: (header[name]["dtype"], name)):
        raise ValueError("its tensors are not in order")
    return texts, tensors


def _model(content: dict[str, Any], tensors: dict[str, Any]) -> Any:
    """The estimator that a header describes; an exception of some kind if it describes none."""
    return model_of(content, Reader(tensors))


def parameters_of(kind: Any, values: Any, reader: Reader, prefix: str) -> dict[str, Any]:
    """Parameters of an estimator of that name."""
    parameters = {name: reader.read(f"{prefix}{name}", value) for name, value in values.items()}
    if unknown := parameters.keys() - set(class_of(kind)._get_param_names()):
        raise ValueError(f"a {kind} has no {', '.join(sorted(unknown))}")
    return parameters


def model_of(content: dict[str, Any], reader: Reader, prefix: str = "") -> Any:
    """An estimator as `content_of` describes it; a file that holds no other may be an older one."""
    if content.keys() != {"estimator", "parameters", "attributes"}:
        raise ValueError(f"it has the entries {sorted(content)}")
    kind = content["estimator"]
    estimator_class = class_of(kind)
    parameters = parameters_of(kind, content["parameters"], reader, f"{prefix}parameters.")
    attributes = {name: reader.read(f"{prefix}{name}", value) for name, value in content["attributes"].items()}
    if unknown := attributes.keys() - _hints(kind).keys():
        raise ValueError(f"a {kind} has no {', '.join(sorted(unknown))}")
    if not prefix and reader.is_older():
        attributes = {name: None for name in _SINCE if name in _ALWAYS[kind]} | attributes
    elif missing := set(estimator_class._get_param_names()) - parameters.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    model = estimator_class(**parameters)
    vars(model).update(attributes)
    check(model)
    model.__setstate__(vars(model).copy())
    return model


def load(
    path: str | os.PathLike[str],
) -> (
    mlcore.LinearRegression
    | mlcore.Ridge
    | mlcore.LogisticRegression
    | mlcore.MLPRegressor
    | mlcore.MLPClassifier
    | mlcore.ManyModels
):
    """Read a model that an estimator's ``save`` wrote, or all those of `ManyModels`.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    LinearRegression, Ridge, LogisticRegression, MLPRegressor, MLPClassifier or ManyModels
        Fitted, as it was saved, except that a ``random_state`` that was a generator is None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If the file is no model of mlcore's, is truncated or damaged, is of a newer version, or if its coefficients are
        not finite.

    Notes
    -----
    No code is run from the file, and what its header says is checked before anything is made from it; numbers that were
    changed to other possible numbers are not noticed. The file is read as a whole, so that others may write to its path
    meanwhile.

    Examples
    --------
    >>> import mlcore, tempfile, pathlib
    >>> model = mlcore.LinearRegression().fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "line"
    ...     model.save(path)
    ...     again = mlcore.load(path)
    >>> again
    LinearRegression()
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file at {str(path)!r}.")
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        file.seek(0)
        # of what cannot be a model no more is read
        data = file.read() if size <= _LONGEST_HEADER else b""
    # whatever goes wrong below is the file's fault
    try:
        texts, tensors = _parts(data)
    except Exception as error:
        raise ValueError(f"{str(path)!r} is no model file, or is damaged: {error}.") from error
    if texts.get("format") not in (_ONE, MANY):
        raise ValueError(f"{str(path)!r} is a safetensors file, but holds no model of mlcore's.")
    if texts.keys() != {"format", "version", "content"} or texts["version"] != str(_VERSION):
        raise ValueError(f"{str(path)!r} is of model format {texts.get('version')!r}; this mlcore reads {_VERSION}.")
    try:
        content = json.loads(texts["content"], object_pairs_hook=_without_doubles)
        read = _model if texts["format"] == _ONE else import_module(f"{__package__}.many._files").models_of
        return read(content, tensors)
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} is damaged: its header does not describe a model ({type(error).__name__}: {error})."
        ) from error

"""Many models in one file, by the rules of files of one: arrays as safetensors, all else as JSON, no code.

What a file says is held against what fits of groups leave before anything is made from it. `save` reads what it is
about to write, so that `load` can.
"""

from __future__ import annotations

import datetime
import json
import os
import reprlib
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import persistence
from ..activations import ACTIVATIONS
from ..kernels import ids
from ..neural_network._parameter_layout import ParameterLayout
from ..persistence import Reader, Writer
from ..validation import FLOATS
from ._alone import Alone
from ._groups import is_missing
from ._linear import LinearModels
from ._logistic import LogisticModels
from ._models import ManyModels, Messages
from ._networks import NetworkModels
from ._variants import Variants

_STORES: dict[str, type[Any]] = {
    "linear": LinearModels,
    "logistic": LogisticModels,
    "networks": NetworkModels,
    "alone": Alone,
}
# of all groups
_TABLES = ("n_rows", "of_group", "seeds", "store_of", "index_of", "scores", "losses")
_ENTRIES = {
    "estimator", "parameters", "variants", "groups", "tables", "by", "columns", "feature_names", "n_features",
    "target", "classes", "failures", "warnings", "stores",
}  # fmt: skip


def save(many: ManyModels, path: str | os.PathLike[str]) -> None:
    """Write all models to one file."""
    kind = type(many.estimator).__name__
    if type(many.estimator) is not persistence.class_of(kind):
        raise ValueError(
            f"A model file holds mlcore's own estimators, and no {type(many.estimator)}: pickle keeps these, and is to "
            "be read from no stranger."
        )
    writer = Writer()
    try:
        content = _content(many, writer)
        # what cannot be read is refused while there is something to save
        models_of(json.loads(json.dumps(content)), writer.tensors)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"These models cannot be saved: {error}.") from None
    persistence.write_file(path, persistence.MANY, content, writer.tensors)


def _content(many: ManyModels, writer: Writer) -> dict[str, Any]:
    variants = many._variants
    names = getattr(many, "feature_names_in_", None)
    tables = {
        "n_rows": many.n_rows_, "of_group": variants.of_group, "seeds": variants.seeds, "store_of": many._store_of,
        "index_of": many._index_of, "scores": many._scores, "losses": many._losses,
    }  # fmt: skip
    parameters = variants.template.get_params(deep=False)
    return {
        "estimator": type(variants.template).__name__,
        "parameters": {name: writer.write(f"parameters.{name}", value) for name, value in parameters.items()},
        "variants": [
            {name: writer.write(f"variants.{i}.{name}", value) for name, value in settings.items()}
            for i, settings in enumerate(variants.distinct)
        ],
        "groups": _written_keys(many.groups_, writer),
        "tables": {name: _written(writer, f"tables.{name}", value) for name, value in tables.items()},
        "by": None if many._by is None else [_written_key(name) for name in many._by],
        "columns": None if many._columns is None else [_written_key(name) for name in many._columns],
        "feature_names": writer.write("feature_names", names),
        "n_features": int(many.n_features_in_),
        "target": getattr(many, "target_name_", None),
        "classes": writer.write("classes", getattr(many, "classes_", None)),
        "failures": _written_messages(many.failures_, "failures", writer),
        "warnings": _written_messages(many.warnings_, "warnings", writer),
        "stores": [_written_store(store, f"stores.{i}.", many, writer) for i, store in enumerate(many._stores)],
    }


def models_of(content: dict[str, Any], tensors: dict[str, Any]) -> ManyModels:
    """The models that a header describes; an exception of some kind if it describes none."""
    if content.keys() != _ENTRIES:
        raise ValueError(f"it has the entries {sorted(content)}")
    reader = Reader(tensors)
    kind = content["estimator"]
    estimator_class = persistence.class_of(kind)
    parameters = persistence.parameters_of(kind, content["parameters"], reader, "parameters.")
    if missing := set(estimator_class._get_param_names()) - parameters.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    distinct = [
        persistence.parameters_of(kind, settings, reader, f"variants.{i}.")
        for i, settings in enumerate(content["variants"])
    ]
    keys = _read_keys(content["groups"], reader)
    n = len(keys)
    if content["tables"].keys() != set(_TABLES):
        raise ValueError(f"it has the tables {sorted(content['tables'])}")
    tables = {name: _read(reader, f"tables.{name}", content["tables"][name]) for name in _TABLES}
    _check_numbers("n_rows", tables["n_rows"], (n,), np.intp, 1)
    _check_numbers("of_group", tables["of_group"], (n,), np.intp, 0, len(distinct))
    if tables["seeds"] is not None:
        _check_numbers("seeds", tables["seeds"], (n,), np.int64, -1, 2**32)
    _check_numbers("store_of", tables["store_of"], (n,), np.int16, -1, len(content["stores"]))
    _check_numbers("index_of", tables["index_of"], (n,), np.int32, 0, n)
    for name in ("scores", "losses"):
        _check_numbers(name, tables[name], (n,), np.float64, finite=False)
    variants = Variants(estimator_class(**parameters), distinct, tables["of_group"])
    variants.seeds = tables["seeds"]
    many = ManyModels(variants, keys, tables["n_rows"])
    many._store_of, many._index_of = tables["store_of"], tables["index_of"]
    many._scores, many._losses = tables["scores"], tables["losses"]
    p = content["n_features"]
    if type(p) is not int or p < 1:
        raise ValueError(f"n_features is {p!r}")
    many.n_features_in_ = p
    for name in ("by", "columns"):
        if content[name] is not None:
            if not isinstance(content[name], list) or not content[name]:
                raise ValueError(f"{name} are no names")
            setattr(many, f"_{name}", [_read_key(item) for item in content[name]])
    if many._columns is not None and len(many._columns) != p:
        raise ValueError("columns are not those of the models")
    if many._by is not None and len(many._by) > 1:
        if not all(isinstance(key, tuple) and len(key) == len(many._by) for key in keys.tolist()):
            raise ValueError("by does not fit the groups")
    names = reader.read("feature_names", content["feature_names"])
    if names is not None:
        if not isinstance(names, np.ndarray) or names.shape != (p,) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"feature_names is {reprlib.repr(names)}, but must be {p} texts")
        many.feature_names_in_ = names
    if content["target"] is not None:
        if not isinstance(content["target"], str):
            raise ValueError(f"target is {content['target']!r}")
        many.target_name_ = content["target"]
    classes = reader.read("classes", content["classes"])
    if classes is not None:
        if not isinstance(classes, np.ndarray) or not persistence.is_ordered(classes):
            raise ValueError("classes are not distinct and in order")
        many.classes_ = classes
    many.failures_ = _read_messages(content["failures"], "failures", reader, many, several=False)
    many.warnings_ = _read_messages(content["warnings"], "warnings", reader, many, several=True)
    if (many.failures_.holds(np.arange(n)) != (many._store_of < 0)).any():
        raise ValueError("failures are not those of groups without a model")
    for number, entry in enumerate(content["stores"]):
        groups = np.flatnonzero(many._store_of == number)
        if not len(groups) or not np.array_equal(np.sort(many._index_of[groups]), np.arange(len(groups))):
            raise ValueError(f"the models of store {number} do not fit the groups")
        groups = groups[np.argsort(many._index_of[groups])]
        many._stores.append(_read_store(entry, f"stores.{number}.", groups, many, reader))
        _check_examples(many, groups, many._stores[-1])
    reader.is_older()  # a tensor that nothing names is an error
    return many


# keys


def _written_keys(keys: NDArray[Any], writer: Writer) -> Any:
    if keys.dtype.kind != "O" or all(map(persistence.is_plain, keys.tolist())):
        return writer.write("groups", keys)
    return {"keys": [_written_key(key) for key in keys.tolist()]}


def _written_key(key: Any) -> Any:
    found = _as_json(key)
    again = _read_key(found)
    if again != key or hash(again) != hash(key):
        raise ValueError(f"the key {reprlib.repr(key)} of {type(key)} is nothing that a model file can hold")
    return found


def _as_json(key: Any) -> Any:
    if isinstance(key, tuple):
        return {"tuple": [_as_json(item) for item in key]}
    if isinstance(key, (np.datetime64, np.timedelta64)):
        return {"time": int(key.astype(np.int64)), "dtype": key.dtype.str}
    if isinstance(key, np.generic):
        key = key.item()
    # pandas' own are of these types too
    if isinstance(key, datetime.datetime):
        return {"datetime": datetime.datetime.isoformat(key)}
    if isinstance(key, datetime.date):
        return {"date": datetime.date.isoformat(key)}
    if isinstance(key, datetime.timedelta):
        return {"timedelta": [key.days, key.seconds, key.microseconds]}
    if not persistence.is_plain(key) or key is None:
        raise ValueError(f"the key {reprlib.repr(key)} of {type(key)} is nothing that a model file can hold")
    return key


def _read_key(value: Any) -> Any:
    match value:
        case {"tuple": list(items)} if len(value) == 1:
            return tuple(_read_key(item) for item in items)
        case {"time": int(count), "dtype": str(dtype)} if len(value) == 2:
            found = np.int64(count).view(np.dtype(dtype))
            if found.dtype.kind in "mM":
                return found
        case {"datetime": str(text)} if len(value) == 1:
            return datetime.datetime.fromisoformat(text)
        case {"date": str(text)} if len(value) == 1:
            return datetime.date.fromisoformat(text)
        case {"timedelta": [int(days), int(seconds), int(microseconds)]} if len(value) == 1:
            return datetime.timedelta(days, seconds, microseconds)
        case _ if persistence.is_plain(value) and value is not None:
            return value
    raise ValueError(f"{reprlib.repr(value)} is no key")


def _read_keys(value: Any, reader: Reader) -> NDArray[Any]:
    if isinstance(value, dict) and value.keys() == {"keys"}:
        items = [_read_key(item) for item in value["keys"]]
        keys = np.empty(len(items), object)
        keys[:] = items
    else:
        keys = reader.read("groups", value)
    if not isinstance(keys, np.ndarray) or keys.ndim != 1 or not len(keys):
        raise ValueError("its groups are no keys")
    if keys.dtype.kind == "O":
        good = not any(map(is_missing, keys.tolist())) and len(set(keys.tolist())) == len(keys)
    else:
        good = persistence.is_ordered(keys)
    if not good:
        raise ValueError("its groups are not distinct keys")
    return keys


# messages


def _written_messages(messages: Messages, name: str, writer: Writer) -> dict[str, Any]:
    texts = [list(text) if isinstance(text, tuple) else text for text in messages._texts]
    return {"texts": texts, "of_group": writer.write(f"{name}.of_group", messages._of_group)}


def _read_messages(value: Any, name: str, reader: Reader, many: ManyModels, several: bool) -> Messages:
    if value.keys() != {"texts", "of_group"} or not isinstance(value["texts"], list):
        raise ValueError(f"{name} are no messages")
    found = Messages(many.groups_, many._places, several)
    for text in value["texts"]:
        parts = text if several else [text]
        if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
            raise ValueError(f"{reprlib.repr(text)} is no message")
        found.put(np.empty(0, np.intp), tuple(parts) if several else text)
    of_group = reader.read(f"{name}.of_group", value["of_group"])
    _check_numbers(name, of_group, (len(many),), np.int32, -1, len(value["texts"]))
    if len(found._texts) < len(value["texts"]):
        raise ValueError(f"{name} say a thing twice")
    found._of_group = of_group
    return found


# stores


def _written_store(store: Any, prefix: str, many: ManyModels, writer: Writer) -> dict[str, Any]:
    kind = next(kind for kind, store_type in _STORES.items() if type(store) is store_type)
    if kind == "alone":
        models = []
        for i, model in enumerate(store.estimators):
            try:
                models.append(persistence.content_of(model, writer, f"{prefix}{i}."))
            except ValueError as error:
                groups = np.flatnonzero(many._store_of == many._stores.index(store))
                key = many._key(int(groups[many._index_of[groups] == i][0]))
                raise ValueError(f"the model of {key!r}: {error}") from None
        return {"kind": kind, "models": models}
    values = {field.name: getattr(store, field.name) for field in fields(store)}
    # these are those of all groups, or of parameters
    for name in ("classes", "scores", "losses", "rules"):
        values.pop(name, None)
    if "dtype" in values:
        values["dtype"] = np.dtype(values["dtype"]).str
    if kind == "networks":
        layout, curves = values.pop("layout"), values.pop("curves")
        values |= {
            "sizes": layout.sizes, "activations": [activation.name for activation in layout.activations],
            "dtype": layout.dtype.str, "n_epochs": np.array([len(curve) for curve in curves], np.intp),
            "curves": np.concatenate([np.empty(0), *map(np.asarray, curves)]).astype(np.float64),
        }  # fmt: skip
        if curves and not all(isinstance(number, float) for curve in curves for number in curve[:1]):
            raise ValueError("a loss is no float")
    return {"kind": kind} | {name: _written(writer, f"{prefix}{name}", value) for name, value in values.items()}


def _read_store(entry: dict[str, Any], prefix: str, groups: NDArray[np.intp], many: ManyModels, reader: Reader) -> Any:
    kind, m = entry["kind"], len(groups)
    if kind == "alone":
        if entry.keys() != {"kind", "models"} or len(entry["models"]) != m:
            raise ValueError("its models do not fit the groups")
        models = [persistence.model_of(one, reader, f"{prefix}{i}.") for i, one in enumerate(entry["models"])]
        if any(type(model) is not type(many.estimator) for model in models):
            raise ValueError("a model is of another class")
        return Alone(models, many._scores[groups].tolist(), many._losses[groups].tolist())
    values: dict[str, Any] = {
        name: _read(reader, f"{prefix}{name}", value) for name, value in entry.items() if name != "kind"
    }
    values["scores"] = many._scores[groups].copy()
    if kind == "linear":
        _check_linear(values, m, many.n_features_in_)
        return LinearModels(**values)
    if kind == "logistic":
        p, shape = many.n_features_in_, (m,)
        _check_floats("coefficients", values["coefficients"], (m, p))
        _check_numbers("intercept", values["intercept"], shape, values["coefficients"].dtype)
        _check_numbers("n_iter", values["n_iter"], shape, np.int32, 0)
        _check_places(values["places"], (m, 2), many)
        return LogisticModels(**values, losses=many._losses[groups].copy(), classes=many.classes_)
    if kind == "networks":
        return NetworkModels(**_network_values(values, m, many))
    raise ValueError(f"there are no stores of {kind!r}")


def _check_linear(values: dict[str, Any], m: int, n_features: int) -> None:
    p, q, ndim = (values[name] for name in ("p", "q", "ndim"))
    if not all(type(number) is int for number in (p, q, ndim)) or p != n_features or q < 1 or ndim not in (1, 2):
        raise ValueError(f"there are no models of {p} columns and {q} answers of {ndim} dimensions")
    if ndim == 1 and q > 1:
        raise ValueError(f"there are {q} answers in one dimension")
    size = 1 + p + q
    _check_numbers("found", values["found"], (m, q * (p + 1)), np.float64)
    _check_numbers("rank", values["rank"], (m,), np.intp, 0, p + 1)
    _check_numbers("n_rows", values["n_rows"], (m,), np.intp, 1)
    if values["log_weight"] is not None:
        _check_numbers("log_weight", values["log_weight"], (m,), np.float64)
    _check_numbers("shift", values["shift"], (m, p + q), np.float64)
    _check_numbers("packed", values["packed"], (m, size * (size + 1)), np.float64)
    _check_numbers("residuals", values["residuals"], (m, q), np.float64, 0.0, finite=False)
    diagonal = np.arange(size) * size - np.arange(size) * (np.arange(size) - 1) // 2
    if (values["packed"][:, diagonal] < 0).any():
        raise ValueError("a square is below 0")
    if type(values["fit_intercept"]) is not bool:
        raise ValueError("fit_intercept is neither true nor false")
    values["dtype"] = _dtype(values["dtype"])


def _network_values(values: dict[str, Any], m: int, many: ManyModels) -> dict[str, Any]:
    sizes, names, dtype = (values.pop(name) for name in ("sizes", "activations", "dtype"))
    curves, n_epochs = values.pop("curves"), values.pop("n_epochs")
    if not all(type(size) is int and size > 0 for size in sizes) or len(names) != len(sizes) - 1 or not names:
        raise ValueError(f"there are no networks of {sizes} and {names}")
    if sizes[0] != many.n_features_in_:
        raise ValueError("the weights do not fit the columns")
    layout = ParameterLayout(sizes, [ACTIVATIONS[name] for name in names], _dtype(dtype))
    _check_numbers("parameters", values["parameters"], (m, layout.n_parameters), layout.dtype)
    # kernels take it for granted that what fills lines up is zero
    used = np.zeros(layout.n_parameters, bool)
    for views in layout.views(used):
        for view in views:
            view[...] = True
    if values["parameters"][:, ~used].any():
        raise ValueError("there are weights between the weights")
    moments = values["moments"]
    if not isinstance(moments, np.ndarray) or moments.ndim != 2 or moments.shape[1] % layout.n_parameters:
        raise ValueError("moments do not fit the weights")
    _check_numbers("moments", moments, (m, moments.shape[1]), layout.dtype, finite=False)
    _check_numbers("progress", values["progress"], (m, ids.N_PROGRESS), np.float64, finite=False)
    counts = values["progress"][:, [ids.NO_IMPROVEMENT, ids.STOPPED]]
    if not ((counts >= 0) & (counts < 2**53)).all():
        raise ValueError("a count is none")
    _check_numbers("n_rows", values["n_rows"], (m,), np.intp, 1)
    _check_numbers("variant", values["variant"], (m,), np.intp, 0, len(many._variants))
    _check_numbers("n_epochs", n_epochs, (m,), np.intp, 0, 2**40)
    _check_numbers("curves", curves, (int(n_epochs.sum()),), np.float64, finite=False)
    if values["ndim"] not in (1, 2) or not isinstance(values["last"], str) or values["last"] != names[-1]:
        raise ValueError("the networks' ends do not fit")
    if values["places"] is not None:
        _check_places(values["places"], (m, np.shape(values["places"])[-1]), many)
    ends = np.append(0, np.cumsum(n_epochs)).tolist()
    numbers = curves.tolist()
    return values | {
        "layout": layout, "curves": [numbers[first:last] for first, last in pairwise(ends)],
        "rules": {v: many._variants.estimator(v)._rule() for v in np.unique(values["variant"]).tolist()},
        "classes": None if values["places"] is None else many.classes_,
    }  # fmt: skip


def _check_examples(many: ManyModels, groups: NDArray[np.intp], store: Any) -> None:
    """Of each set of parameters one model, as a file of that alone is looked at."""
    variants = many._variants
    if isinstance(store, NetworkModels) and not np.array_equal(store.variant, variants.of_group[groups]):
        raise ValueError("the networks' parameters are not those of their groups")
    if isinstance(store, Alone):
        return
    _, first = np.unique(variants.of_group[groups], return_index=True)
    for i in first.tolist():
        unfitted = variants.unfitted(int(groups[i]))
        if isinstance(store, LinearModels) and bool(unfitted.fit_intercept) != store.fit_intercept:
            raise ValueError("fit_intercept is not that of the parameters")
        persistence.check(store.estimator(i, unfitted))


# arrays


def _written(writer: Writer, name: str, value: Any) -> Any:
    # whole numbers of a machine's own size are read by machines of another
    is_whole = isinstance(value, np.ndarray) and value.dtype == np.intp
    return writer.write(name, value.astype(np.int64, copy=False) if is_whole else value)


def _read(reader: Reader, name: str, value: Any) -> Any:
    found = reader.read(name, value)
    is_whole = isinstance(found, np.ndarray) and found.dtype == np.int64 and not name.endswith("seeds")
    return found.astype(np.intp, copy=False) if is_whole else found


def _check_numbers(
    name: str, array: Any, shape: tuple[int, ...], dtype: Any, low: Any = None, end: Any = None, finite: bool = True
) -> None:
    """``ValueError`` unless it is such an array of numbers from `low` on, below `end`."""
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {reprlib.repr(array)}, but must be of {np.dtype(dtype)} and shape {shape}")
    if array.dtype.kind == "f" and finite and not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity")
    if (low is not None and (array < low).any()) or (end is not None and (array >= end).any()):
        raise ValueError(f"{name} holds numbers out of range")


def _check_floats(name: str, array: Any, shape: tuple[int, ...]) -> None:
    _check_numbers(name, array, shape, array.dtype if getattr(array, "dtype", None) in FLOATS else np.float64)


def _check_places(places: Any, shape: tuple[int, ...], many: ManyModels) -> None:
    """Places of classes, each model's in order."""
    _check_numbers("places", places, shape, np.intp, 0, len(many.classes_))
    if (places[:, :-1] >= places[:, 1:]).any():
        raise ValueError("classes are not in order")


def _dtype(text: Any) -> Any:
    dtype = np.dtype(text)
    if dtype not in FLOATS:
        raise ValueError(f"{text!r} is no dtype of models")
    return dtype

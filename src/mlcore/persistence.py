"""Models in files: arrays as safetensors, everything else as JSON in the header. Reading runs no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .losses import LOSSES, Loss

_FORMAT = "mlcore-model"
_VERSION = 1
_ESTIMATORS = {
    "LinearRegression": "linear_model",
    "Ridge": "linear_model",
    "LogisticRegression": "logistic_regression",
    "MLPRegressor": "neural_network",
    "MLPClassifier": "neural_network",
}


class _Writer:
    """Turns values into JSON, arrays into tensors that the JSON names."""

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}

    def write(self, name: str, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "biuf":
                self.tensors[name] = np.ascontiguousarray(value)
                return {"tensor": name}
            return {"array": value.tolist(), "dtype": "object" if value.dtype == object else value.dtype.str}
        if isinstance(value, np.generic):
            return self.write(name, value.item())
        if value is None or isinstance(value, (bool, int, float, str)):
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
            return {"loss": value.name, **options}
        if isinstance(value, np.random.RandomState):
            return None  # a stream is no part of a model; the loaded one draws afresh
        raise ValueError(f"{name} is {value!r}, which a model file cannot hold.")


def _read(value: Any, tensors: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "array" in value:
        return np.array(value["array"], dtype=object if value["dtype"] == "object" else None)
    if "list" in value:
        return [_read(item, tensors) for item in value["list"]]
    if "tuple" in value:
        return tuple(_read(item, tensors) for item in value["tuple"])
    if "dict" in value:
        return {_read(k, tensors): _read(v, tensors) for k, v in value["dict"]}
    loss = LOSSES[value["loss"]]
    return loss.with_options(reduction=value["reduction"], epsilon=value["epsilon"], threshold=value["threshold"])


def save(estimator: Any, path: Any, extra: tuple[str, ...] = ()) -> None:
    """Write a fitted estimator: its parameters, its attributes that end in "_", and those named in `extra`."""
    from safetensors.numpy import save as to_bytes

    writer = _Writer()
    names = [name for name in vars(estimator) if name in extra or (name.endswith("_") and not name.startswith("_"))]
    content = {
        "estimator": type(estimator).__name__,
        "parameters": {k: writer.write(f"parameters.{k}", v) for k, v in estimator.get_params(deep=False).items()},
        "attributes": {name: writer.write(name, getattr(estimator, name)) for name in names},
    }
    header = {"format": _FORMAT, "version": str(_VERSION), "content": json.dumps(content)}
    Path(path).write_bytes(to_bytes(writer.tensors, metadata=header))


def load(path: Any) -> Any:
    """Read a model that ``save`` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    estimator
        Fitted. No code is run from the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no model of mlcore's, is truncated or damaged, or is of a newer version.
    """
    from importlib import import_module

    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file at {str(path)!r}.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is no model file, or is damaged: {error}") from None
    if header.get("format") != _FORMAT:
        raise ValueError(f"{str(path)!r} is a safetensors file, but holds no model of mlcore's.")
    if header.get("version") != str(_VERSION):
        raise ValueError(f"{str(path)!r} is of model format {header.get('version')!r}; this mlcore reads {_VERSION}.")
    try:
        content = json.loads(header["content"])
        kind = content["estimator"]
        estimator_class = getattr(import_module(f".{_ESTIMATORS[kind]}", __package__), kind)
        parameters = {name: _read(value, tensors) for name, value in content["parameters"].items()}
        estimator = estimator_class(**parameters)
        state = {name: _read(value, tensors) for name, value in content["attributes"].items()}
        for name in state:
            if hasattr(estimator_class, name) or not (name.endswith("_") or name in estimator_class._saved):
                raise ValueError(f"{name!r} is no attribute of a fitted model")
        estimator.__setstate__({**estimator.__dict__, **state})
        estimator._check_loaded()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, MemoryError) as error:
        raise ValueError(f"{str(path)!r} is damaged: its header does not describe a model ({error!r}).") from None
    return estimator

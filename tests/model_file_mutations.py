"""Model files with damaged headers: each has to be refused by a ValueError, or to give the very same model.

test_persistence.py takes a sample of them. All of them, with their counts::

    python tests/model_file_mutations.py [ESTIMATOR ...]
"""

from __future__ import annotations

import copy
import itertools
import json
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import mlcore

HOSTILE = [
    None, True, False, 0, 1, -1, 2, 3, 7, 2**31, 2**63, 200_000_000, 10**400, 0.5, -0.5, 1e308, -1e308, 1e-320,
    float("nan"), float("inf"), float("-inf"), "", "x", "nan", "identity", "tensor", "y" * 1000, [], [1], {}, {"x": 1},
    {"list": []}, {"list": [None]}, {"tuple": [1, 2]}, {"dict": []}, {"dict": [["x", 1], ["x", 1]]},
    {"dict": [[[], 1]]}, {"tensor": "nowhere"}, {"tensor": None}, {"array": [], "dtype": "object"},
    {"array": ["a"], "dtype": "<U400000000"}, {"array": [], "dtype": "<U400000000"},
    {"array": [1, "a"], "dtype": "object"}, {"array": [[1], [2]], "dtype": "object"}, {"loss": "huber"}, {"loss": []},
    {"loss": "huber", "reduction": "mean", "epsilon": -1.0, "threshold": 1.0},
]  # fmt: skip
SHAPES = [[], [0], [1], [-1], [2**40, 2**40], [2**63], None, "x", [1.5], [3, 3]]
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "U64", "I32", "I8", "BOOL", "C64", "F8_E4M3", "", None, 7]


def models(names: Any = ()) -> dict[str, tuple[Any, np.ndarray]]:
    """Fitted estimators of every kind of file, and rows to predict."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(40)
    two, three = (y > 0).astype(int), np.digitize(y, [-1.0, 1.0])
    words = np.array(["no", "yes"])[two]
    days = np.array(["2020-01-01", "2020-02-01", "2021-01-01"], "M8[D]")[three]
    Y = np.column_stack([y, -y, y**2])
    quick = {"hidden_layer_sizes": (4, 4, 4), "max_iter": 3, "random_state": 0}
    L, R, C, P, Q = (
        mlcore.LinearRegression, mlcore.Ridge, mlcore.LogisticRegression, mlcore.MLPRegressor, mlcore.MLPClassifier
    )  # fmt: skip
    loss = mlcore.losses.binary_cross_entropy.with_options(epsilon=1e-7)
    fits = {
        "linear": (L(), y),
        "linear, three outputs": (L(fit_intercept=False), Y),
        "linear, gradient descent": (L(solver="gradient_descent", max_iter=5), Y),
        "linear, positive": (L(positive=True), y),
        "linear, wide": (L(), y, np.tile(X, (1, 400))[:20], y[:20]),
        "ridge": (R(0.5), y),
        "ridge, one alpha each": (R(np.array([0.5, 1.0, 2.0])), Y),
        "ridge, svd": (R(solver="svd", random_state=3), y),
        "logistic": (C(class_weight={"no": 1.0, "yes": 2.0}), words),
        "logistic, unpenalised": (C(C=np.inf), np.digitize(rng.standard_normal(40), [-0.5, 0.5])),
        "logistic, days": (C(penalty="l2", solver="lbfgs"), days),
        "perceptron": (P(**quick, loss="mean_squared_error"), Y),
        "perceptron, lbfgs": (P(**quick, solver="lbfgs"), y),
        "perceptron, float32": (P(**quick, solver="sgd", early_stopping=True), y, X.astype(np.float32), y),
        "classifier": (Q(**quick), three),
        "classifier, words": (Q(**{**quick, "hidden_layer_sizes": (5, 4)}, activation=("tanh", "relu"), loss=loss,
                                class_weight={"no": 1.0, "yes": 2.0}), words),
        "classifier, several labels": (Q(**quick, dropout=0.1), np.column_stack([two, three > 0])),
    }  # fmt: skip
    found = {}
    for name, (model, target, *others) in fits.items():
        if names and name not in names:
            continue
        rows, target = others or (X, target)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name == "perceptron":
                model.fit(rows, target, validation_data=(rows[:9], target[:9]))
            else:
                model.fit(rows, target)
        if name in ("linear", "classifier, words"):
            model.feature_names_in_ = np.array(["a", "b", "c"], object)
            model.target_name_ = "y"
        found[name] = model, rows
    return found


def same(a: Any, b: Any) -> bool:
    """Whether two values are of one type, and one to the last bit."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and (a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes())
        )
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a is b or bool(a == b) or (a != a and b != b)


def state(model: Any) -> dict[str, Any]:
    """All that a file holds of a model."""
    kept = {name: value for name, value in vars(model).items() if name not in ("_network", "_optimizer")}
    return kept | {"parameters": model.get_params(deep=False)}


def parted(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The header of a file, the content within it, and its tensors' bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    return header, json.loads(header["__metadata__"]["content"]), data[end:]


def joined(header: Any, content: Any, body: bytes) -> bytes:
    if content is not None:
        header = {**header, "__metadata__": {**header["__metadata__"], "content": json.dumps(content)}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """The path of everything within a JSON value."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield *path, key
        yield from places(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(value: Any, *changes: Any) -> Any:
    """A copy, with another value at a path, and at another path."""
    value = {"": copy.deepcopy(value)}
    for path, new in zip(changes[::2], changes[1::2], strict=True):
        path = ("", *path)
        at(value, path[:-1])[path[-1]] = new
    return value[""]


def near(value: Any) -> list[Any]:
    """Other values like this one."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, (int, float)):
        return [value + 1, -value - 1, value * 2, str(value), {"list": [value]}, [value]]
    if isinstance(value, str):
        return [value + "x", value[:-1], value.upper(), {"list": [value]}, {"array": [value], "dtype": "<U9"}]
    return []


def contents(content: Any) -> Any:
    """Other contents, and what was done to them."""
    found = list(places(content))
    for path in found:
        value = at(content, path)
        for new in (*HOSTILE, *near(value)):
            yield f"{path} = {new!r:.40}", partial(changed, content, path, new)
        parent = at(content, path[:-1])
        if isinstance(parent, dict):
            rest = {key: item for key, item in parent.items() if key != path[-1]}
            for pairs in (rest, rest | {f"{path[-1]}x": value}, rest | {"": value}, {**parent, f"{path[-1]}x": value}):
                yield f"{path} {list(pairs)!r:.60}", partial(changed, content, path[:-1], pairs)
        else:
            whole = list(parent)
            for items in (whole[: path[-1]] + whole[path[-1] + 1 :], [*whole, value], whole[::-1]):
                yield f"{path} in {len(items)}", partial(changed, content, path[:-1], items)
    leaves = [path for path in found if not isinstance(at(content, path), (dict, list))]
    tensors = [path for path in leaves if path[-1] == "tensor"]
    for one, other in itertools.chain(itertools.combinations(tensors, 2), itertools.pairwise(leaves)):
        yield f"{one} <-> {other}", partial(changed, content, one, at(content, other), other, at(content, one))
        yield f"{one} = {other}", partial(changed, content, one, at(content, other))


def headers(header: Any) -> Any:
    """Other headers: tensors exchanged, of other kinds and in other places; other texts."""
    names = [name for name in header if name != "__metadata__"]
    for one, other in itertools.combinations(names, 2):
        for keys in (("data_offsets",), ("shape",), ("dtype",), ("dtype", "shape", "data_offsets")):
            swapped = copy.deepcopy(header)
            for key in keys:
                swapped[one][key], swapped[other][key] = swapped[other][key], swapped[one][key]
            yield f"{one} <-> {other} {keys}", swapped
    for name in names:
        entry = header[name]
        begin, end = entry["data_offsets"]
        shapes = [
            *SHAPES,
            entry["shape"][::-1],
            [*entry["shape"], 1],
            [int(np.prod(entry["shape"]))],
            [2] + entry["shape"],
        ]
        offsets = [
            [end, begin],
            [begin, end + 8],
            [begin + 8, end],
            [begin - 8, end - 8],
            [0, 2**62],
            [-8, 0],
            None,
            [],
        ]
        for key, values in (("dtype", DTYPES), ("shape", shapes), ("data_offsets", offsets)):
            for value in values:
                yield f"{name} {key} = {value}", changed(header, (name, key), value)
            yield f"{name} without {key}", {**header, name: {k: v for k, v in entry.items() if k != key}}
        yield f"without {name}", {k: v for k, v in header.items() if k != name}
        yield f"{name} renamed", {(k + "x" if k == name else k): v for k, v in header.items()}
        yield f"{name} twice", {**header, name + "x": entry}
    texts = header["__metadata__"]
    for key in (*texts, "more"):
        yield f"without {key}", {**header, "__metadata__": {k: v for k, v in texts.items() if k != key}}
        for value in ("", "1", "2", "x", None, 1, [], {}, "{}", "[]", "null", "[" * 100_000, '{"a": 1, "a": 1}'):
            yield f"{key} = {value!r:.20}", changed(header, ("__metadata__", key), value)


def bytes_of(data: bytes, rng: np.random.Generator, step: int) -> Any:
    """Other bytes in the header, ends cut off, bytes too many."""
    end = 8 + int.from_bytes(data[:8], "little")
    for place in range(0, end, step):
        for new in {data[place] ^ 1 << int(rng.integers(8)), int(rng.integers(256)), ord('"')} - {data[place]}:
            yield f"byte {place} = {new}", data[:place] + bytes([new]) + data[place + 1 :]
        length = int(rng.integers(1, 9))
        yield f"without bytes {place}..{place + length}", data[:place] + data[place + length :]
    for cut in sorted({*range(0, end, 7 * step), *range(end, len(data), 61 * step), len(data) - 1}):
        yield f"cut at {cut}", data[:cut]
    yield "longer", data + bytes(8)


def mutations(data: bytes, rng: np.random.Generator, step: int = 1) -> Any:
    """Functions that give other files, and what was done to them."""
    header, content, body = parted(data)
    for what, new in contents(content):
        yield what, lambda new=new: joined(header, new(), body)
    for what, new in (*headers(header), *bytes_of(data, rng, step)):
        yield what, lambda new=new: new if isinstance(new, bytes) else joined(new, None, body)


def campaign(model: Any, rows: np.ndarray, path: Path, every: int = 1, step: int = 1, tell: Any = None) -> Counter[str]:
    """What became of each mutation of a model's file, or of every so-manieth."""
    model.save(path)
    data = path.read_bytes()
    again = mlcore.load(path)
    before = state(again)
    vars(again).pop("feature_names_in_", None)  # rows have no names here
    wanted = again.predict(rows)
    counts: Counter[str] = Counter()
    rng = np.random.default_rng(1)
    for what, make in itertools.islice(mutations(data, rng, step), 0, None, every):
        if (mutated := make()) == data:
            continue
        path.write_bytes(mutated)
        try:
            found = mlcore.load(path)
        except ValueError:
            counts["refused"] += 1
            continue
        except BaseException as error:
            outcome = f"raised {type(error).__name__}"
        else:
            after = state(found)
            alike = after.keys() == before.keys() and all(same(before[name], after[name]) for name in before)
            vars(found).pop("feature_names_in_", None)
            answers = same(found.predict(rows), wanted)
            outcome = "the same" if alike and answers else "other values" if answers else "other predictions"
        counts[outcome] += 1
        if tell and outcome != "the same":
            tell(f"{outcome}: {what}")
    return counts


def main(names: list[str]) -> None:
    total: Counter[str] = Counter()
    memory = "/dev/shm"  # some 100,000 files are written
    with tempfile.TemporaryDirectory(dir=memory if Path(memory).is_dir() else None) as folder:
        for name, (model, rows) in models(names).items():
            start = time.perf_counter()
            counts = campaign(model, rows, Path(folder) / "model", tell=print if names else None)
            total += counts
            print(f"{name:28} {time.perf_counter() - start:5.1f} s  {dict(counts)}", flush=True)
    print(f"{sum(total.values())} files: {dict(total)}")
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What differs from model to model: the parameters of each group, and the seed that it draws from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..linear_model import LogisticRegression, Ridge
from ..names import meant
from ._frames import Frame, is_frame
from ._groups import Places, as_keys, encode


class Variants:
    """An estimator, and for each group the parameters in which its model differs from it.

    Attributes
    ----------
    template : estimator
        A clone of the user's.
    distinct : list of dict
        Different sets of parameters; the first is empty.
    of_group : ndarray of intp, shape (G,)
        The place of each group's among them.
    seeds : ndarray of int64, shape (G,), or None
        Each model's ``random_state``, -1 where it has that of its parameters.
    """

    def __init__(self, template: Any, distinct: list[dict[str, Any]], of_group: NDArray[np.intp]) -> None:
        self.template = template
        self.distinct = distinct
        self.of_group = of_group
        self.seeds: NDArray[np.int64] | None = None
        self._made: dict[int, Any] = {}

    @classmethod
    def of(cls, estimator: Any, keys: NDArray[Any], params: Any, by: list[str] | None) -> Variants:
        """`params` by group, as a mapping or a frame."""
        template = clone(estimator)
        if params is None:
            return cls(template, [{}], np.zeros(len(keys), np.intp))
        known = template.get_params()
        distinct: list[dict[str, Any]] = [{}]
        place: dict[Any, int] = {(): 0}
        of_group = np.zeros(len(keys), np.intp)
        places, unknown, wrong = Places(keys), [], {}
        for key, settings in _by_group(params, by, known):
            group = places.find(key)
            if group < 0:
                unknown.append(key)
                continue
            wrong.update(dict.fromkeys(name for name in settings if name not in known))
            kept = {name: value for name, value in settings.items() if _is_given(value)}
            label = tuple((name, _frozen(value)) for name, value in sorted(kept.items()))
            if label not in place:
                place[label] = len(distinct)
                distinct.append(kept)
            of_group[group] = place[label]
        if unknown:
            named = [repr(key.item() if isinstance(key, np.generic) else key) for key in unknown[:5]]
            raise ValueError(
                f"params has {len(unknown)} group{'s' * (len(unknown) > 1)} that no row belongs to: {', '.join(named)}"
                f"{' ...' if len(unknown) > 5 else ''}."
            )
        if wrong:
            name = next(iter(wrong))
            raise ValueError(
                f"params sets {', '.join(map(repr, wrong))}, which {type(template).__name__} does not have; it has "
                f"{', '.join(sorted(known))}.{meant(name, tuple(known))}"
            )
        return cls(template, distinct, of_group)

    def estimator(self, variant: int) -> Any:
        """An estimator that nobody fits, with the parameters of a variant."""
        if variant not in self._made:
            settings = self.distinct[variant]
            if settings.keys() <= self.template.__dict__.keys():
                # as clone and set_params, which read the signature anew each time
                made = object.__new__(type(self.template))
                made.__dict__.update(self.template.__dict__, **settings)
            else:
                made = clone(self.template).set_params(**settings)
            self._made[variant] = made
        return self._made[variant]

    def unfitted(self, group: int) -> Any:
        """A new estimator with the parameters of a group."""
        # values that are estimators themselves are nobody else's
        made = clone(self.template).set_params(**clone(self.distinct[self.of_group[group]], safe=False))
        if self.seeds is not None and self.seeds[group] >= 0:
            made.set_params(random_state=int(self.seeds[group]))
        return made

    def of_groups(self, groups: NDArray[np.intp]) -> Variants:
        """Those of some groups."""
        found = Variants(self.template, self.distinct, self.of_group[groups])
        found.seeds = None if self.seeds is None else self.seeds[groups]
        found._made = self._made
        return found

    def draw_seeds(self, estimator: Any) -> None:
        """A seed for each model that draws and whose ``random_state`` is none, in the order of the groups.

        They come from the user's own generator, if `estimator` has one, and not from a copy of it.
        """
        drawing: dict[int, Any] = {}
        for variant, settings in enumerate(self.distinct):
            made = self.estimator(variant)
            if _draws(made) and not isinstance(made.random_state, (int, np.integer)):
                drawing[variant] = settings.get("random_state", estimator.random_state)
        if not drawing:
            return
        self.seeds = np.full(len(self.of_group), -1, np.int64)
        streams = {id(state): state for state in drawing.values()}
        for label, state in streams.items():
            variants = [variant for variant, own in drawing.items() if id(own) == label]
            groups = np.flatnonzero(np.isin(self.of_group, variants))
            self.seeds[groups] = check_random_state(state).randint(2**32, size=len(groups), dtype=np.uint32)

    def __len__(self) -> int:
        return len(self.distinct)


def _draws(estimator: Any) -> bool:
    """Whether a fit draws random numbers."""
    if not hasattr(estimator, "random_state"):
        return False
    solver = getattr(estimator, "solver", "")
    return not isinstance(estimator, (LogisticRegression, Ridge)) or solver in ("sag", "saga", "liblinear")


def _is_given(value: Any) -> bool:
    """Whether a cell says something: None, NaN and NA leave the template's value."""
    if value is None:
        return False
    try:
        return not (np.ndim(value) == 0 and bool(value != value))
    except TypeError:  # pandas' NA
        return False


def _of_kind(value: Any, default: Any) -> Any:
    """A cell as the parameter wants it: whole numbers of columns with missing cells come as floats."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float) or isinstance(default, float) or not value.is_integer():
        return value
    return bool(value) if isinstance(default, bool) and value in (0.0, 1.0) else int(value)


def _frozen(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return type(value).__name__, repr(value)
    # 1 and True are equal, and no such parameters are
    return type(value).__name__, value


def _by_group(params: Any, by: list[str] | None, known: Mapping[str, Any]) -> Any:
    if isinstance(params, Mapping) and not is_frame(params):
        for key, settings in params.items():
            if not isinstance(settings, Mapping):
                raise ValueError(f"params[{key!r}] is {settings!r}, but must be a mapping of names to values.")
        return params.items()
    if not is_frame(params):
        raise ValueError(
            f"params is a {type(params).__name__}, but must be a mapping of groups to parameters, or a frame with a "
            "line for each group."
        )
    if by is not None and hasattr(params, "index") and not set(by) <= set(params.columns):
        levels = list(params.index.names)
        if levels == [None] * len(by) and type(params.index).__name__ != "RangeIndex":
            params, levels = params.rename_axis(by), by
        if here := [name for name in levels if name in by]:
            params = params.reset_index(level=here)
    frame = Frame(params)
    columns = by if by is not None else [name for name in ("groups", "group") if name in frame.names][:1]
    if not len(frame):
        return []
    if columns and all(name in frame.names for name in columns):
        keys = as_keys(frame.keys(columns))
    elif hasattr(params, "index") and by is None:
        keys, columns = as_keys(params.index), []
    else:
        raise ValueError(
            f"params is a frame of the columns {', '.join(map(repr, frame.names))}, none of which tells the groups: "
            f"one must be called {' and '.join(map(repr, by)) if by else repr('groups')}."
        )
    found, codes = encode(keys)
    if len(found) < len(codes):
        twice = found[np.bincount(codes) > 1]
        raise ValueError(f"params has several lines for {', '.join(map(repr, twice[:5].tolist()))}; one is wanted.")
    listed = list(found)
    lines: list[dict[str, Any]] = [{} for _ in range(len(frame))]
    for name in frame.names:
        if name not in columns:
            for line, cell in zip(lines, frame.cells(name), strict=True):
                line[name] = _of_kind(cell, known.get(name))
    return [(listed[code], line) for code, line in zip(codes, lines, strict=True)]

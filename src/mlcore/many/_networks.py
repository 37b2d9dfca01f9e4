"""Networks of many groups: those of one structure are drawn, trained and watched in one compiled loop."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.multiclass import unique_labels

from ..config import chosen_kernels
from ..kernels import ids
from ..memory import aligned_empty, aligned_zeros, shared_view
from ..neural_network._parameter_layout import ParameterLayout, bounds_of_draws
from ..neural_network._perceptron import NOT_CONVERGED
from ..neural_network._training import TEAM_NUMBERS
from ..validation import check_dropout
from ._groups import together
from ._logistic import places_of_classes
from ._rows import GroupedRows
from ._scores import scores_of_groups
from ._turns import in_turns, largest_first
from ._variants import Variants

# a fit of so many multiply-adds is left to the estimator, which hears Ctrl-C on the way
_LARGE = 4e9
# of one among many that share rows: they keep all threads busy, and Ctrl-C is heard in some seconds
_LARGE_AMONG_MANY = 4e10
# what the plan says beside the layers: what differs here is another structure
_NAMES = ("LOSS", "OPTIMIZER", "SCHEDULE", "MEAN", "WEIGHTED", "CLIPPED", "BY_ROWS")


@dataclass
class NetworkModels:
    """Networks of one structure, and how their fits ended.

    Attributes
    ----------
    layout : ParameterLayout
    parameters, moments : ndarray of shape (m, numbers)
    progress : ndarray of shape (m, N_PROGRESS)
    curves : list of list of float
        Each one's loss by epoch.
    n_rows : ndarray of intp, shape (m,)
    rules : list of dict
        What moves the weights: by `variant`, of shape (m,).
    last : str
        The output's activation.
    target_type : str or None
        Of classifiers.
    places : ndarray of intp, shape (m, K), or None
        Of each model's classes among all.
    classes : ndarray or None
    ndim : int
        Dimensions of y.
    scores : ndarray of shape (m,)
        R^2, or the part of rows that is predicted right.
    """

    layout: ParameterLayout
    parameters: NDArray[Any]
    moments: NDArray[Any]
    progress: NDArray[np.float64]
    curves: list[list[float]]
    n_rows: NDArray[np.intp]
    rules: dict[int, Any]
    variant: NDArray[np.intp]
    last: str
    target_type: str | None = None
    places: NDArray[np.intp] | None = None
    classes: NDArray[Any] | None = None
    ndim: int = 1
    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def losses(self) -> NDArray[np.float64]:
        """Of each one's last epoch."""
        return np.array([curve[-1] if curve else np.nan for curve in self.curves])

    def of(self, chosen: NDArray[np.bool_]) -> NetworkModels:
        """Some of them."""
        places = None if self.places is None else self.places[chosen]
        curves = [curve for curve, keep in zip(self.curves, chosen, strict=True) if keep]
        arrays = {
            name: getattr(self, name)[chosen] for name in ("parameters", "moments", "progress", "n_rows", "variant")
        }
        return replace(self, curves=curves, places=places, **arrays)

    def estimator(self, index: int, unfitted: Any) -> Any:
        """One of them as an estimator: what `fit` would have made."""
        unfitted.n_features_in_ = self.layout.sizes[0]
        if self.classes is not None and self.places is not None:
            unfitted.classes_ = unique_labels(self.classes[self.places[index]])
            unfitted._target_type = self.target_type
        unfitted.n_outputs_ = self.layout.sizes[-1]
        flat = aligned_empty(self.layout.n_parameters, self.layout.dtype)
        flat[:] = self.parameters[index]
        unfitted._set_parameters(self.layout, flat)
        unfitted._begin(self.last)
        moments = aligned_empty(self.moments.shape[1], self.layout.dtype)
        moments[:] = self.moments[index]
        progress = self.progress[index].copy()
        training = SimpleNamespace(moments=moments, progress=progress, stopped=int(progress[ids.STOPPED]))
        unfitted._take_over(
            SimpleNamespace(
                losses=list(self.curves[index]), problem=SimpleNamespace(X=range(int(self.n_rows[index]))),
                measure=None, early_stopping=None, training=training, rule=self.rules[int(self.variant[index])],
            )
        )  # fmt: skip
        return unfitted

    def stacked(self, name: str, template: Any) -> list[tuple[NDArray[np.intp], Any]]:
        """An attribute of all of them, along a first axis, by layer where it is a list; nothing if there is none."""
        if name == "n_iter_":
            return [(np.arange(len(self.curves)), np.array([len(curve) for curve in self.curves], np.intp))]
        layout, m = self.layout, len(self.parameters)
        found = []
        for offset, below, size, width in zip(
            layout.offsets, layout.sizes, layout.sizes[1:], layout.padded[1:], strict=False
        ):
            end = offset + below * width
            if name == "coefs_":
                found.append(self.parameters[:, offset:end].reshape(m, below, width)[:, :, :size])
            elif name == "intercepts_":
                found.append(self.parameters[:, end : end + size])
        return [(np.arange(m), found)] if found else []

    def predict(self, X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
        """Answers to rows, each by the model at its index."""
        outputs = self._outputs(X, index)
        if self.places is None:
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        assert self.classes is not None
        chosen = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(np.intp)
        chosen = np.minimum(chosen, self.places.shape[1] - 1)
        return self.classes[self.places[index, chosen]]

    def predict_proba(self, X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
        """Probabilities of all classes, 0 of those that a model does not know."""
        assert self.classes is not None
        assert self.places is not None
        outputs = self._outputs(X, index)
        if outputs.shape[1] == 1:
            outputs = np.column_stack([1 - outputs, outputs])[:, : self.places.shape[1]]
        found = np.zeros((len(X), len(self.classes)), outputs.dtype)
        np.put_along_axis(found, self.places[index], outputs, axis=1)
        return found

    def _outputs(self, X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
        X = np.ascontiguousarray(X, self.layout.dtype)
        order, first, count = together(index, len(self.parameters))
        rows = X if order is None else X[order]
        asked = np.flatnonzero(count)
        found = np.empty((len(X), self.layout.sizes[-1]), self.layout.dtype)
        plan, work = self.layout.forward_work(int(count.max(initial=1)))
        chosen_kernels().many_forward(
            plan, shared_view(rows), first[asked], count[asked], asked, self.parameters.reshape(-1),
            found.reshape(-1), work,
        )  # fmt: skip
        if order is None:
            return found
        there = np.empty_like(found)
        there[order] = found
        return there


def _suits(estimator: Any) -> bool:
    """Whether the compiled fit is the one that these parameters ask for, and all of them are in order."""
    try:
        estimator._check_parameters()
        hidden = estimator._hidden_sizes()
        estimator._hidden_activations(len(hidden))
        dropped = any(check_dropout(estimator.dropout, len(hidden)))
    except (ValueError, TypeError):
        return False
    return bool(
        estimator.solver != "lbfgs"
        and estimator.gradient == "backprop"
        and not (dropped or estimator.early_stopping or estimator.verbose)
        and getattr(estimator, "class_weight", None) is None
        and np.dtype(np.intp).itemsize == 8
    )


def fit_networks(
    rows: GroupedRows, variants: Variants, n_threads: int | None, report: Any
) -> Iterator[tuple[NDArray[np.intp], NetworkModels, dict[int, tuple[str, ...]]]]:
    """For each structure: the groups that were fitted, their models, and warnings by group."""
    suited = [variant for variant in range(len(variants)) if _suits(variants.estimator(variant))]
    if scipy.sparse.issparse(rows.X) or not suited:
        return
    usual = np.isin(variants.of_group, suited) & rows.by_group(_are_whole(rows))
    for part in _parts(rows, variants.template, usual):
        for structure in _structures(part, rows, variants):
            fitted = _fit(structure, part, rows, variants, n_threads, report)
            if len(fitted[0]):
                yield fitted


@dataclass
class _Part:
    """Groups whose answers are of one kind: targets as the kernel reads them, and what classes their columns are."""

    groups: NDArray[np.intp]
    T: NDArray[Any]
    places: NDArray[np.intp] | None = None
    classes: NDArray[Any] | None = None


def _parts(rows: GroupedRows, template: Any, usual: NDArray[np.bool_]) -> Iterator[_Part]:
    """Groups by the number of their classes; of regressions all together. Groups that share rows have the same ones."""
    dtype = rows.X.dtype
    if not is_classifier(template):
        yield _Part(np.flatnonzero(usual), np.ascontiguousarray(rows.y.reshape(len(rows.y), -1), dtype))
        return
    if rows.y.ndim != 1:
        return
    usual = usual & ~rows.odd_labels
    classes, places = rows.classes
    n_classes, of_group, own = places_of_classes(
        rows.in_order(places), rows.of_rows(), rows.n_sets, len(classes) + 1
    )  # fmt: skip
    starts, n_classes = rows.by_group(np.cumsum(n_classes) - n_classes), rows.by_group(n_classes)
    if rows.index is not None:
        own_of_row = np.zeros_like(places)
        own_of_row[rows.index] = own
        own = own_of_row
    for k in np.unique(n_classes[usual]).tolist():
        groups = np.flatnonzero(usual & (n_classes == k))
        if k <= 2:
            T = own.astype(dtype).reshape(-1, 1)
        else:
            T = np.zeros((len(own), k), dtype)
            T[np.arange(len(own)), np.minimum(own, k - 1)] = 1.0
        yield _Part(groups, T, of_group[starts[groups][:, np.newaxis] + np.arange(k)], classes)


@dataclass
class _Structure:
    """Variants whose networks one kernel call trains: how their fits are laid out, and what differs."""

    layout: ParameterLayout
    plan: NDArray[np.intp]
    n_moments: int
    n_epochs: int
    shuffled: bool
    last: str
    target_type: str | None
    first_activation: str
    batch_size: Any
    settings: dict[int, NDArray[np.float64]]
    rules: dict[int, Any]


def _structures(part: _Part, rows: GroupedRows, variants: Variants) -> list[_Structure]:
    """Each variant is laid out for its largest group, as its estimator does; what cannot be is left to it."""
    found: dict[Any, _Structure] = {}
    count = rows.groups.count
    of_part = variants.of_group[part.groups]
    for variant in np.unique(of_part).tolist():
        groups = part.groups[of_part == variant]
        group = int(groups[count[groups].argmax()])
        estimator = variants.unfitted(group)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fit = estimator._stochastic_fit(estimator._problem(*rows.of_group(group), False, None))
            except ValueError:
                continue
        training = fit.training
        label = (
            training.layout.sizes, tuple(a.id for a in training.layout.activations),
            tuple(int(training.plan[getattr(ids, name)]) for name in _NAMES), estimator.batch_size, estimator.shuffle,
            estimator._first_activation() == "sigmoid", fit.n_epochs,
        )  # fmt: skip
        if label not in found:
            last = training.layout.activations[-1].name
            kind = getattr(estimator, "_target_type", None)
            found[label] = _Structure(
                training.layout, training.plan, training.moments.size, fit.n_epochs, fit.order.is_shuffled, last, kind,
                estimator._first_activation(), estimator.batch_size, {}, {},
            )  # fmt: skip
        found[label].settings[variant] = training.settings
        found[label].rules[variant] = fit.rule
        del fit, training, estimator  # before the next one's rows
    return list(found.values())


def _fit(
    structure: _Structure,
    part: _Part,
    rows: GroupedRows,
    variants: Variants,
    n_threads: int | None,
    report: Any,
) -> tuple[NDArray[np.intp], NetworkModels, dict[int, tuple[str, ...]]]:
    layout, n_epochs = structure.layout, structure.n_epochs
    count = rows.groups.count
    groups = part.groups[np.isin(variants.of_group[part.groups], list(structure.settings))]
    operations = 3.0 * layout.n_free * count[groups] * n_epochs
    small = operations < (_LARGE if rows.sets is None else _LARGE_AMONG_MANY)
    groups, operations = groups[small], operations[small]
    order = largest_first(count[groups])
    groups, operations = groups[order], operations[order]
    m, variant, n = len(groups), variants.of_group[groups], count[groups]
    size = 200 if structure.batch_size == "auto" else int(structure.batch_size)
    size = min(size, int(n.max(initial=1)))
    settings = np.empty((m, ids.N_SETTINGS))
    for number, values in structure.settings.items():
        settings[variant == number] = values
    settings[:, ids.TOTAL_STEPS] = n_epochs * -(-n // np.minimum(size, n))
    seeds = np.array([_seed(variants, group) for group in groups], np.intp)
    entries: dict[str, Any] = {name: int(structure.plan[getattr(ids, name)]) for name in _NAMES}
    plan, work = layout.work(
        int(n.max(initial=1)), batch_size=size, gather=True, backward=True,
        **entries,
    )  # fmt: skip
    plan[ids.N_EPOCHS], plan[ids.MOST_STEPS], plan[ids.SHUFFLED] = n_epochs, np.iinfo(np.intp).max, structure.shuffled
    bounds = np.array(bounds_of_draws(layout, structure.first_activation))
    parameters = aligned_zeros(m * layout.n_parameters, layout.dtype).reshape(m, layout.n_parameters)
    moments = aligned_zeros(m * structure.n_moments, layout.dtype).reshape(m, structure.n_moments)
    progress = np.zeros((m, ids.N_PROGRESS))
    progress[:, ids.RATE], progress[:, ids.BEST_LOSS] = settings[:, ids.LEARNING_RATE], np.inf
    epochs, curves = np.zeros(m, np.intp), [[0.0]] * m
    weight = np.empty(0, layout.dtype)
    if rows.sample_weight is not None:
        weight = rows.sample_weight.astype(layout.dtype)
    data = [shared_view(np.ascontiguousarray(array, layout.dtype)) for array in (rows.X, part.T, weight)]
    every = np.arange(len(rows.y)) if rows.index is None else rows.index
    first = rows.groups.first[groups]
    kernel = chosen_kernels().many_networks

    def make_room() -> Any:
        scratch = aligned_zeros(2 * layout.n_parameters + work.size, layout.dtype)
        sums, order = np.zeros(2 * int(plan[ids.N_SUMS])), np.empty(int(n.max()), np.intp)
        return plan.copy(), sums, scratch, order, np.empty(625, np.intp), np.zeros(TEAM_NUMBERS, np.intp)

    def task(start: int, stop: int, room: Any) -> None:
        these = slice(start, stop)
        own_plan, *rest = room
        history = np.empty((stop - start, n_epochs))
        kernel(
            own_plan, settings[these].reshape(-1), bounds, *data, every, first[these], n[these], seeds[these], size,
            parameters[these].reshape(-1), moments[these].reshape(-1), progress[these].reshape(-1),
            history.reshape(-1), epochs[these], *rest,
        )  # fmt: skip
        for i in range(start, stop):
            curves[i] = history[i - start, : epochs[i]].tolist()

    done = in_turns(task, make_room, operations, n_threads, report, rows.note(groups, operations))
    done &= np.isfinite(parameters).all(axis=1)
    models = NetworkModels(
        layout, parameters, moments, progress, curves, n, structure.rules, variant, structure.last,
        structure.target_type, None, part.classes, rows.y.ndim,
    )  # fmt: skip
    if part.places is not None:
        models.places = part.places[np.searchsorted(part.groups, groups)]
    if not done.all():
        groups, models = groups[done], models.of(done)
    models.scores = _scores(groups, models, rows)
    return groups, models, _warnings(groups, models, structure, part, rows, variants)


def _scores(groups: NDArray[np.intp], models: NetworkModels, rows: GroupedRows) -> NDArray[np.float64]:
    """How well each answers its rows: one pass forward, left out where others measure them."""
    if not len(groups) or rows.seconds is not None:
        return np.full(len(groups), np.nan)
    place = np.full(len(rows.groups.keys), -1, np.intp)
    place[groups] = np.arange(len(groups))
    of_row = place[rows.of_rows()]
    chosen: Any = slice(None)
    if len(groups) < len(place):
        chosen = np.flatnonzero(of_row >= 0)
    X, y, of_row = rows.X[chosen], rows.y[chosen], of_row[chosen]
    weight = None if rows.sample_weight is None else rows.sample_weight[chosen]
    return scores_of_groups(models.predict(X, of_row), y, weight, of_row, len(groups), models.places is not None)


def _seed(variants: Variants, group: int) -> int:
    if variants.seeds is not None and variants.seeds[group] >= 0:
        return int(variants.seeds[group])
    return int(variants.estimator(variants.of_group[group]).random_state)


def _warnings(
    groups: NDArray[np.intp],
    models: NetworkModels,
    structure: _Structure,
    part: _Part,
    rows: GroupedRows,
    variants: Variants,
) -> dict[int, tuple[str, ...]]:
    """What each fit alone would have warned of."""
    found: dict[int, tuple[str, ...]] = {}
    size, n_epochs = structure.batch_size, structure.n_epochs
    n_iter = np.array([len(curve) for curve in models.curves], np.intp)
    last = np.array([curve[-1] if curve else np.nan for curve in models.curves])
    begin = np.array([curve[0] if curve else np.nan for curve in models.curves])
    stopped = models.progress[:, ids.STOPPED] == ids.CONVERGED
    odd = (models.progress[:, ids.BAD_STEP] > 0) | ((stopped | (last >= begin)) & ~(last <= 1e-2))
    late = (n_iter == n_epochs) & ~stopped
    clipped = np.zeros(len(groups), bool) if size == "auto" else models.n_rows < size
    for i in np.flatnonzero(odd | late | clipped).tolist():
        texts = []
        if clipped[i]:
            texts.append(
                f"batch_size={size} is larger than the {models.n_rows[i]} training rows. It is going to be clipped."
            )
        if odd[i]:
            texts += _end_of(int(groups[i]), i, models, part, rows, variants)
        elif late[i]:
            texts.append(NOT_CONVERGED.format(max_iter=n_epochs))
        if texts:
            found[int(groups[i])] = tuple(texts)
    return found


def _end_of(group: int, i: int, models: NetworkModels, part: _Part, rows: GroupedRows, variants: Variants) -> list[str]:
    """What the estimator itself tells of its end."""
    unfitted = variants.unfitted(group)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem = unfitted._problem(*rows.of_group(group), False, None)
        fit = unfitted._stochastic_fit(problem)
        caught.clear()
        fit.training.progress[:] = models.progress[i]
        fit.losses = list(models.curves[i])
        unfitted._take_over(fit)
        unfitted._tell_end(fit)
    return [str(warning.message) for warning in caught]


def _are_whole(rows: GroupedRows) -> NDArray[np.bool_]:
    """Sets of rows that are not empty, whose numbers are all finite, and that have a weight other than zero."""
    of_row = rows.of_rows()
    bad = ~np.isfinite(rows.X).all(axis=1)
    if rows.y.dtype.kind == "f":
        bad |= ~np.isfinite(rows.y.reshape(len(rows.y), -1)).all(axis=1)
    good = np.bincount(of_row, minlength=rows.n_sets) > 0
    if rows.sample_weight is not None:
        weights = rows.sample_weight.astype(rows.X.dtype)
        bad |= ~np.isfinite(weights)
        good &= np.bincount(of_row, rows.in_order(weights != 0), len(good)) > 0
    good[of_row[rows.in_order(bad)]] = False
    return good

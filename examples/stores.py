"""Sales of 500 stores: a regression for each in one call, the next weeks forecast beside what happened."""

import argparse
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np

from mlcore import Ridge, fit_many

try:
    import pandas
except ImportError:
    pandas = None

STORES, WEEKS, AHEAD = 500, 156, 8
BROKEN = 4  # stores whose records hold numbers that are none
FEATURES = ["week", "promotion", "sin1", "cos1", "sin2", "cos2"]


def sales(stores=STORES, seed=0):
    """Return columns, a row for each store and week: trend, season, promotions, lost records, broken stores."""
    rng = np.random.default_rng(seed)
    store, week = np.divmod(np.arange(stores * WEEKS), WEEKS)
    year = 2.0 * np.pi * week / 52.0
    level = rng.lognormal(6.0, 0.8, stores)
    trend = rng.normal(0.001, 0.0015, stores)  # of the level, a week
    height, phase = rng.uniform(0.05, 0.4, stores), rng.normal(0.0, 0.5, stores)
    lift = rng.uniform(0.1, 0.6, stores)  # what a promotion adds
    promotion = (rng.random(len(store)) < 0.15).astype(float)
    expected = 1.0 + trend[store] * week + height[store] * np.cos(year - phase[store]) + lift[store] * promotion
    sold = np.maximum(0.0, level[store] * (expected + rng.normal(0.0, 0.1, len(store)))).round()
    recorded = rng.random(len(store)) > rng.uniform(0.0, 0.1, stores)[store]  # closed, or the record is lost
    opened = np.where(np.arange(stores) % 50 == 7, WEEKS - AHEAD - 3, 0)  # three weeks ago: no time to learn a season
    recorded &= week >= opened[store]
    broken = rng.choice(np.flatnonzero(opened == 0), min(BROKEN, stores // 4), replace=False)
    for number in broken:
        sold[rng.choice(np.flatnonzero(recorded & (store == number) & (week < WEEKS - AHEAD)))] = np.nan
    names = np.array([f"S{number:03d}" for number in range(stores)])
    waves = {f"{wave.__name__}{k}": wave(k * year) for k in (1, 2) for wave in (np.sin, np.cos)}
    columns = {"store": names[store], "week": week.astype(float), "promotion": promotion, **waves, "sales": sold}
    return {name: column[recorded] for name, column in columns.items()}


def fit(table):
    """A ridge regression for each store, by a frame if pandas is installed, else by arrays."""
    model = Ridge(alpha=1.0)
    if pandas is None:
        X = np.column_stack([table[name] for name in FEATURES])
        return fit_many(model, X, table["sales"], groups=table["store"])
    return fit_many(model, pandas.DataFrame(table), by="store", target="sales", features=FEATURES)


def last_year(past, future):
    """The baseline: the same week a year before, by the nearest week on record."""
    begins, ends = (np.searchsorted(past["store"], future["store"], side) for side in ("left", "right"))
    found = []
    for begin, end, week in zip(begins, ends, future["week"], strict=True):
        rows = slice(begin, end)
        weeks = np.abs(past["week"][rows] - (week - 52.0))
        weeks[np.isnan(past["sales"][rows])] = np.inf
        found.append(past["sales"][rows][weeks.argmin()])
    return np.array(found)


def error(forecast, sold):
    """What was forecast too much or too little, as a share of what was sold."""
    return np.abs(forecast - sold).sum() / sold.sum()


def forecast(stores=STORES, seed=0):
    """Return the models, what they learnt from, the weeks held out, their forecast, and the baseline's; and seconds."""
    table = sales(stores, seed)
    is_past = table["week"] < WEEKS - AHEAD
    past = {name: column[is_past] for name, column in table.items()}
    future = {name: column[~is_past] for name, column in table.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the broken stores: `main` tells of them
        start = perf_counter()
        many = fit(past)
        seconds = perf_counter() - start
    baseline = last_year(past, future)
    X = np.column_stack([future[name] for name in FEATURES])
    # stores without a model are answered by the baseline
    found = many.predict(X, groups=future["store"], fallback=np.nan)
    found = np.where(np.isnan(found), baseline, np.maximum(0.0, found))
    return many, past, future, found, baseline, seconds


def plot(past, future, found, path):
    from matplotlib.figure import Figure

    shown = np.unique(future["store"])[:: max(1, len(np.unique(future["store"])) // 6)][:6]
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(3, 2, sharex=True).ravel()
    for panel, name in zip(panels, shown, strict=False):
        before, after = past["store"] == name, future["store"] == name
        panel.plot(past["week"][before], past["sales"][before], color="#b8b8b8", linewidth=1)
        panel.plot(future["week"][after], future["sales"][after], "o", color="#555555", markersize=3, label="sold")
        panel.plot(future["week"][after], found[after], color="#1f6f8b", linewidth=2, label="forecast")
        panel.set_xlim(WEEKS - 80, WEEKS)
        panel.set_title(name, fontsize=10, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("week")
    figure.supylabel("sales")
    figure.savefig(path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", type=int, default=STORES, help=f"(default: {STORES})")
    parser.add_argument("--seed", type=int, default=0, help="of the sales (default: 0)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw some stores, .png or .svg (needs matplotlib)")
    options = parser.parse_args(arguments)
    many, past, future, found, baseline, seconds = forecast(options.stores, options.seed)
    print(f"{len(many)} stores, {len(past['week']):,} weeks on record: fitted in {seconds:.2f} s")
    print(f"the next {AHEAD} weeks: off by {error(found, future['sales']):.1%} of what was sold,")
    print(f"the same weeks a year before by {error(baseline, future['sales']):.1%}")
    print(f"{len(many.failures_)} stores have no model:")
    for name, reason in many.failures_.items():
        print(f"  {name}: {reason.splitlines()[0]}")
    few = many.groups_[many.n_rows_ < 52]
    print(f"{len(few)} stores with less than a year on record: {', '.join(few.tolist())}")
    if options.plot:
        plot(past, future, found, options.plot)


if __name__ == "__main__":
    main()

"""How much of a change each part made: exact sums, with intervals from resampled runs.

Means: of two orders (traffic first, traffic last) the average, as Kitagawa has it; over ways
between cells the average, as Shapley has it. p95: the same on logs of quantiles of reweighted
runs, brought back to tokens by the logarithmic mean, so that the parts add up to the change.

Source:
    Kitagawa (1955); DiNardo, Fortin & Lemieux (1996) for the reweighting; Hesterberg (2015)
    for the stretch of the limits; docs/statistics.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from assay.explain.paths import Block, Path, State
from assay.stats.samples import Floats, Ints

QUANTILE = 0.95
DRAWS, MIN_DRAWS = 1_000, 200
MAX_WORK = 40_000_000
"""Draws x runs; beyond, there are fewer draws, and limits are the normal distribution's."""
STRETCH = 1.1
"""Of the limits: percentiles of resampled runs are too narrow where those are few."""
MAX_WEIGHTS = 2_000_000
"""Held at once: 16 MB."""
MIX = "traffic mix"
"""The part that is not a block."""
Part = Block | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Runs of the cells that are on a way; all arrays of shape (n,)."""

    states: Ints
    """Places in `cells`."""
    cells: Sequence[State]
    """The first is before, the last is after."""
    categories: Ints
    """0-based; each cell has runs of every category."""
    n_categories: int
    clusters: Ints
    """0-based; runs that are resampled together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One part of a change."""

    estimate: float
    lower: float
    upper: float

    @property
    def is_clear(self) -> bool:
        """Whether it is surely not zero."""
        return self.lower > 0 or self.upper < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a figure changed, and what made it."""

    before: float
    after: float
    total: Share
    parts: Mapping[Part, Share]
    """They add up to `after - before`."""


Parts = dict[Part, Floats]


def change_of_mean(
    values: Floats, runs: Runs, paths: Sequence[Path], *, level: float, seed: int
) -> Change:
    """How the mean changed.

    Args:
        values: Finite, shape (n,).
        runs: The same runs.
        paths: Of one partition.
        level: Two-sided, of each interval.
        seed: Of the resampling.
    """
    order, sums = _sums_of(runs)

    def figures(weights: Floats) -> Figures:
        weights = weights[:, order]
        counts = sums(weights)
        return _mean_figures(counts, sums(weights * values[order]) / counts, runs.cells, paths)

    return _change(figures, runs.clusters, level=level, seed=seed)


def change_of_p95(
    values: Floats, runs: Runs, paths: Sequence[Path], *, level: float, seed: int
) -> Change:
    """How the 95th percentile changed; values are positive."""
    order, sums = _sums_of(runs)
    by_value = np.argsort(values, kind="stable")
    places = [by_value[runs.states[by_value] == cell] for cell in range(len(runs.cells))]

    def figures(weights: Floats) -> Figures:
        counts = sums(weights[:, order])
        logs = {}
        for number, (state, place) in enumerate(zip(runs.cells, places, strict=True)):
            factors = (mix / counts[:, number] for mix in _mixes(counts))
            drawn, of_runs = weights[:, place], runs.categories[place]
            logs[state] = [
                np.log(_quantiles(values[place], drawn * factor[:, of_runs])) for factor in factors
            ]
        return _p95_figures(logs, runs.cells, paths)

    return _change(figures, runs.clusters, level=level, seed=seed)


class Figures(NamedTuple):
    """For each set of weights, shape (n_draws,): before, after, and what lies between."""

    before: Floats
    after: Floats
    parts: Parts


def _change(
    figures: Callable[[Floats], Figures], clusters: Ints, *, level: float, seed: int
) -> Change:
    """The figures of the runs as they are, and how they vary when runs are resampled.

    Weights are exponential (the Bayesian bootstrap): like those of a bootstrap they have mean
    and variance 1, and none is 0, so that no category is ever left without a run.
    """
    random = np.random.default_rng(seed)
    found = figures(np.ones((1, clusters.size)))
    estimates = np.concatenate([found.after - found.before, *found.parts.values()])
    drawn: list[Floats] = []
    n_draws = draws_of(clusters.size)
    at_once = max(1, min(n_draws, MAX_WEIGHTS // clusters.size))
    for begin in range(0, n_draws, at_once):
        n = min(at_once, n_draws - begin)
        each = figures(random.standard_exponential((n, int(clusters.max()) + 1))[:, clusters])
        drawn.append(np.stack([each.after - each.before, *each.parts.values()]))
    below, above = _deviations(np.concatenate(drawn, axis=1), estimates, level=level)
    shares = [
        Share(estimate=float(estimate), lower=float(estimate - low), upper=float(estimate + high))
        for estimate, low, high in zip(estimates, STRETCH * below, STRETCH * above, strict=True)
    ]
    return Change(
        before=float(found.before[0]),
        after=float(found.after[0]),
        total=shares[0],
        parts=dict(zip(found.parts, shares[1:], strict=True)),
    )


def draws_of(n_runs: int) -> int:
    """How often so many runs are resampled."""
    return min(DRAWS, max(MIN_DRAWS, MAX_WORK // n_runs))


def _deviations(drawn: Floats, estimates: Floats, *, level: float) -> tuple[Floats, Floats]:
    """How far below and above each estimate its limits lie; never on the other side of it."""
    if drawn.shape[1] < DRAWS:  # too few for percentiles so far out; runs are many
        spread = float(ndtri((1 + level) / 2)) * drawn.std(axis=1)
        return spread, spread
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return np.maximum(estimates - low, 0.0), np.maximum(high - estimates, 0.0)


def _sums_of(runs: Runs) -> tuple[Ints, Callable[[Floats], Floats]]:
    """The order of the runs by cell and category, and what sums amounts that are in it.

    Amounts are of shape (n_draws, n), their sums (n_draws, n_cells, n_categories).
    """
    groups = runs.states * runs.n_categories + runs.categories
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))  # no group is missing

    def sums(amounts: Floats) -> Floats:
        each: Floats = np.add.reduceat(amounts, starts, axis=1)
        return each.reshape(-1, len(runs.cells), runs.n_categories)

    return order, sums


def _mixes(counts: Floats) -> tuple[Floats, Floats]:
    """Share of each category before and after, shape (n_draws, n_categories) each."""
    first, last = counts[:, 0], counts[:, -1]
    return first / first.sum(axis=1, keepdims=True), last / last.sum(axis=1, keepdims=True)


def _mean_figures(
    counts: Floats, means: Floats, cells: Sequence[State], paths: Sequence[Path]
) -> Figures:
    mixes = _mixes(counts)
    middle = (mixes[0] + mixes[1]) / 2
    at = {state: means[:, place] for place, state in enumerate(cells)}
    first, last = means[:, 0], means[:, -1]

    def effect(start: State, end: State) -> Floats:
        return _dot(middle, at[end] - at[start])

    mix = _dot(mixes[1] - mixes[0], (first + last) / 2)
    parts = {MIX: mix} | _averaged(paths, effect)
    return Figures(_dot(mixes[0], first), _dot(mixes[1], last), parts)


def _p95_figures(
    logs: Mapping[State, Sequence[Floats]], cells: Sequence[State], paths: Sequence[Path]
) -> Figures:
    """From the logs of each cell's p95 under the mix before and under the mix after."""

    def effect(start: State, end: State) -> Floats:
        return sum((logs[end][mix] - logs[start][mix] for mix in (0, 1)), np.zeros(1)) / 2

    first, last = logs[cells[0]], logs[cells[-1]]
    mix = (first[1] - first[0] + last[1] - last[0]) / 2
    before, after, difference = np.exp(first[0]), np.exp(last[1]), last[1] - first[0]
    is_none = difference == 0
    # The logarithmic mean, which brings shares of a log ratio back to an amount.
    scale = np.where(is_none, before, (after - before) / np.where(is_none, 1.0, difference))
    parts = {MIX: mix} | _averaged(paths, effect)
    return Figures(before, after, {part: scale * value for part, value in parts.items()})


def _quantiles(values: Floats, weights: Floats) -> Floats:
    """The smallest of sorted values at or below which 95 % of the weight lies, of each draw."""
    below = np.cumsum(weights, axis=1)
    places = (below < QUANTILE * below[:, -1:]).sum(axis=1)
    found: Floats = values[np.minimum(places, values.size - 1)]
    return found


def _dot(weights: Floats, amounts: Floats) -> Floats:
    """Over categories, of each draw."""
    products: Floats = (weights * amounts).sum(axis=1)
    return products


def _averaged(paths: Sequence[Path], effect: Callable[[State, State], Floats]) -> Parts:
    """Of each block the average over the ways."""
    steps = [step for path in paths for step in path]
    parts: Parts = {step.block: np.zeros(1) for step in paths[0]}
    for step in steps:
        parts[step.block] = parts[step.block] + effect(step.start, step.end) / len(paths)
    return parts

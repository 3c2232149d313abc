"""From two sides' runs to cells: which prompt under which model and tools, in which period.

Each side is its commonest prompt under its commonest model and tools; its other runs lend
themselves as cells in between, if they are of the other side's prompt or model.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa

from assay.errors import NotEnoughEvidence, NoVerdict
from assay.explain.kinds import (
    MIN_CELL_RUNS,
    NOT_SAID,
    Comparable,
    Names,
    categories_of,
    coded,
    comparable,
)
from assay.explain.paths import BEFORE, Factor, Path, State, after, paths
from assay.explain.sides import MIN_RUNS, Flags, Sides
from assay.explain.traffic_log import ENVIRONMENT
from assay.stats.samples import Ints

MIN_SHARE = 0.5
"""Of a side's runs that its commonest prompt under one model made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a side is."""

    words: str
    prompt_id: str
    environment: Mapping[str, str | None]
    runs: int
    left_out: int
    """The side's runs of any other prompt or model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The runs of the cells on the ways from before to after."""

    before: Group
    after: Group
    paths: tuple[Path, ...]
    cells: tuple[State, ...]
    """Before first, after last."""
    rows: Ints
    """Of the table, shape (n,)."""
    states: Ints
    """Places in `cells`, shape (n,)."""
    categories: Ints
    names: tuple[str, ...]
    """Of the categories."""
    clusters: Ints
    traffic_by: str | None
    """What the traffic is told apart by; None where nothing says it."""
    notes: tuple[str, ...]

    @property
    def effective_runs(self) -> float:
        """So many equal runs are those before worth, weighed as the mix after (Kish)."""
        n = len(self.names)
        counts = [
            np.bincount(self.categories[self.states == place], minlength=n)
            for place in (0, len(self.cells) - 1)
        ]
        shares = counts[1] / counts[1].sum()
        return float(1 / (shares**2 / counts[0]).sum())


def cells_of(runs: pa.Table, sides: Sides) -> Cells:
    """The cells.

    Raises:
        NotEnoughEvidence: A side has too few runs.
        NoVerdict: A side has no prompt that made most of it, or a category of traffic that
            the other side lacks.
    """
    arms = _arms(runs, sides)
    differing = _differing(arms, sides)
    end = after(differing)
    if end == BEFORE:
        raise NoVerdict("before and after are the same prompt, model and time: nothing changed")
    states = _states(arms, sides, differing)
    ends = (_is_in(states, BEFORE), _is_in(states, end))
    traffic_by, categories, names = categories_of(runs)
    traffic = comparable(categories, names, ends, traffic_by)
    ways = paths(differing, _observed(states, traffic))
    between = {step.end for way in ways for step in way[:-1]}
    cells = (BEFORE, *sorted(between), end)
    places = _places(states, cells)
    rows = np.flatnonzero(traffic.kept & (places >= 0))
    groups = (
        arms.group(0, sides.before_words, sides.before, ends[0]),
        arms.group(1, sides.after_words, sides.after, ends[1]),
    )
    return Cells(
        before=groups[0],
        after=groups[1],
        paths=ways,
        cells=cells,
        rows=rows,
        states=places[rows],
        categories=traffic.categories[rows],
        names=traffic.names,
        clusters=_clusters(runs, rows),
        traffic_by=traffic_by,
        notes=(*sides.notes, *traffic.notes),
    )


Pair = tuple[int, int]
"""A prompt and an environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arms:
    """Each run's prompt and environment, and which are before's and after's."""

    prompts: Ints
    prompt_names: Names
    environments: Ints
    recorded: Sequence[Mapping[str, str | None]]
    """Of each environment, what it is."""
    pairs: tuple[Pair, Pair]

    def group(self, side: int, words: str, selected: Flags, end: Flags) -> Group:
        """What a side is, in words."""
        prompt, environment = self.pairs[side]
        return Group(
            words=words,
            prompt_id=self.prompt_names[prompt],
            environment=self.recorded[environment],
            runs=int(end.sum()),
            left_out=int(selected.sum() - end.sum()),
        )


def _arms(runs: pa.Table, sides: Sides) -> _Arms:
    prompts, prompt_names = coded(runs["prompt_id"])
    environments, recorded = _environments(runs)
    before = _commonest(sides.before, sides.before_words, prompts, environments)
    after_it = _commonest(sides.after, sides.after_words, prompts, environments)
    return _Arms(
        prompts=prompts,
        prompt_names=prompt_names,
        environments=environments,
        recorded=recorded,
        pairs=(before, after_it),
    )


def _commonest(mask: Flags, words: str, prompts: Ints, environments: Ints) -> Pair:
    pairs = Counter(zip(prompts[mask].tolist(), environments[mask].tolist(), strict=True))
    (pair, count), *_ = pairs.most_common(1)
    if count < MIN_RUNS:
        raise NotEnoughEvidence(
            f"{count} runs {words} are of one prompt under one model",
            mend=f"{MIN_RUNS} or more are needed on each side: name a longer time",
        )
    if count < MIN_SHARE * mask.sum():
        raise NoVerdict(
            f"{words}, no prompt under one model made half of the runs",
            mend="name a range of times between two changes, or prompts",
        )
    return pair


def _differing(arms: _Arms, sides: Sides) -> set[Factor]:
    (first, first_in), (last, last_in) = arms.pairs
    changed = {
        Factor.PROMPT: first != last,
        Factor.ENVIRONMENT: first_in != last_in,
        Factor.PERIOD: not sides.at_the_same_time,
    }
    return {factor for factor, is_other in changed.items() if is_other}


def _states(arms: _Arms, sides: Sides, differing: set[Factor]) -> Ints:
    """Of each run, 0 or 1 for each factor; -1 where it is neither. Shape (n, 3)."""
    states = np.full((arms.prompts.size, len(Factor)), -1)
    of_runs = {Factor.PROMPT: arms.prompts, Factor.ENVIRONMENT: arms.environments}
    for factor, codes in of_runs.items():
        states[codes == arms.pairs[1][factor], factor] = int(factor in differing)
        states[codes == arms.pairs[0][factor], factor] = 0
    states[sides.before, Factor.PERIOD] = 0
    states[sides.after, Factor.PERIOD] = int(Factor.PERIOD in differing)
    return states


def _is_in(states: Ints, state: State) -> Flags:
    flags: Flags = np.all(states == state, axis=1)
    return flags


def _observed(states: Ints, traffic: Comparable) -> set[State]:
    """Cells with runs enough of every category."""
    found = set[State]()
    for state in product((0, 1), repeat=len(Factor)):
        cell = (state[0], state[1], state[2])
        of_cell = traffic.categories[_is_in(states, cell) & traffic.kept]
        if np.bincount(of_cell, minlength=len(traffic.names)).min() >= MIN_CELL_RUNS:
            found.add(cell)
    return found


def _places(states: Ints, cells: tuple[State, ...]) -> Ints:
    places = np.full(len(states), -1)
    for place, cell in enumerate(cells):
        places[_is_in(states, cell)] = place
    return places


def _environments(runs: pa.Table) -> tuple[Ints, list[dict[str, str | None]]]:
    """Which of the model, tools and the like each run had; and what those are."""
    names = [name for name in ENVIRONMENT if name in runs.column_names]
    columns = {name: coded(runs[name]) for name in names}
    codes = np.zeros(len(runs), dtype=np.int64)
    for each, values in columns.values():
        codes = np.unique(codes * len(values) + each, return_inverse=True)[1].astype(np.int64)
    _, first = np.unique(codes, return_index=True)
    recorded: list[dict[str, str | None]] = [
        {name: _or_none(values[each[place]]) for name, (each, values) in columns.items()}
        for place in first
    ]
    return codes, recorded


def _or_none(value: str) -> str | None:
    return None if value == NOT_SAID else value


def _clusters(runs: pa.Table, rows: Ints) -> Ints:
    """Runs of one user belong together; one of whom nobody says whose it is stands alone."""
    if "user" not in runs.column_names:
        return np.arange(rows.size)
    users, names = coded(runs["user"])
    users = users[rows]
    if NOT_SAID in names:
        alone = users == names.index(NOT_SAID)
        users[alone] = len(names) + np.flatnonzero(alone)
    return np.unique(users, return_inverse=True)[1].astype(np.int64)

"""From two sides' runs to cells: which prompt under which model and tools, in which period.

Each side is its commonest prompt under its commonest model and tools; its other runs lend
themselves as cells in between, if they are of the other side's prompt or model.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import NotEnoughEvidence, NoVerdict
from assay.explain.paths import BEFORE, Factor, Path, State, after, paths
from assay.explain.sides import MIN_RUNS, Flags, Sides
from assay.explain.traffic_log import ENVIRONMENT
from assay.stats.samples import Ints
from assay.wording import one_line

MIN_CELL_RUNS = 5
"""Of a category, in a cell that a way leads over."""
RARE = 0.05
"""A category that is no larger on either side is put together with other rare ones."""
MIN_SHARE = 0.5
"""Of a side's runs that its commonest prompt under one model made."""
N_LENGTHS = 5
MAX_TASKS = 500
OTHERS = "(rare)"
NOT_SAID = "(not said)"


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


def cells_of(runs: pa.Table, sides: Sides) -> Cells:
    """The cells.

    Raises:
        NotEnoughEvidence: A side has too few runs.
        NoVerdict: A side has no prompt that made most of it, or a category of traffic that
            the other side lacks.
    """
    prompts, prompt_names = _codes(runs["prompt_id"])
    environments, recorded = _environments(runs)
    groups = [
        _group(mask, words, prompts, environments)
        for mask, words in (
            (sides.before, sides.before_words),
            (sides.after, sides.after_words),
        )
    ]
    differing = _differing(groups, sides)
    end = after(differing)
    states = _states(prompts, environments, groups, sides, differing)
    traffic_by, categories, names = _categories(runs)
    is_first, is_last = (np.all(states == each, axis=1) for each in (BEFORE, end))
    kept, categories, names, notes = _comparable(
        categories, names, is_first, is_last, traffic_by=traffic_by
    )
    found = _cell_counts(states[kept], categories[kept], len(names))
    observed = {s for s, n in found.items() if s not in (BEFORE, end) and n.min() >= MIN_CELL_RUNS}
    ways = paths(differing, observed)
    between = {step.end for way in ways for step in way[:-1]}
    cells = (BEFORE, *sorted(between), *([end] if end != BEFORE else []))
    if end == BEFORE:
        raise NoVerdict("before and after are the same prompt, model and time: nothing changed")
    places = _places(states, cells)
    rows = np.flatnonzero(kept & (places >= 0))
    user, _ = _codes(runs["user"]) if "user" in runs.column_names else (None, ())
    clusters = np.arange(rows.size) if user is None else _clusters(user[rows])
    described = [
        Group(
            words=words,
            prompt_id=prompt_names[prompt],
            environment=recorded[environment],
            runs=int(count),
            left_out=int(mask.sum() - count),
        )
        for (prompt, environment), words, mask, count in zip(
            groups,
            (sides.before_words, sides.after_words),
            (sides.before, sides.after),
            (is_first.sum(), is_last.sum()),
            strict=True,
        )
    ]
    return Cells(
        before=described[0],
        after=described[1],
        paths=ways,
        cells=cells,
        rows=rows,
        states=places[rows],
        categories=categories[rows],
        names=names,
        clusters=clusters,
        traffic_by=traffic_by,
        notes=(*sides.notes, *notes),
    )


Pair = tuple[int, int]
"""A prompt and an environment."""


def _group(mask: Flags, words: str, prompts: Ints, environments: Ints) -> Pair:
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


def _differing(groups: list[Pair], sides: Sides) -> set[Factor]:
    (first, first_in), (last, last_in) = groups
    changed = {
        Factor.PROMPT: first != last,
        Factor.ENVIRONMENT: first_in != last_in,
        Factor.PERIOD: not sides.at_the_same_time,
    }
    return {factor for factor, is_other in changed.items() if is_other}


def _states(
    prompts: Ints,
    environments: Ints,
    groups: list[Pair],
    sides: Sides,
    differing: set[Factor],
) -> Ints:
    """Of each run, 0 or 1 for each factor; -1 where it is neither. Shape (n, 3)."""
    states = np.full((prompts.size, len(Factor)), -1)
    for factor, codes in ((Factor.PROMPT, prompts), (Factor.ENVIRONMENT, environments)):
        states[codes == groups[1][factor], factor] = int(factor in differing)
        states[codes == groups[0][factor], factor] = 0
    states[sides.before, Factor.PERIOD] = 0
    states[sides.after, Factor.PERIOD] = int(Factor.PERIOD in differing)
    return states


def _cell_counts(states: Ints, categories: Ints, n: int) -> dict[State, Ints]:
    """Runs of each category in each cell."""
    known = (states >= 0).all(axis=1)
    found: dict[State, Ints] = {}
    for state in {tuple(each) for each in states[known].tolist()}:
        prompt, environment, period = state
        mask = np.all(states == state, axis=1)
        counts = np.bincount(categories[mask], minlength=n)
        found[(prompt, environment, period)] = counts
    return found


def _places(states: Ints, cells: tuple[State, ...]) -> Ints:
    places = np.full(len(states), -1)
    for place, cell in enumerate(cells):
        places[np.all(states == cell, axis=1)] = place
    return places


def _environments(runs: pa.Table) -> tuple[Ints, list[dict[str, str | None]]]:
    """Which of the model, tools and the like each run had; and what those are."""
    names = [name for name in ENVIRONMENT if name in runs.column_names]
    codes = np.zeros(len(runs), dtype=np.int64)
    columns = {name: _codes(runs[name]) for name in names}
    for each, values in columns.values():
        codes = codes * len(values) + each
    known, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    recorded: list[dict[str, str | None]] = [
        {name: _or_none(values[each[place]]) for name, (each, values) in columns.items()}
        for place in first[: known.size]
    ]
    return codes.astype(np.int64), recorded


def _or_none(value: str) -> str | None:
    return None if value == NOT_SAID else value


def _codes(column: pa.ChunkedArray) -> tuple[Ints, tuple[str, ...]]:
    """0, 1, 2, ... for each distinct text; what is not said is one, too."""
    encoded = pc.fill_null(column, NOT_SAID).combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), tuple(encoded.dictionary.to_pylist())


def _clusters(users: Ints) -> Ints:
    return np.unique(users, return_inverse=True)[1].astype(np.int64)


def _categories(runs: pa.Table) -> tuple[str | None, Ints, tuple[str, ...]]:
    """What kind of request each run answered, by the best that the logs say."""
    there = {name for name in runs.column_names if runs[name].null_count < len(runs)}
    if "category" in there:
        return "category", *_codes(runs["category"])
    if "golden_task_id" in there:
        codes, names = _codes(runs["golden_task_id"])
        if len(names) <= MAX_TASKS:
            return "golden_task_id", codes, names
    if "input" in there:
        lengths = runs["input"].to_numpy(zero_copy_only=False).astype(np.float64)
        edges = np.unique(np.nanquantile(lengths, np.arange(1, N_LENGTHS) / N_LENGTHS))
        found = np.where(np.isnan(lengths), edges.size + 1, np.searchsorted(edges, lengths))
        names = tuple(f"length {number + 1}" for number in range(edges.size + 1))
        return "length of the input", found.astype(np.int64), (*names, NOT_SAID)
    return None, np.zeros(len(runs), dtype=np.int64), ("all",)


def _comparable(
    categories: Ints,
    names: tuple[str, ...],
    is_first: Flags,
    is_last: Flags,
    *,
    traffic_by: str | None,
) -> tuple[Flags, Ints, tuple[str, ...], list[str]]:
    """Categories with runs enough on both sides; rare ones together, and left out as a last resort.

    Returns:
        Which runs stay, their categories, the names, and what to say of it.
    """
    n = len(names)
    counts = np.stack([np.bincount(categories[m], minlength=n) for m in (is_first, is_last)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    is_thin = counts.min(axis=0) < MIN_CELL_RUNS
    if lacking := [c for c in np.flatnonzero(is_thin) if shares[:, c].max() > RARE]:
        worst = max(lacking, key=lambda c: float(shares[:, c].max()))
        raise NoVerdict(
            f"{traffic_by} {one_line(names[worst])!r} is {shares[0, worst]:.0%} of the runs before "
            f"and {shares[1, worst]:.0%} of those after: what it would have cost on the other "
            "side is not known",
            mend="name ranges in which both have it",
        )
    renumbered = np.where(is_thin, (~is_thin).sum(), np.cumsum(~is_thin) - 1)
    kept_names = tuple(name for name, thin in zip(names, is_thin, strict=True) if not thin)
    kept, notes = np.ones(categories.size, dtype=np.bool_), list[str]()
    if is_thin.any():
        rare = counts[:, is_thin].sum(axis=1)
        if rare.min() >= MIN_CELL_RUNS:
            kept_names = (*kept_names, OTHERS)
        else:
            kept = ~is_thin[categories]
            if out := int(rare.sum()):
                notes.append(f"{out} runs of rare categories are left out")
    if not kept_names:
        raise NoVerdict(f"no {traffic_by} has {MIN_CELL_RUNS} runs before and after")
    return kept, renumbered[categories], kept_names, notes

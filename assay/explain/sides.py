"""What `--before` and `--after` name: a time, a range of times, a prompt, or a file of runs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.errors import InputError
from assay.store.log_values import TIME
from assay.wording import one_line

MIN_RUNS = 30
"""Fewer runs of a side tell nothing."""
MAX_SHOWN = 8
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """Runs from a time on, until before another; None for no limit."""

    start: datetime | None
    end: datetime | None

    def __str__(self) -> str:
        if self.start is None or self.end is None:
            return f"until {_time(self.end)}" if self.end else f"from {_time(self.start)} on"
        return f"{_time(self.start)} to {_time(self.end)}"


Named = Span | Path | str
"""A range of times, a file of runs, or a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Which runs are before and which after."""

    before: Flags
    after: Flags
    before_words: str
    after_words: str
    at_the_same_time: bool
    """Whether both sides' runs were made in the same period."""
    notes: tuple[str, ...] = ()


def parse_side(text: str, *, is_after: bool) -> Named:
    """What the text of `--before` or `--after` names.

    Raises:
        InputError: It is a range that ends before it begins.

    >>> str(parse_side("2026-11-20T10:00Z/2026-11-20T16:00Z", is_after=False))
    '2026-11-20 10:00 UTC to 2026-11-20 16:00 UTC'
    >>> str(parse_side("2026-11-20T10:00Z", is_after=True)), parse_side("v13", is_after=False)
    ('from 2026-11-20 10:00 UTC on', 'v13')
    """
    if len(text) < 1_000 and "\0" not in text and Path(text).exists():
        return Path(text)
    start, slash, end = text.partition("/")
    times = [_parsed(each) for each in ([start, end] if slash else [text])]
    if any(each is None for each in times):
        return text
    if not slash:
        return Span(times[0], None) if is_after else Span(None, times[0])
    span = Span(times[0], times[1])
    if times[0] is not None and times[1] is not None and times[0] >= times[1]:
        raise InputError(f"{one_line(text)} ends before it begins", mend="write START/END")
    return span


def select(before: Named, after: Named, runs: pa.Table, files: dict[Path, int]) -> Sides:
    """The runs of both sides.

    Args:
        before: As `parse_side` gives it.
        after: The same.
        runs: Of a traffic log.
        files: Number in `file` of each file that is a side.

    Raises:
        InputError: A side names no runs, or both name the same ones.
    """
    masks = [_mask(each, runs, files) for each in (before, after)]
    words = [_words(each, runs) for each in (before, after)]
    for mask, word in zip(masks, words, strict=True):
        if not mask.any():
            raise InputError(f"no run is {word}", mend=_there(runs))
    if both := int((masks[0] & masks[1]).sum()):
        raise InputError(f"{both} runs are before and after", mend="name ranges that do not meet")
    sides = Sides(
        before=masks[0],
        after=masks[1],
        before_words=words[0],
        after_words=words[1],
        at_the_same_time=False,
    )
    return _concurrent(sides, runs) if isinstance(before, str) and isinstance(after, str) else sides


def _concurrent(sides: Sides, runs: pa.Table) -> Sides:
    """Of two prompts only the time in which both ran, where they did so often enough."""
    at = pc.cast(runs["at"], pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
    known = [at[mask & ~np.isnan(at)] for mask in (sides.before, sides.after)]
    if not min(each.size for each in known):
        return sides
    start, end = max(each.min() for each in known), min(each.max() for each in known)
    inside = (at >= start) & (at <= end)
    before, after = sides.before & inside, sides.after & inside
    if min(before.sum(), after.sum()) < MIN_RUNS:
        return sides
    times = (datetime.fromtimestamp(each / 1e6, UTC) for each in (start, end))
    left = int(sides.before.sum() + sides.after.sum() - before.sum() - after.sum())
    notes = [f"both ran at the same time: {Span(*times)}"]
    if left:
        notes.append(f"{left:,} runs of outside that time are left out")
    return Sides(
        before=before,
        after=after,
        before_words=sides.before_words,
        after_words=sides.after_words,
        at_the_same_time=True,
        notes=tuple(notes),
    )


def _mask(side: Named, runs: pa.Table, files: dict[Path, int]) -> Flags:
    if isinstance(side, Path):
        return _flags(pc.equal(runs["file"], files[side]))
    if isinstance(side, str):
        return _flags(pc.equal(runs["prompt_id"], _prompt(side, runs)))
    if not runs["at"].null_count < len(runs):
        raise InputError(
            "the runs have no times", mend="name prompts or files, or --column started_at=NAME"
        )
    mask = np.ones(len(runs), dtype=np.bool_)
    if side.start is not None:
        mask &= _flags(pc.greater_equal(runs["at"], pa.scalar(side.start, TIME)))
    if side.end is not None:
        mask &= _flags(pc.less(runs["at"], pa.scalar(side.end, TIME)))
    return mask


def _prompt(text: str, runs: pa.Table) -> str:
    """The prompt with this id, or the only one whose id begins so, or has this version."""
    ids = [str(each) for each in pc.unique(runs["prompt_id"]).to_pylist()]
    found = (
        [each for each in ids if each == text]
        or [each for each in ids if each.startswith(f"{text}:")]
        or [each for each in ids if f":{text}:" in each]
    )
    if len(found) != 1:
        what = "several prompts" if found else "no prompt of the runs, no file and no time"
        raise InputError(f"{one_line(text)!r} is {what}", mend=_there(runs))
    return found[0]


def _there(runs: pa.Table) -> str:
    counts = sorted(pc.value_counts(runs["prompt_id"]).to_pylist(), key=lambda e: -e["counts"])
    shown = ", ".join(f"{one_line(e['values'])} ({e['counts']:,})" for e in counts[:MAX_SHOWN])
    limits = pc.min_max(runs["at"]).as_py()
    when = ""
    if limits["min"] is not None:
        when = f"; they are of {Span(limits['min'], limits['max'])}"
    return f"the runs' prompts are {shown}{when}"


def _words(side: Named, runs: pa.Table) -> str:
    if isinstance(side, Path):
        return f"in {one_line(side.name)}"
    return str(side) if isinstance(side, Span) else f"of {one_line(_prompt(side, runs))}"


def _flags(column: pa.ChunkedArray) -> Flags:
    flags: Flags = pc.fill_null(column, False).to_numpy().astype(np.bool_)
    return flags


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)  # local, without a zone
    except (ValueError, OverflowError, OSError):
        return None


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

"""How many repeats would decide a gate that is not decided yet, at 80 % power."""

import math

from scipy.special import ndtri

from assay.decision.comparing import Comparison, Result

POWER = 0.8
MAX_REPEATS = 1_000
"""More than this is no plan: only more golden tasks, or a wider margin, would help."""


def repeats_to_decide(rows: list[Comparison], *, repeats: int) -> int | None:
    """Repeats after which every undecided gate would probably be decided.

    Args:
        rows: The gates of an inconclusive look.
        repeats: Repeats made so far, >= 1.

    Returns:
        A number larger than `repeats`, or None where no number would: a gate has no data,
        or its estimate is too close to its margin.

    Source:
        Runs grow with the square of the standard error to be had; docs/statistics.md.
    """
    undecided = [row for row in rows if row.margin is not None and row.result is Result.UNDECIDED]
    needed = [_for_one(row, repeats=repeats) for row in undecided]
    if not needed or None in needed:
        return None
    most = max(number for number in needed if number is not None)
    return None if most > MAX_REPEATS else max(most, repeats + 1)


def _for_one(row: Comparison, *, repeats: int) -> int | None:
    if row.change is None or row.allowed is None:
        return 3 if repeats < 3 else None
    if row.upper is None or row.lower is None or row.censored:
        return None
    scale = math.log if row.is_ratio and min(row.change, row.lower) > 0 else float
    room = abs(scale(row.allowed) - scale(row.change))
    error = (scale(row.upper) - scale(row.change)) / float(ndtri(row.levels.upper))
    wanted = room / float(ndtri(row.levels.upper) + ndtri(POWER))
    if wanted <= 0 or error <= 0:
        return None
    needed = repeats * (error / wanted) ** 2
    return math.ceil(needed) if needed < 10 * MAX_REPEATS else MAX_REPEATS + 1

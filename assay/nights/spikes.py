"""Tokens that jumped since the night before.

Tokens are counted with the cached ones: a provider's cache that misses makes the same work
dearer, and is said, but it is no spike in work.
"""

from collections.abc import Sequence

from assay.gates import Gates
from assay.nights.document import Figures, Movement

LEAST_RISE = {"mean": 0.25, "p95": 0.5}
"""Where the gate has no margin: its default."""
NOTABLE_CACHE_DROP = 0.1


def spike(since_last_night: Sequence[Movement], gates: Gates) -> str | None:
    """What jumped, in words: surely risen, and by more than its gate allows.

    Args:
        since_last_night: Movements of the active prompt since the night before.
        gates: For how much a rise is a spike.
    """
    allowed = {
        "mean": gates.mean_tokens or LEAST_RISE["mean"],
        "p95": gates.p95_tokens or LEAST_RISE["p95"],
    }
    found = [
        f"{'mean' if one.statistic == 'mean' else 'p95'} tokens x{one.active.change:.2f}"
        for one in since_last_night
        if one.metric == "total_tokens"
        and one.statistic in allowed
        and one.is_ratio
        and one.active.lower > 1
        and one.active.change > 1 + allowed[one.statistic]
    ]
    return f"{' and '.join(found)} since the night before" if found else None


def cache_note(before: Figures, now: Figures) -> str | None:
    """That the provider's cache was missed more often, which spend shows and tokens do not."""
    if before.cached_share is None or now.cached_share is None:
        return None
    if before.cached_share - now.cached_share < NOTABLE_CACHE_DROP:
        return None
    return (
        f"cached input tokens fell from {before.cached_share:.0%} to {now.cached_share:.0%}: "
        "dearer, but no more work"
    )

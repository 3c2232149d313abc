"""The explanation as JSON."""

from typing import Any

from assay.explain.cells import Group
from assay.explain.decomposition import Share
from assay.explain.explanation import Explanation
from assay.explain.page import headline

SCHEMA_VERSION = 1


def as_json(found: Explanation) -> dict[str, Any]:
    """All that the page says and more; what is not known is null."""
    cells = found.cells
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": _verdict(found),
        "reason": headline(found),
        "blamed": [str(each) for each in found.blamed],
        "cannot_tell": list(found.cannot_tell),
        "before": _group(cells.before),
        "after": _group(cells.after),
        "traffic_by": cells.traffic_by,
        "categories": len(cells.names),
        "effective_runs": cells.effective_runs,
        "told_at_the_same_time": sorted(str(each) for each in found.shown),
        "metrics": [
            {
                "metric": metric,
                "before": change.before,
                "after": change.after,
                "change": _share(change.total),
                "parts": {
                    str(found.parts[part]): _share(share) for part, share in change.parts.items()
                },
            }
            for metric, change in found.changes.items()
        ],
        "level": found.level,
        "notes": list(found.notes),
        "draws": found.draws,
        "seed": found.seed,
    }


def _verdict(found: Explanation) -> str:
    if found.cannot_tell:
        return "cannot tell"
    return "explained" if found.blamed else "no change"


def _group(group: Group) -> dict[str, Any]:
    return {
        "runs": group.runs,
        "left_out": group.left_out,
        "selected": group.words,
        "prompt_id": group.prompt_id,
        **group.environment,
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "estimate": share.estimate,
        "lower": share.lower,
        "upper": share.upper,
        "is_clear": share.is_clear,
    }

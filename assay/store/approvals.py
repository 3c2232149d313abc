"""Which evaluations wait for a person: read from their decisions, without heavy imports."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson

from assay.store.evaluations import EvaluationFolder

LOOKED_AT = 50
"""Newest evaluations that are looked at: old ones are past their deadline."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An evaluation that can still be approved."""

    evaluation_id: str
    candidate: str
    deadline: datetime
    """In UTC."""


def waiting(
    folders: Iterable[EvaluationFolder], *, config_sha256: str, now: datetime
) -> Iterator[Waiting]:
    """Those that `assay approve` would switch.

    Args:
        folders: Evaluations, newest first.
        config_sha256: Of the config as it is: any edit has made older decisions obsolete.
        now: With a time zone.
    """
    for folder in islice(folders, LOOKED_AT):
        found = _waiting(folder)
        if found is None or now > found.deadline:
            continue
        if (folder.header() or {}).get("config_sha256") == config_sha256:
            yield found


def _waiting(folder: EvaluationFolder) -> Waiting | None:
    try:
        kept: dict[str, Any] = orjson.loads(folder.decision.read_bytes())
        decisions: list[dict[str, Any]] = kept.get("decisions", [kept])
        awaits = [
            one for one in decisions if (one.get("approval") or {}).get("state") == "awaiting"
        ]
        if not awaits:
            return None
        deadline = datetime.fromisoformat(awaits[0]["approval"]["deadline"]).astimezone(UTC)
        candidate = "{name}:{version}".format(**awaits[0]["candidate"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # no verdict, nobody to approve, or damaged: none of it hides the others
    return Waiting(folder.evaluation_id, candidate, deadline)

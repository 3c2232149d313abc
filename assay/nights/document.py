"""What a night found: the JSON that is kept as its `decision.json`."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import TypeAdapter

from assay.decision.document import Part
from assay.decision.ranking import Outcome
from assay.records import PromptRef

SCHEMA_VERSION = 1


class NightVerdict(StrEnum):
    """What became of the active prompt since it was promoted."""

    UNCHANGED = "unchanged"
    DRIFT = "drift"
    """`active` and `rollback` moved alike: the model, a tool or the traffic did."""
    REGRESSION = "regression"
    """`active` got worse than `rollback` did."""
    UNCLEAR = "unclear"
    """`active` moved, and it cannot be told from what."""
    NO_REFERENCE = "no_reference"
    """There are no runs yet to hold tonight's against: these are kept for the next night."""
    NO_VERDICT = "no_verdict"
    """Too many runs were lost to the infrastructure, or a budget ended the night."""


class Moved(Part):
    """One prompt's metric in the kept runs and tonight."""

    kept: float | None
    tonight: float | None
    change: float
    """A ratio, or for success by how much the share fell."""
    lower: float
    upper: float


class Movement(Part):
    """One metric since the reference. Above 1 (for success above 0) is worse."""

    metric: str
    statistic: str
    is_ratio: bool
    is_gated: bool
    """Without a margin in `gates` it is reported, and bears on no verdict."""
    level: float
    """One-sided confidence of each limit."""
    active: Moved
    rollback: Moved | None
    excess: float | None = None
    """The active prompt's change over (for success: less) the rollback's."""
    excess_lower: float | None = None
    excess_upper: float | None = None
    finding: Literal["same", "drift", "regression", "unclear"]
    note: str | None = None


class Figures(Part):
    """One prompt tonight; golden tasks weigh the same. None where it is not known."""

    prompt: PromptRef
    runs: int
    infra_errors: int
    success: float | None
    mean_tokens: float | None
    p95_tokens: float | None
    mean_tool_calls: float | None
    mean_spend_usd: float | None
    p95_latency_s: float | None
    cached_share: float | None
    """Of the input tokens, those read from the provider's cache."""


class Reference(Part):
    """The kept runs that tonight's were held against."""

    evaluation_id: str
    at: datetime
    is_promotion: bool
    """Whether they were made when `active` was promoted; else on its first night."""


class Night(Part):
    """One night of the active prompt, beside the one to go back to."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["night"] = "night"
    evaluation_id: str
    at: datetime
    verdict: NightVerdict
    reason: str
    active: Figures
    rollback: Figures | None
    """None where `rollback` is the active version: then nothing tells drift from regression."""
    reference: Reference | None
    movements: tuple[Movement, ...] = ()
    spike: str | None = None
    """Tokens that jumped since the night before, in words."""
    notes: tuple[str, ...] = ()
    seconds: float
    spend_usd: float | None
    seed: int
    versions: dict[str, str]


Kept = Outcome | Night
"""What `decision.json` may hold."""

_KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)


def read_kept(text: str | bytes) -> Kept:
    """What an evaluation or a night ended with, read back."""
    return _KEPT.validate_json(text)

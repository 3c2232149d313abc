"""What is known of one canary: `results/canary/ID/state.json`.

Only `token_threshold`, which was fixed before the canary began, and whether somebody was told
are remembered; all the rest is computed anew from the logs at every look.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.durable import folder_lock, replace_file
from assay.history import CANARY_START, Entry

FOLDER = "canary"
"""In the results folder."""
MAX_STATE_BYTES = 1_000_000


class Outcome(StrEnum):
    """What a look found."""

    NO_CANARY = "no canary"
    NO_DATA = "no data"
    WATCHING = "watching"
    SHARE_RAISED = "share raised"
    PROMOTED = "promoted"
    AWAITING = "awaiting approval"
    """Nothing is left to be shown: a person makes it active, with `assay canary promote`."""
    ALARM = "alarm"
    BUDGET_SPENT = "budget spent"
    ENDED = "ended"
    """Another version was made active: there is nothing to compare it with any more."""


class MetricState(BaseModel):
    """One metric as far as the runs go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    """Key of `rollout.canary.gates`."""
    margin: float
    baseline_runs: int
    canary_runs: int
    """Those of which it is known."""
    baseline: float | None = None
    canary: float | None = None
    """Mean or share over these runs."""
    change: float | None = None
    """Ratio of the means, or difference of the shares; None where nothing can be said yet."""
    lower: float | None = None
    """Surely above this, on the scale of `change`."""
    upper: float | None = None
    """Surely below this."""
    is_shown: bool = False
    """Whether it is surely below its margin."""

    @property
    def is_silent(self) -> bool:
        """Whether no run of the canary says it."""
        return not self.canary_runs

    alarm_after: int | None = None
    """Canary runs after which it was surely above its margin."""


class StepState(BaseModel):
    """A share that the canary has, or has had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    since: datetime
    canary_runs: int
    baseline_runs: int
    """Routed since then, and before the next step."""


class CanaryState(BaseModel):
    """A canary at its last look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    canary_id: str
    version: str
    prompt_id: str
    baseline: str
    baseline_prompt_id: str
    share: float
    """By now."""
    began_at: datetime
    looked_at: datetime
    outcome: Outcome
    reason: str
    token_threshold: float | None = None
    """Fixed before the canary began."""
    alpha: float
    canary_runs: int = 0
    baseline_runs: int = 0
    other_runs: int = 0
    """Of any other prompt."""
    passed_over: dict[str, int] = {}
    """What of the logs was not taken, and how often."""
    spend_usd: float | None = None
    """What the canary's runs cost, as far as they say it; None where none does."""
    steps: tuple[StepState, ...] = ()
    metrics: tuple[MetricState, ...] = ()
    """Of the last step; on an alarm, of the step that raised it."""
    notes: tuple[str, ...] = ()
    told: bool = False
    """Whether the alarm was handed to whoever is told."""

    @property
    def is_no_worse(self) -> bool:
        """Whether it has shown that in every metric at the share that it has."""
        return bool(self.metrics) and all(each.is_shown for each in self.metrics)

    @property
    def cause(self) -> MetricState | None:
        """The metric that raised the alarm first."""
        fired = [each for each in self.metrics if each.alarm_after is not None]
        return min(fired, key=lambda each: each.alarm_after or 0, default=None)


def canary_id(beginning: Entry) -> str:
    """`20261125-043628-support-v14`: when a canary began, and of what."""
    version = beginning.canary.after.version if beginning.canary else None
    return id_of_canary(str(version), beginning.cause.at)


def id_of_canary(version: str, at: datetime) -> str:
    """The id of a canary that begins then."""
    return f"{at:%Y%m%d-%H%M%S}-{version.replace(':', '-')}"


def read_state(results: Path, name: str) -> CanaryState | None:
    """A canary's last state; None where there is none that can be read."""
    path = _path(results, name)
    try:
        with path.open("rb") as file:
            return CanaryState.model_validate_json(file.read(MAX_STATE_BYTES))
    except (OSError, ValidationError):
        return None


def last_state(results: Path, changes: Sequence[Entry]) -> CanaryState | None:
    """That of the canary that was begun last."""
    starts = [entry for entry in changes if entry.cause.action == CANARY_START]
    return read_state(results, canary_id(starts[-1])) if starts else None


def as_evidence(state: CanaryState) -> bytes:
    """What a look saw, as it is kept and hashed when it ends the canary."""
    return f"{state.model_copy(update={'told': False}).model_dump_json(indent=2)}\n".encode()


def evidence_name(sha256: str) -> str:
    """Of the file that keeps what a canary was raised or made active on."""
    return f"evidence-{sha256[:12]}.json"


def write_evidence(results: Path, state: CanaryState, name: str = "evidence.json") -> None:
    """Keep for good what a look acted on; a file that is there already stays.

    Args:
        results: The results folder.
        state: What the look saw.
        name: Of the file, in the canary's folder.

    Raises:
        OSError: It cannot be written.
        CannotEvaluate: Its folder is locked by somebody else.
    """
    path = folder_of(results, state) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(path.parent):
        if not path.exists():
            replace_file(path, as_evidence(state))


def write_state(results: Path, state: CanaryState) -> None:
    """Keep a canary's state, durably.

    Raises:
        OSError: It cannot be written.
        CannotEvaluate: Its folder is locked by somebody else.
    """
    path = _path(results, state.canary_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(path.parent):
        replace_file(path, f"{state.model_dump_json(indent=2)}\n".encode())


def folder_of(results: Path, state: CanaryState) -> Path:
    """Where all that is kept of a canary lies."""
    return _path(results, state.canary_id).parent


def _path(results: Path, name: str) -> Path:
    return results / FOLDER / name / "state.json"

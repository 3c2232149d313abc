"""A forecast as it is printed: the JSON of `assay plan`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from assay.records import PromptRef

SCHEMA_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recorded(_Part):
    """What the forecast rests on: recorded runs of the baseline."""

    evaluations: int
    runs: int
    golden_tasks: int
    """Of the plan, with enough runs to know their spread."""
    fewest_runs: int
    """Of a golden task among these; 0 where there is none."""


class ExpectedCost(_Part):
    """What an evaluation takes that ends after so many repeats; None where it is not known."""

    until: Literal["first_look", "typical", "all_repeats"]
    """`typical`: an unchanged prompt, on average."""
    repeats: float
    runs: int
    tokens: int | None
    spend_usd: float | None
    minutes: float | None


class Unchanged(_Part):
    """What becomes of a prompt that changes nothing: shares of simulated evaluations."""

    promote: float
    reject: float
    inconclusive: float
    promote_error: float
    """Monte Carlo standard error of `promote`."""
    mean_repeats: float
    simulations: int


class GateOutlook(_Part):
    """What one gate can tell. Rises are shares (0.5 is x1.5), a drop of success is in shares."""

    metric: str
    statistic: str
    margin: float
    certifies: float | None = None
    """Smallest rise that can be told from none with 80 % power: also the smallest margin that
    an unchanged prompt passes so often."""
    rejects: float | None = None
    """Smallest rise that fails this gate with 80 % power."""
    enough: bool | None = None
    """Whether the plan's repeats do for the margin; None where nothing is known."""
    repeats_needed: int | None = None
    """For the margin, at 80 % power; None where no number of repeats would do, or unknown."""
    note: str | None = None


class Forecast(_Part):
    """What an evaluation will cost and can show."""

    schema_version: int = SCHEMA_VERSION
    candidate: PromptRef
    baseline: PromptRef
    golden_tasks: int
    repeats: int
    looks: tuple[int, ...]
    """Repeats at each look."""
    recorded: Recorded | None
    """None: there is no history, and only the numbers of runs are known."""
    costs: tuple[ExpectedCost, ...]
    unchanged: Unchanged | None
    gates: tuple[GateOutlook, ...]
    seed: int
    notes: tuple[str, ...]
    """What a reader has to know of the figures."""

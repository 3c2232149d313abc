"""The decision as it is printed and kept: the JSON that users' scripts rely on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from assay.decision.comparison import Comparison
from assay.decision.failures import Finding, InvariantOutcome
from assay.decision.judges import heard
from assay.decision.looks import Look
from assay.decision.verdict import Judgement
from assay.gates import Scope
from assay.records import PromptRef

SCHEMA_VERSION = 1


class Part(BaseModel):
    """Part of a decision: frozen, and without keys that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Gate(Part):
    """One metric of both prompts, held to its margin."""

    metric: str
    statistic: str
    baseline: float | None
    candidate: float | None
    ratio: float | None = None
    """Candidate over baseline."""
    difference: float | None = None
    """For success: by how much the share fell. Else candidate less baseline."""
    lower: float | None
    """With confidence `lower_level` the change is above this; None as `upper`."""
    upper: float | None
    """With confidence `level` the change is below this; None without repeat variance."""
    level: float
    lower_level: float
    margin: float | None
    """None: reported, not gated."""
    result: Literal["pass", "fail", "undecided"]
    censored: bool = False
    """Budgets cut more than 1 % of an arm's runs short: the change is a bound; see `note`."""
    note: str | None = None
    """Why it cannot pass, or what a reader has to know of the figures."""
    top_tasks: tuple[str, ...] = ()
    """For p95: the golden tasks with the most runs above it."""


class Invariant(Part):
    """One bound; without a golden task it is the count over all of them, which is tested."""

    golden_task_id: str | None
    invariant: str
    baseline_violations: int
    candidate_violations: int
    critical: bool
    result: Literal["same", "broken"]


class Example(Part):
    """One failed run, for a person to see why."""

    run_id: str
    stop_reason: str
    failed_checks: tuple[str, ...]
    tool_calls: tuple[str, ...]
    """`tool(arguments)`, in order."""
    output: str | None
    """Its beginning."""


class Task(Part):
    """One golden task under both prompts."""

    golden_task_id: str
    critical: bool
    baseline_passes: int
    baseline_runs: int
    candidate_passes: int
    candidate_runs: int
    baseline_mean_tokens: float | None = None
    candidate_mean_tokens: float | None = None
    baseline_mean_tool_calls: float | None = None
    candidate_mean_tool_calls: float | None = None
    result: Literal["same", "fixed", "suspect", "broken", "unmeasured"]
    example: Example | None = None
    """Of a broken or suspect golden task: a run of the candidate that failed."""


class Runs(Part):
    """Runs by prompt, and how many of all the infrastructure lost."""

    baseline: int
    candidate: int
    infra_errors: int


class JudgedArm(Part):
    """What came of judging one prompt's runs."""

    runs: int
    """Judged: those that had not failed without judges."""
    undecided: int
    """Of these, the runs of which it is not known whether they succeeded."""
    agreement: float | None
    """Mean share of the judges that say what most say."""
    tokens: int | None
    """Of the judges, not of the agent."""
    spend_usd: float | None


class Judges(Part):
    """What judges did; it is in no other figure but success."""

    baseline: JudgedArm
    candidate: JudgedArm


class Needs(Part):
    """What would decide an inconclusive evaluation."""

    repeats_to_decide: int | None
    """At 80 % power; None where it is decided, or where no number of repeats would do."""
    advice: str | None = None
    """What would decide it, in words; None where it is decided."""


class LookTaken(Part):
    """One look at the runs on the way to the decision."""

    repeats: int
    alpha: float
    """One-sided error at which it judged."""
    verdict: Literal["promote", "reject", "inconclusive"]


class Switched(Part):
    """What `active` was, and is now."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True,
        serialize_by_alias=True,
    )  # fmt: skip

    before: str = Field(alias="from")
    after: str = Field(alias="to")


class BegunCanary(Part):
    """A version that a share of production's requests is answered with since."""

    version: str
    share: float


class Replayed(Part):
    """Which record answered for the world."""

    mode: Literal["tools", "all"]
    evaluation_id: str


class Approval(Part):
    """What a person has to say, or has said, before a promote is switched."""

    state: Literal["awaiting", "approved"]
    deadline: AwareDatetime
    """Until then it may be approved."""


class Decision(Part):
    """A verdict, its reason, and all that it rests on."""

    schema_version: int = SCHEMA_VERSION
    evaluation_id: str
    verdict: Literal["promote", "reject", "inconclusive"]
    reason: str
    candidate: PromptRef
    baseline: PromptRef
    scope: Scope = "golden_tasks"
    """What p95 and success are about; tails and means are about tasks like these in either."""
    gates: tuple[Gate, ...]
    invariants: tuple[Invariant, ...]
    tasks: tuple[Task, ...]
    runs: Runs
    rounds: int
    stopped_early: bool
    spend_usd: float | None
    """Of all runs; None when a price is not known."""
    judges: Judges | None = None
    """None where no golden task has a check that is judged."""
    seconds: float
    needs: Needs
    switched: Switched | None = None
    approval: Approval | None = None
    """None where nobody has to approve, or nothing is promoted."""
    canary: BegunCanary | None = None
    """Where a promote began a canary (`rollout.promote_to: canary`); nothing is switched then."""
    looks: tuple[LookTaken, ...] = ()
    """In order; the last one decided, or was the last there is."""
    seed: int
    versions: dict[str, str]
    allowed_different: tuple[str, ...] = ()
    """In what beside the prompt the arms were allowed to differ, and did."""
    faults_hash: str | None = None
    """Of what was made to go wrong on purpose; None where nothing was."""
    replayed: Replayed | None = None
    """None where the runs were made anew, and asked the world."""

    @property
    def awaits_approval(self) -> bool:
        """Whether a person has to say yes before it is switched."""
        return self.approval is not None and self.approval.state == "awaiting"

    @property
    def is_clear(self) -> bool:
        """Whether more runs are of no use: it promotes or rejects."""
        return self.verdict != "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFacts:
    """What a decision says of its evaluation beside the judgement."""

    evaluation_id: str
    rounds: int
    stopped_early: bool
    spend_usd: float | None
    seconds: float
    seed: int
    versions: Mapping[str, str]
    allowed_different: tuple[str, ...] = ()
    looks: tuple[LookTaken, ...] = ()
    faults_hash: str | None = None
    replayed: Replayed | None = None


def document(judgement: Judgement, facts: EvaluationFacts) -> Decision:
    """The judgement with its evaluation's facts, ready to be kept and printed."""
    arms = (judgement.baseline, judgement.candidate)
    return Decision(
        evaluation_id=facts.evaluation_id,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        candidate=judgement.candidate.prompt,
        baseline=judgement.baseline.prompt,
        scope=judgement.scope,
        gates=tuple(_gate(row) for row in judgement.comparisons),
        invariants=tuple(_invariant(one) for one in judgement.invariants),
        tasks=_tasks(judgement),
        runs=Runs(
            baseline=arms[0].n_runs,
            candidate=arms[1].n_runs,
            infra_errors=sum(int(arm.infra.sum()) for arm in arms),
        ),
        rounds=facts.rounds,
        stopped_early=facts.stopped_early,
        spend_usd=facts.spend_usd,
        judges=_judges(judgement),
        seconds=facts.seconds,
        needs=Needs(
            repeats_to_decide=judgement.needs.repeats if judgement.needs else None,
            advice=judgement.needs.advice if judgement.needs else None,
        ),
        seed=facts.seed,
        versions=dict(facts.versions),
        allowed_different=facts.allowed_different,
        looks=facts.looks,
        faults_hash=facts.faults_hash,
        replayed=facts.replayed,
    )


def _judges(judgement: Judgement) -> Judges | None:
    found = [heard(arm) for arm in (judgement.baseline, judgement.candidate)]
    arms = [
        JudgedArm(
            runs=one.runs,
            undecided=one.undecided,
            agreement=one.agreement,
            tokens=one.tokens,
            spend_usd=one.spend_usd,
        )
        for one in found
        if one is not None
    ]
    return Judges(baseline=arms[0], candidate=arms[1]) if len(arms) == len(found) else None


def looks_taken(looks: Sequence[Look]) -> list[LookTaken]:
    """The looks as a decision tells of them."""
    return [
        LookTaken(repeats=each.repeats, alpha=each.alpha, verdict=each.judgement.verdict.value)
        for each in looks
    ]


def _gate(row: Comparison) -> Gate:
    return Gate(
        metric=row.metric,
        statistic=row.statistic,
        baseline=row.baseline,
        candidate=row.candidate,
        ratio=row.change if row.is_ratio else None,
        difference=None if row.is_ratio else row.change,
        lower=row.lower,
        upper=row.upper,
        level=row.levels.upper,
        lower_level=row.levels.lower,
        margin=row.margin,
        result=row.result.value,
        censored=row.censored,
        note=row.obstacle or row.note,
        top_tasks=row.top_tasks,
    )


def _invariant(one: InvariantOutcome) -> Invariant:
    return Invariant(
        golden_task_id=one.task.id if one.task else None,
        invariant=one.invariant,
        baseline_violations=one.baseline_violations,
        candidate_violations=one.candidate_violations,
        critical=one.task is not None and one.task.critical,
        result="broken" if one.finding is Finding.REJECTS else "same",
    )


def _tasks(judgement: Judgement) -> tuple[Task, ...]:
    n = len(judgement.tasks)
    means = {
        f"{role}_mean_{name}": arm.mean_by_task(metric, n_tasks=n)
        for role, arm in (("baseline", judgement.baseline), ("candidate", judgement.candidate))
        for name, metric in (("tokens", "total_tokens"), ("tool_calls", "tool_calls"))
    }
    return tuple(
        Task(
            golden_task_id=one.task.id,
            critical=one.task.critical,
            baseline_passes=one.baseline_passes,
            baseline_runs=one.baseline_runs,
            candidate_passes=one.candidate_passes,
            candidate_runs=one.candidate_runs,
            result=one.finding.value,
            **{name: by_task[i] for name, by_task in means.items()},
        )
        for i, one in enumerate(judgement.tasks)
    )

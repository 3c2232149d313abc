"""What `assay.yaml` may hold: every key with its type, its default and its meaning."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from assay.agent_sections import AgentSection, BuiltinSection, Count
from assay.endpoints import Command
from assay.errors import AssayError
from assay.fault_sections import ToolFaults
from assay.gates import Gates
from assay.golden_section import GoldenSection
from assay.judge_section import JudgeSection
from assay.monitor_section import MonitorSection
from assay.onceonly_section import OnceOnlySection
from assay.prompts import parse_ref
from assay.receivers import Receiver
from assay.validation import Section, Several, Text, refusal


def _checked_ref(ref: str) -> str:
    try:
        parse_ref(ref)
    except AssayError as refused:
        raise refusal(refused.problem, mend=refused.mend) from None
    return ref


Ref = Annotated[str, AfterValidator(_checked_ref)]
"""A prompt version as `name:version`."""


Amount = Annotated[float, Field(gt=0)]
Margin = Annotated[float | None, Field(gt=0)]
"""Of a ratio: 0.25 allows x1.25."""
Share = Annotated[float | None, Field(gt=0, le=1)]
"""In points: 0.05 allows five of them."""


class Prompts(Section):
    """Which prompt versions are in use."""

    active: Ref = Field(examples=["support:v13"])
    """The version that production uses, and the baseline of an evaluation."""
    rollback: Ref = Field(examples=["support:v12"])
    """The version that `assay rollback` makes active; the active one if there is no other."""
    require_prompt_id: bool = True
    """Refuse runs that do not carry the prompt's id."""
    directory: Text = "prompts"
    """Folder of NAME/VERSION.md, from the configuration's folder."""
    candidates: Several[Ref] = ()
    """Versions under evaluation."""


class GoldenTesting(Section):
    """Which golden tasks are run, and how often."""

    golden_tasks: Several[dict[str, Any]] = ()
    """Golden tasks given here; a key given here wins over the golden file's."""
    golden_files: Several[Text] = ("golden/*.jsonl",)
    """JSONL files of golden tasks, or patterns, from the configuration's folder."""
    repeats: Count = 20
    """Runs of each golden task by each prompt, at most."""
    rounds: Several[Count] = (3, 5, 8, 12, 20)
    """Repeats after which the runs are looked at; a clear verdict ends the evaluation there."""
    max_infra_error_share: float = Field(default=0.05, ge=0, le=1)
    """Share of runs lost to the infrastructure above which there is no verdict."""
    seed: int = Field(default=0, ge=0)
    """Of everything random in an evaluation."""
    faults: dict[Text, ToolFaults] = Field(
        default_factory=dict, examples=[{"kb.search": {"error_rate": 0.1}}]
    )
    """What goes wrong on purpose, by tool of the built-in agent."""


class Nightly(Section):
    """What a scheduled nightly run does."""

    repeats: Annotated[int, Field(ge=3)] = 5
    """Runs of each golden task by `active` and by `rollback`, each night."""
    candidate_nights: Count = 3
    """Nights that one of `prompts.candidates` may take, `testing.repeats` each, with one error
    spent over all of them."""


class EvaluationBudgets(Section):
    """Limits of a whole evaluation; empty is no limit."""

    max_runs: Count | None = None
    """Runs in all."""
    max_tokens: Count | None = None
    """Tokens of all runs, input and output."""
    max_spend_usd: Amount | None = None
    """US dollars for all runs."""


class Budgets(Section):
    """Limits of one run, enforced while it goes on; empty is no limit."""

    max_steps: Count = 25
    """Requests to the model."""
    max_tool_calls: Count = 12
    """Tool calls made."""
    max_seconds: Amount = 60.0
    """Seconds of work, without queueing and without waiting out a rate limit."""
    max_tokens: Count | None = None
    """Input and output tokens."""
    max_spend_usd: Amount | None = None
    """US dollars; needs a model whose price is known."""
    evaluation: EvaluationBudgets = EvaluationBudgets()
    """Limits of a whole evaluation."""

    @model_validator(mode="after")
    def _an_evaluation_has_room_for_a_run(self) -> "Budgets":
        for name in ("max_tokens", "max_spend_usd"):
            one, whole = getattr(self, name), getattr(self.evaluation, name)
            if one is not None and whole is not None and one > whole:
                raise refusal(
                    f"one run may use {name} {one:g}, the whole evaluation only {whole:g}",
                    mend=f"lower budgets.{name}: no run would be started",
                    at=(name,),
                )
        return self


class Observability(Section):
    """What production says about itself."""

    log_prompt_id: bool = True
    """Put the prompt's id into every log line and span."""
    alert_on_token_spike: bool = False
    """Raise an alert when tokens per run jump."""


class Execution(Section):
    """How runs are made."""

    max_concurrency: Count = 16
    """Runs at the same time."""
    engine: Literal["local"] = "local"
    """Where runs are made."""
    attempts: Count = 5
    """Requests made for one answer of the model, counting the first; a refusal for the load (429)
    does not count while the provider answers others."""
    request_timeout_s: Amount | None = None
    """Seconds after which a request is given up and made again; empty is half of
    `budgets.max_seconds`, at least 10. `agent.kind: http`, where a request is the whole run,
    has it only if it is given here."""
    requests_per_minute: Count | None = None
    """Requests to one provider's model in any minute, at most; empty is no limit."""
    tokens_per_minute: Count | None = None
    """Tokens of one provider's model in any minute, at most; estimated before a request, and
    corrected after it. Empty is no limit."""


class Results(Section):
    """Where runs are kept."""

    uri: Text = "results"
    """Folder, from the configuration's folder."""


def _several(value: object) -> object:
    """A list whose items are all commented out is read as null; it is empty."""
    return () if value is None else value


class CanaryGates(Section):
    """How much worse a canary may be in production; empty is not watched.

    `mean_tokens`, `mean_tool_calls` and `success_drop` left out are those of `gates`.
    """

    mean_tokens: Margin = None
    """Rise of mean tokens per run."""
    mean_tool_calls: Margin = None
    """Rise of mean tool calls per run."""
    mean_spend: Margin = 0.25
    """Rise of mean spend per run, where the log says it."""
    mean_latency: Margin = 0.25
    """Rise of mean seconds per run, where the log says them."""
    p95_exceedance: Share = 0.05
    """Rise of the share of runs above `token_threshold`: 0.05 is five points."""
    error_share: Share = 0.05
    """Rise of the share of runs that end in `agent_error` or `infra_error`."""
    stop_share: Share = 0.05
    """Rise of the share of runs that a budget, a denied tool or a loop stopped."""
    success_drop: Share = None
    """Drop of the share of successful runs, where the log says it."""

    def or_else(self, gates: Gates) -> dict[str, float]:
        """The margin of everything that is watched."""
        own = self.model_dump()
        taken = {
            key: getattr(gates, key) for key in _FROM_GATES if key not in self.model_fields_set
        }
        return {key: margin for key, margin in (own | taken).items() if margin is not None}


_FROM_GATES = ("mean_tokens", "mean_tool_calls", "success_drop")


class CanarySection(Section):
    """A version that a share of production's requests is answered with, and how it is watched."""

    version: Ref | None = Field(default=None, examples=["support:v14"])
    """Written by `assay canary start`; null without one."""
    share: float = Field(default=0.05, ge=0, le=1)
    """Of requests; written by `assay canary start`."""
    run_log: Text | None = Field(default=None, examples=["logs/runs-*.jsonl"])
    """Production's run logs, a path or a pattern, from the configuration's folder."""
    columns: dict[str, Text] = Field(default_factory=dict)
    """Our column: the log's, such as `total_tokens: usage`; others are guessed."""
    gates: CanaryGates = CanaryGates()
    """How much worse it may be."""
    token_threshold: Amount | None = None
    """Tokens of a dear run, for `p95_exceedance`; empty takes the p95 of the active version's
    logged runs before the canary."""
    max_spend_usd: Amount | None = None
    """US dollars that the canary may cost; once they are spent it ends, without an alarm."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance of a false alarm over all metrics, all looks and all steps of a canary."""
    steps: Several[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=(), examples=[[0.05, 0.2, 0.5]]
    )
    """Shares that it goes through, and after the last it is made active; without them it stays
    at its share until somebody ends it."""
    step_runs: Count = 200
    """Canary runs that each step takes, at least."""
    step_hours: float = Field(default=1.0, ge=0, le=8760)
    """Hours that each step takes, at least."""
    promote_alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance that a step is passed by a canary that is worse by a whole margin."""

    @model_validator(mode="after")
    def _the_steps_rise(self) -> "CanarySection":
        if any(low >= high for low, high in pairwise(self.steps)):
            raise refusal(
                "steps must rise", mend="write them in order: [0.05, 0.2, 0.5]", at=("steps",)
            )
        return self


class Rollout(Section):
    """How a promote becomes what production uses; read from the file alone."""

    approval: Literal["automatic", "manual"] = "automatic"
    """`manual`: a promote verdict waits for `assay approve` before anything is switched."""
    approval_hours: float = Field(default=72.0, gt=0, le=8760)
    """Hours after the verdict in which it may be approved."""
    nightly_switch: bool = False
    """Whether a promote verdict of the nightly run switches."""
    after_switch: Command | None = Field(
        default=None, examples=["scripts/commit_switch", ["scripts/commit_switch", "--push"]]
    )
    """Command that is run after every switch, in the configuration's folder, without a shell."""
    frozen: bool = False
    """Kill switch: production answers everything with the last good version, without a canary;
    nothing is promoted, and `assay rollback` goes on working."""
    promote_to: Literal["active", "canary"] | None = None
    """`canary`: a promote verdict begins a canary, which is made active once it has shown itself
    no worse. Empty: `canary` where `canary.steps` are configured, else `active`."""
    canary: CanarySection = CanarySection()
    """A version beside the active one in production."""
    monitors: MonitorSection = MonitorSection()
    """What production may use."""

    @model_validator(mode="after")
    def _a_canary_is_guarded(self) -> "Rollout":
        if self.begins_canaries and self.canary.run_log is None:
            raise refusal(
                "a promote begins a canary, but no run log is named: nothing would guard it",
                mend="set rollout.canary.run_log, such as logs/runs-*.jsonl",
                at=("promote_to",) if self.promote_to else ("canary", "steps"),
            )
        return self

    @property
    def begins_canaries(self) -> bool:
        """Whether a promote verdict begins a canary."""
        return self.promote_to == "canary" or (self.promote_to is None and bool(self.canary.steps))


class ConfigFile(Section):
    """Assay's configuration: one file per agent."""

    prompts: Prompts = Field(examples=[{"active": "support:v13", "rollback": "support:v12"}])
    testing: GoldenTesting = GoldenTesting()
    budgets: Budgets = Budgets()
    observability: Observability = Observability()
    agent: AgentSection = BuiltinSection()
    """How the agent under test is reached."""
    judge: JudgeSection = JudgeSection()
    """The model that decides `llm-rubric` checks."""
    gates: Gates = Gates()
    golden: GoldenSection = GoldenSection()
    nightly: Nightly = Nightly()
    execution: Execution = Execution()
    results: Results = Results()
    alerts: Annotated[Several[Receiver], BeforeValidator(_several)] = ()
    """Who is told when something happens."""
    rollout: Rollout = Rollout()
    onceonly: OnceOnlySection = OnceOnlySection()

    @model_validator(mode="after")
    def _has_faults_where_it_has_tools(self) -> "ConfigFile":
        if self.testing.faults and not isinstance(self.agent, BuiltinSection):
            raise refusal(
                f"faults are put into the tools of the built-in agent, not of {self.agent.kind!r}",
                mend="remove testing.faults, and let the agent's own tools fail",
                at=("testing", "faults"),
            )
        return self

    @model_validator(mode="after")
    def _logs_what_it_requires(self) -> "ConfigFile":
        if self.prompts.require_prompt_id and not self.observability.log_prompt_id:
            raise refusal(
                "log_prompt_id is false, but prompts.require_prompt_id is true",
                mend="set log_prompt_id: true, or prompts.require_prompt_id: false",
                at=("observability", "log_prompt_id"),
            )
        return self

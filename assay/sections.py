"""What `assay.yaml` may hold: every key with its type, its default and its meaning."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from assay.after_switch import split_command
from assay.errors import AssayError
from assay.gates import Gates
from assay.prompts import parse_ref
from assay.receivers import Receiver
from assay.token_prices import ModelPrices
from assay.validation import Section, Several, Text, refusal
from assay.variables import VariableName


def _checked_ref(ref: str) -> str:
    try:
        parse_ref(ref)
    except AssayError as refused:
        raise refusal(refused.problem, mend=refused.mend) from None
    return ref


Ref = Annotated[str, AfterValidator(_checked_ref)]
"""A prompt version as `name:version`."""


def _split(command: object) -> object:
    if not isinstance(command, str):
        return command
    try:
        return split_command(command)
    except ValueError as unclosed:
        raise refusal(
            f"rollout.after_switch: {unclosed}", mend="close it, or write a list of words"
        ) from None


Command = Annotated[
    Several[Text],
    Field(min_length=1),
    BeforeValidator(_split, json_schema_input_type=str | list[str]),
]
"""A program and its arguments: a list, or one string that is split as a shell splits it."""

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0)]


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


class AgentSection(Section):
    """Which agent is evaluated, on which model, with which tools."""

    kind: Literal["builtin"] = "builtin"
    """How the agent is reached."""
    name: Text = "builtin"
    """As stored with each run."""
    model: Text = "scripted"
    """`scripted` (an offline simulation), `local`, or a model's name such as `openai:gpt-5`."""
    base_url: str | None = None
    """Address of an OpenAI-compatible server, where it is not the provider's own."""
    api_key_env: VariableName | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    model_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of each request, such as `temperature`."""
    tools: Text | None = None
    """Python file that defines the tools, from the configuration's folder."""
    allowed_tools: Several[Text] | None = None
    """The only tools that a run may call; empty allows all of them."""
    max_calls_per_tool: dict[str, Count] = Field(default_factory=dict)
    """Calls of one run, by tool."""
    prices: dict[str, ModelPrices] = Field(default_factory=dict)
    """Prices by `agent.model`, used before those of genai-prices."""

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and not _is_http_url(url):
            # Without the address: it may hold a password.
            raise refusal("agent.base_url is not an address", mend="begin it with https://")
        return url


class Execution(Section):
    """How runs are made."""

    max_concurrency: Count = 16
    """Runs at the same time."""
    engine: Literal["local"] = "local"
    """Where runs are made."""
    attempts: Count = 3
    """Requests made for one answer of the model, counting the first."""


class Results(Section):
    """Where runs are kept."""

    uri: Text = "results"
    """Folder, from the configuration's folder."""


def _several(value: object) -> object:
    """A list whose items are all commented out is read as null; it is empty."""
    return () if value is None else value


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


class ConfigFile(Section):
    """Assay's configuration: one file per agent."""

    prompts: Prompts = Field(examples=[{"active": "support:v13", "rollback": "support:v12"}])
    testing: GoldenTesting = GoldenTesting()
    budgets: Budgets = Budgets()
    observability: Observability = Observability()
    agent: AgentSection = AgentSection()
    gates: Gates = Gates()
    nightly: Nightly = Nightly()
    execution: Execution = Execution()
    results: Results = Results()
    alerts: Annotated[Several[Receiver], BeforeValidator(_several)] = ()
    """Who is told when something happens."""
    rollout: Rollout = Rollout()

    @model_validator(mode="after")
    def _logs_what_it_requires(self) -> "ConfigFile":
        if self.prompts.require_prompt_id and not self.observability.log_prompt_id:
            raise refusal(
                "log_prompt_id is false, but prompts.require_prompt_id is true",
                mend="set log_prompt_id: true, or prompts.require_prompt_id: false",
                at=("observability", "log_prompt_id"),
            )
        return self


def _is_http_url(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        return False

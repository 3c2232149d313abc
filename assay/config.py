"""`assay.yaml` as frozen models: the agent, its prompts, its budgets and its gates.

Run as a module, it rewrites the JSON Schema that ships with the package.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from assay.decision import Gates
from assay.documents import Document, Location, parse_yaml, read_bytes
from assay.environment import overlay
from assay.errors import AssayError, InputError
from assay.prompts import parse_ref
from assay.validation import Place, Section, Several, Text, refusal, validated

SCHEMA_PATH = Path(__file__).with_name("assay.schema.json")


def _checked_ref(ref: str) -> str:
    try:
        parse_ref(ref)
    except AssayError as refused:
        raise refusal(refused.problem, mend=refused.mend) from None
    return ref


Ref = Annotated[str, AfterValidator(_checked_ref)]
"""A prompt version as `name:version`."""

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0)]


class Prompts(Section):
    """Which prompt versions are in use."""

    active: Ref = Field(examples=['"support:v13"'])
    """The version that production uses, and the baseline of an evaluation."""
    rollback: Ref = Field(examples=['"support:v12"'])
    """The version that `assay rollback` makes active; the active one if there is no other."""
    require_prompt_id: bool = True
    """Refuse runs that do not carry the prompt's id."""
    directory: Text = "prompts"
    """Folder of NAME/VERSION.md, from the configuration's folder."""
    candidates: Several[Ref] = ()
    """Versions under evaluation."""


class Testing(Section):
    """Which golden tasks are run, and how often."""

    golden_tasks: Several[dict[str, Any]] = ()
    """Golden tasks given here; a key given here wins over the golden file's."""
    golden_files: Several[Text] = ("golden/*.jsonl",)
    """JSONL files of golden tasks, or patterns, from the configuration's folder."""
    repeats: Count = 20
    """Runs of each golden task by each prompt, at most."""
    max_infra_error_share: float = Field(default=0.05, ge=0, le=1)
    """Share of runs lost to the infrastructure above which there is no verdict."""
    seed: int = Field(default=0, ge=0)
    """Of everything random in an evaluation."""


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
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    model_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of each request, such as `temperature`."""
    tools: Text | None = None
    """Python file that defines the tools, from the configuration's folder."""
    allowed_tools: Several[Text] | None = None
    """The only tools that a run may call; empty allows all of them."""
    max_calls_per_tool: dict[str, Count] = Field(default_factory=dict)
    """Calls of one run, by tool."""

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and not _is_http_url(url):
            # Without the address: it may hold a password.
            raise refusal("agent.base_url is not an address", mend="begin it with https://")
        return url

    @field_validator("api_key_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not (name.isascii() and name.isidentifier()):
            # Without the value: it is most likely the key itself.
            raise refusal(
                "agent.api_key_env is not the name of an environment variable",
                mend="put the key into a variable, and that variable's name here",
            )
        return name


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


class ConfigFile(Section):
    """Assay's configuration: one file per agent."""

    prompts: Prompts = Field(examples=['{active: "support:v13", rollback: "support:v12"}'])
    testing: Testing = Testing()
    budgets: Budgets = Budgets()
    observability: Observability = Observability()
    agent: AgentSection = AgentSection()
    gates: Gates = Gates()
    execution: Execution = Execution()
    results: Results = Results()

    @model_validator(mode="after")
    def _logs_what_it_requires(self) -> "ConfigFile":
        if self.prompts.require_prompt_id and not self.observability.log_prompt_id:
            raise refusal(
                "log_prompt_id is false, but prompts.require_prompt_id is true",
                mend="set log_prompt_id: true, or prompts.require_prompt_id: false",
                at=("observability", "log_prompt_id"),
            )
        return self


class Config(ConfigFile):
    """The configuration and where it came from."""

    path: Path
    """Absolute."""
    sha256: str
    """Of the file's bytes, 64 hex digits."""

    @property
    def folder(self) -> Path:
        """What the paths in the configuration start from."""
        return self.path.parent

    @property
    def tools_path(self) -> Path | None:
        """The Python file of the agent's tools."""
        return None if self.agent.tools is None else self.folder / self.agent.tools


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read `assay.yaml` and its environment twins.

    Args:
        path: The file, as the user named it.
        environ: The environment; its `ASSAY_SECTION__KEY` win over the file's keys.

    Raises:
        InputError: The file is missing or wrong, or a variable is.
    """
    mend = "run in the folder that holds assay.yaml, or name it with -c"
    raw = read_bytes(path, mend=mend)
    document = parse_yaml(raw, path=path)
    if not isinstance(document.value, dict):
        problem = "the file is not a mapping of sections"
        raise InputError(problem, path=path, line=1, mend="begin with `prompts:`")
    value = _without_empty_sections(document.value, ConfigFile)
    origins = overlay(value, environ=environ, model=ConfigFile)
    file = validated(
        ConfigFile,
        value,
        subject="the file",
        place=lambda location: _place(location, document=document, origins=origins),
    )
    sections = {name: getattr(file, name) for name in ConfigFile.model_fields}
    return Config(**sections, path=path.absolute(), sha256=hashlib.sha256(raw).hexdigest())


def schema_text() -> str:
    """The JSON Schema of `assay.yaml`, as it ships."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ConfigFile.model_json_schema(),
        "title": "assay.yaml",
    }
    return json.dumps(schema, indent=2) + "\n"


def _without_empty_sections(value: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A section whose keys are all commented out is read as null; it has its defaults."""
    kept = dict(value)
    for name, field in model.model_fields.items():
        inner, section = value.get(name), field.annotation
        if name in value and isinstance(section, type) and issubclass(section, BaseModel):
            if inner is None:
                del kept[name]
            elif isinstance(inner, dict):
                kept[name] = _without_empty_sections(inner, section)
    return kept


def _place(location: Location, *, document: Document, origins: Mapping[Location, str]) -> Place:
    for length in range(len(location), 0, -1):
        if (variable := origins.get(location[:length])) is not None:
            return Place(variable=variable)
    return Place(path=document.path, line=document.line(location))


def _is_http_url(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        return False


if __name__ == "__main__":
    SCHEMA_PATH.write_text(schema_text(), encoding="utf-8")

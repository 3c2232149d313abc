"""What `agent` in `assay.yaml` may be: one section for each way to reach an agent."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from assay.endpoints import Address, Command, HeaderName, HttpUrl
from assay.mcp_sections import McpServer, ServerName
from assay.proxy_section import ProxySection
from assay.token_prices import ModelPrices
from assay.validation import Section, Several, Text, refusal
from assay.variables import VariableName

Count = Annotated[int, Field(gt=0)]

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TELL_PROMPTS_APART = frozenset({"system_prompt", "prompt_text", "prompt_id"})
"""An agent that is told none of these cannot know which prompt is under test."""
TOLD = TELL_PROMPTS_APART | {"input", "run_id", "seed", "budgets", "metadata"}
"""What an agent is told of a run; `assay.agents.request` has the meanings."""
BASE_URL = "base_url"
"""What it is told beside, where the proxy stands between it and its model."""
_ENTRYPOINT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SECRET_HEADER = re.compile(r"auth|cookie|key|secret|token|password", re.IGNORECASE)


def _checked_entrypoint(entrypoint: str) -> str:
    is_file = entrypoint.partition(":")[0].endswith(".py")
    if is_file or not _ENTRYPOINT.fullmatch(entrypoint):
        raise refusal(
            "is not package.module:function",
            mend="write one such as support.agent:run, without .py",
            of_key=True,
        )
    return entrypoint


def _checked_path(path: str) -> str:
    import jmespath  # only who evaluates an agent behind HTTP needs it

    path = path.removeprefix("$").removeprefix(".")
    try:
        jmespath.compile(path)
    except jmespath.exceptions.JMESPathError:
        raise refusal(
            "is not a JMESPath expression",
            mend="write one such as choices[0].message.content",
            of_key=True,
        ) from None
    return path


Entrypoint = Annotated[str, AfterValidator(_checked_entrypoint)]
JmesPath = Annotated[Text, AfterValidator(_checked_path)]


class BuiltinSection(Section):
    """Assay's own tool loop, on a model."""

    kind: Literal["builtin"] = "builtin"
    """How the agent is reached."""
    name: Text = "builtin"
    """As stored with each run."""
    model: Text = "scripted"
    """`scripted` (an offline simulation), `local`, or a model's name such as `openai:gpt-5`."""
    base_url: Address | None = None
    """Address of an OpenAI-compatible server, where it is not the provider's own."""
    api_key_env: VariableName | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    model_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of each request, such as `temperature`."""
    tools: Text | None = None
    """Python file that defines the tools, from the configuration's folder."""
    mcp_servers: dict[ServerName, McpServer] = Field(default_factory=dict)
    """Servers of further tools, by name; these are called `NAME.TOOL`."""
    allowed_tools: Several[Text] | None = None
    """The only tools that a run may call; empty allows all of them."""
    blocked_tools: Several[Text] = ()
    """Tools that are never offered nor called."""
    max_calls_per_tool: dict[str, Count] = Field(default_factory=dict)
    """Calls of one run, by tool."""
    prices: dict[str, ModelPrices] = Field(default_factory=dict)
    """Prices by `agent.model`, used before those of genai-prices."""

    @model_validator(mode="after")
    def _allows_no_blocked_tool(self) -> "BuiltinSection":
        both = sorted(set(self.allowed_tools or ()).intersection(self.blocked_tools))
        if both:
            raise refusal(
                f"{both[0]!r} is both allowed and blocked",
                mend="remove it from agent.allowed_tools or from agent.blocked_tools",
                at=("blocked_tools",),
            )
        return self


class _ForeignSection(Section):
    """What all agents have that are not ours."""

    model: Text = "unknown"
    """The model that the agent uses, as stored with each run."""
    proxy: ProxySection | None = None
    """The recording proxy; empty lets the agent go to its model by itself."""
    inject_prompt: bool = False
    """Put the system prompt under test into each request to the model, in place of the agent's."""
    prices: dict[str, ModelPrices] = Field(default_factory=dict)
    """Prices by the model's name in the requests, used before those of genai-prices."""

    @model_validator(mode="after")
    def _sees_what_it_changes(self) -> Self:
        for key in ("inject_prompt", "prices"):
            if getattr(self, key) and self.proxy is None:
                raise refusal(
                    f"agent.{key} is set, but without agent.proxy no request is seen",
                    mend="add agent.proxy, with the provider whose client the agent uses",
                    at=(key,),
                )
        return self


class PythonSection(_ForeignSection):
    """A Python function, in processes of its own."""

    kind: Literal["python"]
    """How the agent is reached."""
    name: Text = "python"
    """As stored with each run."""
    entrypoint: Entrypoint = Field(examples=["support.agent:run"])
    """The function, as `package.module:function`; modules are looked for in the
    configuration's folder first."""
    processes: Count | None = None
    """Processes at most; empty for one a core, or four a core where the function is not async."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Handed to the function, if it takes `config`."""

    def __str__(self) -> str:
        return f"python {self.entrypoint}"


class HttpResponse(Section):
    """Where in the answer's JSON things are, as JMESPath; what is not found is unknown."""

    output: JmesPath = "output"
    """The text."""
    input_tokens: JmesPath = "input_tokens"
    """Tokens read, cached ones included."""
    output_tokens: JmesPath = "output_tokens"
    """Tokens written."""
    cached_tokens: JmesPath = "cached_tokens"
    """Those of the tokens read that came from a cache."""
    reasoning_tokens: JmesPath = "reasoning_tokens"
    """Those of the tokens written that are no answer."""
    total_tokens: JmesPath = "total_tokens"
    """Tokens read and written; their sum where it is not found."""
    steps: JmesPath = "steps"
    """Requests made to the model."""
    tool_calls: JmesPath = "tool_calls"
    """A number, or a list of `{tool, arguments}`."""
    spend_usd: JmesPath = "spend_usd"
    """US dollars."""
    stop_reason: JmesPath = "stop_reason"
    """Why the run ended; `finish` where it is not found."""
    error: JmesPath = "error"
    """What went wrong; a run that has one is an `agent_error` unless it says another reason."""


_BODY = {
    "input": "{{input}}",
    "system_prompt": "{{system_prompt}}",
    "prompt_id": "{{prompt_id}}",
    "run_id": "{{run_id}}",
}


class HttpSection(_ForeignSection):
    """An agent behind HTTP: one POST a run."""

    kind: Literal["http"]
    """How the agent is reached."""
    name: Text = "http"
    """As stored with each run."""
    url: HttpUrl = Field(examples=["http://127.0.0.1:8000/runs"])
    """Where each run is posted to."""
    headers: dict[HeaderName, str] = Field(default_factory=dict)
    """Headers of each request; those that hold a secret belong in `headers_env`."""
    headers_env: dict[HeaderName, VariableName] = Field(default_factory=dict)
    """Headers whose whole value is in an environment variable, by that variable's name."""
    api_key_env: VariableName | None = None
    """Name of the environment variable whose value is sent as a bearer token."""
    body: dict[str, Any] = Field(default_factory=lambda: dict(_BODY))
    """What is posted as JSON; `{{input}}` and its like in its texts are replaced."""
    response: HttpResponse = HttpResponse()
    """Where in the answer things are."""

    @field_validator("headers")
    @classmethod
    def _holds_no_secret(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in headers.items():
            if not value.isprintable():
                raise refusal(f"the header {name} holds a control character", at=(name,))
            if _SECRET_HEADER.search(name):
                raise refusal(
                    f"the header {name} would hold a secret",
                    mend="name its variable in agent.headers_env, or in agent.api_key_env",
                    at=(name,),
                )
        return headers

    @model_validator(mode="after")
    def _tells_the_run(self) -> Self:
        known = TOLD if self.proxy is None else TOLD | {BASE_URL}
        told = set()
        for at, name in _placeholders(self.body):
            if name not in known:
                words = ", ".join(f"{{{{{each}}}}}" for each in sorted(known))
                problem = f"{{{{{name}}}}} stands for nothing"
                raise refusal(problem, mend=f"use: {words}", at=("body", *at))
            told.add(name)
        if "input" not in told:
            raise refusal(
                "agent.body has no {{input}}", mend='add "input": "{{input}}"', at=("body",)
            )
        if told.isdisjoint(TELL_PROMPTS_APART) and not self.inject_prompt:
            raise refusal(
                "agent.body does not say which prompt is under test",
                mend='add "system_prompt": "{{system_prompt}}"',
                at=("body",),
            )
        if self.proxy is not None and BASE_URL not in told:
            raise refusal(
                "agent.body does not say where the proxy is",
                mend='add "base_url": "{{base_url}}", and let the service send its requests there',
                at=("body",),
            )
        return self

    def __str__(self) -> str:
        where = urlsplit(self.url)
        return f"http {where.hostname}{where.path}"  # a query may hold what is not to be shown


class CommandSection(_ForeignSection):
    """A program: a process for each run, or some that live on."""

    kind: Literal["command"]
    """How the agent is reached."""
    name: Text = "command"
    """As stored with each run."""
    command: Command = Field(examples=["node agent.js", ["node", "agent.js"]])
    """The program and its arguments, run in the configuration's folder without a shell."""
    output: Literal["json", "text"] = "json"
    """Whether standard output is one JSON object, or the answer's text."""
    pool: Count | None = None
    """Processes that live on and take one line of JSON for each run; empty starts one a run."""

    @model_validator(mode="after")
    def _talks_json_in_a_pool(self) -> Self:
        if self.pool is not None and self.output == "text":
            raise refusal(
                "agent.output is text, which has no end that a pool could see",
                mend="remove agent.pool, or answer with lines of JSON",
                at=("output",),
            )
        return self

    @model_validator(mode="after")
    def _knows_the_base_url(self) -> Self:
        for at, name in _placeholders(list(self.command)):
            if name == BASE_URL and (self.proxy is None or self.pool is not None):
                why = "agent.proxy" if self.proxy is None else "a process for each run"
                raise refusal(
                    f"{{{{base_url}}}} stands for nothing without {why}",
                    mend="remove it; with agent.pool, each line has a base_url",
                    at=("command", *at),
                )
        return self

    def __str__(self) -> str:
        return f"command {self.command[0]}"


def _kind_or_builtin(value: object) -> object:
    return {"kind": "builtin", **value} if isinstance(value, dict) else value


ForeignSection = PythonSection | HttpSection | CommandSection

AgentSection = Annotated[
    BuiltinSection | PythonSection | HttpSection | CommandSection,
    Field(discriminator="kind"),
    BeforeValidator(_kind_or_builtin),
]
"""The built-in one where no kind is given."""


def _placeholders(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Each name in double braces in the texts within `value`, and where it stands."""
    if isinstance(value, str):
        yield from ((at, found.group(1)) for found in PLACEHOLDER.finditer(value))
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _placeholders(inner, (*at, key))

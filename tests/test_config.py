"""`assay.yaml` and its environment twins."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from assay.agent_sections import CommandSection
from assay.config import SCHEMA_PATH, Config, load_config, schema_text
from assay.documents import parse_yaml
from assay.errors import InputError
from assay.golden import GoldenTask
from assay.sections import ConfigFile
from assay.wording import sections_in

SAMPLE = """\
prompts:
  active: "support:v13"
  rollback: "support:v12"
  require_prompt_id: true
testing:
  golden_tasks:
    - id: "kb_lookup"
      expect_stop_reason: "finish"
      max_tool_calls: 6
      max_tokens: 9000
budgets:
  max_steps: 25
  max_tool_calls: 12
  max_seconds: 60
observability:
  log_prompt_id: true
  alert_on_token_spike: true
"""
"""As the interface promises it."""

DOCS = Path(__file__).parents[1] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str | bytes = SAMPLE, environ: dict[str, str] | None = None) -> Config:
    raw = text if isinstance(text, bytes) else text.encode()
    Path("assay.yaml").write_bytes(raw)
    return load_config(Path("assay.yaml"), environ or {})


def complaint(text: str | bytes = SAMPLE, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load(text, environ)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_sample_of_the_interface_loads_as_it_stands() -> None:
    """Users were promised this very file."""
    config = load()
    assert config.prompts.active == "support:v13"
    assert config.prompts.rollback == "support:v12"
    assert config.testing.golden_tasks[0]["max_tokens"] == 9000
    assert config.budgets.max_seconds == 60.0
    assert config.observability.alert_on_token_spike is True


def test_a_config_knows_its_file(folder: Path) -> None:
    """Other paths start from the folder; a switch is made only if the hash still holds."""
    config = load(SAMPLE + "agent: {tools: tools.py}\n")
    assert config.path == folder / "assay.yaml"
    assert config.folder == folder
    assert config.sha256 == hashlib.sha256(Path("assay.yaml").read_bytes()).hexdigest()
    assert config.tools_path == folder / "tools.py"
    assert load().tools_path is None


def test_the_file_cannot_say_where_it_is() -> None:
    """`path` and `sha256` are found out, not believed."""
    assert "unknown key 'path'" in complaint(SAMPLE + "path: /elsewhere\n")


def test_a_config_is_frozen_and_survives_a_round_trip() -> None:
    """Workers get it as JSON, and must see what the parent saw."""
    config = load()
    with pytest.raises(ValidationError):
        config.budgets.max_steps = 1  # type: ignore[misc]
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_a_section_without_keys_has_its_defaults() -> None:
    """Somebody commented out its last key."""
    config = load(SAMPLE + "results:\ngates:\n").results
    assert config.uri == "results"
    assert load(SAMPLE.replace("  max_steps: 25\n", "  evaluation:\n")).budgets.max_steps == 25


def test_crlf_a_byte_order_mark_and_other_letters_change_nothing() -> None:
    """The file is edited on Windows too."""
    windows = ("\ufeff# é 🙂\n" + SAMPLE).replace("\n", "\r\n").encode()
    assert load(windows).prompts == load().prompts


PLUS = SAMPLE.count("\n") + 1
"""The line of what is appended to the sample."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            SAMPLE.replace("budgets", "bugdets"),
            "assay.yaml:11: unknown key 'bugdets'\n  mend: did you mean 'budgets'?",
            id="unknown section",
        ),
        pytest.param(
            SAMPLE.replace("max_steps", "max_step"),
            "assay.yaml:12: unknown key 'max_step'\n  mend: did you mean 'max_steps'?",
            id="unknown key",
        ),
        pytest.param(
            SAMPLE + "fleet:\n",
            f"assay.yaml:{PLUS}: unknown key 'fleet'\n  mend: use one of: prompts, testing, "
            "budgets, observability, agent, judge, gates, golden, nightly, execution, results, "
            "alerts, rollout, onceonly",
            id="unknown section that is like no other",
        ),
        pytest.param(
            SAMPLE + "rollout:\n  after_switch: git 'commit\n",
            f"assay.yaml:{PLUS + 1}: rollout.after_switch is no command: No closing quotation\n"
            "  mend: close it, or write a list of words",
            id="a command with an open quote",
        ),
        pytest.param(
            SAMPLE.replace("25", '"25"'),
            "assay.yaml:12: budgets.max_steps must be a whole number, not the text '25'\n"
            "  mend: remove the quotes",
            id="quoted number",
        ),
        pytest.param(
            SAMPLE.replace("25", "25.0"),
            "assay.yaml:12: budgets.max_steps must be a whole number, not 25.0\n  mend: write 25",
            id="float for a count",
        ),
        pytest.param(
            SAMPLE.replace("25", "true"),
            "assay.yaml:12: budgets.max_steps must be a whole number, not true",
            id="bool for a count",
        ),
        pytest.param(
            SAMPLE.replace("25", "0"),
            "assay.yaml:12: budgets.max_steps must be above 0, not 0",
            id="no steps at all",
        ),
        pytest.param(
            SAMPLE.replace("max_seconds: 60", "max_seconds: 12:30:00"),
            "assay.yaml:14: budgets.max_seconds must be a number, not the text '12:30:00'\n"
            "  mend: write plain digits, such as 60",
            id="sexagesimal",
        ),
        pytest.param(
            SAMPLE.replace("spike: true", "spike: yes"),
            "assay.yaml:17: observability.alert_on_token_spike must be true or false, "
            "not the text 'yes'\n  mend: write true or false, without quotes",
            id="yes",
        ),
        pytest.param(
            SAMPLE + "results: {uri: 5}\n",
            f'assay.yaml:{PLUS}: results.uri must be text, not 5\n  mend: put it in quotes: "5"',
            id="number for text",
        ),
        pytest.param(
            SAMPLE + "agent: {allowed_tools: kb.search}\n",
            f"assay.yaml:{PLUS}: agent.allowed_tools must be a list, not the text 'kb.search'\n"
            '  mend: write a list: ["kb.search"]',
            id="text for a list",
        ),
        pytest.param(
            SAMPLE + "execution: 5\n",
            f"assay.yaml:{PLUS}: execution must be a mapping of keys to values, not 5",
            id="number for a section",
        ),
        pytest.param(
            SAMPLE + "execution: {engine: dask}\n",
            f"assay.yaml:{PLUS}: execution.engine must be 'local', not the text 'dask'",
            id="engine",
        ),
        pytest.param(
            SAMPLE + "agent:\n  max_calls_per_tool: {kb.search: 0}\n",
            f"assay.yaml:{PLUS + 1}: agent.max_calls_per_tool.kb.search must be above 0, not 0",
            id="calls per tool",
        ),
        pytest.param(
            SAMPLE.replace('  rollback: "support:v12"\n', ""),
            "assay.yaml:1: prompts has no 'rollback'\n"
            '  mend: add it, such as "rollback": "support:v12"',
            id="no rollback",
        ),
        pytest.param(
            "budgets: {}\n",
            "assay.yaml: the file has no 'prompts'\n  mend: add it, such as "
            '"prompts": {"active": "support:v13", "rollback": "support:v12"}',
            id="no prompts",
        ),
        pytest.param(
            SAMPLE.replace('"support:v13"', "support"),
            "assay.yaml:2: 'support' is not a prompt version\n  mend: write NAME:VERSION, "
            "such as support:v14 (letters, digits, '.', '_' and '-')",
            id="ref",
        ),
        pytest.param(
            SAMPLE.replace("log_prompt_id: true", "log_prompt_id: false"),
            "assay.yaml:16: log_prompt_id is false, but prompts.require_prompt_id is true\n"
            "  mend: set log_prompt_id: true, or prompts.require_prompt_id: false",
            id="id required but not logged",
        ),
        pytest.param(
            SAMPLE + "budgets: {}\n",
            f"assay.yaml:{PLUS}: key 'budgets' is already used on line 11\n"
            "  mend: delete one of the two",
            id="section twice",
        ),
        pytest.param(
            "- prompts\n",
            "assay.yaml:1: the file is not a mapping of sections\n  mend: begin with `prompts:`",
            id="a list",
        ),
        pytest.param(
            SAMPLE.replace("true", "\xff", 1).encode("latin-1"),
            "assay.yaml:4: byte 0xff is not UTF-8\n  mend: save the file as UTF-8",
            id="not UTF-8",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_mend(text: str | bytes, said: str) -> None:
    """Before any run is made, and in words that need no second look."""
    assert complaint(text) == said


def test_all_mistakes_are_named_at_once_in_the_order_of_lines() -> None:
    """Five mistakes must not take five attempts."""
    text = SAMPLE.replace("25", '"25"').replace("spike: true", "spike: 1").replace("12\n", "0\n")
    said = complaint(text).split("\n")
    assert [line.split(": ")[0] for line in said if not line.startswith(" ")] == [
        "assay.yaml:12",
        "assay.yaml:13",
        "assay.yaml:17",
    ]


def test_a_missing_file_says_what_to_do() -> None:
    """The first thing that goes wrong for everybody."""
    with pytest.raises(InputError) as caught:
        load_config(Path("nowhere/assay.yaml"), {})
    assert str(caught.value) == (
        "nowhere/assay.yaml: there is no such file\n"
        "  mend: run in the folder that holds assay.yaml, or name it with -c"
    )


@pytest.mark.parametrize("key", ["base_url: sk-hunter2", "api_key_env: sk-hunter2"])
def test_a_secret_in_the_wrong_place_is_not_repeated(key: str) -> None:
    """Logs keep what an error message says."""
    said = complaint(SAMPLE + f"agent:\n  {key}\n")
    assert said.startswith(f"assay.yaml:{PLUS + 1}: agent.{key.partition(':')[0]} is not ")
    assert "hunter2" not in said


def test_the_environment_wins_over_the_file() -> None:
    """A CI job bounds its own spend without touching the file."""
    config = load(
        SAMPLE,
        {
            "ASSAY_BUDGETS__MAX_STEPS": "10",
            "ASSAY_BUDGETS__EVALUATION__MAX_RUNS": "500",
            "ASSAY_AGENT__MODEL": "007",
            "ASSAY_AGENT__ALLOWED_TOOLS": "[kb.search, kb.read]",
            "ASSAY_AGENT__MODEL_SETTINGS__TEMPERATURE": "0.5",
            "ASSAY_BUDGETS__MAX_SECONDS": "30",
        },
    )
    assert config.budgets.max_steps == 10
    assert config.budgets.evaluation.max_runs == 500
    assert config.budgets.max_seconds == 30.0
    assert config.agent.model == "007"
    assert config.agent.allowed_tools == ("kb.search", "kb.read")
    assert config.agent.model_settings == {"temperature": 0.5}


def test_an_empty_variable_is_no_limit() -> None:
    """As an empty value in the file is."""
    text = SAMPLE + "results: {}\n".replace("results", "gates")
    assert load(text, {"ASSAY_BUDGETS__MAX_TOKENS": ""}).budgets.max_tokens is None


def test_other_variables_are_not_ours_to_judge() -> None:
    """ASSAY_DEBUG may be somebody's, and so is any name without the double underscore."""
    environ = {"ASSAY_DEBUG": "1", "ASSAY__X": "1", "PATH": "/bin", "assay_budgets__x": "1"}
    assert load(SAMPLE, environ) == load()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "ASSAY_PROMPTS__ACTIVE",
            "support:v1",
            "ASSAY_PROMPTS__ACTIVE is set, but the section 'prompts' is read from the file alone\n"
            "  mend: unset it; prompts are switched in assay.yaml only",
        ),
        (
            "ASSAY_ROLLOUT__SHARE",
            "0.5",
            "ASSAY_ROLLOUT__SHARE is set, but the section 'rollout' is read from the file alone\n"
            "  mend: unset it; prompts are switched in assay.yaml only",
        ),
        (
            "ASSAY_BUDGETS__MAX_STEP",
            "5",
            "ASSAY_BUDGETS__MAX_STEP stands for no key of assay.yaml\n"
            "  mend: did you mean ASSAY_BUDGETS__MAX_STEPS?",
        ),
        (
            "ASSAY_WEATHER__TODAY",
            "5",
            "ASSAY_WEATHER__TODAY stands for no key of assay.yaml\n"
            "  mend: unset it; docs/configuration.md has the keys",
        ),
        (
            "ASSAY_OBSERVABILITY__LOG_PROMPT_ID",
            "false",
            "ASSAY_OBSERVABILITY__LOG_PROMPT_ID: log_prompt_id is false, "
            "but prompts.require_prompt_id is true\n"
            "  mend: set log_prompt_id: true, or prompts.require_prompt_id: false",
        ),
    ],
)
def test_a_variable_that_may_not_be_set_is_named(name: str, value: str, said: str) -> None:
    """A forgotten variable must never defeat a rollback, nor a typo loosen a budget."""
    assert complaint(SAMPLE, {name: value}) == said


@pytest.mark.parametrize(
    "name",
    [
        "ASSAY_BUDGETS__MAX_STEPS",
        "ASSAY_AGENT__BASE_URL",
        "ASSAY_AGENT__API_KEY_ENV",
        "ASSAY_EXECUTION__ENGINE",
        "ASSAY_AGENT__MAX_CALLS_PER_TOOL",
        "ASSAY_BUDGETS__MAX_STEPS__DEEPER",
    ],
)
@pytest.mark.parametrize("value", ["sk-hunter2", "[sk-hunter2", "{sk-hunter2: 0}", "!!sk-hunter2"])
def test_a_variables_value_is_never_repeated(name: str, value: str) -> None:
    """It may be a secret that was pasted into the wrong variable."""
    said = complaint(SAMPLE, {name: value})
    assert name in said
    assert "hunter2" not in said


def leaves(model: type[BaseModel], above: str = "") -> set[tuple[str, str]]:
    """Every key with its default as the documentation writes it; a union's for each member."""
    found: set[tuple[str, str]] = set()
    for name, field in model.model_fields.items():
        sections = sections_in(field.annotation)
        for section in sections:
            found |= leaves(section, f"{above}{name}.")
        if field.is_required() and not sections:
            found.add((above + name, "required"))
        elif not sections:
            default = json.dumps(field.get_default(call_default_factory=True))
            found.add((above + name, f"`{default}`"))
    return found


def documented(heading: str) -> set[tuple[str, str]]:
    """Key and default of each row of the tables with defaults under a heading."""
    configuration, golden = DOCS.read_text(encoding="utf-8").split("\n# Golden tasks")
    part = configuration if heading == "Configuration" else golden
    return set(re.findall(r"^\| `([a-z_.0-9]+)` \| (required|`.*?`) \| .+ \|$", part, re.MULTILINE))


def test_the_documentation_has_every_key_with_its_default() -> None:
    """A default that moved in the code alone is a lie in the manual."""
    assert documented("Configuration") == leaves(ConfigFile)
    assert documented("Golden tasks") == leaves(GoldenTask)


def test_the_shipped_schema_is_the_models() -> None:
    """Editors would mark right files as wrong. `python -m assay.config` mends it."""
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_text()


def test_the_schema_takes_the_sample_and_refuses_its_typo() -> None:
    """That it is up to date says nothing of whether it works."""
    validator = Draft202012Validator(json.loads(schema_text()))
    right = parse_yaml(SAMPLE.encode(), path=Path("assay.yaml")).value
    assert validator.is_valid(right)
    assert not validator.is_valid(right | {"bugdets": {}})
    assert not validator.is_valid(right | {"budgets": {"max_steps": "25"}})


AGENT = SAMPLE + "agent:\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "  kind: pyton\n",
            "agent.kind must be one of 'builtin', 'python', 'http', 'command', not 'pyton'",
        ),
        ("  kind: python\n", "agent has no 'entrypoint'\n  mend: add it, such as \"entrypoint\""),
        (
            "  kind: python\n  tools: a.py\n",
            "unknown key 'tools'\n  mend: use one of: model, proxy",
        ),
        ("  entrypoint: a:b\n", "unknown key 'entrypoint'\n"),
        ("  kind: python\n  entrypoint: agent.py\n", "agent.entrypoint is not package.module:fun"),
        ("  kind: python\n  entrypoint: agent.py:run\n", "such as support.agent:run, without .py"),
        ("  kind: command\n  command: []\n", "agent.command must not be empty"),
        ("  kind: command\n  command: 'a \"b'\n", "agent.command is no command: No closing"),
        (
            "  kind: command\n  command: a\n  pool: 2\n  output: text\n",
            "agent.output is text, which has no end that a pool could see",
        ),
        ("  kind: http\n  url: ftp://a\n", "agent.url is not an address"),
        ("  mcp_servers: {kb: {}}\n", "an MCP server has either a command or a url\n  mend: "),
        (
            "  mcp_servers: {kb: {command: a, url: 'http://b'}}\n",
            "an MCP server has either a command or a url\n  mend: command: starts a program",
        ),
        (
            "  mcp_servers: {kb: {url: 'http://a', env_from: [A]}}\n",
            "env_from is for a server with a command\n  mend: name the variable in headers_env",
        ),
        (
            "  mcp_servers: {kb: {command: a, headers_env: {X: A}}}\n",
            "headers_env is for a server with a url\n  mend: name the variable in env_from",
        ),
        (
            "  mcp_servers: {kb: {command: a, env_from: [sk-hunter2]}}\n",
            "agent.mcp_servers.kb.env_from[0] is not the name of an environment variable",
        ),
        ("  mcp_servers: {k.b: {command: a}}\n", "is not the name of a server\n  mend: use"),
        ("  mcp_servers: {kb: {comand: a}}\n", "unknown key 'comand'\n  mend: did you mean 'com"),
        (
            "  allowed_tools: [a, b]\n  blocked_tools: [c, b]\n",
            "'b' is both allowed and blocked\n  mend: remove it from agent.allowed_tools or ",
        ),
        ("  kind: http\n  url: http://me:sk-hunter2@a\n", "agent.url holds a user or a password"),
        (
            "  kind: http\n  url: http://a\n  headers:\n    Authorization: sk-hunter2\n",
            "the header Authorization would hold a secret\n  mend: name its variable in agent.hea",
        ),
        (
            "  kind: http\n  url: http://a\n  headers_env:\n    X-Key: sk-hunter2\n",
            "agent.headers_env.X-Key is not the name of an environment variable",
        ),
        (
            '  kind: http\n  url: http://a\n  headers: {X: "a\\r\\nb"}\n',
            "the header X holds a control character",
        ),
        (
            "  kind: http\n  url: http://a\n  body:\n    a: ['{{input}}', '{{promt_id}}']\n",
            "{{promt_id}} stands for nothing\n  mend: use: {{budgets}}, {{input}}, ",
        ),
        ("  kind: http\n  url: http://a\n  body: {a: '{{prompt_id}}'}\n", "agent.body has no {{in"),
        (
            "  kind: http\n  url: http://a\n  body: {a: '{{input}}'}\n",
            "agent.body does not say which prompt is under test",
        ),
        (
            "  kind: http\n  url: http://a\n  response: {output: 'a[' }\n",
            "agent.response.output is not a JMESPath expression",
        ),
    ],
)
def test_each_kind_of_agent_has_its_own_keys(text: str, said: str) -> None:
    """A key of another kind would be read by nobody."""
    complained = complaint(AGENT + text)
    assert said in complained
    assert complained.startswith("assay.yaml:")
    last_line = AGENT.count("\n") + text.count("\n")
    assert PLUS <= int(complained.split(":")[1]) <= last_line
    assert "hunter2" not in complained


def test_the_agent_is_builtin_where_no_kind_is_given() -> None:
    """As every configuration before there were others."""
    assert load().agent.kind == load(AGENT).agent.kind == "builtin"
    assert load(AGENT + "  model: local\n").agent.kind == "builtin"


def test_an_agents_keys_have_their_twins_whatever_its_kind() -> None:
    """Another port in CI is no other file."""
    text = AGENT + "  kind: http\n  url: http://a\n"
    environ = {"ASSAY_AGENT__URL": "http://b", "ASSAY_AGENT__RESPONSE__OUTPUT": "$.text"}
    agent = load(text, environ).agent
    assert (agent.url, agent.response.output) == ("http://b", "text")  # type: ignore[union-attr]
    assert load(SAMPLE, {"ASSAY_AGENT__KIND": "python", "ASSAY_AGENT__ENTRYPOINT": "a:b"})
    assert complaint(text, {"ASSAY_AGENT__POOL": "2"}).startswith(
        "ASSAY_AGENT__POOL: unknown key 'pool'\n"
    )
    assert complaint(text, {"ASSAY_AGENT__POOLS": "2"}).startswith("ASSAY_AGENT__POOLS stands for")


def test_the_schema_takes_each_kind_of_agent_and_no_mixture() -> None:
    """Editors complete keys by it."""
    validator = Draft202012Validator(json.loads(schema_text()))
    right = parse_yaml(SAMPLE.encode(), path=Path("assay.yaml")).value
    for agent in (
        {"model": "local"},
        {"kind": "python", "entrypoint": "a:b", "processes": 2},
        {"kind": "http", "url": "http://a", "response": {"output": "a"}},
        {"kind": "command", "command": "node a.js", "pool": 2},
    ):
        assert validator.is_valid(right | {"agent": agent})
        assert not validator.is_valid(right | {"agent": agent | {"colour": "red"}})
    assert not validator.is_valid(right | {"agent": {"kind": "python", "model": "local"}})


def test_a_section_that_may_be_left_out_has_twins(tmp_path: Path) -> None:
    """Key by key and as a whole: an address of one's own must not need another file."""
    proxy = "agent:\n  kind: command\n  command: a\n  proxy: {provider: openai}\n"
    path = tmp_path / "assay.yaml"
    path.write_text("prompts: {active: 'a:v1', rollback: 'a:v1'}\n" + proxy)
    url = {"ASSAY_AGENT__PROXY__BASE_URL": "http://127.0.0.1:8000/v1"}
    agent = load_config(path, url).agent
    assert isinstance(agent, CommandSection)
    assert agent.proxy is not None
    assert agent.proxy.base_url == "http://127.0.0.1:8000/v1"
    whole = load_config(path, {"ASSAY_AGENT__PROXY": "{provider: anthropic}"}).agent
    assert isinstance(whole, CommandSection)
    assert whole.proxy is not None
    assert whole.proxy.provider == "anthropic"
    assert load_config(path, {"ASSAY_AGENT__PROXY": ""}).agent == CommandSection(
        kind="command", command=("a",)
    )

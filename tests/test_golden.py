"""Golden tasks: what is loaded, what is refused, and what a task's hash stands for."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.config import load_config
from assay.errors import InputError
from assay.golden import GoldenTask, load_golden

PROMPTS = 'prompts: {active: "support:v13", rollback: "support:v12"}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("golden").mkdir()
    return tmp_path


def load(testing: str = "", **files: str) -> tuple[GoldenTask, ...]:
    """The golden tasks of `golden/NAME.jsonl` and of the lines below `testing:`."""
    for name, text in files.items():
        Path("golden", f"{name}.jsonl").write_text(text, encoding="utf-8")
    Path("assay.yaml").write_text(PROMPTS + testing, encoding="utf-8")
    return load_golden(load_config(Path("assay.yaml"), {}))


def complaint(testing: str = "", **files: str) -> str:
    with pytest.raises(InputError) as caught:
        load(testing, **files)
    assert caught.value.exit_code == 2
    return str(caught.value)


def line(**task: Any) -> str:
    return json.dumps({"id": "late", "input": "Where is my parcel?"} | task) + "\n"


def test_every_file_under_golden_is_read_in_order_of_name() -> None:
    """The order of tasks is the order of work and of the report, on every machine."""
    tasks = load(b=line(id="third") + line(id="fourth"), a=line(id="first") + line(id="second"))
    assert [task.id for task in tasks] == ["first", "second", "third", "fourth"]


def test_golden_files_start_from_the_configurations_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-c` names a file elsewhere; its golden tasks are there too."""
    load(a=line())
    (folder / "deeper").mkdir()
    monkeypatch.chdir(folder / "deeper")
    assert len(load_golden(load_config(Path("../assay.yaml"), {}))) == 1


def test_a_file_that_two_patterns_match_is_read_once() -> None:
    """Else every id in it would be used twice."""
    assert len(load("testing: {golden_files: [golden/*.jsonl, golden/a.jsonl]}", a=line())) == 1


def test_an_inline_task_is_laid_over_the_one_in_the_file() -> None:
    """So that the interface's sample tightens a bound without repeating the input."""
    inline = "testing:\n  golden_tasks:\n    - {id: late, max_tokens: 10, category: new}\n"
    (task,) = load(inline, a=line(category="old", max_steps=5))
    assert (task.input, task.category) == ("Where is my parcel?", "new")
    assert (task.max_tokens, task.max_steps) == (10, 5)


def test_an_inline_task_may_stand_alone() -> None:
    """A first golden task needs no second file."""
    tasks = load("testing: {golden_tasks: [{id: alone, input: Hi}]}", a=line())
    assert [task.id for task in tasks] == ["late", "alone"]


def test_chat_messages_are_an_input() -> None:
    """A conversation breaks in its third turn, not in its first."""
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Where is it?"},
    ]
    assert load(a=line(input=messages))[0].input == tuple(messages)


def test_an_incident_makes_a_task_critical() -> None:
    """What broke once must not break again, whatever `critical` says."""
    plain, marked, past = load(
        a=line(id="a")
        + line(id="b", critical=True)
        + line(id="c", incident="INC-7", critical=False)
    )
    assert [task.is_critical for task in (plain, marked, past)] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            line() + line(),
            "golden/refunds.jsonl:2: task id 'late' is already used on line 1\n"
            "  mend: rename one of them, e.g. 'late-2'",
            id="id twice",
        ),
        pytest.param(
            line(id="late-2") + line() + line(),
            "golden/refunds.jsonl:3: task id 'late' is already used on line 2\n"
            "  mend: rename one of them, e.g. 'late-3'",
            id="id twice, and the suggestion taken",
        ),
        pytest.param(
            '{"id": "late"}\n',
            "golden/refunds.jsonl:1: task 'late' has no 'input'\n"
            '  mend: add it, such as "input": "Where is my parcel?"',
            id="no input",
        ),
        pytest.param(
            '{"input": "Hi"}\n',
            "golden/refunds.jsonl:1: the task has no 'id'\n"
            '  mend: add it, such as "id": "late_parcel"',
            id="no id",
        ),
        pytest.param(
            line(id=7),
            'golden/refunds.jsonl:1: id must be text, not 7\n  mend: put it in quotes: "7"',
            id="number for an id",
        ),
        pytest.param(
            line(id="late\n"),
            "golden/refunds.jsonl:1: task id 'late\\n' has white space or control characters "
            "in the wrong place\n  mend: use letters, digits, '_' and '-'",
            id="line end in an id",
        ),
        pytest.param(
            line(input=""),
            "golden/refunds.jsonl:1: input must be text, or chat messages that end with the "
            'user\'s\n  mend: write "input": "what the customer says"',
            id="empty input",
        ),
        pytest.param(
            line(input=[{"role": "assistant", "content": "Hi"}]),
            "golden/refunds.jsonl:1: input must be text, or chat messages that end with the "
            'user\'s\n  mend: write "input": "what the customer says"',
            id="the agent's word is last",
        ),
        pytest.param(
            line(input=[{"role": "robot", "content": "Hi"}]),
            "golden/refunds.jsonl:1: input[0] is not a chat message\n"
            '  mend: write {"role": ..., "content": text}, '
            "the role one of user, assistant, system",
            id="role",
        ),
        pytest.param(
            line(max_tool_call=3),
            "golden/refunds.jsonl:1: unknown key 'max_tool_call'\n"
            "  mend: did you mean 'max_tool_calls'?",
            id="unknown key",
        ),
        pytest.param(
            line(max_tokens="9000"),
            "golden/refunds.jsonl:1: max_tokens must be a whole number, not the text '9000'\n"
            "  mend: remove the quotes",
            id="quoted bound",
        ),
        pytest.param(
            line(max_seconds=0),
            "golden/refunds.jsonl:1: max_seconds must be above 0, not 0",
            id="bound of nothing",
        ),
        pytest.param(
            line(checks=["contains"]),
            "golden/refunds.jsonl:1: checks[0] must be a mapping of keys to values, "
            "not the text 'contains'",
            id="text for a check",
        ),
        pytest.param(
            line(checks=[{"type": "contains", "value": "x", "weight": 1}]),
            "golden/refunds.jsonl:1: unknown key 'weight'\n"
            "  mend: use one of: type, value, threshold",
            id="unknown key of a check",
        ),
        pytest.param(
            "{broken\n",
            "golden/refunds.jsonl:1: not valid JSON: expecting property name enclosed in double "
            "quotes, at column 2\n  mend: write each object whole, on one line of its own",
            id="broken JSON",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_mend(text: str, said: str) -> None:
    """Before any run is made, and in words that need no second look."""
    assert complaint(refunds=text) == said


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (
            {"type": "icontain", "value": "x"},
            "unknown check type 'icontain'\n  mend: did you mean 'icontains'?",
        ),
        (
            {"type": "not-contain", "value": "x"},
            "unknown check type 'not-contain'\n  mend: did you mean 'not-contains'?",
        ),
        (
            {"type": "python", "value": "len(output) < 9"},
            "check type 'python' is not available yet\n"
            "  mend: use another check, such as icontains or regex",
        ),
        (
            {"type": "llm-rubric", "value": "is polite"},
            "task 'late': `llm-rubric` needs a model that judges, and judge.model is not set\n"
            "  mend: name one in the configuration: `judge: {model: openai:gpt-5-mini}`",
        ),
        (
            {"type": "llm-rubric", "value": "is polite", "threshold": 1.5},
            "check 'llm-rubric': threshold must be at most 1, not 1.5",
        ),
        ({"type": "not-similar"}, "check 'not-similar' has no 'value'\n  mend: add it"),
        (
            {"type": "icontains", "value": "x", "threshold": 0.5},
            "check 'icontains': unknown key 'threshold'\n  mend: use one of: value",
        ),
        ({"type": "contains"}, "check 'contains' has no 'value'\n  mend: add it"),
        (
            {"type": "contains", "value": 30},
            "check 'contains': value must be text, not 30\n  mend: put it in quotes: \"30\"",
        ),
        ({"type": "contains", "value": ""}, "check 'contains': value must not be empty"),
        (
            {"type": "contains-any", "value": "yes"},
            "check 'contains-any': value must be a list, not the text 'yes'\n"
            '  mend: write a list: ["yes"]',
        ),
        (
            {"type": "not-contains-all", "value": []},
            "check 'not-contains-all': value must not be empty",
        ),
        (
            {"type": "icontains-any", "value": ["a", 1]},
            "check 'icontains-any': value[1] must be text, not 1\n  mend: put it in quotes: \"1\"",
        ),
        (
            {"type": "regex", "value": "(30"},
            "check 'regex': '(30' is no regular expression: missing ) at position 3",
        ),
        (
            {"type": "equals", "value": 30},
            "check 'equals': the value must be text, an object or a list\n  mend: put it in quotes",
        ),
        (
            {"type": "is-json", "value": "object"},
            "check 'is-json': the value must be a JSON Schema\n"
            '  mend: write an object: {"type": "object"}',
        ),
        (
            {"type": "is-json", "value": {"type": "objekt"}},
            "check 'is-json': the value is no JSON Schema: "
            "'objekt' is not valid under any of the given schemas",
        ),
        (
            {"type": "contains-json", "value": {"$ref": "http://example.com/schema"}},
            "check 'contains-json': the JSON Schema cannot be applied: http://example.com/schema",
        ),
        (
            {"type": "is-json", "value": {"properties": {"a": {"uniqueItems": True}}}},
            "check 'is-json': the keyword 'uniqueItems' is not read\n  mend: leave it out",
        ),
        (
            {"type": "word-count", "value": {"min": 5, "max": 2}},
            "check 'word-count': min 5 is above max 2\n"
            "  mend: swap them, or write not- before the type if it must not happen",
        ),
        (
            {"type": "word-count", "value": {}},
            "check 'word-count': there is neither a min nor a max\n"
            "  mend: give at least one of them",
        ),
        (
            {"type": "trajectory:tool-used", "value": {"name": "kb.search", "mx": 3}},
            "check 'trajectory:tool-used': unknown key 'mx'\n  mend: did you mean 'max'?",
        ),
        (
            {"type": "trajectory:tool-sequence", "value": {"steps": ["a"], "mode": "any"}},
            "check 'trajectory:tool-sequence': value.mode must be 'exact' or 'in_order', "
            "not the text 'any'",
        ),
        (
            {"type": "trajectory:tool-args-match", "value": {"name": "kb.search"}},
            "check 'trajectory:tool-args-match': value has no 'args'\n  mend: add it",
        ),
        (
            {"type": "trajectory:step-count", "value": {"type": "span", "max": 3}},
            "check 'trajectory:step-count': value.type must be 'tool', not the text 'span'",
        ),
    ],
)
def test_a_check_that_cannot_be_made_is_refused(check: dict[str, Any], said: str) -> None:
    """A check that is ignored passes for ever."""
    assert complaint(refunds=line(checks=[check])) == f"golden/refunds.jsonl:1: {said}"


def test_an_id_in_two_files_names_both_places() -> None:
    """The second file alone shows no mistake."""
    assert complaint(a="\n" + line(), b=line()) == (
        "golden/b.jsonl:1: task id 'late' is already used in golden/a.jsonl on line 2\n"
        "  mend: rename one of them, e.g. 'late-2'"
    )


def test_an_inline_mistake_has_its_line_in_the_configuration() -> None:
    """The file that the key came from is the one to mend."""
    testing = (
        "testing:\n"
        "  golden_tasks:\n"
        "    - id: late\n"
        "      max_tokens: many\n"
        "      checks:\n"
        "        - type: contain\n"
        "          value: x\n"
        "    - id: alone\n"
        "    - id: alone\n"
    )
    assert complaint(testing, a=line(max_steps=0)) == (
        "assay.yaml:5: max_tokens must be a whole number, not the text 'many'\n"
        "  mend: write plain digits, such as 60\n"
        "assay.yaml:7: unknown check type 'contain'\n"
        "  mend: did you mean 'contains'?\n"
        "golden/a.jsonl:1: max_steps must be above 0, not 0\n"
        "assay.yaml:9: task 'alone' has no 'input'\n"
        '  mend: add it, such as "input": "Where is my parcel?"\n'
        "assay.yaml:10: task id 'alone' is already used on line 9\n"
        "  mend: rename one of them, e.g. 'alone-2'"
    )


def test_an_empty_golden_set_is_refused() -> None:
    """Nothing measured would be nothing wrong: every prompt would be promoted."""
    said = (
        "assay.yaml: there are no golden tasks\n"
        '  mend: write one a line to golden/NAME.jsonl: {"id": "hello", "input": "..."}'
    )
    assert complaint() == said
    assert complaint(empty="\n\n") == said


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("golden/refunds.jsonl", "golden/refunds.jsonl: there is no such file"),
        ("tests/*.jsonl", "assay.yaml: testing.golden_files: no file matches 'tests/*.jsonl'"),
        ("golden/**x/*.jsonl", "assay.yaml: testing.golden_files: no file matches"),
    ],
)
def test_a_golden_file_that_is_not_there_is_an_error(pattern: str, said: str) -> None:
    """A typo in its name would quietly drop its tasks from every evaluation."""
    testing = f"testing: {{golden_files: [golden/*.jsonl, '{pattern}']}}"
    message = complaint(testing, a=line())
    assert message.startswith(said)
    assert message.endswith("mend: write it, or take it out of testing.golden_files")


def test_the_golden_files_are_not_read_for_the_configuration() -> None:
    """`assay rollback` has to work beside a broken golden file."""
    Path("golden/a.jsonl").write_text("{broken")
    Path("assay.yaml").write_text(PROMPTS)
    assert load_config(Path("assay.yaml"), {}).prompts.active == "support:v13"


asked = {"input": "Hi", "checks": [{"type": "equals", "value": {"a": 1, "b": [2]}}], "max_steps": 5}


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_hash(chance: random.Random) -> None:
    """An editor that sorts keys must not make two evaluations incomparable."""
    task = {"id": "late", **asked}
    assert GoldenTask(**shuffled(task, chance)).hash == GoldenTask(**task).hash


@pytest.mark.parametrize(
    "change",
    [
        {"id": "other"},
        {"input": "Hi!"},
        {"input": [{"role": "user", "content": "Hi"}]},
        {"expect_stop_reason": "tool_denied"},
        {"max_steps": 6},
        {"max_tokens": 5},
        {"max_seconds": 5},
        {"max_spend_usd": 5},
        {"max_tool_calls": 5},
        {"checks": []},
        {"checks": [{"type": "not-equals", "value": {"a": 1, "b": [2]}}]},
        {"checks": [{"type": "equals", "value": {"a": 1, "b": [3]}}]},
        {"critical": True},
        {"incident": "INC-7"},
    ],
)
def test_what_a_run_is_asked_or_held_to_changes_the_hash(change: dict[str, Any]) -> None:
    """Runs of different tasks under one id must never be compared."""
    task = {"id": "late", **asked}
    assert GoldenTask(**(task | change)).hash != GoldenTask(**task).hash


@pytest.mark.parametrize(
    "change", [{"category": "parcels"}, {"tags": ["new"]}, {"metadata": {"owner": "me"}}]
)
def test_a_label_does_not_change_the_hash(change: dict[str, Any]) -> None:
    """Sorting tasks into categories must not throw away a month of history."""
    task = {"id": "late", **asked}
    assert GoldenTask(**(task | change)).hash == GoldenTask(**task).hash


@given(st.text(), st.text())
def test_different_inputs_have_different_hashes(left: str, right: str) -> None:
    """The hash stands for the text, not for what it looks like."""
    if not left.strip() or not right.strip() or not _storable(left + right):
        return
    hashes = [GoldenTask(id="a", input=text).hash for text in (left, right)]
    assert (hashes[0] == hashes[1]) == (left == right)
    assert all(len(one) == 16 for one in hashes)


def _storable(text: str) -> bool:
    return text.encode("utf-8", "ignore").decode() == text

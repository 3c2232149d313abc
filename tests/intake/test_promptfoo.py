"""promptfoo's configurations as golden tasks: what is carried over, and what is said to be not."""

import json
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.intake.importing import EXAMPLES, Importer, checks, loaded


@pytest.mark.parametrize(
    ("example", "tasks"), [("pirate", 6), ("translations", 10), ("support", 2)]
)
def test_an_example_loads_and_what_it_lost_is_listed(
    importer: Importer, snapshot: SnapshotAssertion, example: str, tasks: int
) -> None:
    """A check that silently disappears is a promise that nobody keeps."""
    ran = importer(EXAMPLES / example / "promptfooconfig.yaml")
    assert ran.exit_code == 0
    assert ran.lost == snapshot
    assert len(loaded()) == tasks


def test_a_test_becomes_a_task(importer: Importer) -> None:
    """Input from the first prompt, checks and bounds from the assertions, defaults included."""
    importer(EXAMPLES / "pirate" / "promptfooconfig.yaml")
    agrees, hungry, in_json, _, gold, _ = loaded()
    assert (agrees.id, agrees.input) == ("agrees", "Say as a pirate would: Yes")
    assert checks(agrees) == [("equals", "Aye")]
    assert agrees.max_seconds == 5.0
    assert hungry.input == "Say as a pirate would: I'm hungry, Zoé"
    assert checks(hungry) == [("icontains", "grub"), ("not-contains-any", ["food", "meal"])]
    assert (in_json.max_spend_usd, in_json.max_seconds) == (0.002, 5.0)
    assert gold.category == "treasure"
    assert gold.id.startswith("say-as-a-pirate-would-where-is-the-gold-")


def test_an_assertion_set_that_must_pass_whole_is_its_members(importer: Importer) -> None:
    """Every check must pass here, as in such a set."""
    importer(EXAMPLES / "pirate" / "promptfooconfig.yaml")
    hello = next(task for task in loaded() if task.id == "says-hello")
    assert checks(hello) == [
        ("icontains", "arrr"),
        ("llm-rubric", "It is spoken like a pirate"),
        ("starts-with", "Ahoy"),
        ("regex", "!$"),
    ]


def test_lists_and_scenarios_make_every_combination(importer: Importer) -> None:
    """As promptfoo runs them: each is a test case of its own."""
    importer(EXAMPLES / "translations" / "promptfooconfig.yaml")
    tasks = loaded()
    start = "You're a translator. Translate this into "
    assert [task.input for task in tasks[:6]] == [
        f"{start}{language}: {text}"
        for language in ("German", "Italian")
        for text in ("How are you?", "Good night", "Where is the station?")
    ]
    hello, _, french, _ = tasks[6:]
    assert (hello.input, checks(hello)) == (
        f"{start}Spanish: Hello world",
        [("icontains", "Hola mundo")],
    )
    assert checks(french) == [("icontains", "Bonjour le monde")]


def test_chat_prompts_make_conversations_and_files_are_read(importer: Importer) -> None:
    """Quotes in a variable break no JSON: it is parsed before it is filled in."""
    importer(EXAMPLES / "support" / "promptfooconfig.yaml")
    returns, parcel = loaded()
    assert (returns.id, returns.category, returns.tags) == ("returns", "lookup", ("kb",))
    assert returns.input == (
        {"role": "user", "content": 'My name is Ann "A" Lee.'},
        {"role": "assistant", "content": 'Hello Ann "A" Lee.'},
        {"role": "user", "content": "How long may I return a lamp?"},
    )
    assert checks(parcel) == [
        ("contains-json", {"type": "object", "required": ["parcel"]}),
    ]


def test_a_variable_alone_may_be_the_input(importer: Importer) -> None:
    """Where the prompts under test are files of ours, the customer's words are the input."""
    importer(EXAMPLES / "support" / "promptfooconfig.yaml", "--column", "input=question")
    assert loaded()[0].input == "How long may I return a lamp?"


def test_the_instructions_of_prompts_are_kept_as_versions(importer: Importer) -> None:
    """Then what is asked is the same for both, which is what an evaluation compares."""
    ran = importer(EXAMPLES / "support" / "promptfooconfig.yaml", "--prompts", "prompts/desk")
    assert [(path.name, path.read_text()) for path in sorted(Path("prompts/desk").iterdir())] == [
        ("v1.md", "Answer from the knowledge base.\n"),
        ("v2.md", "Be brief.\n"),
    ]
    assert "desk:v1, desk:v2" in ran.out
    again = importer(
        EXAMPLES / "support" / "promptfooconfig.yaml", "--prompts", "prompts/desk", "--append"
    )
    assert again.exit_code == 0
    assert len(list(Path("prompts/desk").iterdir())) == 2


def test_a_text_is_parted_where_it_ends_with_its_only_variable(importer: Importer) -> None:
    """Elsewhere nobody can tell instructions from question: that is said."""
    importer(EXAMPLES / "pirate" / "promptfooconfig.yaml", "--prompts", "prompts/pirate")
    assert Path("prompts/pirate/v1.md").read_text() == "Say as a pirate would:\n"
    assert loaded()[0].input == "Yes"
    asked = "prompts/translator", "--into", "golden/others.jsonl"
    ran = importer(EXAMPLES / "translations" / "promptfooconfig.yaml", "--prompts", *asked)
    assert "its instructions hold variables, or cannot be told from what it asks" in ran.err
    assert not Path("prompts/translator").exists()


@pytest.mark.parametrize("name", ["llm-rubric", "not-llm-rubric", "similar"])
def test_judged_checks_are_carried_over_with_their_thresholds(
    importer: Importer, name: str
) -> None:
    """What a judge says is a check here, too; which judge it is, is not the test's to say."""
    judged = {"type": name, "value": "{{q}} is kind", "threshold": 0.7, "provider": "openai:o"}
    said = one_test(importer, judged)
    (check,) = loaded()[0].checks
    assert (check.type, check.value, check.threshold) == (name, "Hi is kind", 0.7)
    assert said == "c.yaml:1: provider of an assert: checks have none here\n"


@pytest.mark.parametrize(
    ("assertion", "carried"),
    [
        ({"type": "equals", "value": 7}, [("equals", "7")]),
        ({"type": "equals", "value": {"a": 1}}, [("equals", {"a": 1})]),
        ({"type": "icontains", "value": "{{q}}!"}, [("icontains", "Hi!")]),
        ({"type": "is-json", "value": '{"type": "array"}'}, [("is-json", {"type": "array"})]),
        ({"type": "word-count", "value": "12"}, [("word-count", 12)]),
        (
            {"type": "not-trajectory:tool-used", "value": "email.send"},
            [("not-trajectory:tool-used", "email.send")],
        ),
        (
            {"type": "trajectory:tool-sequence", "value": {"steps": ["a", "b"], "mode": "exact"}},
            [("trajectory:tool-sequence", {"steps": ["a", "b"], "mode": "exact"})],
        ),
    ],
)
def test_an_assertion_says_the_same_as_a_check(
    importer: Importer, assertion: dict[str, Any], carried: list[Any]
) -> None:
    """Names and values are promptfoo's; only their forms are made strict."""
    one_test(importer, assertion)
    assert checks(loaded()[0]) == carried


@pytest.mark.parametrize(
    ("assertion", "why"),
    [
        ({"type": "javascript", "value": "true"}, "javascript: it is code, and is not run"),
        ({"type": "python", "value": "file://x.py"}, "python: it is code, and is not run"),
        ({"type": "g-eval", "value": "ok"}, "g-eval: there is no such check"),
        ({"type": "not-cost", "threshold": 1}, "not-cost: bounds have no opposite"),
        ({"type": "latency"}, "latency: it has no threshold above 0"),
        ({"type": "regex", "value": "("}, "regex: '(' is no regular expression"),
        ({"type": "equals", "value": "a", "transform": "x"}, "equals: it has a transform"),
        ({"type": "equals", "value": "a", "weight": 0}, "equals: its weight is 0"),
        ({"type": "equals", "value": "file://../c"}, "equals: ../c is no file below the folder"),
        ({"type": "equals", "value": "{{q | upper}}"}, "equals: {{q | upper}} is more than"),
        ({"type": "equals", "value": "{{env.HOME}}"}, "equals: {{env.HOME}}: environment"),
        ({"type": "assert-set", "threshold": 0.5, "assert": []}, "assert-set: a part of it"),
        ("contains: x", "assert: it has no type"),
    ],
)
def test_what_no_check_can_say_is_listed_with_its_line(
    importer: Importer, assertion: Any, why: str
) -> None:
    """And the task is imported without it."""
    said = one_test(importer, assertion)
    assert f"c.yaml:1: assert{' ' if ': it has no' not in why else ''}" in said
    assert why in said
    assert checks(loaded()[0]) == []


def one_test(importer: Importer, assertion: Any) -> str:
    """Import a configuration of one test, on one line; what was left out."""
    test = {"vars": {"q": "Hi"}, "assert": [assertion]}
    ran = importer.text("c.yaml", json.dumps({"prompts": ["{{q}}"], "tests": [test]}))
    assert ran.exit_code == 0
    return ran.err


def test_prompts_that_are_programs_leave_the_likeliest_variable_as_the_input(
    importer: Importer,
) -> None:
    """Which one is said; the program is not run."""
    ran = importer.text(
        "c.yaml",
        "prompts: [file://ask.js]\ntests:\n  - vars: {tone: kind, question: 'Where is it?'}\n",
    )
    assert loaded()[0].input == "Where is it?"
    assert "c.yaml:1: prompt: file://ask.js is a program or elsewhere" in ran.err
    assert "note: input is the column 'question'" in ran.out


def test_default_assertions_can_be_turned_off(importer: Importer) -> None:
    """As promptfoo's `disableDefaultAsserts` does."""
    importer.text(
        "c.yaml",
        "defaultTest: {assert: [{type: contains, value: a}]}\ntests:\n"
        "  - {vars: {q: one}}\n"
        "  - {vars: {q: two}, options: {disableDefaultAsserts: true, prefix: 'So, '}}\n",
    )
    one, two = loaded()
    assert (checks(one), checks(two)) == ([("contains", "a")], [])
    assert two.input == "So, two"


def test_a_transform_of_the_test_leaves_what_looks_at_the_output_out(importer: Importer) -> None:
    """It would be another text that is looked at; bounds and trajectories are not of the text."""
    ran = importer.text(
        "c.yaml",
        "prompts: ['{{q}}']\ndefaultTest: {options: {transform: 'output[0].name'}}\ntests:\n"
        "  - vars: {q: one}\n    assert:\n      - {type: equals, value: get_weather}\n"
        "      - {type: latency, threshold: 5000}\n"
        "      - {type: 'trajectory:tool-used', value: get_weather}\n",
    )
    task = loaded()[0]
    assert checks(task) == [("trajectory:tool-used", "get_weather")]
    assert task.max_seconds == 5.0
    assert "c.yaml:6: assert equals: it is of what the test's transform makes" in ran.err

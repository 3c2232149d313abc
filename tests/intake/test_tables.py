"""Tables and chat logs as golden tasks."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.intake.reading import take
from assay.intake.tables import assertion_in
from assay.intake.writing import fitted, line_of
from tests.intake.importing import EXAMPLES, Importer, checks, loaded

NO_SURROGATES = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(NO_SURROGATES, min_size=1).filter(lambda text: bool(text.strip()))
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def test_a_plain_table_maps_its_columns_by_their_names(importer: Importer) -> None:
    """Which ones were taken is said; a cell that does not fit costs the cell, not the row."""
    ran = importer(EXAMPLES / "plain.csv")
    assert [(task.input, task.category, task.max_tokens) for task in loaded()] == [
        ("What is 2+2?", "sums", 900),
        ("Capital of France?", "places", None),
        ("Who wrote Emma?", "books", 800),
    ]
    assert checks(loaded()[1]) == [("icontains", "Paris")]
    assert "note: input is the column 'question'" in ran.out
    assert ran.lost == [
        "plain.csv:3: max_tokens of a test: max_tokens must be a whole number, not the text 'many'",
        "plain.csv:4: test: it has no question",
        "plain.csv:5: cells beyond the header: 1 of them have no name",
    ]


def test_columns_with_other_names_are_named(importer: Importer) -> None:
    """A column of theirs is ours as the user says; the others are kept as metadata."""
    table = "wer,was,soll,art\nAda,Wo ist es?,dort,suche\n"
    unnamed = importer.text("t.csv", table)
    assert (unnamed.exit_code, loaded()) == (2, [])
    assert "t.csv:2: test: which is the input: wer, was, soll, art?" in unnamed.err
    columns = ("input=was", "expected=soll", "category=art")
    importer.text("t.csv", table, *(word for each in columns for word in ("--column", each)))
    (task,) = loaded()
    assert (task.input, task.category, task.metadata) == ("Wo ist es?", "suche", {"wer": "Ada"})
    assert checks(task) == [("icontains", "dort")]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("inptu=x", "golden tasks have no 'inptu'\n  mend: did you mean 'input'?"),
        ("input", "--column input\n  mend: write it as input=question"),
        ("tags=categry", "nothing has this name\n  mend: did you mean 'category'?"),
    ],
)
def test_a_column_that_is_nowhere_is_refused(importer: Importer, column: str, said: str) -> None:
    """A typing mistake must not put a column aside."""
    ran = importer(EXAMPLES / "plain.csv", "--column", column)
    assert ran.exit_code == 2
    assert said in ran.err


@pytest.mark.parametrize(
    ("cell", "asserts"),
    [
        ("trajectory:tool-used: kb.search", {"type": "trajectory:tool-used", "value": "kb.search"}),
        ("levenshtein(5): x", {"type": "levenshtein", "threshold": 5.0, "value": "x"}),
        ("not-icontains: no", {"type": "not-icontains", "value": "no"}),
        ("similar(0.8):Hello", {"type": "similar", "threshold": 0.8, "value": "Hello"}),
        ("is-json", {"type": "is-json"}),
        ("latency(2000)", {"type": "latency", "threshold": 2000.0}),
        ("contains:\na: b", {"type": "contains", "value": "a: b"}),
        ("grade:is polite", {"type": "llm-rubric", "value": "is polite"}),
        ("fn:output === 1", {"type": "javascript", "value": "output === 1"}),
        ("file://a/check.py:f", {"type": "python", "value": "file://a/check.py:f"}),
        ("Note: this", {"type": "equals", "value": "Note: this"}),
        ("containsx: this", {"type": "equals", "value": "containsx: this"}),
    ],
)
def test_a_cell_of_expected_asserts_what_promptfoo_reads_in_it(
    cell: str, asserts: dict[str, Any]
) -> None:
    """A type that is taken for text would become a check that no run ever passes."""
    assert assertion_in(cell) == asserts


def test_promptfoos_columns_are_read_without_a_configuration(importer: Importer) -> None:
    """BOM, CRLF, commas that are escaped, and columns that no golden task has."""
    ran = importer.text(
        "t.csv",
        b"\xef\xbb\xbfquestion,__expected1,__expected2,__metadata:tags[],"
        b"__config:__expected:threshold,__metric\r\n"
        b'"Hot, or ""cold""?\r\nsay",contains: hot,"contains-any:a, b",'
        b'"ai,global\\,warming",0.9,\r\n',
    )
    (task,) = loaded()
    assert task.input == 'Hot, or "cold"?\r\nsay'
    assert task.tags == ("ai", "global,warming")
    assert checks(task) == [("contains", "hot"), ("contains-any", ["a", "b"])]
    assert ran.lost == ["t.csv:2: column __config:__expected:threshold: it is not read"]


def test_openais_evals_become_checks(importer: Importer) -> None:
    """A list of ideal answers is passed by any of them."""
    importer(EXAMPLES / "evals.jsonl")
    emma, gas = loaded()
    assert (emma.input, checks(emma)) == ("Who wrote Emma?", [("icontains", "Austen")])
    assert (gas.input, checks(gas)) == ("Name a noble gas.", [("icontains-any", ["neon", "argon"])])


def test_a_chat_log_ends_with_the_users_last_question(importer: Importer) -> None:
    """What was answered then is a reference, and the tools that were called a suggestion only."""
    ran = importer(EXAMPLES / "chats.jsonl")
    order, picture = loaded()
    assert (order.id, order.input, order.checks) == ("chat-1", "Where is order 7?", ())
    assert order.metadata == {
        "model": "gpt-4.1",
        "reference": "It was sent yesterday.",
        "suggested_checks": [{"type": "trajectory:tool-used", "value": ["orders.lookup"]}],
    }
    assert [message["content"] for message in picture.input if isinstance(message, dict)] == [
        "Hi",
        "Hello!",
        "What is this?",
    ]
    assert ran.lost == [
        "chats.jsonl:1: system message: the prompt under test stands in its place",
        "chats.jsonl:2: part of a message: it is no text",
        "chats.jsonl:3: test: none of the messages is the user's",
    ]
    assert "note: 2 of the new tasks have no checks" in ran.out


def test_a_json_list_is_read_with_its_lines(importer: Importer) -> None:
    """Escaped emoji and tabs, which YAML's readers refuse, are JSON all the same."""
    ran = importer.text(
        "t.json", '\n[\n\t{"input": "\\ud83d\\ude00"},\n\t{"input": 1,\n\t "max_steps": -1}\n]'
    )
    assert [task.input for task in loaded()] == ["😀", "1"]
    assert ran.lost == ["t.json:4: max_steps of a test: max_steps must be above 0, not -1"]


@SAME_FOLDER
@given(tasks=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_what_a_csv_holds_is_what_the_tasks_hold(
    tmp_path: Path, tasks: list[tuple[str, str]]
) -> None:
    """Commas, quotes, line ends and any letter: no text is cut, split or changed."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("question", "answer"), *tasks])
    path = tmp_path / "t.csv"
    path.write_bytes(file.getvalue().encode())
    harvest = take(path, columns={}).harvest
    made = [fitted(draft, harvest) for draft in harvest.drafts]
    assert [(task.input, task.checks[0].value) for task in made] == tasks
    assert not harvest.losses


MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXTS}),
    min_size=1,
    max_size=3,
).map(lambda before: [*before, {"role": "user", "content": "?"}])
TASKS = st.fixed_dictionaries(
    {"id": st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True), "input": TEXTS | MESSAGES},
    optional={
        "category": TEXTS,
        "max_tool_calls": st.integers(0, 9),
        "max_seconds": st.floats(0.1, 99),
        "critical": st.booleans(),
        "tags": st.lists(TEXTS, min_size=1, max_size=2),
        "checks": st.lists(
            st.fixed_dictionaries({"type": st.just("not-contains"), "value": TEXTS}), min_size=1
        ),
        "metadata": st.dictionaries(TEXTS, TEXTS | st.just("") | st.none(), min_size=1),
    },
)


@SAME_FOLDER
@given(tasks=st.lists(TASKS, min_size=1, max_size=4))
def test_golden_tasks_themselves_come_back_as_they_are(
    tmp_path: Path, tasks: list[dict[str, Any]]
) -> None:
    """JSON lines of ours are a data set like any other."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks), encoding="utf-8")
    harvest = take(path, columns={}).harvest
    made = [json.loads(line_of(fitted(draft, harvest))) for draft in harvest.drafts]
    assert made == tasks
    assert not harvest.losses

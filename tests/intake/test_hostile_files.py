"""Files that were made to break, or to break out of, whoever imports them."""

import json
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import InputError
from assay.intake import drafting, templates
from assay.intake import harvest as limits
from assay.intake.assertions import TYPES
from assay.intake.harvest import LeftOut
from assay.intake.reading import take
from assay.intake.writing import fitted, line_of
from tests.intake.importing import Importer, loaded

TEST = "prompts: ['{{q}}']\ntests:\n  - vars: {q: hi, r: "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: !!python/object/apply:os.system [id]\n", "c.yaml:1: tag !!python/object/apply"),
        ("tests: &a\n- *a\n", "c.yaml:1: an alias without end"),
        ("tests: [\n", "c.yaml:2: not valid YAML"),
        ("tests: \0\n", "c.yaml:1: character U+0000 is not allowed"),
        ("hello: world\n", "c.yaml:1: this is no configuration of promptfoo"),
        ("only text\n", "c.yaml:1: this is no configuration of promptfoo"),
        ("tests: []\n", "c.yaml: nothing in this file could become a golden task"),
        ("[" * 80, "c.yaml:1: not valid YAML: nested too deeply"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused_with_its_line(
    importer: Importer, text: str, said: str
) -> None:
    """No tag makes an object, no alias a bomb; exit code 2, and nothing is written."""
    ran = importer.text("c.yaml", text)
    assert ran.exit_code == 2
    assert said in ran.err
    assert not Path("golden/c.jsonl").exists()


def test_many_aliases_are_counted_as_often_as_they_stand(importer: Importer) -> None:
    """A few lines may stand for billions of values."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    ran = importer.text("c.yaml", "\n".join(lines) + "\ntests: *l8\n")
    assert ran.exit_code == 2
    assert "an alias without end, or more than 100,000 values" in ran.err


@pytest.mark.parametrize(
    "reference",
    ["file:///etc/hostname", "file://../secret.txt", "file://link.txt", "file://../*.txt",
     "file://pipe", "file://missing.txt", "file://{{q}}.txt"],
)  # fmt: skip
def test_a_reference_leads_no_further_than_the_configurations_folder(
    importer: Importer, reference: str
) -> None:
    """What is imported may be sent to a model: no file from elsewhere gets in."""
    Path("secret.txt").write_text("SECRET")
    Path("own").mkdir()
    Path("own/link.txt").symlink_to(Path("secret.txt").absolute())
    os.mkfifo("own/pipe")
    ran = importer.text("own/c.yaml", f"{TEST}'{reference}'}}\n")
    assert ran.exit_code == 0
    assert "own/c.yaml:3: file: " in ran.err
    (task,) = loaded()
    assert task.input == "hi"
    assert "r" not in task.metadata


def test_variables_that_name_variables_end(importer: Importer) -> None:
    """Ten to the tenth of a short text would fill any memory."""
    names = [f"v{n}" for n in range(12)]
    grown = {name: f"{{{{{after}}}}}" * 10 for name, after in pairwise(names)}
    tests = [{"vars": {"q": "{{q}}"}}, {"vars": {"q": "{{v0}}", **grown, "v11": "x"}}]
    whole = json.dumps({"prompts": ["{{q}}"], "tests": tests}, indent=1)
    ran = importer.text("c.yaml", whole)
    assert ran.exit_code == 2
    assert ran.err.count("its variables name variables without end") == 2


@pytest.mark.parametrize(
    "text", ["{% if q %}" * 9, "{%" * 400_000, "{{" * 400_000, "{{ {} }}", "{#"]
)
def test_templates_that_are_programs_are_not_run_and_cost_no_time(
    importer: Importer, text: str
) -> None:
    """Looking for the end of each of many beginnings would take hours."""
    ran = importer.text("c.yaml", json.dumps({"prompts": [f"{text}\n"], "tests": [{"vars": {}}]}))
    assert ran.exit_code == 2
    assert "is more than {{name}}, and is not run" in ran.err


def test_numbers_without_end_fit_nothing(importer: Importer) -> None:
    """Python refuses to read some, and to multiply others by a fraction."""
    ran = importer.text(
        "t.csv",
        f"input,max_steps,__expected\nhi,{'9' * 5_000},latency(1{'0' * 400})\n",
    )
    assert ran.exit_code == 0
    assert "max_steps of a test: max_steps must be a whole number" in ran.err
    assert "assert latency: it has no threshold above 0" in ran.err


def test_combinations_end(importer: Importer) -> None:
    """Seven lists of ten are ten million tests; how many are taken is said."""
    variables = {f"v{n}": [f"{n}.{k}" for k in range(10)] for n in range(7)}
    prompt = "".join(f"{{{{{name}}}}}" for name in variables)
    tests = [{"vars": variables}, {"vars": {"v0": []}}]
    ran = importer.text("c.yaml", json.dumps({"prompts": [prompt], "tests": tests}))
    assert len(loaded()) == 1_000
    assert "only the first 1,000 combinations of its variables are taken" in ran.err
    assert "c.yaml:1: test: a variable of it is an empty list" in ran.err


def test_what_is_lost_costs_no_more_than_what_is_kept(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests, combinations and texts multiply each other, though no task comes of them."""
    monkeypatch.setattr(drafting, "PER_CASE", templates.MAX_WORK // 5_000)
    lists = {name: [str(n) for n in range(30)] for name in "abc"}
    tests = [{"vars": {**lists, "q": "{{missing}}"}}] * 9
    ran = importer.text("c.yaml", json.dumps({"prompts": ["{{q}}"], "tests": tests}))
    assert ran.exit_code == 2
    assert "filling in the templates of this file takes too long" in ran.err


def test_all_tasks_together_have_a_limit(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short line may name one large file again and again."""
    monkeypatch.setattr(limits, "MAX_CHARS", 5_000)
    Path("long.txt").write_text("x" * 3_000)
    ran = importer.text("c.yaml", TEST + '["file://long.txt", "file://long.txt", a, b, c, d]}\n')
    assert ran.exit_code == 2
    assert "more than 20,000 golden tasks, or 5,000 characters" in ran.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"input\nhi\0\n", "t.csv:2: a NUL byte: this is no text"),
        ("t.csv", b"\xff\xfei\0n\0", "t.csv:1: byte 0xff is not UTF-8"),
        ("t.csv", b"a,b,a\n1,2,3\n", "t.csv:1: the column 'a' is there twice"),
        ("t.csv", b'input\n"hi\n', "t.csv:2: not CSV: unexpected end of data"),
        ("t.csv", b"", "t.csv:1: there is no header"),
        ("t.jsonl", b'{"input": "a"}\n{"input": \n', "t.jsonl:2: not valid JSON"),
        ("t.json", b'[{"input": "a"},\n {"input" "b"}]', "t.json:2: not valid JSON"),
        ("t.json", b'[{"input": "a"}\n 7]', "t.json:2: not valid JSON: no , or ]"),
        ("t.json", b"[7]", "t.json:1: this line is not a JSON object"),
        ("t.csv", b"input\n" + b"x" * 10_000_001, "t.csv:2: not CSV: field larger than"),
        ("t.xlsx", b"PK", "t.xlsx: .xlsx tells no kind of file"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(
    importer: Importer, name: str, content: bytes, said: str
) -> None:
    """Half of a table is no table."""
    ran = importer.text(name, content)
    assert ran.exit_code == 2
    assert said in ran.err


NAMES = st.sampled_from(["q", "a", "b", "role", "content", "messages", "input", "id", "tags", ""])
TEXTS = st.sampled_from(
    ["", " ", "x", "{{q}}", "{{a.b}}", "{% x %}", "file://*", "file://c.json", "[", "- role: user"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1e300, 10**400]) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"])},
        optional={"content": VALUES, "tool_calls": VALUES, "function_call": VALUES},
    )
)


def perhaps(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of these keys, and now and then a wrong value."""
    likely = {name: st.one_of(of, of, of, VALUES) for name, of in keys.items()}
    return st.fixed_dictionaries({}, optional=likely)


ASSERTIONS = st.lists(
    perhaps(
        type=st.sampled_from(["contains", "is-json", "equals", *sorted(TYPES)]),
        value=TEXTS,
        threshold=st.floats(0, 9),
        weight=VALUES,
    )
    | perhaps(type=st.just("assert-set"))
    | st.just({"$ref": "#/tests/0"}),
    max_size=4,
)
A_TEST = perhaps(
    vars=st.just({"q": "Where?"}) | st.dictionaries(NAMES, VALUES | MESSAGES, max_size=3),
    options=perhaps(prefix=TEXTS, disableVarExpansion=st.booleans()),
    metadata=perhaps(id=TEXTS, category=TEXTS, tags=TEXTS, critical=st.booleans()),
    description=TEXTS,
    **{"assert": ASSERTIONS},
)
TESTS = st.lists(A_TEST, max_size=3)
SUITES = perhaps(
    prompts=st.just(["{{q}}"])
    | st.lists(TEXTS | MESSAGES.map(json.dumps) | perhaps(raw=TEXTS), max_size=3),
    tests=TESTS,
    defaultTest=A_TEST,
    scenarios=st.lists(perhaps(config=TESTS, tests=TESTS), max_size=2),
)
ROWS = A_TEST | st.dictionaries(NAMES, VALUES | MESSAGES, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(suite=SUITES, rows=st.lists(ROWS, max_size=3))
def test_nothing_in_a_file_is_a_crash(
    tmp_path: Path, suite: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    """Whatever stands where: it is read, left out with its line, or refused."""
    (tmp_path / "c.json").write_text(json.dumps(suite))
    (tmp_path / "r.json").write_text(json.dumps(rows))
    for name in ("c.json", "r.json"):
        try:
            harvest = take(tmp_path / name, columns={}, with_prompts=True).harvest
        except InputError:
            continue
        for draft in harvest.drafts:
            with suppress(LeftOut):
                line_of(fitted(draft, harvest))


def test_what_is_printed_has_no_control_characters(importer: Importer) -> None:
    """A terminal obeys them, and a file that is imported is somebody else's."""
    ran = importer.text(
        "t.jsonl",
        json.dumps({"input": "a\x1b[2J", "id": "x\x1b[2J", "__\x1b[2J": 1, "max_steps": "\x1b[2J"}),
    )
    assert ran.exit_code == 0
    assert "\x1b" not in ran.err + ran.out
    assert "t.jsonl:1: column __?[2J: it is no text" in ran.err

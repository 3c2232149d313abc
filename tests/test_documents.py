"""YAML files: values with their lines, and every mistake with its own."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assay.documents import MAX_YAML_BYTES, Document, parse_yaml, read_bytes
from assay.errors import InputError

FILE = Path("assay.yaml")


def parse(text: str | bytes) -> Document:
    return parse_yaml(text if isinstance(text, bytes) else text.encode(), path=FILE)


def complaint(text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        parse(text)
    return str(caught.value)


def test_every_key_and_item_knows_its_line() -> None:
    """Without it a message could name a file, but not the place."""
    document = parse("a: 1\nb:\n  - c: x\n\n  - d: y\n")
    assert document.value == {"a": 1, "b": [{"c": "x"}, {"d": "y"}]}
    lines = {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 0, "c"): 3, ("b", 1): 5, ("b", 1, "d"): 5}
    assert document.lines == lines


def test_what_is_missing_has_the_line_of_what_is_around_it() -> None:
    """A missing key stands nowhere; its section is where to look."""
    document = parse("a: 1\nb:\n  c: 2\n")
    assert document.line(("b", "missing", "deeper")) == 2
    assert document.line(("missing",)) is None


@pytest.mark.parametrize("text", ["a: 1\r\nb: 2\r\n", "\ufeffa: 1\nb: 2", "a: 1 # é 🙂\nb: 2"])
def test_line_endings_marks_and_other_letters_change_nothing(text: str) -> None:
    """The same file comes from Windows, from a Mac and from an editor with a will of its own."""
    document = parse(text)
    assert document.value == {"a": 1, "b": 2}
    assert document.lines == {("a",): 1, ("b",): 2}


def test_a_line_is_what_editors_call_a_line() -> None:
    """YAML ends a line at U+2028; a user who is sent to line 3 of 2 finds nothing."""
    assert parse('a: "x\u2028y"\nb: 2').lines["b",] == 2


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("12:30:00", "12:30:00"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("'25'", "25"),
        ("25", 25),
        ("-1", -1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("True", True),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    """PyYAML's own 12:30 is 750: a surprise where a type error belongs."""
    read = parse(f"key: {written}").value["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: 1\nb: 2\na: 3\n",
            "assay.yaml:3: key 'a' is already used on line 1\n  mend: delete one of the two",
        ),
        (
            b"a: 1\nb: \xff\n",
            "assay.yaml:2: byte 0xff is not UTF-8\n  mend: save the file as UTF-8",
        ),
        ("", "assay.yaml: the file is empty\n  mend: see docs/configuration.md"),
        ("# later\n", "assay.yaml: the file is empty\n  mend: see docs/configuration.md"),
        ("a: 1\n1: 2\n", "assay.yaml:2: a key must be text\n  mend: put the key in quotes"),
        (
            "a: {<<: {b: 1}}",
            "assay.yaml:1: merge keys (<<) are not read\n  mend: write the keys out",
        ),
        (
            "a: 1\nb: !!python/object/apply:os.system ['true']",
            "assay.yaml:2: tag !!python/object/apply:os.system is not read here\n"
            "  mend: write the value plainly",
        ),
        ("a: 1e999", "assay.yaml:1: '1e999' cannot be read"),
        ('a: "\\ud800"', "assay.yaml:1: half of a character (\\ud800 to \\udfff)"),
        ("a: \x01", "assay.yaml:1: character U+0001 is not allowed\n  mend: delete it"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_mend(text: str | bytes, said: str) -> None:
    """The message is all that a user gets."""
    assert complaint(text) == said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1,\n", 3),
        ("a: 1\nb: c: d\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("a: *nowhere", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ('a: "\\UFFFFFFFF"', 1),
    ],
)
def test_broken_syntax_names_the_line(text: str, line: int) -> None:
    """PyYAML's own message is five lines long and calls the file a byte string."""
    assert complaint(text).startswith(f"assay.yaml:{line}: not valid YAML: ")


def test_a_small_file_cannot_stand_for_a_large_one() -> None:
    """Ten lines of aliases to aliases are a billion values."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    assert "write out what the aliases stand for" in complaint(bomb)


def test_an_alias_of_itself_is_refused() -> None:
    """It has no plain value."""
    assert "an alias without end" in complaint("a: &a [*a]")


def test_an_alias_stands_for_its_value() -> None:
    """Sharing a list of checks among tasks is what aliases are for."""
    assert parse("a: &x [1]\nb: *x").value == {"a": [1], "b": [1]}


@pytest.mark.parametrize("opening", ["[", "- ", "{a: ", "? "])
def test_deep_nesting_is_refused(opening: str) -> None:
    """PyYAML would overflow the stack."""
    assert "nested too deeply" in complaint(opening * 2000)


def test_a_huge_file_is_refused_unread() -> None:
    """Reading 100 MB of YAML takes minutes; nobody meant to."""
    assert "golden tasks belong in" in complaint(b"#" * (MAX_YAML_BYTES + 1))


def test_a_file_that_cannot_be_read_is_the_users_mistake(tmp_path: Path) -> None:
    """A folder, or nothing, where a file should be: no traceback."""
    with pytest.raises(InputError, match=r"cannot be read"):
        read_bytes(tmp_path)
    with pytest.raises(InputError, match=r"nowhere\.yaml: there is no such file\n  mend: write it"):
        read_bytes(tmp_path / "nowhere.yaml", mend="write it")
    with pytest.raises(InputError, match=r"cannot be read"):
        read_bytes(tmp_path / "a\0b")


@given(st.binary() | st.text().map(str.encode))
def test_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    """A traceback for a typo would be our bug."""
    try:
        document = parse_yaml(raw, path=FILE)
    except InputError:
        return
    json.dumps(document.value, ensure_ascii=False, allow_nan=False).encode()


SYNTAX = (
    *(": ", "\n", "- ", "  ", "[", "]", "{", "}", ", ", "a", "&x ", "*x", '"', "'", "|", ">"),
    *("!!", "!!int ", "!!set ", "?", "#", "%YAML 1.1\n", "---\n", "...", "\\U", "<<", "0", "~"),
)


@given(st.lists(st.sampled_from(SYNTAX), max_size=30).map("".join))
def test_yaml_syntax_in_disorder_is_read_or_refused(text: str) -> None:
    """Random bytes seldom get past the first colon; these do."""
    try:
        parse(text)
    except InputError as refused:
        assert refused.path == FILE  # noqa: PT017 - not raising is right too


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdé-", min_size=1), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text("abc", min_size=1), values, min_size=1))
def test_what_yaml_writes_is_read_back(value: dict[str, Any]) -> None:
    """Reading scalars our own way must lose none of them, nor the tags that say what they are."""
    text = yaml.safe_dump(value, default_style='"')  # bare, 1e3 is text for PyYAML alone
    assert parse(text).value == value

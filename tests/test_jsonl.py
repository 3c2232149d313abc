"""JSONL files: objects with their lines, and every mistake with its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import InputError
from assay.jsonl import Row, parse_jsonl

FILE = Path("golden/refunds.jsonl")


def parse(raw: bytes) -> list[Row]:
    return list(parse_jsonl(raw, path=FILE))


def test_each_line_is_an_object_with_its_line_number() -> None:
    """Blank lines and the end of the file are where editors disagree."""
    rows = parse(b'{"a": 1}\n\n  \n{"a": 2}')
    assert rows == [Row({"a": 1}, 1), Row({"a": 2}, 4)]


def test_windows_and_its_byte_order_mark_change_nothing() -> None:
    """Excel and PowerShell write both."""
    assert parse(b'\xef\xbb\xbf{"a": 1}\r\n{"b": "\xc3\xa9"}\r\n') == [
        Row({"a": 1}, 1),
        Row({"b": "é"}, 2),
    ]


def test_a_line_separator_within_a_text_ends_no_line() -> None:
    """Python's splitlines would cut the object in two."""
    assert parse('{"a": "x\u2028y"}\n{"a": 1}'.encode())[1].line == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            b'{"a": 1,}',
            "not valid JSON: illegal trailing comma before end of object, at column 8\n"
            "  mend: write each object whole, on one line of its own",
        ),
        (b"[1]", 'this line is not a JSON object\n  mend: begin it with {"id": '),
        (b'{"a": 1, "a": 2}', "key 'a' is given twice\n  mend: delete one of the two"),
        (b'{"a": {"b": 1, "b": 1}}', "key 'b' is given twice\n  mend: delete one of the two"),
        (b'{"a": NaN}', "NaN is not a number that JSON knows\n  mend: write a number, or null"),
        (
            b'{"a": -Infinity}',
            "-Infinity is not a number that JSON knows\n  mend: write a number, or null",
        ),
        (b'{"a": 1e999}', "1e999 is not a number that JSON knows\n  mend: write a number, or null"),
        (b'{"a": "\xff"}', "byte 0xff is not UTF-8\n  mend: save the file as UTF-8"),
        (b"[" * 100_000, "nested too deeply\n  mend: flatten it"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_mend(line: bytes, said: str) -> None:
    """A file of a thousand lines is searched by nobody."""
    with pytest.raises(InputError) as caught:
        parse(b'{"a": 0}\n' + line + b"\n")
    message = str(caught.value)
    if "trailing comma" in said:  # Python 3.13 says it better than 3.11
        assert message.startswith("golden/refunds.jsonl:2: not valid JSON: ")
        assert message.endswith(said.split("\n")[1])
    else:
        assert message == f"golden/refunds.jsonl:2: {said}"


@pytest.mark.parametrize("line", [b'{"a": "\\ud800"}', b'{"a": ' + b"1" * 5000 + b"}"])
def test_what_cannot_be_stored_is_refused(line: bytes) -> None:
    """It would break the journal in the middle of an evaluation."""
    with pytest.raises(InputError, match=r"refunds\.jsonl:1: cannot be read"):
        parse(line)


@given(st.binary() | st.text().map(str.encode))
def test_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    """A traceback for a typo would be our bug."""
    try:
        rows = parse(raw)
    except InputError:
        return
    assert all(isinstance(row.value, dict) for row in rows)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé"), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text("abé"), json_values, max_size=3)),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_json_writes_is_read_back(
    objects: list[dict[str, Any]], ending: str, ascii_only: bool
) -> None:
    """Golden tasks must arrive as they were written."""
    lines = [json.dumps(value, ensure_ascii=ascii_only) for value in objects]
    rows = parse(ending.join(lines).encode())
    assert [row.value for row in rows] == objects
    assert [row.line for row in rows] == list(range(1, len(objects) + 1))

"""Tables: CSV, JSON lines and JSON lists, a test on each row."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.documents import decode
from assay.errors import InputError
from assay.intake.assertions import TYPES
from assay.intake.cases import Case, case_of
from assay.intake.files import content
from assay.intake.harvest import Found, Harvest, found_on
from assay.jsonl import json_object, parse_jsonl
from assay.wording import cut

SPECIAL = "__"
METADATA = "__metadata:"
BEYOND = "\0"
"""The key of the cells that a row has beyond the header; no header has it."""
DELIMITERS = ",;\t|"
MAX_CELL_CHARS = 10_000_000

_ASSERTION = re.compile(
    rf"(?s)(?P<type>(?:not-)?(?:{'|'.join(sorted(TYPES, key=len, reverse=True))}))"
    r"(?:\((?P<threshold>\d+(?:\.\d+)?)\))?(?::(?P<value>.*))?"
)
_LEGACY = {"fn:": "javascript", "eval:": "javascript", "grade:": "llm-rubric"}
_PROGRAM = re.compile(r"file://.*\.(?P<kind>py|[cm]?[jt]s)(?::\w+)?\s*")


def rows_in(path: Path) -> Iterator[Found] | None:
    """The rows of a file; None where its name and first letter are no table's.

    Raises:
        InputError: It cannot be read.
    """
    kind, raw = path.suffix.lower(), content(path)
    if kind in (".csv", ".tsv"):
        return csv_rows(raw, path=path)
    if kind in (".jsonl", ".ndjson"):
        return jsonl_rows(raw, path=path)
    if kind == ".json" and raw.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        return json_rows(raw, path=path)
    return None


def csv_rows(raw: bytes, *, path: Path) -> Iterator[Found]:
    """The rows below the header, by its names.

    Raises:
        InputError: It is not UTF-8 or not CSV, or names a column twice.
    """
    text = decode(raw, path=path)
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InputError("a NUL byte: this is no text", path=path, line=line, mend="delete it")
    csv.field_size_limit(MAX_CELL_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                values: dict[str, Any] = dict(zip(header, cells, strict=False))
                values.pop("", None)
                if any(cell.strip() for cell in cells[len(header) :]):
                    values[BEYOND] = len(cells) - len(header)
                yield found_on(values, path=path, line=line)
            line = reader.line_num + 1
    except csv.Error as bad:
        raise InputError(f"not CSV: {bad}", path=path, line=reader.line_num) from None


def _delimiter(text: str) -> str:
    header = text.lstrip("\r\n").partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _check_header(header: list[str], path: Path) -> None:
    if not any(header):
        raise InputError("there is no header", path=path, line=1, mend="name the columns")
    if twice := [name for name in header if name and header.count(name) > 1]:
        problem = f"the column {cut(twice[0])!r} is there twice"
        raise InputError(problem, path=path, line=1, mend="rename one of them")


def jsonl_rows(raw: bytes, *, path: Path) -> Iterator[Found]:
    """The objects of a file of JSON lines."""
    for row in parse_jsonl(raw, path=path):
        yield found_on(row.value, path=path, line=row.line)


def json_rows(raw: bytes, *, path: Path) -> Iterator[Found]:
    """The objects of a JSON list, each with the line it begins on.

    Raises:
        InputError: It is no list of objects, or not JSON.
    """
    text, decoder = decode(raw, path=path), json.JSONDecoder()
    at, line, counted = _next(text, text.index("[") + 1), 1, 0
    while text[at : at + 1] not in ("]", ""):
        line, counted = line + text.count("\n", counted, at), at
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as bad:
            line += text.count("\n", at, getattr(bad, "pos", at))
            problem = "not valid JSON, or nested too deeply"
            raise InputError(problem, path=path, line=line, mend="look at this line") from None
        # Strings hold no bare line ends, so the object stands on one line without them.
        one_line = re.sub(r"[\r\n]", " ", text[at:end])
        yield found_on(json_object(one_line, path=path, line=line), path=path, line=line)
        at = _next(text, end)
        if text[at : at + 1] == ",":
            at = _next(text, at + 1)
        elif text[at : at + 1] != "]":
            line += text.count("\n", counted, at)
            raise InputError("not valid JSON: no , or ]", path=path, line=line)


def _next(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def case_on(row: Found, harvest: Harvest, *, folder: Path | None = None) -> Case:
    """A row as promptfoo reads it: an object with `vars`, or variables and columns with `__`."""
    if any(isinstance(row.value.get(key), dict | list) for key in ("vars", "assert")):
        return case_of(row, harvest, folder=folder)
    plain = {
        name: cell
        for name, cell in row.value.items()
        if name != BEYOND and not name.startswith(SPECIAL)
    }
    metadata: dict[str, Any] = {}
    assertions: list[Found] = []
    texts: dict[str, str] = {}
    for name, cell in _special(row, harvest):
        if re.fullmatch(r"__expected\d*", name):
            assertions.append(Found(assertion_in(cell), row.at))
        elif name in ("__description", "__prefix", "__suffix"):
            texts[name.removeprefix(SPECIAL)] = cell
        elif name.startswith(METADATA) and name != METADATA:
            metadata |= _metadata(name.removeprefix(METADATA), cell)
        else:
            why = "every check must pass here" if name == "__threshold" else "it is not read"
            harvest.lose(row.place, f"column {cut(name)}", why)
    # A list in a plain data set is a value, such as messages, and no list of values.
    has_lists = any(isinstance(value, list) for value in plain.values())
    options = {"disableVarExpansion": True} if has_lists else {}
    return Case(
        place=row.place,
        variables=plain,
        assertions=assertions,
        description=texts.pop("description", ""),
        metadata=metadata,
        options={**texts, **options},
    )


def _special(row: Found, harvest: Harvest) -> Iterator[tuple[str, str]]:
    """The columns that are promptfoo's own and say something, in text."""
    for name, cell in row.value.items():
        if name == BEYOND:
            harvest.lose(row.place, "cells beyond the header", f"{cell} of them have no name")
        elif name.startswith(SPECIAL) and not isinstance(cell, str):
            harvest.lose(row.place, f"column {cut(name)}", "it is no text")
        elif name.startswith(SPECIAL) and cell.strip():
            yield name, cell


def assertion_in(cell: str) -> dict[str, Any]:
    """What a cell of `__expected` asserts, as promptfoo reads it: `type: value`, else equality.

    >>> assertion_in("icontains: 45 days")
    {'type': 'icontains', 'value': '45 days'}
    >>> assertion_in("levenshtein(5): Paris")
    {'type': 'levenshtein', 'threshold': 5.0, 'value': 'Paris'}
    >>> assertion_in("Paris")
    {'type': 'equals', 'value': 'Paris'}
    """
    text = cell.strip()
    for prefix, kind in _LEGACY.items():
        if text.startswith(prefix):
            return {"type": kind, "value": text.removeprefix(prefix).strip()}
    if (program := _PROGRAM.fullmatch(text)) is not None:
        return {"type": "python" if program["kind"] == "py" else "javascript", "value": text}
    found = _ASSERTION.fullmatch(text)
    if found is None:
        return {"type": "equals", "value": cell}
    assertion: dict[str, Any] = {"type": found["type"]}
    if found["threshold"] is not None:
        assertion["threshold"] = float(found["threshold"])
    if found["value"] is not None and found["value"].strip():
        assertion["value"] = found["value"].strip()
    return assertion


def _metadata(name: str, cell: str) -> dict[str, Any]:
    if not name.endswith("[]"):
        return {name: cell}
    parts = (part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\),", cell))
    return {name.removesuffix("[]"): [part for part in parts if part]}

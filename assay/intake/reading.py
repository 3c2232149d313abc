"""Which kind of file it is that somebody has, and reading it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.documents import parse_yaml
from assay.errors import InputError
from assay.intake.drafting import COLUMNS, Drafter
from assay.intake.files import content
from assay.intake.harvest import Found, Harvest, found_in
from assay.intake.promptfoo import MARKS, Suite
from assay.intake.prompting import Template, templates_of
from assay.intake.tables import case_on, rows_in
from assay.wording import cut, did_you_mean, one_line

MAX_NAMED = 20
"""Columns in a message."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file holds."""

    harvest: Harvest
    instructions: tuple[str, ...] = ()
    """Texts of prompts, where they were asked for."""


def take(path: Path, *, columns: Mapping[str, str], with_prompts: bool = False) -> Taken:
    """Draft golden tasks from a file.

    Args:
        path: promptfoo's configuration or tests, CSV, JSON lines, or a JSON list.
        columns: Which of its columns or variables is ours.
        with_prompts: Part the prompts' instructions from what they ask.

    Raises:
        InputError: It cannot be read.
    """
    rows, kind = rows_in(path), path.suffix.lower()
    if rows is None and kind in (".yaml", ".yml", ".json"):
        return _take_suite(found_in(parse_yaml(content(path), path=path)), columns, with_prompts)
    if rows is None:
        raise InputError(
            f"{cut(kind or 'a name without an ending')} tells no kind of file",
            path=path,
            mend="name it .yaml or .json (promptfoo), .csv, .jsonl or .json (data sets, chats)",
        )
    drafter = Drafter(harvest=Harvest(), columns=columns)
    for row in rows:
        drafter.take(case_on(row, drafter.harvest))
    _check_columns(drafter)
    return Taken(drafter.harvest)


def parsed_columns(given: Iterable[str]) -> dict[str, str]:
    """`--column OURS=THEIRS`, as often as it is given.

    Raises:
        InputError: One has no `=`, or there is no such column of ours.
    """
    columns: dict[str, str] = {}
    for each in given:
        ours, is_there, theirs = each.partition("=")
        if not is_there or not theirs:
            raise InputError(f"--column {cut(each)}", mend="write it as input=question")
        if ours not in COLUMNS:
            mend = did_you_mean(ours, sorted(COLUMNS))
            raise InputError(f"--column {cut(each)}: golden tasks have no {cut(ours)!r}", mend=mend)
        columns[ours] = theirs
    return columns


def _check_columns(drafter: Drafter) -> None:
    for ours, theirs in drafter.columns.items():
        if theirs not in drafter.names and drafter.names:
            mend = did_you_mean(theirs, sorted(map(one_line, drafter.names))[:MAX_NAMED])
            problem = f"--column {ours}={cut(theirs)}: nothing has this name"
            raise InputError(problem, mend=mend)


def _take_suite(found: Found, columns: Mapping[str, str], with_prompts: bool) -> Taken:
    value, harvest = found.value, Harvest()
    path = found.place.path or Path()
    if not isinstance(value, list) and not (isinstance(value, dict) and MARKS & value.keys()):
        mend = f"it has one of the keys {', '.join(sorted(MARKS))}"
        raise InputError("this is no configuration of promptfoo", path=path, line=1, mend=mend)
    templates = templates_of(found.get("prompts"), harvest, folder=path.parent)
    parted = _parted(templates, harvest) if with_prompts else []
    template = next(iter(parted or templates), None)
    if template is not None and "input" not in columns:
        _say_what_asks(template, templates, harvest, are_kept=bool(parted))
    drafter = Drafter(
        harvest=harvest, columns=columns, template=template, folder=path.parent, root=value
    )
    Suite(found, path.parent, harvest).take(drafter)
    _check_columns(drafter)
    return Taken(harvest, tuple(each.system for each in parted))


def _parted(templates: list[Template], harvest: Harvest) -> list[Template]:
    """The prompts with instructions of their own that ask the same."""
    parted: list[Template] = []
    for template in templates:
        each = template.parted()
        if each is None:
            why = "its instructions hold variables, or cannot be told from what it asks"
        elif parted and each.messages != parted[0].messages:
            why = "it asks in another way than the first one"
        else:
            parted.append(each)
            continue
        harvest.lose(template.place, "prompt", why)
    return parted


def _say_what_asks(
    template: Template, templates: list[Template], harvest: Harvest, *, are_kept: bool
) -> None:
    for what, why in template.dropped:
        if not (are_kept and what == "system message"):
            harvest.lose(template.place, what, why)
    if len(templates) > 1 and not are_kept:
        harvest.note(
            "the first prompt makes the inputs; --column input=VARIABLE takes a variable alone, "
            "--prompts keeps the prompts"
        )
        for other in templates[1:]:
            harvest.lose(other.place, "prompt", "golden tasks are asked in the first one's way")

"""`assay golden import`: golden tasks out of promptfoo's tests, tables and chat logs."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assay.config import Config, load_config
from assay.errors import InputError
from assay.intake.harvest import Harvest, Loss
from assay.intake.instructions import name_of, write_versions
from assay.intake.reading import parsed_columns, take
from assay.intake.writing import Book, is_read, write_tasks
from assay.wording import one_line

MAX_LISTED = 20
"""Losses of one kind for one reason that are listed; with `--json` all of them are."""


def golden_import(arguments: argparse.Namespace) -> int:
    """Import a file; say what was imported, and what was not with its line."""
    folder = arguments.config.parent / "golden"
    into: Path = arguments.into or folder / f"{arguments.file.stem}.jsonl"
    config = load_config(arguments.config, os.environ)
    harvest, book, versions = _imported(arguments, into, config)
    losses = sorted(harvest.losses.values(), key=_position)
    for line in listed(losses):
        print(line, file=sys.stderr)
    if not book.new and not book.there:
        raise InputError(
            "nothing in this file could become a golden task",
            path=arguments.file,
            mend="docs/golden-import.md says what is read; --column input=NAME names the input",
        )
    facts = {
        "file": str(arguments.file),
        "into": str(into),
        "dry_run": arguments.dry_run,
        "prompts": versions,
        **_facts(book, harvest, losses),
    }
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        _print_summary(facts, harvest)
        _print_next(facts, read=arguments.dry_run or is_read(into, config))
    return 0


def _imported(
    arguments: argparse.Namespace, into: Path, config: Config
) -> tuple[Harvest, Book, list[str]]:
    """What was found, the tasks that came of it, and the versions of prompts."""
    prompts: Path | None = arguments.prompts
    dry_run: bool = arguments.dry_run
    columns = parsed_columns(arguments.column)
    if prompts is not None:
        name_of(prompts)  # before anything is written
    taken = take(arguments.file, columns=columns, with_prompts=prompts is not None)
    harvest = taken.harvest
    book = write_tasks(harvest, into, config=config, append=arguments.append, dry_run=dry_run)
    if prompts is None:
        return harvest, book, []
    if not taken.instructions:
        harvest.note("--prompts: this file has no instructions that could be kept")
    return harvest, book, write_versions(taken.instructions, prompts, dry_run=dry_run)


def _facts(book: Book, harvest: Harvest, losses: list[Loss]) -> dict[str, Any]:
    return {
        "imported": list(book.new),
        "there_already": book.there,
        "the_same_again": book.again,
        "without_checks": sum(not task.checks for task in book.new.values()),
        "assertions": {"found": harvest.assertions, "carried": harvest.carried},
        "left_out": [_as_json(loss) for loss in losses],
        "notes": list(harvest.notes),
    }


def listed(losses: Iterable[Loss]) -> list[str]:
    """A line for each loss; of many alike only the first."""
    alike: Counter[tuple[str, str]] = Counter()
    lines = []
    for loss in losses:
        alike[loss.what, loss.why] += 1
        if alike[loss.what, loss.why] <= MAX_LISTED:
            lines.append(str(loss))
    for (what, why), number in alike.items():
        if number > MAX_LISTED:
            lines.append(f"and {number - MAX_LISTED:,} more like this: {what}: {why}")
    return lines


def _position(loss: Loss) -> tuple[str, int]:
    return str(loss.place.path), loss.place.line or 0


def _as_json(loss: Loss) -> dict[str, Any]:
    place = loss.place
    return {"path": str(place.path), "line": place.line, "what": loss.what, "why": loss.why}


def _print_summary(facts: dict[str, Any], harvest: Harvest) -> None:
    would = "would be " if facts["dry_run"] else ""
    rows = [(f"golden tasks {would}imported", f"{len(facts['imported']):,}")]
    if facts["there_already"]:
        rows.append(("golden tasks there already", f"{facts['there_already']:,}"))
    if facts["the_same_again"]:
        rows.append(("tests that are the same again", f"{facts['the_same_again']:,}"))
    if harvest.assertions:
        carried = f"{harvest.carried:,} of {harvest.assertions:,}"
        rows.append(("assertions carried over", carried))
    if facts["prompts"]:
        rows.append((f"prompts {would}written", ", ".join(facts["prompts"])))
    if harvest.losses:
        rows.append(("left out, as listed above", f"{len(harvest.losses):,}"))
    rows += [(f"  {what}", f"{n:,}") for what, n in harvest.lost_by_kind().most_common()]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(one_line(f"{name:<{width}}  {value}", max_chars=200))
    for note in harvest.notes:
        print(f"note: {note}")
    if facts["imported"] and facts["without_checks"]:
        n = facts["without_checks"]
        print(f"note: {n:,} of the new tasks have no checks: a run that ends well passes them")


def _print_next(facts: dict[str, Any], *, read: bool) -> None:
    into = one_line(facts["into"], max_chars=200)
    if facts["dry_run"]:
        print("next: the same without --dry-run")
        return
    if facts["imported"]:
        print(f"wrote {into}")
    if not read:
        print(f"next: add {into} to testing.golden_files in assay.yaml")
    print("next: assay golden check" if read else "then: assay golden check")

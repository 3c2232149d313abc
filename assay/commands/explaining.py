"""`assay explain`: why did tokens, tool calls and spend change?"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from assay.commands.verdicts import STANDARD_OUTPUT, check_json
from assay.config import load_config
from assay.errors import InputError
from assay.explain.document import as_json
from assay.explain.explanation import explain as explain_change
from assay.explain.page import explanation_page
from assay.explain.sides import Named, parse_side, select
from assay.explain.traffic_log import COLUMNS, read_traffic
from assay.monitors.looking import run_logs
from assay.store.log_names import named_columns
from assay.store.production_log import log_files
from assay.wording import one_line

EXIT_CANNOT_TELL = 3


def explain(arguments: argparse.Namespace) -> int:
    """Print the page; exit code 3 where the data cannot tell."""
    check_json(arguments.json)
    before, after = _sides(arguments)
    of_sides = [each for each in (before, after) if isinstance(each, Path)]
    logs = _logs(arguments) if len(of_sides) < 2 else []
    # Sides last, for a run counts where it is logged last.
    paths = [*(each for each in logs if each not in of_sides), *of_sides]
    log = read_traffic(paths, named=named_columns(arguments.column, of=COLUMNS), sides=of_sides)
    for ours, theirs in log.sources.items():
        if theirs != ours:
            print(f"{ours}: column {one_line(theirs)}", file=sys.stderr)
    for what, count in log.passed_over.items():
        print(f"passed over: {count:,} x {what}", file=sys.stderr)
    sides = select(before, after, log.runs, {path: paths.index(path) for path in of_sides})
    found = explain_change(log.runs, sides, seed=arguments.seed)
    text = json.dumps(as_json(found), indent=2, allow_nan=False)
    if arguments.json != STANDARD_OUTPUT:
        print(explanation_page(found), end="")
    else:
        print(text)
    if arguments.json not in (None, STANDARD_OUTPUT):
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    return EXIT_CANNOT_TELL if found.cannot_tell else 0


def _sides(arguments: argparse.Namespace) -> tuple[Named, Named]:
    before, after, split = arguments.before, arguments.after, arguments.split_at
    if split is not None and (before is not None or after is not None):
        raise InputError("--split-at is both sides", mend="give it alone, or --before and --after")
    if split is None and (before is None or after is None):
        raise InputError(
            "what is compared with what?",
            mend="give --before and --after (times, prompts or files), or --split-at TIME",
        )
    sides = (
        parse_side(split or before, is_after=False),
        parse_side(split or after, is_after=True),
    )
    if split is not None and any(isinstance(each, (str, Path)) for each in sides):
        raise InputError(f"--split-at {one_line(split)!r} is no time", mend="2026-11-20T10:00Z")
    if sides[0] == sides[1]:
        raise InputError("before and after are the same", mend="name two")
    return sides


def _logs(arguments: argparse.Namespace) -> Sequence[Path]:
    """The logs that are named, else production's as the configuration has them."""
    if arguments.runs:
        return [path for each in arguments.runs for path in _expanded(each)]
    if not arguments.config.is_file():
        raise InputError("no runs are named", mend="give --runs FILE...")
    found = run_logs(load_config(arguments.config, os.environ))
    if not found:
        raise InputError(
            "no runs are named, and there is no log of production",
            mend="give --runs FILE..., or set rollout.canary.run_log",
        )
    return found


def _expanded(text: str) -> list[Path]:
    """A file or folder, or those that a pattern names."""
    if Path(text).exists():
        return [Path(text)]
    if found := log_files(Path(), text):
        return found
    raise InputError(f"--runs {one_line(text)}: no such file")

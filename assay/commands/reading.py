"""`assay status | history | show | golden check`: what is, what was, what is wrong."""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from assay.commands.serving import line as server_line
from assay.config import Config, load_config
from assay.errors import InputError
from assay.golden import load_golden
from assay.history import Entry, read_history
from assay.live import read_pointers
from assay.prompts import load_prompt, verify_lock
from assay.store.evaluations import EvaluationFolder, evaluations, find_evaluation

SHOWN_EVALUATIONS = 5
SHOWN_SWITCHES = 3
MAX_LINE_CHARS = 110


def status(arguments: argparse.Namespace) -> int:
    """What is active, what happened last, what is running or was interrupted."""
    path: Path = arguments.config
    pointers = read_pointers(path).pointers
    print(f"active:   {pointers.active}")
    print(f"rollback: {pointers.rollback}")
    history = read_history(path)
    for warning in history.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if history.entries:
        print("\nlast switches")
        for entry in reversed(history.entries[-SHOWN_SWITCHES:]):
            print(f"  {_cut(_switch_line(entry))}")
    found = evaluations(_results(load_config(path, os.environ)))
    if found:
        print("\nlast evaluations")
        for folder in found[:SHOWN_EVALUATIONS]:
            print(f"  {_evaluation_line(folder)}")
    print(f"\n{server_line(path.absolute().parent)}")
    return 0


def history(arguments: argparse.Namespace) -> int:
    """Every switch, oldest first."""
    entries, warnings, _ = read_history(arguments.config)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for entry in entries:
        print(entry.as_line().decode().rstrip() if arguments.json else _switch_line(entry))
    if not entries and not arguments.json:
        print("nothing has been switched yet")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """The decision of an evaluation, as it was printed."""
    folder = find_evaluation(
        _results(load_config(arguments.config, os.environ)), arguments.evaluation
    )
    if not folder.decision.exists():
        candidates, _ = _refs(folder)
        again = f"assay evaluate {' '.join(candidates)} --resume {folder.evaluation_id}"
        raise InputError(
            f"evaluation {folder.evaluation_id} has no verdict: {_state(folder)}",
            mend=f"finish it with: {again}",
        )
    text = folder.decision.read_text(encoding="utf-8")
    if arguments.json:
        print(text.rstrip())
        return 0
    from assay.commands.screen import Screen
    from assay.decision import read_outcome
    from assay.report.table import outcome_page

    Screen(highlight=False).print(outcome_page(read_outcome(text)))
    return 0


def golden_check(arguments: argparse.Namespace) -> int:
    """Read everything that an evaluation would read; the first mistake is an error."""
    config = load_config(arguments.config, os.environ)
    directory = config.folder / config.prompts.directory
    refs = dict.fromkeys(
        [config.prompts.active, config.prompts.rollback, *config.prompts.candidates]
    )
    for ref in refs:
        prompt = load_prompt(directory, ref)
        verify_lock(directory, prompt)
        print(f"prompt {ref}: {prompt.prompt_id}")
    tasks = load_golden(config)
    print(f"agent {config.agent.name}: {_check_tools(config)}")
    categories = Counter(task.category or "no category" for task in tasks)
    critical = sum(task.is_critical for task in tasks)
    print(f"{len(tasks)} golden tasks, {critical} of them critical")
    for category, count in sorted(categories.items()):
        print(f"  {category}: {count}")
    return 0


def _check_tools(config: Config) -> str:
    """What the agent may call, in words."""
    from assay.agents.opening import open_toolbox

    toolbox = open_toolbox(config)
    offered = [toolbox.name(tool.name) for tool in toolbox.definitions]
    return f"{len(offered)} tools" + (f" ({', '.join(offered)})" if offered else "")


def _results(config: Config) -> Path:
    return config.folder / config.results.uri


def _switch_line(entry: Entry) -> str:
    cause = entry.cause
    evidence = f" (evaluation {cause.evaluation_id})" if cause.evaluation_id else ""
    return _one_line(
        f"{cause.at:%Y-%m-%d %H:%M} {cause.action}: {entry.before.active} -> {entry.after.active} "
        f"by {cause.who}{evidence}: {cause.reason}"
    )


def _evaluation_line(folder: EvaluationFolder) -> str:
    candidates, baseline = _refs(folder)
    return _one_line(
        f"{folder.evaluation_id} {', '.join(candidates)} vs {baseline}: {_state(folder)}"
    )


def _state(folder: EvaluationFolder) -> str:
    if folder.decision.exists():
        decision: dict[str, Any] = json.loads(folder.decision.read_text(encoding="utf-8"))
        return _cut(str(decision["reason"]))
    return "under way" if folder.is_being_run() else "interrupted"


def _refs(folder: EvaluationFolder) -> tuple[list[str], str]:
    """The candidates and the baseline, as the journal's header names them."""
    header = folder.header() or {}
    candidates = header.get("candidates") or [header.get("candidate")]
    prompts = [each or {} for each in (header.get("baseline"), *candidates)]
    baseline, *refs = (f"{p.get('name', '?')}:{p.get('version', '?')}" for p in prompts)
    return refs, baseline


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LINE_CHARS else f"{text[: MAX_LINE_CHARS - 1]}…"


def _one_line(text: str) -> str:
    """Without control characters: reasons and names come from files."""
    return "".join(character if character.isprintable() else "?" for character in text)

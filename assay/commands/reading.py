"""`assay status | history | show | golden check`: what is, what was, what is wrong."""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.commands.serving import line as server_line
from assay.config import BuiltinSection, Config, load_config
from assay.errors import InputError
from assay.golden import load_golden
from assay.history import Entry, read_history
from assay.live import read_pointers
from assay.pointers import read_pointer_file
from assay.prompts import load_prompt, verify_lock
from assay.store.approvals import waiting
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
    if (canary := read_pointer_file(path).says.canary) is not None and canary.runs:
        print(f"canary:   {canary.version} at {canary.share:.2%} (assay canary status)")
    history = read_history(path)
    for warning in history.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if history.all:
        print("\nlast switches")
        for entry in reversed(history.all[-SHOWN_SWITCHES:]):
            print(f"  {_cut(_switch_line(entry))}")
    config = load_config(path, os.environ)
    if config.rollout.frozen:
        print("\nfrozen: production answers with the last good version; nothing is promoted")
    found = evaluations(_results(config))
    if awaiting := list(waiting(found, config_sha256=config.sha256, now=datetime.now(UTC))):
        print("\nawaiting approval")
        for one in awaiting:
            until = f"{one.deadline:%Y-%m-%d %H:%M} UTC"
            line = f"{one.candidate} until {until}: assay approve {one.evaluation_id}"
            print(f"  {one_line(line)}")
    if found:
        print("\nlast evaluations")
        for folder in found[:SHOWN_EVALUATIONS]:
            print(f"  {_evaluation_line(folder)}")
    _print_monitors(config)
    print(f"\n{server_line(path.absolute().parent)}")
    return 0


def _print_monitors(config: Config) -> None:
    """What production uses, where it is logged."""
    from assay.monitors.looking import run_logs

    if run_logs(config):
        from assay.commands.monitoring import lines_for_status

        print("\nproduction (UTC)")
        for line in lines_for_status(config):
            print(f"  {line}")


def history(arguments: argparse.Namespace) -> int:
    """Every switch, oldest first."""
    found = read_history(arguments.config)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for entry in found.all:
        print(_kept(entry) if arguments.json else _switch_line(entry))
    if not found.all and not arguments.json:
        print("nothing has been switched yet")
    return 0


def _kept(entry: Entry) -> str:
    """The line as it is in the file, with its hashes; or as it will be, where it is owed."""
    return (entry.kept or entry.as_line()).decode("utf-8", "backslashreplace").rstrip()


def show(arguments: argparse.Namespace) -> int:
    """The decision of an evaluation, as it was printed."""
    folder = find_evaluation(
        _results(load_config(arguments.config, os.environ)), arguments.evaluation
    )
    if not folder.decision.exists():
        raise InputError(
            f"evaluation {folder.evaluation_id} has no verdict: {_state(folder)}",
            mend=f"finish it with: {_again(folder)}",
        )
    text = folder.decision.read_text(encoding="utf-8")
    if arguments.json:
        print(text.rstrip())
        return 0
    from assay.commands.screen import Screen
    from assay.nights.document import Night, read_kept
    from assay.nights.page import night_page
    from assay.nights.trends import past_nights
    from assay.report.table import outcome_page

    kept = read_kept(text)
    if isinstance(kept, Night):
        before = past_nights(folder.path.parent, prompt_id=kept.active.prompt.prompt_id)
        page = night_page(kept, before=[night for night in before if night.at < kept.at])
    else:
        page = outcome_page(kept)
    Screen(highlight=False).print(page)
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
    if (judged := sum(bool(task.judged_checks) for task in tasks)) > 0:
        print(f"{judged} of them judged, by {config.judge.model or 'similarity alone'}")
    for category, count in sorted(categories.items()):
        print(f"  {category}: {count}")
    return 0


def _check_tools(config: Config) -> str:
    """What the agent may call, in words."""
    if not isinstance(config.agent, BuiltinSection):
        return str(config.agent)
    from assay.agents.offered_tools import offered_tools

    offered = asyncio.run(offered_tools(config, config.agent))
    return f"{len(offered)} tools" + (f" ({', '.join(offered)})" if offered else "")


def _results(config: Config) -> Path:
    return config.folder / config.results.uri


def _switch_line(entry: Entry) -> str:
    cause = entry.cause
    by = f"approved by {cause.approved_by}" if cause.approved_by else f"by {cause.who}"
    evidence = f" (evaluation {cause.evaluation_id})" if cause.evaluation_id else ""
    evidence += f" (overriding {', '.join(cause.overrides)})" if cause.overrides else ""
    changed = f"{entry.before.active} -> {entry.after.active}"
    if entry.canary is not None:
        changed = f"{entry.canary.before} -> {entry.canary.after}"
    elif not entry.is_switch:
        changed = str(entry.after)
    return one_line(
        f"{cause.at:%Y-%m-%d %H:%M} {cause.action}: {changed} {by}{evidence}: {cause.reason}"
    )


def _evaluation_line(folder: EvaluationFolder) -> str:
    candidates, baseline = _refs(folder)
    asked = f"{', '.join(candidates)} vs {baseline}"
    if _is_night(folder):
        asked = f"night of {baseline}"
    return one_line(f"{folder.evaluation_id} {asked}: {_state(folder)}")


def _again(folder: EvaluationFolder) -> str:
    """The command that finishes an interrupted evaluation."""
    if _is_night(folder):
        return "assay nightly"
    candidates, _ = _refs(folder)
    return f"assay evaluate {' '.join(candidates)} --resume {folder.evaluation_id}"


def _is_night(folder: EvaluationFolder) -> bool:
    return (folder.header() or {}).get("kind") == "night"


def _state(folder: EvaluationFolder) -> str:
    if folder.decision.exists():
        decision: dict[str, Any] = json.loads(folder.decision.read_text(encoding="utf-8"))
        return _cut(str(decision["reason"]))
    return "under way" if folder.is_being_run() else "interrupted"


def _refs(folder: EvaluationFolder) -> tuple[list[str], str]:
    """The candidates and the baseline, as the journal's header names them."""
    refs = [f"{p.get('name', '?')}:{p.get('version', '?')}" for p in folder.prompts]
    return (refs[1:], refs[0]) if refs else (["?"], "?")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LINE_CHARS else f"{text[: MAX_LINE_CHARS - 1]}…"


def one_line(text: str) -> str:
    """Without control characters: reasons and names come from files."""
    return "".join(character if character.isprintable() else "?" for character in text)

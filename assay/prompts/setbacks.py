"""Versions that were rolled back from, by the history beside the config; the last word counts.

Read only while `rollout.frozen` holds. A line that is no entry is passed over, as everywhere:
the history informs, and never blocks.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.errors import InputError
from assay.prompts.settings import Settings

_SWITCH_NOTHING = ("freeze", "unfreeze", "merge")
"""Actions that say nothing of a version, though they name what is active."""


def last_good(settings: Settings, config: Path) -> str:
    """The version that a frozen config is answered with.

    That is `active`; if it was rolled back from, or taken back as a canary, and not promoted
    since, `rollback`; if that was, too, the version that was last active and is good.

    Raises:
        InputError: None of them is good.
    """
    entries = list(_entries(config))
    bad, active = _bad_and_active(entries)
    for ref in (settings.active, settings.rollback, *reversed(active)):
        if ref not in bad:
            return ref
    raise InputError(
        "frozen, and every version on record was rolled back from",
        path=config,
        mend="promote a good one: assay unfreeze --reason WHY, then assay promote V --force",
    )


def _bad_and_active(entries: list[dict[str, Any]]) -> tuple[set[str], list[str]]:
    bad: set[str] = set()
    active: list[str] = []
    for entry in entries:
        action, canary = entry.get("action"), entry.get("canary")
        if canary is not None:
            if action == "canary_alarm":
                bad.add(canary["from"]["version"])
            continue
        if action in _SWITCH_NOTHING:
            continue
        if action == "rollback":
            bad.add(entry["from"]["active"])
        bad.discard(entry["to"]["active"])
        active.append(entry["to"]["active"])
    return bad, active


def _entries(config: Path) -> Iterator[dict[str, Any]]:
    real = config.resolve()
    try:
        lines = real.with_name("history.jsonl").read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
            if entry["config"] == real.name and _is_whole(entry):
                yield entry
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _is_whole(entry: dict[str, Any]) -> bool:
    canary = entry.get("canary")
    names = [entry["from"]["active"], entry["to"]["active"]]
    if canary is not None:
        names = [canary["from"]["version"] or ""]
    return all(isinstance(name, str) for name in names)

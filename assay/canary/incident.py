"""What is filed of an alarm: `results/canary/ID/incident.md`, and the same as JSON.

What was seen, at which run, what was done about it, the canary's runs that show it most, and
the next commands to type. Run ids come from a log: they are bounded, and in a command only if they
are plain.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text

from assay.canary.findings import Findings
from assay.canary.metrics import METRICS, is_of
from assay.canary.page import canary_page
from assay.canary.state import CanaryState, folder_of
from assay.durable import folder_lock, replace_file
from assay.report.fenced import fenced_page
from assay.wording import one_line

N_EXAMPLES = 5
WIDTH = 110
TYPEABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,79}")
"""A run id that can be put into a command as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What was done about an alarm."""

    is_left: bool = False
    """Whether the canary could not be ended."""
    is_frozen: bool
    """Whether production was frozen along with it."""


def incident_path(results: Path, state: CanaryState) -> Path:
    """Where it is filed for people; the JSON lies beside it."""
    return folder_of(results, state) / "incident.md"


def file_incident(results: Path, found: Findings, after: Aftermath) -> Path:
    """File it; a record that is there already is written anew from what is known now.

    Args:
        results: The results folder.
        found: Of the look that raised the alarm.
        after: What was done about it.

    Raises:
        OSError: It cannot be written.
        CannotEvaluate: Its folder is locked by somebody else.
    """
    state, path = found.state, incident_path(results, found.state)
    examples = _examples(found)
    text = json.dumps(_fields(state, examples, after), indent=2, ensure_ascii=False)
    page = _page(state, examples, after)
    path.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(path.parent):
        replace_file(path.with_suffix(".json"), f"{text}\n".encode("utf-8", "backslashreplace"))
        replace_file(path, page.encode("utf-8", "backslashreplace"))
    return path


def next_commands(state: CanaryState, run_ids: Sequence[str]) -> list[str]:
    """What to type next."""
    commands = [f"assay explain --before {state.baseline} --after {state.version}"]
    typeable = [each for each in run_ids if TYPEABLE.fullmatch(each)]
    commands += [f"assay golden add --from-run {each}" for each in typeable[:1]]
    return [*commands, "assay canary status", "assay unfreeze --reason TEXT"]


def _examples(found: Findings) -> list[dict[str, Any]]:
    """The canary's runs up to the alarm that have most of what raised it, the worst first."""
    state, cause = found.state, found.state.cause
    if cause is None:
        return []
    values = METRICS[cause.metric].values(found.runs, state.token_threshold)
    own = np.flatnonzero(is_of(found.runs, state.prompt_id) & ~np.isnan(values))
    own = own[: cause.alarm_after]
    worst = own[np.argsort(-values[own], kind="stable")][:N_EXAMPLES]
    ids, started = found.runs["run_id"], found.runs["started_at"]
    return [
        {
            "run_id": one_line(ids[n].as_py()) if ids[n].is_valid else None,
            "started_at": started[n].as_py().isoformat(),
            METRICS[cause.metric].name: float(values[n]),
        }
        for n in map(int, worst)
    ]


def _fields(state: CanaryState, examples: Sequence[Any], after: Aftermath) -> dict[str, Any]:
    cause = state.cause
    before = {"canary": state.version, "share": state.share, "active": state.baseline}
    ended = {} if after.is_left else {"canary": None, "share": 0.0}
    return {
        "schema_version": 1,
        "canary_id": state.canary_id,
        "reason": state.reason,
        "metric": cause.model_dump(mode="json") if cause else None,
        "metrics": [each.model_dump(mode="json") for each in state.metrics],
        "steps": [each.model_dump(mode="json") for each in state.steps],
        "before": before,
        "after": before | ended | {"frozen": after.is_frozen},
        "prompt_ids": {
            state.version: state.prompt_id,
            state.baseline: state.baseline_prompt_id,
        },
        "began_at": state.began_at.isoformat(),
        "at": state.looked_at.isoformat(),
        "canary_runs": state.canary_runs,
        "spend_usd": state.spend_usd,
        "examples": list(examples),
        "next": next_commands(state, _ids(examples)),
    }


def _page(state: CanaryState, examples: Sequence[Any], after: Aftermath) -> str:
    ended = "could not be ended: see to it" if after.is_left else "no canary"
    frozen = "frozen: nothing is promoted" if after.is_frozen else "not frozen"
    lines = [
        f"before: canary {state.version} at {state.share:.4g}, active {state.baseline}",
        f"after:  {ended}, active {state.baseline}; {frozen}",
        "",
        "the canary's runs that show it most",
        *(f"  {', '.join(f'{key} {value}' for key, value in each.items())}" for each in examples),
        "",
        "next",
        *(f"  {command}" for command in next_commands(state, _ids(examples))),
    ]
    page = Group(canary_page(state), Text(), *map(Text, lines))
    return fenced_page(f"canary alarm: {state.version}", page, width=WIDTH)


def _ids(examples: Sequence[Any]) -> list[str]:
    return [each["run_id"] for each in examples if each["run_id"]]

"""A workspace with limits, and production's logs beside it."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.config import Config, load_config
from assay.monitors.looking import MonitorLook, look

NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
V12, V13 = "support:v12:5fa80991330d", "support:v13:50af3e26c3af"
CONFIG = """\
prompts:
  active: "support:v13"
  rollback: "support:v12"
observability:
  alert_on_token_spike: true
rollout:
  monitors:
"""
Row = dict[str, Any]


def run(number: object, *, ago_s: float = 60.0, prompt_id: str | None = V13, **more: Any) -> Row:
    """A run that ended so long ago."""
    ended = NOW - timedelta(seconds=ago_s)
    return {
        "event": "agent_end", "run_id": f"run-{number}", "prompt_id": prompt_id,
        "started_at": (ended - timedelta(seconds=2)).isoformat(), "ended_at": ended.isoformat(),
        "latency_s": 2.0, "total_tokens": 1000, "tool_calls": 3, "spend_usd": 0.01,
        "stop_reason": "finish", **more,
    }  # fmt: skip


def start(number: object, *, ago_s: float, prompt_id: str = V13) -> Row:
    """The line of a run that began so long ago."""
    began = NOW - timedelta(seconds=ago_s)
    return {
        "event": "agent_start", "run_id": f"run-{number}", "prompt_id": prompt_id,
        "started_at": began.isoformat(), "budgets": {},
    }  # fmt: skip


class Desk:
    """A workspace whose production is watched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.logs = folder, folder / "assay.yaml", folder / "logs"
        self.logs.mkdir(parents=True)
        self.limit()

    def limit(self, **limits: object) -> None:
        """Set limits."""
        lines = "".join(f"    {key}: {value}\n" for key, value in limits.items())
        self.path.write_text(CONFIG + (lines or "    run_log: null\n"))

    def log(self, *rows: Row, name: str = "runs-1.jsonl") -> Path:
        """Append lines to a log."""
        path = self.logs / name
        with path.open("a") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
        return path

    @property
    def config(self) -> Config:
        return load_config(self.path, os.environ)

    def look(self, *, now: datetime = NOW, **more: Any) -> MonitorLook:
        return look(self.config, now=now, **more)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "desk")


@pytest.fixture
def new_desk(tmp_path: Path) -> Callable[[], Desk]:
    """Any number of them."""
    made: list[Desk] = []

    def make() -> Desk:
        made.append(Desk(tmp_path / f"desk-{len(made)}"))
        return made[-1]

    return make

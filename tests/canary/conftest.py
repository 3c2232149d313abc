"""A small workspace with a canary section, and a simulated production beside it."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.canary.beginning import begin_canary
from assay.canary.looking import Look, look
from assay.canary.switching import CanarySwitch
from assay.config import Config, load_config
from assay.history import Cause
from assay.pointers import read_pointer_file
from assay.prompts import load_prompt
from tests.fakes.production import Production

CONFIG = """\
prompts:
  active: "support:v13"   # é
  rollback: "support:v12"
rollout:
  canary:
    version: null   # written by `assay canary start`
    share: 0.1
    run_log: logs/*.jsonl
"""


class Shop:
    """The workspace, and what one does in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "assay.yaml"
        self.path.write_text(CONFIG)
        for version in ("v12", "v13", "v14", "v15"):
            text = folder / "prompts" / "support" / f"{version}.md"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(f"Answer well, {version}.\n")
        ids = [self.prompt_id(version) for version in ("v13", "v14")]
        self.began = datetime.now(UTC) - timedelta(hours=2)
        self.production = Production(
            folder / "logs" / "runs.jsonl", *ids, at=self.began - timedelta(hours=1)
        )

    def at(self, folder: Path) -> "Shop":
        """The same in a copy of the folder."""
        other = object.__new__(Shop)
        other.folder, other.path, other.began = folder, folder / self.path.name, self.began
        other.production = replace(self.production, log=folder / "logs" / "runs.jsonl")
        return other

    def prompt_id(self, version: str) -> str:
        return load_prompt(self.folder / "prompts", f"support:{version}").prompt_id

    @property
    def config(self) -> Config:
        return load_config(self.path, os.environ)

    def say(self, **lines: str) -> None:
        """More keys of `rollout.canary`."""
        more = "".join(f"    {key}: {value}\n" for key, value in lines.items())
        self.path.write_text(self.path.read_text() + more)

    def start(self, version: str = "v14", share: float = 0.2, **more: Any) -> CanarySwitch:
        cause = Cause(action="", who="bo", at=more.pop("at", self.began), reason="try it")
        prompt = load_prompt(self.folder / "prompts", f"support:{version}")
        done = begin_canary(
            self.config, prompt, share, cause=cause, evidence=more.pop("evidence", None)
        )
        self.production.at = max(self.production.at, self.began)
        return done

    def go_on(self, runs: int, **more: Any) -> None:
        """More of production, routed as the config says by now."""
        canary = read_pointer_file(self.path).canary
        self.production.share = canary.share if canary.runs else 0.0
        self.production.at += timedelta(minutes=2)  # after the last look
        self.production.runs(runs, **more)

    def look(self) -> Look:
        """A look just after the last run."""
        return look(self.config, who="watch", now=self.production.at + timedelta(minutes=1))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def begun(shop: Shop) -> Shop:
    """With 400 runs of before, and a canary of v14."""
    share, shop.production.share = shop.production.share, 0.0
    shop.production.runs(400)
    shop.production.share = share
    shop.start()
    return shop

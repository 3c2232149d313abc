"""A small workspace that production reads, and the other language."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.prompts import load_prompt, lock_prompts

MUST_RUN = any(os.environ.get(name) for name in ("CI", "ASSAY_REQUIRE_NODE"))
VERSIONS = ("v1", "v2", "v3", "v4")
CONFIG = """\
prompts:
  active: "support:{active}"
  rollback: "support:{rollback}"
rollout:
  frozen: {frozen}
  canary: {{version: {canary}, share: {share}}}
"""


def config_text(
    active: str = "v2",
    *,
    rollback: str = "v1",
    canary: str | None = None,
    share: float = 0.0,
    frozen: bool = False,
) -> str:
    named = "null" if canary is None else f'"support:{canary}"'
    return CONFIG.format(
        active=active, rollback=rollback, frozen=str(frozen).lower(), canary=named, share=share
    )


def text_of(version: str) -> str:
    return f"Answer as {version} does: briefly."


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Four versions, locked; v2 is active, v1 behind it."""
    folder = tmp_path / "prompts" / "support"
    folder.mkdir(parents=True)
    for version in VERSIONS:
        (folder / f"{version}.md").write_text(text_of(version) + "\n")
    lock_prompts(
        folder.parent, [load_prompt(folder.parent, f"support:{each}") for each in VERSIONS]
    )
    path = tmp_path / "assay.yaml"
    path.write_text(config_text())
    return path


@pytest.fixture(scope="session")
def node() -> str:
    """Node, which CI has."""
    found = shutil.which("node")
    if found is None:
        if MUST_RUN:
            pytest.fail("there is no node, and the JavaScript client must be tested here")
        pytest.skip("there is no node: the JavaScript client is not tested")
    return found


def until(holds: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """Wait for what must come; the bound is for a machine that is busy, not a claim."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)

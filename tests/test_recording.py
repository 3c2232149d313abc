"""A switch that is killed at any moment: the config whole, the history true and complete."""

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from assay.chain import verify
from assay.history import PROMOTE, Cause, read_history
from assay.live import Pointers, read_pointers, rollback, switch

CONFIG = "# é 🚀\nprompts: {active: support:v13, rollback: 'support:v12'}\n"
NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
MANY_STEPS = 12
"""A switch takes more file operations than this, so each sweep below has bitten."""

SWEEP = """
import os, shutil, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from assay.history import PROMOTE, Cause
from assay.live import read_pointers, rollback, switch

template, work, action = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
now = datetime(2026, 11, 23, tzinfo=UTC)

def act(folder):
    path = folder / "assay.yaml"
    if action == "rollback":
        rollback(path, reason="killed", who="bo", now=now)
    else:
        here = read_pointers(path)
        cause = Cause(action=PROMOTE, who="bo", at=now, reason="killed", evaluation_id="killed")
        to = here.pointers.promoting("support:v16")
        switch(path, to=to, expect=here.sha256, cause=cause)

def die_at(step):
    seen = 0
    def count(event, arguments):
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

act(shutil.copytree(template, work / "warm"))  # whatever is imported late, is now
for step in range(1, 10_000):
    folder = shutil.copytree(template, work / str(step))
    child = os.fork()
    if child == 0:
        die_at(step)
        act(folder)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(step)
"""


def promote(config: Path, version: str) -> None:
    here = read_pointers(config)
    cause = Cause(action=PROMOTE, who="ana", at=NOW, reason="", evaluation_id=version)
    switch(
        config,
        to=here.pointers.promoting(f"support:{version}"),
        expect=here.sha256,
        cause=cause,
    )


def killed_at_every_step(tmp_path: Path, action: str) -> list[Path]:
    """A workspace per file operation of `action`, which was killed just before it."""
    template, work = tmp_path / "template", tmp_path / "work"
    template.mkdir()
    work.mkdir()
    (template / "assay.yaml").write_text(CONFIG)
    promote(template / "assay.yaml", "v14")
    promote(template / "assay.yaml", "v15")
    sweep = subprocess.run(
        [sys.executable, "-c", SWEEP, str(template), str(work), action],
        check=True,
        capture_output=True,
        text=True,
    )
    steps = int(sweep.stdout)
    assert steps > MANY_STEPS
    return [work / str(step) / "assay.yaml" for step in range(1, steps)]


def pointing(active: str, rollback: str) -> Pointers:
    return Pointers(active=f"support:{active}", rollback=f"support:{rollback}")


def test_a_rollback_killed_anywhere_and_typed_again_goes_back_once(tmp_path: Path) -> None:
    """The shell dies at 3 a.m.; typing it again must never lead two versions back."""
    whole = set()
    for config in killed_at_every_step(tmp_path, "rollback"):
        whole.add(read_pointers(config).pointers)
        rollback(config, reason="again", who="bo", now=NOW)
        assert read_pointers(config).pointers == pointing("v14", "v13")
        history = read_history(config)
        assert [entry.cause.action for entry in history.entries].count("rollback") == 1
        assert history.entries[-1].after == pointing("v14", "v13")
        assert {path.name for path in config.parent.iterdir()} == {"assay.yaml", "history.jsonl"}
    assert whole == {pointing("v15", "v14"), pointing("v14", "v13")}


def test_a_switch_killed_anywhere_is_recorded_if_and_only_if_it_was_made(tmp_path: Path) -> None:
    """Whoever switches next completes the history: no gap, no lie, no line twice."""
    whole = set()
    for config in killed_at_every_step(tmp_path, "switch"):
        killed = read_pointers(config).pointers
        whole.add(killed)
        promote(config, "v17")
        reasons = [entry.cause.reason for entry in read_history(config).entries]
        assert reasons.count("killed") == (killed.active == "support:v16")
        entries = read_history(config).entries
        assert all(before.after == after.before for before, after in pairwise(entries))
    assert whole == {pointing("v15", "v14"), pointing("v16", "v15")}


BACK_AND_FORTH = """
import itertools, sys
from datetime import UTC, datetime
from pathlib import Path
from assay.history import FORCE, Cause
from assay.live import Pointers, read_pointers, switch

path = Path(sys.argv[1])
print("ready", flush=True)
for number in itertools.count():
    here = read_pointers(path)
    to = Pointers(active=here.pointers.rollback, rollback=here.pointers.active)
    cause = Cause(action=FORCE, who="loop", at=datetime.now(UTC), reason=str(number))
    switch(path, to=to, expect=here.sha256, cause=cause)
"""


def test_killed_at_random_the_config_is_one_of_the_two_and_the_history_a_chain(
    tmp_path: Path,
) -> None:
    """The same, at moments between the file operations as well."""
    config = tmp_path / "assay.yaml"
    config.write_text(CONFIG.replace("'", ""))
    swapped = (
        CONFIG.replace("'", "").replace("v12", "v0").replace("v13", "v12").replace("v0", "v13")
    )
    moments = random.Random(7)
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", BACK_AND_FORTH, str(config)], stdout=subprocess.PIPE
        ) as loop:
            assert loop.stdout is not None
            assert loop.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0.0, 0.1))  # any moment will do
            loop.send_signal(signal.SIGKILL)
        assert config.read_text() in (CONFIG.replace("'", ""), swapped)
    promote(config, "v14")
    entries = read_history(config).entries
    assert all(before.after == after.before for before, after in pairwise(entries))
    assert len(entries) > 1
    assert entries[-1].after == read_pointers(config).pointers


def test_a_torn_line_costs_neither_its_entry_nor_the_next(tmp_path: Path) -> None:
    """Killed in the middle of an append: half a line, and the entry still owed."""
    config = tmp_path / "assay.yaml"
    config.write_text(CONFIG)
    promote(config, "v14")
    history = tmp_path / "history.jsonl"
    line = history.read_bytes()
    history.write_bytes(line[: len(line) // 2])
    (tmp_path / ".assay.yaml.switching").write_bytes(line)
    promote(config, "v15")
    found = read_history(config)
    assert [entry.after.active for entry in found.entries] == ["support:v14", "support:v15"]
    assert found.warnings == (f"{history}:1: not a history entry; skipped",)
    fields = line.partition(b', "previous"')[0]  # whose hashes follow from where it stands
    assert history.read_bytes().startswith(line[: len(line) // 2] + b"\n" + fields)
    assert not verify(history.read_bytes()).findings

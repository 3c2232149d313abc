"""The pages' commands and examples, run as a reader would."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.commands import COLD, Assay
from tests.conftest import ROOT, Workspace
from tests.monitors.conftest import run
from tests.test_readme import blocks

MONITORS, PRODUCTION = ROOT / "docs" / "monitors.md", ROOT / "docs" / "production.md"


def test_the_monitors_commands_do_what_their_page_says(assay: Assay, workspace: Workspace) -> None:
    """What one types at night is copied from there."""
    here = workspace()
    (here / "logs").mkdir()
    (here / "logs" / "runs-1.jsonl").write_text(json.dumps(run(1)) + "\n")
    (block,) = blocks(MONITORS.read_text())
    typed = [line.split() for line in block.script.splitlines()]
    assert typed
    for program, *arguments in typed:
        assert program == "assay"
        assert assay(here, *arguments).exit_code == block.exit_code


def test_the_example_of_opentelemetry_becomes_a_run(
    workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """From the page to the log, by OpenTelemetry's own exporter."""
    here = workspace()
    (example,) = re.findall(
        r"^```python\n(from opentelemetry.*?)^```$",
        PRODUCTION.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    with subprocess.Popen(
        [COLD, "canary", "listen", "--port", "0"], cwd=here, env=clean_environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as listening:  # fmt: skip
        assert listening.stdout is not None
        address = listening.stdout.readline().split()[-1]
        code = example.replace("http://127.0.0.1:4318/v1/traces", address)
        assert code != example
        subprocess.run([sys.executable, "-c", code], env=clean_environ, check=True, timeout=60)
        listening.send_signal(signal.SIGTERM)
        _, err = listening.communicate(timeout=30)
    (log,) = Path(here / "logs").glob("runs-*.jsonl")
    (row,) = map(json.loads, log.read_text().splitlines())
    assert row["prompt_id"] == "support:v13:50af3e26c3af", err
    assert (row["total_tokens"], row["steps"]) == (907, 1)

"""`assay canary listen` as typed, and what reads its log."""

import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from assay.otlp.files import rows_of
from assay.prompts import load_prompt
from tests.commands import COLD, Assay
from tests.conftest import Workspace
from tests.otlp.spans import a_run, agent, chat, request

TOKEN = "ASSAY_LISTEN_TOKEN"


def test_what_is_sent_is_in_the_log_when_it_ends(
    assay: Assay, workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """Told to end, it writes what it has; the prompt's version is looked up in the lock."""
    here = workspace()
    prompt_id = load_prompt(here / "prompts", "support:v13").prompt_id
    (here / "prompts" / "lock.yaml").write_text(f'"support:v13": "{prompt_id}"\n')
    command = [COLD, "canary", "listen", "--port", "0", "--settle", "60"]
    with subprocess.Popen(
        command, cwd=here, env=clean_environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as listening:  # fmt: skip
        assert listening.stdout is not None
        url = listening.stdout.readline().split()[-1]
        named = {"gen_ai.prompt.name": "support", "gen_ai.prompt.version": "v13"}
        spans = [agent(attributes={**named, "assay.prompt.id": ""}), chat(1)]
        body = json.dumps(request(spans)).encode()
        sent = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(sent, timeout=30) as answer:
            assert answer.read() == b"{}"
        listening.send_signal(signal.SIGTERM)
        _, err = listening.communicate(timeout=30)
    assert listening.returncode == 0, err
    assert "runs: 1" in err
    (log,) = (here / "logs").glob("runs-*.jsonl")
    (row,) = map(json.loads, log.read_text().splitlines())
    assert (row["prompt_id"], row["tool_calls"]) == (prompt_id, 0)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [({}, "no token"), ({TOKEN: "short"}, "too weak")],
)
def test_others_than_this_machine_need_a_good_token(
    assay: Assay, workspace: Workspace, environ: dict[str, str], problem: str
) -> None:
    """An open port into the log of a canary is a way to end it, or to keep it from ending."""
    ran = assay(workspace(), "canary", "listen", "--host", "0.0.0.0", "--port", "0", **environ)
    assert ran.exit_code == 2
    assert problem in ran.err
    assert "short" not in ran.err


def compared(folder: Path) -> Path:
    """Two prompts, each on twelve golden tasks, five times; the candidate takes far more."""
    lines, number = [], 0
    for task in range(12):
        for name, tokens in (("a", 100), ("b", 300)):
            for _ in range(5):
                number += 1
                said = {
                    "assay.prompt.id": f"p:{name}:0123456789ab",
                    "assay.golden_task.id": f"t{task}", "assay.success": True,
                }  # fmt: skip
                spans = [
                    agent(trace=number, attributes=said),
                    chat(1, trace=number, tokens=tokens + number % 7),
                ]
                lines.append(json.dumps(request(spans)))
    log = folder / "traces.jsonl"
    log.write_text("\n".join(lines) + "\n")
    return log


def test_a_file_of_traces_is_compared_as_any_log(
    assay: Assay, workspace: Workspace, tmp_path: Path
) -> None:
    """A collector's file is a run log like others."""
    ran = assay(
        workspace(), "compare", str(compared(tmp_path)), "--baseline", "p:a", "--candidate", "p:b"
    )
    assert ran.exit_code == 1, ran.err
    assert re.search(r"tokens\s+.*x2\.\d", ran.out.replace("\n", " "))


def test_a_run_that_may_go_on_is_no_run_of_a_file_yet() -> None:
    """The file is read while the collector writes it."""
    assert rows_of([request([*a_run(1), *a_run(2)[1:]])]) == rows_of([request(a_run(1))])
    later = [chat(2000, parent=None, trace=3)]
    assert len(rows_of([request([*a_run(2)[1:], *later])])) == 2

"""Agents of one's own behind the proxy: evaluations recorded, and replayed without the provider."""

import gzip
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.commands.evaluate import _announce
from assay.commands.screen import Screen
from assay.errors import InputError
from assay.evaluation import open_evaluation
from assay.records import RunRecord
from assay.store.record import Record
from assay.store.replay import Replay, ReplayMode
from tests.carrying_out import carried_out, judged, planned, what_it_did
from tests.fakes.provider import Provider, Turn, in_a_thread
from tests.test_own_agents import copied

KEY = "sk-real-key-of-the-team"
CRM = "crm-token-of-the-team"
OWN = "Bearer what-the-agent-takes-for-its-key"
AGENT = f'''
import json, os, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ask(base_url, said, **body):
    body = {{"model": "m", "messages": [{{"role": "user", "content": said}}], **body}}
    headers = {{"Content-Type": "application/json", "Authorization": "{OWN}"}}
    url = base_url + "/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def answer(input, base_url):
    with Path("ran.txt").open("a") as file:
        file.write("x")
    said = [f"{{input}} {{topic}}" for topic in Path("topics.txt").read_text().split()]
    with ThreadPoolExecutor() as pool:
        pages = list(pool.map(lambda each: ask(base_url, each), said))
    return ask(base_url, f"{{os.environ['CRM_TOKEN']}}: {{len(pages)}}", stream=True)


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    print(json.dumps({{"output": answer(told["input"], told["base_url"])}}))
'''
KINDS: dict[str, dict[str, Any]] = {
    "python": {"entrypoint": "agent:answer", "processes": 2},
    "command": {"command": [sys.executable, "agent.py"]},
}
PRICES = {"m": {"input_per_mtok": 1.0, "output_per_mtok": 10.0}}


class Varied:
    """A provider that never counts the same twice, and repeats what it is told."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, body: Any) -> Turn:
        self.asked += 1
        calls = (("read_page", {"name": body["messages"][-1]["content"]}),)
        return Turn(
            text=f"tracking {body['messages'][-1]['content']}",
            calls=() if body.get("stream") else calls,
            tokens=(100 + self.asked, 20),
        )


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CRM_TOKEN", CRM)
    with in_a_thread(Provider(Varied())) as opened:
        yield opened


def desk(provider: Provider, tmp_path: Path, kind: str = "python") -> Path:
    """A desk whose agent asks for each topic side by side, then streams."""
    here = copied("anthropic_python_agent", tmp_path)
    (here / "agent.py").write_text(AGENT)
    (here / "topics.txt").write_text("parcel return warranty")
    agent = {
        "kind": kind,
        "model": "m",
        "inject_prompt": True,
        "prices": PRICES,
        "proxy": {"provider": "openai", "base_url": f"{provider.origin}/v1"},
    }
    config = (here / "assay.yaml").read_text().partition("agent:")[0]
    (here / "assay.yaml").write_text(f"{config}agent: {json.dumps(agent | KINDS[kind])}\n")
    return here


def what_they_did(runs: list[RunRecord]) -> list[dict[str, Any]]:
    """With their clocks; the order of parallel requests is chance, and a secret stays one."""
    return [
        what_it_did(run)
        | {"trace": sorted(map(repr, run.trace)), "latency_s": run.latency_s, "replayed": None}
        | {"spend_usd": round(run.spend_usd or 0, 12)}
        | {"output": (run.output or "").replace(CRM, "[secret]")}
        for run in sorted(runs, key=lambda run: (run.prompt_id, run.golden_task_id, run.repeat))
    ]


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_behind_the_proxy_is_replayed_without_its_provider(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Streams and parallel requests: the same runs and verdict, no key, and no secret on disk."""
    with in_a_thread(Provider(Varied())) as upstream:
        here = desk(upstream, tmp_path, kind)
        plan = planned(here, "desk:v2", records=True)
        runs = carried_out(plan)
        asked = upstream.counted.requests
    assert asked == sum(run.steps or 0 for run in runs) == 12 * 4
    assert {run.stop_reason for run in runs} == {"finish"}
    monkeypatch.delenv("OPENAI_API_KEY")
    again = planned(here, "desk:v2", replay=ReplayMode.ALL)
    replayed = carried_out(again)  # the provider is stopped
    assert what_they_did(replayed) == what_they_did(runs)
    assert judged(again, replayed).judgement.verdict == judged(plan, runs).judgement.verdict
    assert {run.replayed for run in replayed} == {f"all:{plan.evaluation_id}"}
    assert len((here / "ran.txt").read_text()) == 2 * len(runs)
    files = {path: path.read_bytes() for path in here.glob("results/**/*") if path.is_file()}
    record = _record(here, plan.evaluation_id)
    assert b"[secret]: " in record
    assert not any(each.encode() in record for each in (CRM, KEY, OWN))
    assert not any(each.encode() in text for text in files.values() for each in (KEY, OWN))


def _record(here: Path, evaluation_id: str) -> bytes:
    """The record and the tapes that it is made of."""
    folder = here / "results" / evaluation_id
    record = Record(folder)
    record.pack()
    return gzip.decompress(record.packed.read_bytes()) + (folder / "tapes.jsonl").read_bytes()


def test_what_the_record_does_not_hold_is_asked_of_nobody(
    provider: Provider, tmp_path: Path
) -> None:
    """The agent is told in a way that ends it; the runs count for nothing, and say why."""
    here = desk(provider, tmp_path)
    carried_out(planned(here, "desk:v2", records=True, repeats=1))
    asked = provider.counted.requests
    (here / "topics.txt").write_text("parcel lamps warranty")
    runs = carried_out(planned(here, "desk:v2", replay=ReplayMode.ALL))
    assert {run.stop_reason for run in runs} == {"infra_error"}
    assert {run.success for run in runs} == {None}
    for run in runs:
        assert re.fullmatch(
            r"not the recorded request \(step \d of the run\): the user-message differs",
            run.error or "",
        )
    assert provider.counted.requests == asked


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("assay.yaml", '"model": "m"', '"model": "n"', "agent.model was m and is n"),
        (
            "assay.yaml",
            '"inject_prompt": true',
            '"inject_prompt": false',
            "agent.inject_prompt was True and is False",
        ),
        ("assay.yaml", "/v1", "/v2", "agent.proxy.base_url was http://127.0.0.1"),
        ("agent.py", '"ran.txt"', '"run.txt"', "the agent's own code is another"),
    ],
)
async def test_a_record_of_another_agent_is_refused_with_what_changed(
    provider: Provider, tmp_path: Path, file: str, before: str, after: str, words: str
) -> None:
    """Before any run: what the model said to another agent is no evidence."""
    here = desk(provider, tmp_path)
    recording = planned(here, "desk:v2", records=True)
    async with open_evaluation(recording, on_run=lambda _: None, max_concurrency=1):
        pass
    change(here / file, before, after)
    plan = planned(here, "desk:v2", replay=ReplayMode.ALL)
    with pytest.raises(InputError, match=re.escape(words)):
        async with open_evaluation(plan, on_run=lambda _: None, max_concurrency=1):
            pass


def test_the_tools_of_such_an_agent_are_not_seen(provider: Provider, tmp_path: Path) -> None:
    """So they cannot be answered for; and that they run all the same is said at the start."""
    here = desk(provider, tmp_path)
    with pytest.raises(InputError, match=r"--replay tools: what an agent of kind 'python'"):
        planned(here, "desk:v2", replay=ReplayMode.TOOLS)
    plan = planned(here, "desk:v2", records=True)
    replay = replace(plan, replay=Replay(ReplayMode.ALL, plan.evaluation_id))
    said = io.StringIO()
    _announce(replay, Screen(file=said, width=200))
    assert f"the model is answered by the record of evaluation {plan.evaluation_id}" in (
        said.getvalue()
    )
    assert said.getvalue().count("warning: the agent's own process runs, and so do its own tools")

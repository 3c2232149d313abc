"""Records: whole after a kill, bounded, and without secrets."""

from pathlib import Path
from typing import Any

import pytest

from assay.config import Config, load_config
from assay.errors import CannotEvaluate
from assay.records import RunRecord
from assay.store import record as module
from assay.store.journal import Journal
from assay.store.record import Record, Recorder, RecordHeader, secrets_of
from assay.store.tape import Exchange, Tape

HEADER = RecordHeader(
    evaluation_id="e", agent="builtin", model="m", model_params_hash="0", price_ref=None,
    model_section={}, model_settings={}, tools_hash="1", tools=[], tool_names=[],
    faults_hash=None, code=[],
)  # fmt: skip


def run(number: int) -> RunRecord:
    return RunRecord.model_validate(
        {
            "evaluation_id": "e", "run_id": f"r{number}", "prompt_name": "p", "repeat": number,
            "prompt_version": "v1", "prompt_id": "p:v1:0", "golden_task_id": "t", "round": 1,
            "golden_task_hash": "h", "agent": "builtin", "model": "m", "model_params_hash": "0",
            "tools_hash": "1", "started_at": "2026-11-25T00:00:00Z", "latency_s": 1.5,
            "stop_reason": "finish",
        }
    )  # fmt: skip


class Bench:
    """Records runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = Record(folder)

    def add(self, *runs: int, text: str = "hello", **request: Any) -> None:
        """Go on with the record and add runs of one exchange."""
        with (
            Journal(self.record.growing) as journal,
            Journal(self.folder / "tapes.jsonl") as tapes,
        ):
            recorder = Recorder(journal, secrets=(b"hunter2-hunter2",))
            if self.record.header() is None:
                recorder.begin(HEADER)
            for number in runs:
                tape = Tape(f"r{number}", (), tapes, keeps_requests=True)
                asked = {"request": {"messages": []}} | request
                message = f'{{"text":"{text}"}}'.encode()
                tape.record(Exchange(step=0, call=None, message=message, elapsed_s=1.0, **asked))
                recorder.add(run(number), tape)

    def repeats(self) -> list[int]:
        return [one.repeat for one in self.record.runs()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_torn_line_costs_its_own_run_only(bench: Bench) -> None:
    """A kill comes in the middle of a write; what was finished before stays of use."""
    bench.add(1, 2)
    whole = bench.record.growing.read_bytes()
    bench.record.growing.write_bytes(whole[:-20])
    assert bench.repeats() == [1]
    bench.add(2, 3)
    assert bench.repeats() == [1, 2, 3]


def test_a_packed_record_can_be_added_to(bench: Bench) -> None:
    """A verdict of tonight is not the last word; what is recorded twice counts once."""
    bench.add(1)
    bench.record.pack()
    assert not bench.record.growing.exists()
    bench.add(1, 2)
    assert bench.repeats() == [1, 2]
    bench.record.pack()
    assert bench.repeats() == [1, 2]
    assert bench.record.header() == HEADER


def test_secrets_are_in_no_record(bench: Bench) -> None:
    """A model or a server may repeat the key that it was asked with."""
    bench.add(1, text="your key is hunter2-hunter2")
    content = bench.record.growing.read_text()
    assert "hunter2" not in content
    assert "your key is [secret]" in content


def config(folder: Path) -> Config:
    path = folder / "assay.yaml"
    path.write_text(
        'prompts: {active: "p:v1", rollback: "p:v1"}\nagent: {model: m, api_key_env: DESK_ACCESS}\n'
    )
    return load_config(path, {})


def test_what_is_named_or_named_like_a_secret_is_one(tmp_path: Path) -> None:
    """The variable that the configuration names may have any name."""
    environ = {
        "DESK_ACCESS": "opensesame", "OTHER_API_KEY": "k-12345678901", "HOME": "/home/somebody",
        "SHORT_TOKEN": "true", "ASSAY_BUDGETS__MAX_TOKENS": "100000000",
    }  # fmt: skip
    assert secrets_of(config(tmp_path), environ) == (b"k-12345678901", b"opensesame")


def test_a_run_that_exchanged_too_much_is_left_out_and_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool that returns 50 MB a call must not fill the disk twice."""
    monkeypatch.setattr(module, "MAX_RUN_BYTES", 10)
    bench.add(1)
    (kept,) = bench.record.runs()
    assert (kept.exchanges, kept.left_out_bytes) == ([], 16)


def test_a_run_that_began_without_a_record_is_not_in_it(bench: Bench) -> None:
    """What its first requests were is not known: it could not be held against anything."""
    bench.add(1, request=None)
    assert bench.repeats() == []


@pytest.mark.parametrize("damage", [b"\x00garbage", b'{"type": "record", "version": 2}\n'])
def test_a_damaged_record_is_an_error_with_words(bench: Bench, damage: bytes) -> None:
    """A replay of half a record would be blamed on the prompt."""
    bench.record.packed.write_bytes(damage)
    with pytest.raises(CannotEvaluate, match="damaged or of another version"):
        bench.record.header()

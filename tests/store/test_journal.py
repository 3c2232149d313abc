"""The journal holds whole lines, whatever interrupts its writer."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.store.journal import Journal, read_lines
from assay.store.tape import Exchange, Tape, read_tapes

LINES = [{"n": 1, "text": "é\n"}, {"n": 2}, {"n": 3}]


def written(path: Path) -> bytes:
    with Journal(path) as journal:
        for line in LINES:
            journal.append(line)
    return path.read_bytes()


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    """Decisions are computed from these lines and nothing else."""
    written(tmp_path / "journal.jsonl")
    assert list(read_lines(tmp_path / "journal.jsonl")) == LINES


def test_a_missing_journal_has_no_lines(tmp_path: Path) -> None:
    """An evaluation killed before its first run has nothing to go on from."""
    assert list(read_lines(tmp_path / "journal.jsonl")) == []


@given(cut=st.integers(min_value=0))
def test_a_journal_cut_anywhere_keeps_its_whole_lines_and_takes_more(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """kill -9 or a loss of power may tear the last line, never the ones before it."""
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    content = written(path)
    path.write_bytes(content[: cut % (len(content) + 1)])
    kept = list(read_lines(path))
    assert kept == LINES[: len(kept)]
    with Journal(path) as journal:
        journal.append({"n": 4})
    assert list(read_lines(path)) == [*kept, {"n": 4}]


async def test_committed_returns_for_all_that_wait_at_once(tmp_path: Path) -> None:
    """Runs that finish together share an fsync; none may wait for ever."""
    with Journal(tmp_path / "journal.jsonl") as journal:

        async def finish(number: int) -> None:
            journal.append({"n": number})
            await journal.committed()

        async with asyncio.timeout(30):
            await asyncio.gather(*(finish(number) for number in range(100)))
    assert len(list(read_lines(tmp_path / "journal.jsonl"))) == 100


def test_a_tape_gives_back_the_exchanges_of_unfinished_runs_only(tmp_path: Path) -> None:
    """A finished run is never gone on with; an interrupted one goes on where it was."""
    exchange = Exchange(step=0, call=None, message=b'{"text":"hi"}', elapsed_s=0.5, attempts=2)
    with Journal(tmp_path / "tapes.jsonl") as journal:
        Tape("done", (), journal).record(exchange)
        Tape("cut", (), journal).record(exchange)
    assert read_tapes(tmp_path / "tapes.jsonl", finished={"done"}) == {"cut": [exchange]}

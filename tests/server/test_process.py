"""Which process is taken for the workspace's server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from assay import server
from assay.server import process
from assay.server.record import Record, read, write

DELETED_FOLDER = """
import os, sys
from assay.server import tenancy
tenancy._LOOK_EVERY_S = 0.01
os.chdir(sys.argv[1])
os.rmdir(sys.argv[1])
tenancy._watch(1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / ".assay" / "server"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def stranger(folder: Path) -> Iterator[psutil.Popen]:
    """Somebody else's program that happens to run in our folder."""
    sleeper = psutil.Popen([sys.executable, "-c", "input()"], cwd=folder, stdin=subprocess.PIPE)
    yield sleeper
    sleeper.kill()
    sleeper.communicate()


def record_of(running: psutil.Process, folder: Path) -> Record:
    return Record(
        pid=running.pid,
        created_at_s=running.create_time(),
        host="127.0.0.1",
        port=4200,
        auth=False,
        folder=str(folder),
    )


def test_a_reused_pid_is_not_taken_for_the_server(folder: Path, stranger: psutil.Popen) -> None:
    """After a reboot the recorded pid belongs to some other program."""
    write(folder, record_of(stranger, folder))
    assert process.find(folder) is None


def test_stop_never_signals_what_is_not_the_server(folder: Path, stranger: psutil.Popen) -> None:
    """Killing another program by a stale number is the worst that `stop` could do."""
    write(folder, record_of(stranger, folder))
    assert not server.stop(folder.parent.parent, announce=print)
    assert stranger.is_running()
    assert stranger.poll() is None


def test_stopping_what_does_not_run_says_so(tmp_path: Path) -> None:
    """`assay server stop` in a clean-up step must not fail."""
    said: list[str] = []
    assert not server.stop(tmp_path, announce=said.append)
    assert said == ["no Prefect server of this workspace is running"]
    assert not (tmp_path / ".assay").exists()


def test_status_changes_nothing(tmp_path: Path) -> None:
    """Looking must not create folders in a workspace that is not one."""
    assert server.status(tmp_path).server is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", '{"pid": 12', "[]", "null", '{"pid": "x"}', "\udcff"])
def test_a_broken_record_is_as_good_as_none(folder: Path, text: str) -> None:
    """A crash while writing must not lock the user out."""
    (folder / "server.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read(folder) is None
    assert process.find(folder) is None


def test_a_record_is_read_back_as_written(folder: Path) -> None:
    """Folders may have names that are no UTF-8."""
    record = record_of(psutil.Process(), Path(os.fsdecode(b"/w\xff/.assay/server")))
    write(folder, record)
    assert read(folder) == record


def test_the_server_ends_when_its_folder_is_deleted(tmp_path: Path) -> None:
    """After `rm -rf` of the workspace no command could find or stop it any more."""
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    ended = subprocess.run([sys.executable, "-c", DELETED_FOLDER, str(doomed)], timeout=60)
    assert ended.returncode == -signal.SIGTERM

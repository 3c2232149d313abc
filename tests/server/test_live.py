"""With a real Prefect server. The tests share it and may restart it, never lose its data."""

import fcntl
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from assay import server
from assay.errors import CannotEvaluate, InputError
from assay.server import process

pytestmark = pytest.mark.slow

SECRET = "name:a-secret-of-27-characters"
SET = "from prefect.variables import Variable; Variable.set('kept', {!r}, overwrite=True)"
GET = "from prefect.variables import Variable; print(Variable.get('kept'))"
FLOW = """
from prefect import flow, task
@task
def double(number): return 2 * number
@flow
def tiny(): return double.submit(21).result()
print(tiny())
"""


def test_two_evaluations_at_once_start_one_server(live: Any) -> None:
    """Two servers on one SQLite file would run every schedule twice."""
    first, second = live.asked
    assert first["pid"] == second["pid"]
    assert sorted([first["started_now"], second["started_now"]]) == [False, True]


def test_the_first_start_says_that_it_creates_a_database(live: Any) -> None:
    """Ten silent seconds look like a hang."""
    (starter,) = [asked for asked in live.asked if asked["started_now"]]
    assert "creates its database" in starter["announced"][0]


def test_the_server_outlives_whoever_started_it_and_keeps_none_of_its_pipes(live: Any) -> None:
    """A CI job waits for the end of its output; the fixture read both pipes to that end."""
    survivor = psutil.Process(live.ensure().pid)
    assert survivor.pid in {asked["pid"] for asked in live.asked}
    assert {Path(file.path).parent for file in survivor.open_files()} <= {
        live.workspace / ".assay" / "server"
    }
    assert os.getsid(survivor.pid) == survivor.pid  # Ctrl-C and hang-ups pass it by


def test_a_running_server_is_reused(live: Any) -> None:
    """One server per workspace: starting one costs seconds, reusing it milliseconds."""
    found = live.ensure()
    again = live.ensure()
    assert (again.pid, again.port, again.started_now) == (found.pid, found.port, False)
    assert server.status(live.workspace).ready


def test_prefects_own_client_runs_a_flow(live: Any, run_client: Callable[..., str]) -> None:
    """What keeps strangers out must let Prefect's client in, CSRF token, proxy and all."""
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    assert run_client(live.ensure(), FLOW, **proxy).strip() == "42"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {},
    ],
    ids=["foreign", "other local site", "sandboxed page", "rebound name", "no CSRF token"],
)
def test_a_stranger_may_not_post(live: Any, headers: dict[str, str]) -> None:
    """Any web page that the user visits can send requests to 127.0.0.1."""
    answer = httpx.post(f"{live.ensure().url}/flows/filter", json={}, headers=headers)
    assert answer.status_code == 403


def test_a_stranger_gets_no_leave_to_post(live: Any) -> None:
    """A browser asks first before it sends JSON or a token to another site."""
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{live.ensure().url}/flows/filter", headers=headers)
    assert answer.status_code in (400, 403)
    assert "access-control-allow-origin" not in answer.headers


def test_a_strangers_web_socket_is_refused(live: Any) -> None:
    """WebSockets know no CORS: a page could send events that trigger automations."""
    url = f"{live.ensure().url.replace('http', 'ws', 1)}/events/in"
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, origin="http://evil.example")  # type: ignore[arg-type]
    connect(url).close()


def test_the_ui_is_one_click_away_under_either_name(live: Any) -> None:
    """Closed to strangers, not to its user: page and API answer the UI's own requests."""
    port = live.ensure().port
    for name in ("127.0.0.1", "localhost"):
        site = f"http://{name}:{port}"
        page = httpx.get(site, headers={"Accept": "text/html"}, follow_redirects=True)
        assert "<html" in page.text
        api = httpx.get(f"{site}/ui-settings", headers={"Origin": site}).json()["api_url"]
        token = httpx.get(f"{site}{api}/csrf-token?client=ui", headers={"Origin": site}).json()
        headers = {
            "Origin": site,
            "Prefect-Csrf-Client": "ui",
            "Prefect-Csrf-Token": token["token"],
        }
        assert httpx.post(f"{site}{api}/flows/filter", json={}, headers=headers).is_success


def test_a_half_written_record_does_not_hide_the_server(live: Any) -> None:
    """A full disk must not lead to a second server on the same database."""
    found = live.ensure()
    record = found.folder / "server.json"
    whole = record.read_text()
    record.write_text(whole[:20])
    again = live.ensure()
    assert (again.pid, again.port, again.started_now) == (found.pid, found.port, False)
    assert record.read_text() == whole


def test_a_copied_workspace_does_not_take_the_server_for_its_own(live: Any, tmp_path: Path) -> None:
    """`stop` in the copy would end the original's evaluation."""
    found = live.ensure()
    copy = tmp_path / ".assay" / "server"
    copy.mkdir(parents=True)
    shutil.copy(found.folder / "server.json", copy)
    assert server.status(tmp_path).server is None
    assert not server.stop(tmp_path, announce=print)
    assert server.status(live.workspace).ready


def test_stop_and_start_keep_the_data_and_the_port(
    live: Any, run_client: Callable[..., str]
) -> None:
    """History is what the server is kept for, and bookmarks into the UI name the port."""
    before = live.ensure()
    run_client(before, SET.format("through a restart"))
    assert server.stop(live.workspace, announce=print)
    assert not psutil.pid_exists(before.pid)
    assert server.status(live.workspace).server is None
    after = live.ensure()
    assert (after.started_now, after.new_database, after.port) == (True, False, before.port)
    assert run_client(after, GET).strip() == "through a restart"


@pytest.fixture
def moved(live: Any) -> Iterator[Path]:
    """The workspace renamed while its server runs, and back with none running."""
    live.ensure()
    elsewhere = live.workspace.rename(live.workspace.with_name("moved"))
    yield elsewhere
    server.stop(elsewhere, announce=print)
    elsewhere.rename(live.workspace)


def test_beyond_loopback_it_asks_everybody_for_the_secret(
    live: Any, moved: Path, run_client: Callable[..., str]
) -> None:
    """Others reach it there; and the server left behind by a moved folder gives way."""
    (left_behind,) = [server.status(moved).server]
    assert left_behind is not None
    secret = {"PREFECT_SERVER_API_AUTH_STRING": SECRET}
    environ = {**live.environ, **secret}
    found = server.start(moved, announce=print, environ=environ, host="0.0.0.0")
    assert found.started_now
    assert not psutil.pid_exists(left_behind.pid)

    assert found.auth
    assert httpx.get(f"{found.url}/variables/name/kept").status_code == 401
    run_client(found, SET.format("by one who knows"), **secret)
    with pytest.raises(InputError, match="asks for an authentication string"):
        server.client_environment(found, live.environ)

    assert SECRET not in " ".join(psutil.Process(found.pid).cmdline())
    files = [file for file in found.folder.rglob("*") if file.is_file()]
    assert all(SECRET.encode() not in file.read_bytes() for file in files)
    with pytest.raises(InputError, match=r"already runs on 0\.0\.0\.0"):
        server.start(moved, announce=print, environ=environ)


def test_a_server_that_dies_while_starting_shows_the_end_of_its_log(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Without the reason, all that a user could do is guess."""
    folder = tmp_path / ".assay" / "server"
    folder.mkdir(parents=True)
    (folder / "prefect.db").write_bytes(b"this is no database" * 100)
    try:
        with pytest.raises(CannotEvaluate, match="file is not a database") as caught:
            server.ensure(tmp_path, announce=print, environ=environ)
        assert caught.value.mend is not None
        assert server.status(tmp_path).server is None
    finally:
        server.stop(tmp_path, announce=print)


def test_a_folder_that_is_served_out_of_sight_gets_no_second_server(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A server outside of this container cannot be seen, but its lock can."""
    folder = tmp_path / ".assay" / "server"
    folder.mkdir(parents=True)
    with (folder / "serving").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        try:
            with pytest.raises(CannotEvaluate, match="another Prefect server"):
                server.ensure(tmp_path, announce=print, environ=environ)
        finally:
            server.stop(tmp_path, announce=print)


def handles_sigterm(pid: int) -> bool:
    """Whether the process has a handler of its own by now, which a stopped one never runs."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], base=16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_a_server_that_ignores_the_request_is_killed(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """`stop` must not leave a hung server behind, holding the database."""
    found = server.begin(tmp_path, announce=print, environ=environ)
    try:
        while not handles_sigterm(found.pid):
            time.sleep(0.01)
        os.kill(found.pid, signal.SIGSTOP)
        running = process.find(found.folder)
        assert running is not None
        assert process.terminate(running, patience_s=0.2)
        assert not psutil.pid_exists(found.pid)
    finally:
        server.stop(tmp_path, announce=print)


def test_a_stranger_on_the_port_is_left_alone(environ: dict[str, str], tmp_path: Path) -> None:
    """`begin` must move on to another port, not talk to whoever listens there."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        folder = tmp_path / ".assay" / "server"
        folder.mkdir(parents=True)
        (folder / "server.json").write_text(
            f'{{"pid": {psutil.Process().pid}, "created_at_s": {psutil.Process().create_time()}, '
            f'"host": "127.0.0.1", "port": {taken}, "auth": false, "folder": "{folder}"}}'
        )
        try:
            found = server.begin(tmp_path, announce=print, environ=environ)
            assert found.port != taken
            assert found.pid != psutil.Process().pid
        finally:
            assert server.stop(tmp_path, announce=print)

"""`assay doctor`: one line for each thing, and a mend for each that is wrong."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from assay import live
from assay.cli import main
from assay.config import Config, load_config
from assay.doctor import agent, installation, service, variables, workspace
from assay.doctor.finding import Finding, Level, examined
from tests.conftest import Workspace


@pytest.fixture
def desk(workspace: Workspace) -> Config:
    """A copy of the sample, read."""
    return load_config(workspace() / "assay.yaml", {})


def read_again(config: Config) -> Config:
    """The same file after a change."""
    return load_config(config.path, {})


def only(findings: Iterator[Finding]) -> Finding:
    """The one finding there is."""
    (found,) = findings
    return found


def test_a_fresh_workspace_is_well_without_a_server(
    desk: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing that somebody types after installing; it starts and writes nothing."""
    monkeypatch.setenv("PREFECT_API_URL", "")
    before = sorted(desk.folder.rglob("*"))
    assert main(["doctor", "-c", str(desk.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok    ") for line in lines), lines
    after = [path for path in sorted(desk.folder.rglob("*")) if "__pycache__" not in path.parts]
    assert after == before


def test_what_cannot_work_exits_4_and_says_how_to_mend_it(
    desk: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that sets a machine up must see it; the other checks are still made."""
    monkeypatch.setenv("PREFECT_API_URL", "")
    (desk.folder / "support_desk" / "tools.py").write_text("import no_such_module\n")
    assert main(["doctor", "-c", str(desk.path)]) == 4
    out = capsys.readouterr().out
    assert "FAIL  tools: " in out
    assert "        mend: " in out
    assert "ok    golden tasks: " in out


def test_the_json_has_every_finding(
    desk: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Monitoring reads it."""
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert main(["doctor", "-c", str(desk.path), "--json", "-"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {finding["level"] for finding in findings} == {"ok"}
    assert {"python", "config", "prompts", "disk"} <= {finding["what"] for finding in findings}


def test_a_broken_config_is_one_finding(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What depends on it is not looked at; the installation still is."""
    (tmp_path / "assay.yaml").write_text("prompts: [")
    assert main(["doctor", "-c", str(tmp_path / "assay.yaml")]) == 4
    out = capsys.readouterr().out
    assert "FAIL  config: " in out
    assert "ok    packages: " in out


def test_the_packages_here_are_the_supported_ones() -> None:
    """A Prefect or fastapi beyond its bound breaks in ways that nobody connects with it."""
    assert only(installation.packages()).level is Level.OK
    assert only(installation.python()).level is Level.OK


def test_a_package_out_of_bounds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's install command may have moved it."""
    needs = ["prefect<1", "no-such-package>=1", 'only-local>=2; extra == "local"', "pyyaml>=1"]
    monkeypatch.setattr(installation, "requires", lambda _: needs)
    findings = list(installation.packages())
    assert [finding.level for finding in findings] == [Level.FAIL, Level.FAIL]
    assert "supported is <1" in findings[0].says
    assert "not installed" in findings[1].says


def test_a_changed_text_of_a_locked_version_fails(desk: Config) -> None:
    """Production would refuse to load it, at the moment of the rollback."""
    (desk.folder / "prompts" / "support" / "v14.md").write_text("Another text.")
    found = only(examined("prompts", partial(workspace.prompts, desk)))
    assert found.level is Level.FAIL
    assert "support:v14" in found.says


def test_an_active_version_that_is_not_locked_is_a_warning(desk: Config) -> None:
    """Its text could change without a word."""
    (desk.folder / "prompts" / "lock.yaml").unlink()
    levels = [finding.level for finding in workspace.prompts(desk)]
    assert levels == [Level.OK, Level.WARN, Level.WARN]


def test_a_switch_by_hand_is_a_warning(desk: Config) -> None:
    """The history then says something else than production does."""
    switched(desk, at=datetime.now(UTC))
    assert only(workspace.history(desk.path)).level is Level.OK
    text = desk.path.read_text()
    desk.path.write_text(text.replace('active: "support:v12"', 'active: "support:v15"'))
    found = only(workspace.history(desk.path))
    assert (found.level, found.what) == (Level.WARN, "history")


def test_a_switch_in_the_future_means_that_a_clock_is_wrong(desk: Config) -> None:
    """Nights would be skipped, and the history be out of order."""
    switched(desk, at=datetime.now(UTC) + timedelta(hours=1))
    found = next(iter(workspace.history(desk.path)))
    assert (found.level, found.what) == (Level.WARN, "clock")


def switched(config: Config, *, at: datetime) -> None:
    """Roll back for real, at some time."""
    live.rollback(config.path, reason="a test", who="tester", now=at)


def test_a_folder_that_cannot_be_written_fails(
    desk: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only mount: an evaluation would end as promote, and not be switched."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, who runs CI, may write anywhere
    found = list(workspace.folders(desk))
    assert [finding.level for finding in found[:3]] == [Level.FAIL] * 3


def test_a_missing_key_is_named_and_a_present_one_not_shown(
    desk: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found out now, not at two in the morning."""
    text = desk.path.read_text().replace(
        "model: scripted ", 'model: "openai:gpt-5"\n  api_key_env: DESK_KEY\n#'
    )
    desk.path.write_text(text)
    config = read_again(desk)
    monkeypatch.delenv("DESK_KEY", raising=False)
    missing = only(examined("model", partial(agent.model, config)))
    assert missing.level is Level.FAIL
    assert "DESK_KEY" in missing.says
    monkeypatch.setenv("DESK_KEY", "sk-very-secret")
    found = only(examined("model", partial(agent.model, config)))
    assert found.level is Level.OK
    assert "sk-very-secret" not in found.says


def test_an_alerts_variable_that_is_not_set_is_a_warning(desk: Config) -> None:
    """The alert would be raised, and nobody be told."""
    with desk.path.open("a") as file:
        file.write("alerts:\n  - kind: slack\n    url_env: DESK_SLACK\n")
    config = read_again(desk)
    found = only(variables.variables(config, {}))
    assert (found.level, found.mend) == (Level.WARN, "export DESK_SLACK=...")
    found = only(variables.variables(config, {"DESK_SLACK": "https://hooks.example/secret"}))
    assert found.level is Level.OK
    assert "hooks.example" not in found.says


def test_a_named_server_that_does_not_answer_fails(desk: Config) -> None:
    """No evaluation would start; and its mend is not that of our own server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environ = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    found = only(service.service(desk.path, environ))
    assert (found.level, found.what) == (Level.FAIL, "server")
    assert "unset PREFECT_API_URL" in str(found.mend)


@pytest.fixture
def old_server() -> Iterator[Callable[[], dict[str, str]]]:
    """A server of another version whose clock is behind, without anything of ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_version = self.path == "/api/admin/version"
            self.send_response_only(200 if is_version else 404)
            behind = datetime.now(UTC) - timedelta(minutes=5)
            self.send_header("Date", format_datetime(behind, usegmt=True))
            self.end_headers()
            if is_version:
                self.wfile.write(b'"3.2.1"')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield lambda: {"PREFECT_API_URL": f"http://127.0.0.1:{http.server_port}/api"}
        http.shutdown()
        thread.join()


def test_a_server_of_another_version_and_a_slow_clock_are_warnings(
    desk: Config, old_server: Callable[[], dict[str, str]]
) -> None:
    """Both work until they do not: fields that one side does not know, nights at odd hours."""
    found = list(service.service(desk.path, old_server()))
    by_name = {finding.what: finding for finding in found}
    assert by_name["server"].level is Level.WARN
    assert "3.2.1" in by_name["server"].says
    assert by_name["clock"].level is Level.WARN
    assert "ahead of" in by_name["clock"].says
    assert by_name["worker"].level is Level.OK  # nothing is deployed: nobody waits for one

"""What the server and its clients are told through their environment."""

from pathlib import Path

import pytest

from assay import server
from assay.errors import InputError
from assay.server.reach import server_of
from assay.server.record import Record
from assay.server.settings import client_environment, server_environment

FOLDER = Path("/w/.assay/server")


def settings(environ: dict[str, str]) -> dict[str, str]:
    return server_environment(environ, folder=FOLDER, host="127.0.0.1", port=4321)


def reach(*, host: str = "127.0.0.1", auth: bool = False) -> server.Server:
    record = Record(pid=1, created_at_s=0.0, host=host, port=4321, auth=auth, folder=str(FOLDER))
    return server_of(record, folder=FOLDER)


@pytest.mark.parametrize(
    "name",
    [
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED",
        "PREFECT_SERVER_API_BASE_PATH",
        "PREFECT_UI_API_URL",
        "PREFECT_API_URL",
        "PREFECT_PROFILE",
        "PREFECT_TEST_MODE",
    ],
)
def test_nothing_inherited_opens_the_server_or_leads_it_elsewhere(name: str) -> None:
    """Prefect knows settings by several names, and obeys the first that is set."""
    assert settings({name: "*"}).get(name) != "*"


def test_the_user_may_tune_the_server_and_give_it_another_database() -> None:
    """PostgreSQL under a busy server is set up with Prefect's own variables."""
    chosen = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://db/prefect",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "PATH": "/bin",
    }
    told = settings(chosen)
    assert chosen.items() <= told.items()
    assert "PREFECT_API_DATABASE_CONNECTION_URL" not in told


def test_no_path_enters_the_databases_url() -> None:
    """A workspace may be called `a b #1?`, which no URL survives."""
    told = settings({})
    assert told["PREFECT_API_DATABASE_CONNECTION_URL"] == "sqlite+aiosqlite:///prefect.db"


def test_the_server_reports_nothing_to_anybody() -> None:
    """A tool for a company's prompts must not phone home."""
    told = settings({})
    assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert told["DO_NOT_TRACK"] == "1"


def test_clients_go_past_a_proxy() -> None:
    """Behind a company's proxy Prefect's client would ask it for 127.0.0.1."""
    told = client_environment(reach(), {"NO_PROXY": "intra.example"})
    assert told["NO_PROXY"] == "intra.example,127.0.0.1"
    assert told["no_proxy"] == "127.0.0.1"


def test_a_client_of_a_guarded_server_needs_the_secret() -> None:
    """Without it Prefect's client would fail with a bare 401."""
    with pytest.raises(InputError, match="asks for an authentication string") as caught:
        client_environment(reach(auth=True), {})
    assert "PREFECT_API_AUTH_STRING" in str(caught.value)
    told = client_environment(reach(auth=True), {"PREFECT_SERVER_API_AUTH_STRING": "a:b"})
    assert told["PREFECT_API_AUTH_STRING"] == "a:b"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4321/api"),
        ("0.0.0.0", "http://127.0.0.1:4321/api"),
        ("::", "http://[::1]:4321/api"),
        ("build.example", "http://build.example:4321/api"),
    ],
)
def test_a_server_on_all_addresses_is_reached_on_loopback(host: str, url: str) -> None:
    """0.0.0.0 is a place to listen, not one to call."""
    assert reach(host=host).url == url


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "build.example"])
def test_beyond_loopback_a_secret_is_demanded(host: str, tmp_path: Path) -> None:
    """Whoever reaches the API can run code through it: refused before anything starts."""
    with pytest.raises(InputError, match="reached from other machines") as caught:
        server.start(tmp_path, announce=print, environ={}, host=host)
    assert "PREFECT_SERVER_API_AUTH_STRING" in str(caught.value)
    assert list(tmp_path.iterdir()) == []

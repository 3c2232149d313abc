"""The environment of the server's process, and that of the clients that use it.

The server is set up by these variables alone: its working directory is its own
folder, so that no `.env`, `prefect.toml` or profile of the user's reaches it.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from assay.errors import InputError
from assay.server.reach import Server

_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
_DATABASE = ("PREFECT_SERVER_DATABASE_", "PREFECT_API_DATABASE_")
_KEPT = ("PREFECT_SERVER_", *_DATABASE)
"""Prefect's variables that the user may set for our server."""
_OURS = (
    "PREFECT_SERVER_API_",
    "PREFECT_SERVER_CORS_",
    "PREFECT_SERVER_CSRF_",
    "PREFECT_SERVER_UI_API_URL",
    "PREFECT_SERVER_UI_SERVE_BASE",
)
"""And these not: where it listens and who may call it is decided here, whatever name
Prefect knows the setting by."""

_QUICK_AND_QUIET = {
    # A task run costs the server 13 ms instead of 41-54, and the history lags seconds
    # instead of a minute behind a thousand runs.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "DO_NOT_TRACK": "1",
}


def server_environment(
    environ: Mapping[str, str], *, folder: Path, host: str, port: int
) -> dict[str, str]:
    """Variables for the server's process; what the user set for it wins where it may."""
    inherited = {name: value for name, value in environ.items() if _may_pass(name)}
    settings = {
        **_QUICK_AND_QUIET,
        **inherited,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        # Relative: the UI calls back under whatever name it was opened with
        # (localhost, an address, a tunnel), so that no other origin need be let in.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            f"http://{name}:{port}" for name in ("127.0.0.1", "localhost")
        ),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT__SERVER_FINAL": "1",
    }
    if not names_a_database(environ):
        # Relative to the server's working directory: no character of the
        # workspace's path has to survive a URL.
        settings["PREFECT_API_DATABASE_CONNECTION_URL"] = "sqlite+aiosqlite:///prefect.db"
    if not _ui_can_be_unpacked():
        settings.setdefault("PREFECT_SERVER_UI_STATIC_DIRECTORY", str(folder / "home" / "ui"))
    return settings


def client_environment(server: Server, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that a client of `server` needs, to be set before Prefect is imported.

    Raises:
        InputError: The server asks for an authentication string and `environ` has none.
    """
    settings = {
        "PREFECT_API_URL": server.url,
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
        "DO_NOT_TRACK": "1",
    }
    for name in ("NO_PROXY", "no_proxy"):
        # Behind a proxy, httpx would send even loopback requests to it.
        settings[name] = ",".join(filter(None, (environ.get(name), server.address)))
    if server.auth:
        settings["PREFECT_API_AUTH_STRING"] = _client_auth(environ)
    return settings


def require_auth(environ: Mapping[str, str], *, host: str) -> None:
    """Refuse to listen on an address that others reach without asking who they are.

    Raises:
        InputError: `environ` has no authentication string for the server.
    """
    if environ.get(_AUTH):
        return
    raise InputError(
        f"a server on {host} can be reached from other machines and asks nobody who they are",
        mend=f"set the environment variable {_AUTH} to name:password (and "
        "PREFECT_API_AUTH_STRING to the same for clients), or leave out --host",
    )


def has_auth(environ: Mapping[str, str]) -> bool:
    """Whether a server started from this environment asks for an authentication string."""
    return bool(environ.get(_AUTH))


def names_a_database(environ: Mapping[str, str]) -> bool:
    """Whether the user chose a database for the server (PostgreSQL, say)."""
    ends = ("CONNECTION_URL", "DRIVER", "HOST", "NAME")
    return any(environ.get(start + end) for start in _DATABASE for end in ends)


def _client_auth(environ: Mapping[str, str]) -> str:
    if known := environ.get("PREFECT_API_AUTH_STRING") or environ.get(_AUTH):
        return known
    raise InputError(
        "this workspace's Prefect server asks for an authentication string",
        mend="set the environment variable PREFECT_API_AUTH_STRING to the one it was "
        f"started with (its {_AUTH})",
    )


def _may_pass(name: str) -> bool:
    if not name.startswith("PREFECT_") or name == _AUTH:
        return True
    return name.startswith(_KEPT) and not name.startswith(_OURS)


def _ui_can_be_unpacked() -> bool:
    """Whether Prefect may write where it unpacks its UI by default: beside its own code."""
    found = importlib.util.find_spec("prefect")
    places = (found.submodule_search_locations if found else None) or []
    return all(os.access(Path(place) / "server", os.W_OK) for place in places)

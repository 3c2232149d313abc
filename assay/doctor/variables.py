"""Environment variables that the configuration names: set here, and in the worker too.

Only whether they are set is looked at; no value is read into a finding.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

import psutil

from assay.agent_sections import BuiltinSection, HttpSection
from assay.config import Config
from assay.doctor.finding import Finding, ok, warn
from assay.server import worker
from assay.server.service import worker_folder


def variables(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Those that alerts need here, and all of them in the worker; the model's own check has its."""
    alerts = _alert_variables(config)
    unset = [name for name in alerts if not environ.get(name)]
    for name in unset:
        yield warn("alerts", f"{name} is not set: nobody is told that way", f"export {name}=...")
    if alerts and not unset:
        yield ok("alerts", f"{', '.join(alerts)} set")
    named = [*alerts, *_agent_variables(config), *filter(None, [config.judge.api_key_env])]
    for name in _missing_in_worker(config, [name for name in named if environ.get(name)]):
        yield warn(
            "worker",
            f"it was started without {name}, which is set here",
            "assay server stop, then assay server start --with-worker",
        )


def _alert_variables(config: Config) -> list[str]:
    return [
        value
        for receiver in config.alerts
        for key, value in receiver.model_dump().items()
        if key.endswith("_env") and value
    ]


def _agent_variables(config: Config) -> list[str]:
    return [*_own_variables(config), *_proxy_variables(config)]


def _proxy_variables(config: Config) -> list[str]:
    proxy = None if isinstance(config.agent, BuiltinSection) else config.agent.proxy
    return [proxy.key_variable] if proxy is not None else []


def _own_variables(config: Config) -> list[str]:
    match config.agent:
        case HttpSection(api_key_env=key, headers_env=headers):
            return [*headers.values(), *filter(None, [key])]
        case BuiltinSection(api_key_env=key, mcp_servers=servers):
            used = [name for server in servers.values() for name in server.variables]
            return [*used, *filter(None, [key])]
    return []


def _missing_in_worker(config: Config, names: list[str]) -> list[str]:
    found = worker.find(worker_folder(config.folder))
    with suppress(psutil.Error):
        environ = psutil.Process(found.pid).environ() if found else None
        return [] if environ is None else [name for name in names if not environ.get(name)]
    return []

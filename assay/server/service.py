"""Which Prefect server a workspace's deployments live on, and under which names.

The workspace's own server holds nothing but this workspace, so its names are plain: work
pool `assay`, deployment `evaluate/evaluate`. On a server that others use too, a name that two
workspaces share would let one take, or overwrite, the other's runs: there each name ends in
the folder's name and six digits of its path's hash.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.choices import CONFIG_VARIABLE
from assay.server.address import connection_from_outside
from assay.server.api import Api, api_at
from assay.server.lifecycle import Announce, begin
from assay.server.reach import Server
from assay.server.settings import client_environment

POOL = "assay"
DEFAULT_CONFIG = "assay.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One config's place on one Prefect server."""

    config: Path
    """The `assay.yaml` that its deployments may switch; absolute."""
    url: str
    environ: Mapping[str, str] = field(repr=False)
    """The whole environment of a process that uses the server. Holds secrets."""
    server: Server | None
    """The workspace's own server; None when another one was named."""

    @property
    def folder(self) -> Path:
        """What the worker keeps: its log, what was deployed last."""
        return worker_folder(self.config.parent)

    @property
    def api(self) -> Api:
        """To ask the server."""
        return api_at(self.url, self.environ)

    @property
    def pool(self) -> str:
        """Name of the work pool."""
        return POOL if self.server else f"{POOL}-{self._workspace}"

    def deployment_name(self, plain: str) -> str:
        """Name of the deployment that `prefect.yaml` calls `plain`."""
        parts = [plain]
        if self.config.name != DEFAULT_CONFIG:  # another agent in the same folder
            parts.append(_slug(self.config.stem))
        if self.server is None:
            parts.append(self._workspace)
        return "-".join(parts)

    @property
    def _workspace(self) -> str:
        folder = self.config.parent
        digest = hashlib.sha256(str(folder).encode()).hexdigest()
        return f"{_slug(folder.name)}-{digest[:6]}"


def worker_folder(workspace: Path) -> Path:
    """Absolute path of the worker's folder in `workspace`, which need not exist."""
    return workspace.resolve() / ".assay" / "worker"


def reached(config: Path, server: Server | None, environ: Mapping[str, str]) -> Service | None:
    """The service on the server that was named outside of Assay, else on `server`, if any.

    Raises:
        InputError: As `connection_from_outside`, or the server's secret is missing.
    """
    config = config.parent.resolve() / config.name
    outside = connection_from_outside(environ)
    if "PREFECT_API_URL" in outside:
        told, url, server = outside, outside["PREFECT_API_URL"], None
    elif server is not None:
        told, url = client_environment(server, environ), server.url
    else:
        return None
    whole = {**environ, **told, CONFIG_VARIABLE: str(config)}
    return Service(config=config, url=url, environ=whole, server=server)


def begun(config: Path, *, announce: Announce, environ: Mapping[str, str], host: str) -> Service:
    """The service, its server on the way up if it is the workspace's own.

    Raises:
        InputError, CannotEvaluate: As `reached` and `begin`.
    """
    if (found := reached(config, None, environ)) is not None:
        return found
    workspace = config.absolute().parent
    server = begin(workspace, announce=announce, environ=environ, host=host)
    service = reached(config, server, environ)
    assert service is not None  # noqa: S101 - it has a server
    return service


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:30].strip("-") or "workspace"

"""Asking a Prefect server without importing Prefect: a few reads, in milliseconds."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from assay.server.reach import is_loopback

_MAX_BYTES = 20_000_000
_CSRF_CLIENT = "assay"


class NoAnswer(Exception):
    """The server does not answer, or not as a Prefect server does."""


@dataclass(frozen=True, slots=True)
class Api:
    """One Prefect server's API.

    Args:
        url: As `PREFECT_API_URL`.
        headers: That say who asks. Never shown.
        patience_s: For each answer.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    patience_s: float = 5.0

    def get(self, path: str) -> Any:
        """What is there, or None for a 404.

        Raises:
            NoAnswer: It cannot be had.
        """
        return self._ask("GET", path)[0]

    def find(self, path: str, only: Mapping[str, Any]) -> Any:
        """What a filter lets through: a POST, though it changes nothing.

        Raises:
            NoAnswer: It cannot be had.
        """
        return self._ask("POST", path, only, headers=self._csrf())[0]

    def now(self) -> datetime | None:
        """The server's clock, if its answers say it."""
        date = self._ask("GET", "admin/version")[1].get("Date")
        if date is None:
            return None
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            return None

    def deployment(self, full_name: str) -> dict[str, Any] | None:
        """The deployment `flow/name`, or None."""
        found: dict[str, Any] | None = self.get(f"deployments/name/{quote(full_name)}")
        return found

    def work_pool(self, name: str) -> dict[str, Any] | None:
        """The work pool of that name, or None."""
        found: dict[str, Any] | None = self.get(f"work_pools/{quote(name, safe='')}")
        return found

    def _csrf(self) -> dict[str, str]:
        token = self._ask("GET", f"csrf-token?client={_CSRF_CLIENT}", missing=(404, 422))[0]
        if not token:
            return {}  # this server asks for none
        return {"Prefect-Csrf-Token": token["token"], "Prefect-Csrf-Client": _CSRF_CLIENT}

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        missing: tuple[int, ...] = (404,),
    ) -> tuple[Any, Message]:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked by `api_at`
            f"{self.url.rstrip('/')}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **self.headers, **(headers or {})},
        )
        try:
            with _opener(self.url).open(request, timeout=self.patience_s) as answer:
                return json.loads(answer.read(_MAX_BYTES)), answer.headers
        except urllib.error.HTTPError as refused:
            with refused:
                if refused.code in missing:
                    return None, refused.headers
                raise NoAnswer(f"it answers {refused.code} {refused.reason}") from None
        except (OSError, ValueError) as error:  # ValueError: what it sends is not JSON
            raise NoAnswer(f"{getattr(error, 'reason', error)}") from None


def api_at(url: str, environ: Mapping[str, str]) -> Api:
    """The API at `url`, with the key or authentication string that `environ` has for it.

    Raises:
        NoAnswer: `url` is none of a server.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise NoAnswer("PREFECT_API_URL is not an http address")
    headers = {}
    if key := environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    elif secret := environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    return Api(url, headers)


def _opener(url: str) -> urllib.request.OpenerDirector:
    if is_loopback(urlsplit(url).hostname or ""):  # never through a proxy
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener()

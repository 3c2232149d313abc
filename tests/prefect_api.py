"""A Prefect server's API, as its web page uses it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx


@contextmanager
def prefect_api(environ: Mapping[str, str]) -> Iterator[httpx.Client]:
    """A client of the server that `environ` names, with the token that changes need."""
    with httpx.Client(base_url=environ["PREFECT_API_URL"], trust_env=False) as client:
        token = client.get("/csrf-token", params={"client": "tests"}).json()["token"]
        client.headers.update({"Prefect-Csrf-Client": "tests", "Prefect-Csrf-Token": token})
        yield client


def find(client: httpx.Client, kind: str, only: Mapping[str, Any]) -> Any:
    """All things of a kind that a filter lets through."""
    return client.post(f"/{kind}/filter", json=only).raise_for_status().json()

"""This flow run as Prefect's UI shows it: its page's address, and tags to find it by."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from prefect import get_client
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from tasks.progress import tell

TAG = "assay"


async def tag_run(facts: Mapping[str, str | Iterable[str] | None]) -> None:
    """Add `assay` and a tag `name:value` for each fact to this flow run's tags.

    Args:
        facts: Such as `{"kind": "evaluate", "prompt": ["support:v14"], "verdict": "reject"}`;
            None is unknown, and not said.
    """
    if (run_id := flow_run.id) is not None:
        await tell(_add_tags(str(run_id), [TAG, *_tags(facts)]))


def _tags(facts: Mapping[str, str | Iterable[str] | None]) -> Iterable[str]:
    for name, value in facts.items():
        values = [value] if isinstance(value, str) else value or []
        yield from (f"{name}:{each}" for each in values)


async def _add_tags(run_id: str, tags: Iterable[str]) -> None:
    """Prefect replaces a run's tags: those that it has, from its deployment say, are kept."""
    async with get_client() as client:
        known = (await client.read_flow_run(UUID(run_id))).tags
        both = list(dict.fromkeys([*known, *tags]))
        response = await client.update_flow_run(UUID(run_id), tags=both)
        response.raise_for_status()


def run_url(run_id: str | None = None) -> str | None:
    """The address of a flow run's page, this one's by default; None where no UI is known.

    Prefect derives it from its API's address, in which a password may stand: that is left out.
    """
    found = run_id or flow_run.id
    url = url_for("flow-run", obj_id=found) if found else None
    if not url:
        return None
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

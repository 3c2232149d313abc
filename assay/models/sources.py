"""From `agent.model` in the configuration to an open model for each run."""

import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic_ai.settings import ModelSettings

from assay.config import BuiltinSection
from assay.errors import InputError
from assay.models.chat_settings import check_chat_settings
from assay.models.endpoint import header_secret, open_endpoint
from assay.models.local import find_local_model, serve_locally
from assay.models.openai_compatible import OpenAICompatibleModel
from assay.models.prices import price_ref_at
from assay.models.providers import open_provider
from assay.models.source import ModelSource, params_hash

__all__ = ["ModelSource", "open_model"]

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
LOCAL_MAX_TOKENS = 512
"""A small model may never stop by itself; its answers are cut here unless told otherwise."""
LOCAL_MAX_CONCURRENCY = 1
"""It answers one request after the other: together, they would change each other's words."""
_FILE_PREFIX = "local:"
_OPENAI_PREFIX = re.compile(r"openai(?:-chat)?:")
_KNOWS_ONLY_MAX_COMPLETION_TOKENS = re.compile(r"(?:^|\.)openai(?:\.azure)?\.com$")


def open_model(
    agent: BuiltinSection,
    *,
    base_folder: Path,
    max_concurrency: int,
    environ: Mapping[str, str] = os.environ,
) -> AbstractAsyncContextManager[ModelSource]:
    """The configured model, open until the block ends.

    Args:
        agent: The configuration's section.
        base_folder: What a model file's path starts from.
        max_concurrency: Most requests at the same time.
        environ: Where keys come from.

    Raises:
        InputError: On entering: the model cannot be had as configured.
    """
    name = agent.model
    if name == "scripted":
        return _open_scripted()
    if name == "local" or name.startswith(_FILE_PREFIX):
        file = base_folder / name.removeprefix(_FILE_PREFIX) if name != "local" else None
        return _open_local(agent, file)
    if agent.base_url is not None or _OPENAI_PREFIX.match(name):
        return _open_endpoint(agent, max_concurrency=max_concurrency, environ=environ)
    return open_provider(name, agent.model_settings)


@asynccontextmanager
async def _open_scripted() -> AsyncIterator[ModelSource]:
    from assay.models.scripted import ScriptedModel

    yield ModelSource(
        name="scripted",
        params_hash=params_hash(model="scripted"),
        price_ref=None,
        max_concurrency=None,
        settings={},
        for_run=ScriptedModel,
    )


@asynccontextmanager
async def _open_local(agent: BuiltinSection, file: Path | None) -> AsyncIterator[ModelSource]:
    model = find_local_model(file)
    given, _ = check_chat_settings(agent.model_settings)
    settings: ModelSettings = {"max_tokens": LOCAL_MAX_TOKENS, **given}
    async with (
        serve_locally(model) as server,
        open_endpoint(
            server.base_url,
            api_key=server.api_key,
            max_concurrency=LOCAL_MAX_CONCURRENCY,
            provider_name="local",
        ) as endpoint,
    ):
        yield ModelSource(
            name=f"local:{model.name}",
            params_hash=params_hash(model=model.fingerprint, settings=settings),
            price_ref=None,
            max_concurrency=LOCAL_MAX_CONCURRENCY,
            settings=settings,
            for_run=lambda _: OpenAICompatibleModel(model.name, endpoint=endpoint),
        )


@asynccontextmanager
async def _open_endpoint(
    agent: BuiltinSection, *, max_concurrency: int, environ: Mapping[str, str]
) -> AsyncIterator[ModelSource]:
    base_url = agent.base_url or OPENAI_URL
    where = _checked_address(base_url)
    settings, tokens_field = check_chat_settings(agent.model_settings)
    wants_new_name = _KNOWS_ONLY_MAX_COMPLETION_TOKENS.search(where.hostname or "") is not None
    field = tokens_field or ("max_completion_tokens" if wants_new_name else "max_tokens")
    name = _OPENAI_PREFIX.sub("", agent.model, count=1)
    async with open_endpoint(
        base_url,
        api_key=_api_key(agent, environ),
        max_concurrency=max_concurrency,
        provider_name="openai" if base_url.startswith(OPENAI_URL) else "openai-compatible",
    ) as endpoint:
        yield ModelSource(
            name=agent.model,
            params_hash=params_hash(
                model=name, server=f"{where.hostname}{where.path}", settings=settings
            ),
            price_ref=price_ref_at(base_url, name),
            max_concurrency=None,
            settings=settings,
            for_run=lambda _: OpenAICompatibleModel(
                name, endpoint=endpoint, max_tokens_field=field
            ),
            destination=(where.netloc, name),
        )


def _checked_address(base_url: str) -> SplitResult:
    where = urlsplit(base_url)
    if where.username or where.password or where.query:
        raise InputError(
            "agent.base_url holds a user, a password or a query",
            mend="give the key in an environment variable, named by agent.api_key_env",
        )
    return where


def _api_key(agent: BuiltinSection, environ: Mapping[str, str]) -> str:
    """The key to send; a server of one's own may need none."""
    return header_secret(
        agent.api_key_env or OPENAI_KEY,
        environ,
        whose="agent.model",
        instead=", or name another variable as agent.api_key_env",
        is_needed=agent.api_key_env is not None or agent.base_url is None,
    )

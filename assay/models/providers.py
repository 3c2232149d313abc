"""pydantic-ai's own models: every provider that it knows, through the provider's client library."""

import pkgutil
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pydantic_ai.models
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.settings import ModelSettings

from assay.errors import InputError
from assay.models.source import ModelSource, params_hash


@asynccontextmanager
async def open_provider(name: str, settings: Mapping[str, Any]) -> AsyncIterator[ModelSource]:
    """One of pydantic-ai's models, by its name there; its client is closed with the block.

    Raises:
        InputError: The name is unknown, or its client library or its key is missing.
    """
    model = _infer(name)
    checked = _checked_settings(settings, model)
    async with model:
        yield ModelSource(
            name=name,
            params_hash=params_hash(model=name, settings=settings),
            price_ref=name if ":" in name else None,
            max_concurrency=None,
            settings=checked,
            for_run=lambda _: model,
            destination=(urlsplit(model.base_url or "").netloc or model.system, model.model_name),
        )


def _infer(name: str) -> Model:
    """One of pydantic-ai's models, by its name there."""
    if ":" not in name and name != "test":
        raise InputError(
            f"agent.model: nothing is known of {name!r}",
            mend="write scripted, local, openai:NAME or another PROVIDER:NAME,"
            " or give the server's address as agent.base_url",
        )
    try:
        return infer_model(name)
    except ImportError as error:
        extra = re.search(r"pydantic-ai-slim\[([\w-]+)\]", str(error))
        group = extra[1] if extra else name.partition(":")[0]
        raise InputError(
            f"agent.model: {name!r} needs a client library that is not installed",
            mend=f'pip install "pydantic-ai-slim[{group}]", or give the address of the provider\'s'
            " OpenAI-compatible server as agent.base_url",
        ) from error
    except (UserError, ValueError) as error:
        problem, _, mend = str(error).partition(". ")
        raise InputError(
            f"agent.model: {problem}", mend=mend or "set the provider's key"
        ) from error


def _checked_settings(settings: Mapping[str, Any], model: Model) -> ModelSettings:
    """The user's settings, with the client's own retries off: one layer of them is enough."""
    providers = [module.name for module in pkgutil.iter_modules(pydantic_ai.models.__path__)]
    for key in settings:
        known = key in ModelSettings.__annotations__
        if not known and not any(key.startswith(f"{provider}_") for provider in providers):
            raise InputError(
                f"agent.model_settings.{key}: unknown setting",
                mend=f"known are {', '.join(sorted(ModelSettings.__annotations__))}",
            )
    retries = {} if "max_retries" in model.unsupported_settings else {"max_retries": 0}
    return ModelSettings(**{**retries, **settings})  # type: ignore[typeddict-item]

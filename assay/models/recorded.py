"""The models of a record: they have a name and settings, and answer nothing."""

from dataclasses import replace
from typing import Any, NoReturn, cast

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from assay.models.source import ModelSource
from assay.store.record import RecordHeader


def recorded_source(header: RecordHeader) -> ModelSource:
    """The model as it was when it was recorded; no key is needed, no connection is opened."""
    return replace(
        silent_source(header.model),
        params_hash=header.model_params_hash,
        price_ref=header.price_ref,
        settings=cast("ModelSettings", header.model_settings),
    )


def silent_source(name: str) -> ModelSource:
    """A model of this name that answers nothing."""
    return ModelSource(
        name=name,
        params_hash="",
        price_ref=None,
        max_concurrency=None,
        settings={},
        for_run=lambda _: _Silent(name),
    )


class _Silent(Model[Any]):
    """What holds the model's place where a record answers."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def system(self) -> str:
        return "assay"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> NoReturn:
        del messages, model_settings, model_request_parameters
        raise RuntimeError("not in the record: nobody is asked in a replay")

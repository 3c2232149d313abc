"""The model of a record: it has a name and settings, and is never asked anything."""

from typing import Any, NoReturn, cast

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from assay.models.source import ModelSource
from assay.store.record import RecordHeader


def recorded_source(header: RecordHeader) -> ModelSource:
    """The model as it was when it was recorded; no key is needed, no connection is opened."""
    return ModelSource(
        name=header.model,
        params_hash=header.model_params_hash,
        price_ref=header.price_ref,
        max_concurrency=None,
        settings=cast("ModelSettings", header.model_settings),
        for_run=lambda _: _Silent(header.model),
    )


class _Silent(Model[Any]):
    """What a run holds as its model while its tape answers."""

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
        raise AssertionError("a replayed run asked its model")

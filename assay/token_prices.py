"""The configuration's own prices: what a model's tokens cost, by the million."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from assay.validation import Section, Several, refusal

Dollars = Annotated[float, Field(ge=0)]
"""US dollars for a million tokens."""


class TokenPrices(Section):
    """US dollars for a million tokens of each kind."""

    input_per_mtok: Dollars = Field(examples=[1.25])
    """Input tokens that were not cached."""
    cached_input_per_mtok: Dollars | None = None
    """Input tokens read from the provider's cache; as `input_per_mtok` where it is empty."""
    cache_write_per_mtok: Dollars | None = None
    """Input tokens written to the cache; as `input_per_mtok` where it is empty."""
    output_per_mtok: Dollars = Field(examples=[10.0])
    """Output tokens, reasoning included."""


class Tier(TokenPrices):
    """Prices of every token of a request whose input is long."""

    above_input_tokens: Annotated[int, Field(gt=0)] = Field(examples=[200_000])
    """These prices hold for requests with more input tokens than this."""


class ModelPrices(TokenPrices):
    """What one model costs."""

    tiers: Several[Tier] = ()
    """Other prices for long requests."""

    @model_validator(mode="after")
    def _each_tier_once(self) -> Self:
        starts = [tier.above_input_tokens for tier in self.tiers]
        if twice := sorted({start for start in starts if starts.count(start) > 1}):
            raise refusal(
                f"two tiers begin above {twice[0]} input tokens",
                mend="delete one of them",
                at=("tiers",),
            )
        return self

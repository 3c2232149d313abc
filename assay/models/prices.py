"""What requests cost: by the configuration's own prices, else by those of genai-prices.

Unknown is None, never 0: a model that nobody has priced is not free.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from pydantic_ai.usage import RequestUsage

from assay.token_prices import ModelPrices, TokenPrices

HASH_DIGITS = 6
MTOK = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What the requests to one model cost, where a price is known."""

    table: str | None = None
    """The table that was asked, and its version; None for a model that no table can know."""
    _total: Callable[[RequestUsage], Decimal] | None = None

    @property
    def is_known(self) -> bool:
        """Whether requests have a spend at all."""
        return self._total is not None

    def spend_usd(self, usage: RequestUsage) -> float | None:
        """US dollars that one request cost; None when its price or its usage is not known.

        Args:
            usage: What the request used, cached tokens included in `input_tokens`.
        """
        if self._total is None or usage.unmeasured_requests:
            return None
        try:
            return float(self._total(usage))
        except ValueError:  # counts that cannot be, such as more cached tokens than given ones
            return None

    def of_tokens(self, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars of a request of so many tokens, none of them cached."""
        return self.spend_usd(RequestUsage(input_tokens=input_tokens, output_tokens=output_tokens))


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Every price there is: `agent.prices` of the configuration over genai-prices."""

    own: Mapping[str, ModelPrices] = field(default_factory=dict)
    """By the model's name in the configuration."""

    @property
    def name(self) -> str:
        """The table and its version: `genai-prices 0.2.3`, `config 3f9a1c + genai-prices 0.2.3`."""
        shipped = f"genai-prices {version('genai-prices')}"
        if not self.own:
            return shipped
        content = {model: prices.model_dump() for model, prices in self.own.items()}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"config {digest[:HASH_DIGITS]} + {shipped}"

    def price_of(self, model: str, price_ref: str | None) -> Price:
        """The price of a model.

        Args:
            model: Its name in the configuration.
            price_ref: `provider:model`, as genai-prices knows it; None where it does not.
        """
        if (own := self.own.get(model)) is not None:
            return Price(self.name, partial(_total_of, _calculator(own)))
        if price_ref is None:
            return Price()
        found = _priced_model(price_ref)
        return Price(self.name, None if found is None else partial(_shipped_total, *found))


def price_ref_at(base_url: str, model: str) -> str | None:
    """How genai-prices knows a model behind this address; None for a server it does not know."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider = get_snapshot().find_provider(None, None, base_url)
    except LookupError:
        return None
    return f"{provider.id}:{model}"


def _calculator(prices: ModelPrices) -> Any:
    """The configuration's prices in the form of genai-prices, which adds them up."""
    from genai_prices.types import ModelPrice, Tier, TieredPrices

    def tiered(base: Decimal, name: str) -> Any:
        tiers = [Tier(tier.above_input_tokens, _by_kind(tier)[name]) for tier in prices.tiers]
        return TieredPrices(base, tiers) if tiers else base

    return ModelPrice(**{name: tiered(base, name) for name, base in _by_kind(prices).items()})


def _by_kind(prices: TokenPrices) -> dict[str, Decimal]:
    def or_as_input(amount: float | None) -> float:
        return prices.input_per_mtok if amount is None else amount

    amounts = {
        "input_mtok": prices.input_per_mtok,
        "cache_read_mtok": or_as_input(prices.cached_input_per_mtok),
        "cache_write_mtok": or_as_input(prices.cache_write_per_mtok),
        "output_mtok": prices.output_per_mtok,
    }
    return {name: Decimal(str(amount)) for name, amount in amounts.items()}


def _total_of(calculator: Any, usage: RequestUsage) -> Decimal:
    total: Decimal = calculator.calc_price(usage)["total_price"]
    return total


def _shipped_total(provider: Any, model: Any, usage: RequestUsage) -> Decimal:
    total: Decimal = model.calc_price(usage, provider).total_price
    return total


@cache
def _priced_model(price_ref: str) -> tuple[Any, Any] | None:
    """Provider and model of genai-prices, or None where it has no price for it."""
    from genai_prices.data_snapshot import get_snapshot

    provider_id, _, name = price_ref.partition(":")
    try:
        provider, model = get_snapshot().find_provider_model(name, None, provider_id, None)
    except LookupError:
        return None
    # The table also lists models without any price: reading those as free would be wrong.
    probe = RequestUsage(input_tokens=MTOK, output_tokens=MTOK)
    return (provider, model) if model.calc_price(probe, provider).total_price > 0 else None

"""What requests cost, by the price table that comes with genai-prices.

Unknown is None, never 0: a model that nobody has priced is not free.
"""

from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic_ai.usage import RequestUsage


def price_table() -> str:
    """The table that spends are computed with, and its version."""
    return f"genai-prices {version('genai-prices')}"


def price_ref_at(base_url: str, model: str) -> str | None:
    """How the table knows a model behind this address; None for a server it does not know."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider = get_snapshot().find_provider(None, None, base_url)
    except LookupError:
        return None
    return f"{provider.id}:{model}"


def is_priced(price_ref: str | None) -> bool:
    """Whether the table has prices for the model, as `provider:model`."""
    return price_ref is not None and _priced_model(price_ref) is not None


def spend_usd(price_ref: str | None, usage: RequestUsage) -> float | None:
    """US dollars that one request cost; None when its price or its usage is not known.

    Args:
        price_ref: `provider:model`; None for a model that has no price.
        usage: What the request used, cached tokens included in `input_tokens`.
    """
    if price_ref is None or usage.unmeasured_requests:
        return None
    if (found := _priced_model(price_ref)) is None:
        return None
    provider, model = found
    try:
        return float(model.calc_price(usage, provider).total_price)
    except ValueError:  # counts that cannot be, such as more cached tokens than given ones
        return None


@cache
def _priced_model(price_ref: str) -> tuple[Any, Any] | None:
    """Provider and model of the table, or None where it has no price for it."""
    from genai_prices.data_snapshot import get_snapshot

    provider_id, _, name = price_ref.partition(":")
    try:
        provider, model = get_snapshot().find_provider_model(name, None, provider_id, None)
    except LookupError:
        return None
    # The table also lists models without any price: reading those as free would be wrong.
    probe = RequestUsage(input_tokens=1_000_000, output_tokens=1_000_000)
    return (provider, model) if model.calc_price(probe, provider).total_price > 0 else None

"""Unknown is not free."""

import pytest
from pydantic_ai.usage import RequestUsage

from assay.models.prices import is_priced, price_ref_at, price_table, spend_usd

USAGE = RequestUsage(input_tokens=1_000, output_tokens=100)


def test_a_request_costs_what_its_tokens_cost() -> None:
    """Twice the tokens, twice the price; cached tokens are cheaper."""
    once = spend_usd("openai:gpt-4o", USAGE)
    twice = spend_usd("openai:gpt-4o", RequestUsage(input_tokens=2_000, output_tokens=200))
    cached = spend_usd(
        "openai:gpt-4o",
        RequestUsage(input_tokens=1_000, cache_read_tokens=900, output_tokens=100),
    )
    assert once is not None
    assert twice == pytest.approx(2 * once)
    assert cached is not None
    assert 0 < cached < once


@pytest.mark.parametrize(
    "price_ref", [None, "nobody:nothing", "openai:no-such-model", "github-copilot:gpt-4o"]
)
def test_a_model_without_a_price_has_no_spend(price_ref: str | None) -> None:
    """The last one is in the table, but without prices: 0 dollars would pass any gate."""
    assert not is_priced(price_ref)
    assert spend_usd(price_ref, USAGE) is None


def test_a_request_whose_usage_is_unknown_has_no_spend() -> None:
    """Its counts are 0 only for want of anything better."""
    assert spend_usd("openai:gpt-4o", RequestUsage(unmeasured_requests=1)) is None


def test_counts_that_cannot_be_have_no_spend() -> None:
    """More cached tokens than tokens: nothing sensible can be said."""
    assert spend_usd("openai:gpt-4o", RequestUsage(input_tokens=1, cache_read_tokens=9)) is None


def test_an_address_is_priced_as_its_owner() -> None:
    """The same model costs differently at another provider; at one's own server, who knows."""
    assert price_ref_at("https://api.openai.com/v1", "gpt-4o") == "openai:gpt-4o"
    assert price_ref_at("https://api.groq.com/openai/v1", "llama-3") == "groq:llama-3"
    assert price_ref_at("http://127.0.0.1:8000/v1", "gpt-4o") is None


def test_the_table_is_named_with_its_version() -> None:
    """Spends of different tables are not compared."""
    name, version = price_table().split()
    assert name == "genai-prices"
    assert version[0].isdigit()

"""What a request to a model cost, by the span that tells of it: the conventions have no spend."""

from pydantic_ai.usage import RequestUsage

from assay.models.prices import PriceTable
from assay.otlp.span import Span

PROVIDERS = {
    "aws.bedrock": "aws", "azure.ai.inference": "azure", "azure.ai.openai": "azure",
    "gcp.gemini": "google", "gcp.gen_ai": "google", "gcp.vertex_ai": "google",
    "mistral_ai": "mistral", "x_ai": "x-ai",
}  # fmt: skip
"""OpenTelemetry's names of providers -> those of genai-prices, where they differ."""


def price_span(span: Span, table: PriceTable) -> float | None:
    """US dollars; None where the price of its model or its tokens are not known.

    Args:
        span: Of a request to a model.
        table: The configuration's prices over the shipped ones.
    """
    model, provider = span.text("model"), span.text("provider")
    given, made = span.amount("input_tokens"), span.amount("output_tokens")
    if model is None or given is None or made is None:
        return None
    usage = RequestUsage(
        input_tokens=int(given),
        output_tokens=int(made),
        cache_read_tokens=int(span.amount("cached_tokens") or 0),
        cache_write_tokens=int(span.amount("cache_write_tokens") or 0),
    )
    ref = None if provider is None else f"{PROVIDERS.get(provider, provider)}:{model}"
    return table.price_of(model, ref).spend_usd(usage)

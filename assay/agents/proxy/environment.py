"""What the processes of an agent behind the proxy find in their environment, and what not."""

from collections.abc import Mapping
from pathlib import Path

from assay.models.endpoint import MIN_SECRET_BYTES, header_secret
from assay.proxy_section import KEY_VARIABLES, ProxySection

BASE_URL_VARIABLES = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
PLACEHOLDER_KEY = "sk-assay-proxy"
"""Clients want a key to send; this one opens nothing."""
_NO_PROXY = ("NO_PROXY", "no_proxy")


def real_key(
    section: ProxySection, environ: Mapping[str, str], *, path: Path, replays: bool = False
) -> str:
    """The provider's key; a server of one's own may need none, and a replay needs none.

    Raises:
        InputError: It is needed and not set, or cannot be sent.
    """
    return header_secret(
        section.key_variable,
        environ,
        whose="agent.proxy",
        path=path,
        instead=", or name another variable as agent.proxy.api_key_env",
        is_needed=not replays and (section.api_key_env is not None or section.base_url is None),
    )


def agents_environment(
    section: ProxySection, environ: Mapping[str, str], *, key: str, base_url: str
) -> dict[str, str]:
    """Ours, without the real key wherever it stands, and with the proxy in the provider's place.

    Args:
        section: Of the configuration.
        environ: Ours.
        key: The real one.
        base_url: What clients take for the provider.
    """
    is_secret = len(key) >= MIN_SECRET_BYTES  # a shorter one is part of ordinary words
    hidden = {section.key_variable, KEY_VARIABLES[section.provider]}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in hidden and not (is_secret and key in value)
    }
    past = {name: ",".join(filter(None, [kept.get(name), "127.0.0.1"])) for name in _NO_PROXY}
    return kept | past | line_environment(section, base_url)


def line_environment(section: ProxySection, base_url: str) -> dict[str, str]:
    """The variables that official clients read."""
    return {
        BASE_URL_VARIABLES[section.provider]: base_url,
        KEY_VARIABLES[section.provider]: PLACEHOLDER_KEY,
    }

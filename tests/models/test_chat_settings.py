"""Settings are checked before any money is spent."""

from typing import Any

import pytest

from assay.errors import InputError
from assay.models.chat_settings import check_chat_settings, wire_settings


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"temprature": 0}, "agent.model_settings.temprature: unknown setting"),
        ({"temperature": "hot"}, "agent.model_settings.temperature:"),
        ({"temperature": -1}, "agent.model_settings.temperature:"),
        ({"temperature": float("nan")}, "agent.model_settings.temperature:"),
        ({"max_tokens": 0}, "agent.model_settings.max_tokens:"),
        ({"seed": 1.5}, "agent.model_settings.seed:"),
        ({"extra_body": {"messages": []}}, "'messages' is set by Assay"),
        ({"extra_body": {"stream": True}}, "'stream' is set by Assay"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], problem: str) -> None:
    """A setting that is misspelt or impossible would be ignored, or fail every single run."""
    with pytest.raises(InputError) as caught:
        check_chat_settings(settings)
    assert problem in str(caught.value)
    assert caught.value.mend


def test_an_integer_is_a_temperature() -> None:
    """`temperature: 0` is what people write."""
    assert check_chat_settings({"temperature": 0})[0] == {"temperature": 0.0}


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_longest_answer_goes_under_the_name_that_was_used(field: Any) -> None:
    """OpenAI's reasoning models refuse one name, most other servers do not know the other."""
    settings, named = check_chat_settings({field: 9})
    assert settings == {"max_tokens": 9}
    sent = wire_settings(settings, max_tokens_field=named or "max_tokens", with_tools=False)
    assert sent == {field: 9}


def test_a_seed_that_is_null_is_not_sent() -> None:
    """Some servers refuse requests that have one."""
    settings, _ = check_chat_settings({"seed": None})
    assert settings == {"seed": None}
    assert wire_settings(settings, max_tokens_field="max_tokens", with_tools=False) == {}

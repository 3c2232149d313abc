"""Who is told when something happens: the receivers under `alerts` in `assay.yaml`.

Beside `assay.alerts` and not in it: reading the configuration must not import aiohttp.
"""

from email.errors import HeaderParseError
from email.headerregistry import Address
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, Strict, model_validator

from assay.validation import Item, Section, Several, Text, refusal
from assay.variables import VariableName


class AlertKind(StrEnum):
    """What an alert tells of."""

    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"
    PROMOTE = "promote"
    AWAITING_APPROVAL = "awaiting_approval"
    NOT_SWITCHED = "not_switched"
    SWITCH = "switch"
    ROLLBACK = "rollback"
    REGRESSION = "regression"
    DRIFT = "drift"
    TOKEN_SPIKE = "token_spike"  # noqa: S105 - a kind of alert, not a password
    CANARY = "canary"
    SPEND_LIMIT = "spend_limit"
    ACTION_LIMIT = "action_limit"
    FAILED = "failed"
    TEST = "test"
    """Of `assay alerts test`; every receiver gets it."""


_Kinds = Several[Annotated[AlertKind, Strict(False)]]
_BY_DEFAULT = tuple(kind for kind in AlertKind if kind not in (AlertKind.PROMOTE, AlertKind.TEST))


def _not_empty(items: tuple[Item, ...]) -> tuple[Item, ...]:
    # Not `min_length`: pydantic counts right items only, and would say it of wrong ones, too.
    if not items:
        raise refusal("must not be empty", of_key=True)
    return items


class _Receiver(Section):
    """What all receivers have."""

    # The key `from` is a word of Python's: the field is `sender`.
    model_config = ConfigDict(serialize_by_alias=True)

    on: Annotated[_Kinds, AfterValidator(_not_empty)] = _BY_DEFAULT
    """Kinds of alerts that are sent there."""

    def wants(self, kind: AlertKind) -> bool:
        """Whether alerts of this kind are sent there."""
        return kind is AlertKind.TEST or kind in self.on


class WebhookReceiver(_Receiver):
    """Any address that takes the alert as JSON."""

    kind: Literal["webhook"] = Field(examples=["webhook"])
    url_env: VariableName = Field(examples=["ASSAY_ALERT_URL"])
    """Name of the environment variable that holds the address; never the address itself."""

    def __str__(self) -> str:
        return f"webhook ({self.url_env})"


class SlackReceiver(_Receiver):
    """An incoming webhook of Slack's, or of what understands the same (Mattermost, ...)."""

    kind: Literal["slack"]
    url_env: VariableName = Field(examples=["SLACK_WEBHOOK_URL"])
    """Name of the environment variable that holds the address; never the address itself."""

    def __str__(self) -> str:
        return f"slack ({self.url_env})"


def _checked_address(address: str) -> str:
    try:
        parsed = Address(addr_spec=address)
    except (HeaderParseError, ValueError, IndexError):
        parsed = Address()
    if not (parsed.username and parsed.domain and address.isascii() and address.isprintable()):
        raise refusal(
            "is not an e-mail address", mend="write one such as oncall@example.com", of_key=True
        )
    return address


_EmailAddress = Annotated[Text, AfterValidator(_checked_address)]


class EmailReceiver(_Receiver):
    """Mailboxes, by way of an SMTP server."""

    kind: Literal["email"]
    to: Annotated[Several[_EmailAddress], AfterValidator(_not_empty)] = Field(
        examples=[["oncall@example.com"]]
    )
    """Who gets it."""
    sender: _EmailAddress = Field(alias="from", examples=["assay@example.com"])
    """Who it comes from."""
    host: Text = Field(examples=["smtp.example.com"])
    """The SMTP server."""
    port: int | None = Field(default=None, gt=0, lt=65536)
    """Empty: 587, or 465 with `security: tls`, or 25 with `security: none`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted; the server's certificate must be trusted."""
    username_env: VariableName | None = None
    """Name of the environment variable that holds the user's name."""
    password_env: VariableName | None = None
    """Name of the environment variable that holds the password; never the password itself."""

    @model_validator(mode="after")
    def _keeps_the_password_secret(self) -> "EmailReceiver":
        if (self.username_env is None) != (self.password_env is None):
            raise refusal("username_env and password_env go together", mend="give both, or none")
        if self.password_env and self.security == "none" and not is_loopback(self.host):
            raise refusal(
                "the password would be sent unencrypted",
                mend="write security: starttls, or tls",
                at=("security",),
            )
        return self

    def __str__(self) -> str:
        others = f" and {len(self.to) - 1} more" if len(self.to) > 1 else ""
        return f"email ({self.to[0]}{others})"


Receiver = Annotated[WebhookReceiver | SlackReceiver | EmailReceiver, Field(discriminator="kind")]


def is_loopback(host: str) -> bool:
    """Whether what is sent to this host stays on this machine."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

"""Where notifications go: the part ``notify`` of ``hitl.yaml``. Secrets are named there, never written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

import msgspec

from hitl_opa.errors import ConfigError
from hitl_opa.model import Risk

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|file:(.+)")
_ADDRESS = re.compile(r"[^@\s<>\",;]+@[^@\s<>\",;]+")
_LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class Slack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="slack"):
    """A Slack conversation. ``channel`` is its id (``C…``); the app needs ``chat:write``.

    With ``signing_secret`` calls of low and medium risk get buttons. ``groups`` and ``risks`` say which approvals
    come here, empty: all.
    """

    name: str
    token: str
    channel: str
    signing_secret: str = ""
    groups: list[str] = []
    risks: list[Risk] = []
    api: str = "https://slack.com/api/"

    @property
    def secrets(self) -> list[str]:
        return [self.token, *([self.signing_secret] if self.signing_secret else [])]


class Email(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="email"):
    """Mail to people of ``notify.people``, each with links of their own. ``to``: their accounts, empty: all of them.

    ``tls``: ``starttls``, ``implicit``, or ``none`` for a server on this machine.
    """

    name: str
    server: str
    sender: str
    to: list[str] = []
    port: int = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str = ""
    password: str = ""
    groups: list[str] = []
    risks: list[Risk] = []

    def __post_init__(self) -> None:
        if self.tls == "none" and self.server not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"channel {self.name!r}: tls: none is for a server on this machine only")

    @property
    def secrets(self) -> list[str]:
        return [self.password] if self.password else []


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"):
    """An HTTP endpoint, told with Standard Webhooks signatures. The first of ``keys`` signs first, all of them sign.

    With ``inbound`` (other keys, all accepted) the system there may decide too, as the account ``decides_as``.
    """

    name: str
    url: str
    keys: list[str]
    inbound: list[str] = []
    decides_as: str = ""
    groups: list[str] = []
    risks: list[Risk] = []

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError(f"channel {self.name!r}: keys is empty, and an unsigned webhook proves nothing")
        if bool(self.inbound) != bool(self.decides_as):
            raise ValueError(f"channel {self.name!r}: inbound and decides_as need each other")

    @property
    def secrets(self) -> list[str]:
        return [*self.keys, *self.inbound]


class Apprise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="apprise"):
    """Any service that Apprise knows: told with a link, and nothing can be decided there. ``urls`` are secrets."""

    name: str
    urls: list[str]
    groups: list[str] = []
    risks: list[Risk] = []

    @property
    def secrets(self) -> list[str]:
        return self.urls


Channel = Slack | Email | Webhook | Apprise


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an account of `hitl-opa users` is reached: mail address, Slack user id (``U…``: names can be changed)."""

    account: str
    email: str = ""
    slack: str = ""

    def __post_init__(self) -> None:
        if self.email and not _ADDRESS.fullmatch(self.email):
            raise ValueError(f"notify.people {self.account!r}: {self.email!r} is no mail address")


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of approvals, how. ``base_url`` is where ``hitl-opa serve`` is reached from outside.

    ``keys`` sign links and buttons: the first signs, all are accepted; without, nothing but the inbox decides.
    ``window`` (seconds): what is asked within it comes as one message a channel and group.
    """

    base_url: str
    channels: list[Channel] = []
    people: list[Contact] = []
    keys: list[str] = []
    window: float = 10.0

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("https://", *_LOOPBACK)):
            raise ValueError("notify.base_url must start with https:// (http:// only on this machine)")
        if self.window < 0:
            raise ValueError("notify.window must be 0 or more seconds")
        for what, names in (
            ("channel", [c.name for c in self.channels]),
            ("account", [p.account for p in self.people]),
            ("Slack user", [p.slack for p in self.people if p.slack]),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"notify: the {what} {twice[0]!r} stands there twice")
        for place, reference in self._references():
            if not _NAMED.fullmatch(reference):
                # not echoed: it may be the secret itself
                raise ValueError(
                    f"{place}: name the secret, as ${{VARIABLE}} or file:PATH; it must not stand in hitl.yaml"
                )

    def _references(self) -> list[tuple[str, str]]:
        named = [(f"notify.channels {c.name!r}", secret) for c in self.channels for secret in c.secrets]
        return [("notify.keys", key) for key in self.keys] + named

    def channel(self, name: str) -> Channel:
        """The channel of this name. Raises ConfigError."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        known = ", ".join(channel.name for channel in self.channels) or "none"
        raise ConfigError(f"hitl.yaml has no channel {name!r}; it has: {known}")


def secret(reference: str, root: str) -> str:
    """The value behind ``${VARIABLE}`` or ``file:PATH``, relative to ``root``. Raises ConfigError."""
    found = _NAMED.fullmatch(reference)
    if found is None:
        raise ConfigError("a secret is named as ${VARIABLE} or file:PATH")
    variable, file = found.groups()
    if variable:
        value = os.environ.get(variable, "")
        if not value:
            raise ConfigError(f"the environment variable {variable} is not set; hitl.yaml names it as a secret")
        return value
    path = Path(root or ".") / Path(file).expanduser()
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: the secret cannot be read: {getattr(error, 'strerror', '') or 'not text'}"
        ) from None
    if not value:
        raise ConfigError(f"{path}: the secret is empty")
    return value

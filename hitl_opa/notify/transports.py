"""The transports that the settings ask for, made where they are used."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_opa.channels import Apprise, Channel, Email, Notify, Slack, Webhook, secret
from hitl_opa.errors import ConfigError, NotifyError
from hitl_opa.notify.transport import Transport


class Transports:
    """The ways out. ``root`` is where paths of secrets start; a secret is read when its channel is first used."""

    def __init__(self, settings: Notify, root: str) -> None:
        self.settings = settings
        self._root = root
        self._made: dict[tuple[str, str], Transport] = {}

    def to(self, name: str, audience: str = "") -> Transport:
        """The way to this channel; for mail ``audience`` is an account. Raises ConfigError, NotifyError."""
        channel = self.settings.channel(name)
        key = (name, audience if isinstance(channel, Email) else "")
        if key not in self._made:
            try:
                self._made[key] = self._make(channel, audience)
            except ImportError as error:
                raise NotifyError(
                    f"channel {name!r} needs the extra `notify`: pip install 'hitl-opa[notify]' ({error})"
                ) from None
        return self._made[key]

    def secrets(self, references: Sequence[str]) -> list[str]:
        """Their values. Raises ConfigError."""
        return [secret(reference, self._root) for reference in references]

    def check_inbound(self) -> None:
        """Look at libraries and secrets of whatever comes back, before it does. Raises ConfigError, NotifyError."""
        from importlib.util import find_spec

        from hitl_opa.notify.links import Signer

        missing = [name for name in ("itsdangerous", "slack_sdk", "standardwebhooks") if find_spec(name) is None]
        if missing:
            raise NotifyError(f"notifications need the extra `notify`: pip install 'hitl-opa[notify]' ({missing[0]})")
        if self.settings.keys:
            Signer(self.secrets(self.settings.keys))
        for channel in self.settings.channels:
            if isinstance(channel, Slack) and channel.signing_secret:
                self.secrets([channel.signing_secret])
            if isinstance(channel, Webhook):
                self.secrets(channel.inbound)

    def address(self, account: str) -> str:
        """The mail address of an account. Raises ConfigError where the settings have none."""
        for contact in self.settings.people:
            if contact.account == account and contact.email:
                return contact.email
        raise ConfigError(f"notify.people has no mail address of {account!r}")

    def recipients(self, channel: Email) -> list[str]:
        """The accounts that a mail channel may write to."""
        return channel.to or [contact.account for contact in self.settings.people if contact.email]

    def _make(self, channel: Channel, audience: str) -> Transport:
        if isinstance(channel, Slack):
            from hitl_opa.notify.links import Signer
            from hitl_opa.notify.slack import SlackTransport

            signer = Signer(self.secrets(self.settings.keys)) if self.settings.keys else None
            return SlackTransport(channel, secret(channel.token, self._root), signer)
        if isinstance(channel, Email):
            from hitl_opa.notify.mail import MailTransport

            password = secret(channel.password, self._root) if channel.password else ""
            return MailTransport(channel, self.address(audience), password)
        if isinstance(channel, Webhook):
            from hitl_opa.notify.webhook import WebhookTransport

            return WebhookTransport(channel, self.secrets(channel.keys))
        return _apprise(channel, self.secrets(channel.urls))


def _apprise(channel: Apprise, urls: Sequence[str]) -> Transport:
    from hitl_opa.notify.apprise import AppriseTransport

    return AppriseTransport(channel, urls)

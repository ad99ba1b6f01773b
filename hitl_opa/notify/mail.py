"""Mail: text and HTML, followed in the same thread once nothing waits. The only module that knows aiosmtplib."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from html import escape
from typing import Literal

from hitl_opa.channels import Email
from hitl_opa.errors import NotifyError
from hitl_opa.notify.message import Item, Message
from hitl_opa.notify.transport import TIMEOUT, Ref


class MailTransport:
    """Mail to one person: a link in it is theirs alone."""

    updates: Literal["all", "end", "never"] = "end"

    def __init__(self, channel: Email, to: str, password: str) -> None:
        self._channel = channel
        self._to = to
        self._password = password

    async def send(self, message: Message, ref: Ref | None, *, again: bool = False) -> Ref:
        """The id is the message's own, so that a mail sent twice is one to whoever reads by id."""
        import aiosmtplib

        channel = self._channel
        mail = _mail(message, sender=channel.sender, to=self._to, first=(ref or {}).get("id", ""))
        try:
            await aiosmtplib.send(
                mail,
                hostname=channel.server,
                port=channel.port,
                use_tls=channel.tls == "implicit",
                start_tls=channel.tls == "starttls",
                username=channel.username or None,
                password=self._password or None,
                timeout=TIMEOUT,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # the server's own words: they name the address or the fault, never the password
            said = str(error).splitlines()[0][:200] if str(error) else ""
            raise NotifyError(f"mail server {channel.server}:{channel.port}: {type(error).__name__} {said}") from None
        return ref or {"id": str(mail["Message-ID"])}


def _mail(message: Message, *, sender: str, to: str, first: str) -> EmailMessage:
    mail = EmailMessage()
    domain = sender.rpartition("@")[2].strip("> ") or "hitl-opa.invalid"
    mail["Subject"] = f"{'Re: ' if first else ''}{message.title}"
    mail["From"] = sender
    mail["To"] = Address(addr_spec=to)
    mail["Message-ID"] = f"<{message.id}{'.end' if first else ''}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    if first:
        mail["In-Reply-To"] = mail["References"] = first
    mail.set_content(_plain(message))
    mail.add_alternative(_html(message), subtype="html")
    return mail


def _plain(message: Message) -> str:
    lines = [message.title, ""]
    for item in message.items:
        lines.append(f"{item.tool}, risk {item.risk}: {item.status}")
        lines += [f"  {'!' if bad else '-'} {text}" for text, bad in item.what]
        lines += [f"  … and {item.more} more"] if item.more else []
        lines += [f"  {line}" for line in _about(item)]
        lines += [f"  {item.link}", ""]
    lines += [f"… and {message.more} more", ""] if message.more else []
    lines += [f"All that wait: {message.queue}", "", _FOOT]
    return "\n".join(lines)


def _html(message: Message) -> str:
    parts = []
    for item in message.items:
        what = "".join(
            f"<li>{'<strong>' if bad else ''}{escape(text)}{'</strong>' if bad else ''}</li>" for text, bad in item.what
        )
        more = f"<li>… and {item.more} more</li>" if item.more else ""
        about = "".join(f"<p>{escape(line)}</p>" for line in _about(item))
        heading = f"{escape(item.tool)}, risk {escape(item.risk)}: {escape(item.status)}"
        word = "Review" if item.waits else "Open"
        parts.append(
            f'<h2>{heading}</h2><ul>{what}{more}</ul>{about}<p><a href="{escape(item.link)}">{word} {escape(item.tool)}'
            "</a></p>"
        )
    more = f"<p>… and {message.more} more</p>" if message.more else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(message.title)}</title></head>'
        f'<body><h1>{escape(message.title)}</h1>{"".join(parts)}{more}<p><a href="{escape(message.queue)}">All that '
        f"wait</a></p><p>{escape(_FOOT)}</p></body></html>"
    )


def _about(item: Item) -> list[str]:
    lines = [f"For {item.agent}"] if item.agent else []
    return [*lines, f"May decide: {item.who}, until {item.until}"] if item.waits else lines


_FOOT = "Links in this mail are for you alone: do not forward it. Opening one decides nothing."

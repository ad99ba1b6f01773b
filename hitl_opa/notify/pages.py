"""The pages behind links of mails. They work without JavaScript, and there is none on them."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

import msgspec

from hitl_opa.approvals import Approval
from hitl_opa.notify.message import Item
from hitl_opa.terminal.text import visible

_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;"
    "padding:0 1rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;padding:.5rem}"
    "textarea{width:100%;font:inherit;box-sizing:border-box}button{font:inherit;padding:.5rem 1rem;min-height:2.75rem;"
    "margin:.5rem .5rem 0 0}.note{border-left:.25rem solid;padding-left:.75rem}"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # the address of this page is what opens it: no other page may learn it
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


def review(approval: Approval, item: Item, reviewer: str, form: str, inbox: str) -> str:
    """The call, and, with ``form`` (the token that a decision needs), two buttons."""
    parts = [f"<p>{escape(item.status[:1].upper() + item.status[1:])}. Risk {escape(item.risk)}.</p>"]
    what = "".join(f"<li>{_strong(escape(text), bad)}</li>" for text, bad in item.what)
    more = f"<li>… and {item.more} more</li>" if item.more else ""
    parts.append(f"<h2>What will happen</h2><ul>{what}{more}</ul>")
    parts.append(f"<h2>Exact input</h2><pre>{escape(shown_input(approval))}</pre>")
    reasons = approval.shown[1].get("reasons", [])
    why = "".join(f"<li>{escape(visible(str(r.get('message', ''))))}</li>" for r in reasons if r["verdict"] != "allow")
    parts.append(f"<h2>Why you are asked</h2><ul>{why}</ul>")
    if item.agent:
        parts.append(f"<p>The agent works for {escape(item.agent)}.</p>")
    if item.waits:
        parts.append(f"<p>May decide: {escape(item.who)}, until {escape(item.until)}.</p>")
    if form:
        parts.append(_form(reviewer, form))
    elif item.waits:
        parts.append(f'<p class="note">You decide in the inbox, after logging in: {_link(inbox)}</p>')
    return _page(f"{item.tool}: {item.status}", f"<h1>{escape(item.tool)}</h1>", *parts)


def problem(title: str, words: str, inbox: str) -> str:
    """Why a link does not work, and the way that does."""
    return _page(
        title,
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(words)}</p>",
        f"<p>What waits is in the inbox: {_link(inbox)}</p>",
    )


def shown_input(approval: Approval) -> str:
    """The exact input, everything invisible in it spelled out; secrets were taken out when it was asked."""
    given = approval.shown[0].get("call", {}).get("input", {})
    lines = []
    for name, value in given.items():
        text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode()
        lines.append(f"{visible(str(name))}: {visible(text, keep=chr(10))}")
    return "\n".join(lines) or "none"


def _form(reviewer: str, form: str) -> str:
    return (
        f'<form method="post"><input type="hidden" name="form" value="{escape(form)}">'
        f"<p>You decide as <strong>{escape(visible(reviewer))}</strong>.</p>"
        '<p><label for="reason">Reason (reaches the agent)</label>'
        '<textarea id="reason" name="reason" rows="3" maxlength="2000"></textarea></p>'
        '<button name="verdict" value="approve">Approve, once</button>'
        '<button name="verdict" value="reject">Reject</button></form>'
    )


def _strong(text: str, strong: bool) -> str:
    return f"<strong>{text}</strong>" if strong else text


def _link(url: str) -> str:
    return f'<a href="{escape(url)}">{escape(url)}</a>'


def _page(title: str, *parts: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )

"""The words that calls, documents and decisions are made of."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What may happen to a tool call, strictest last."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Risk(StrEnum):
    """How much harm a tool call could do, highest last."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class PermissionMode(StrEnum):
    """The Claude Agent SDK's six permission modes, spelled as the SDK spells them."""

    DEFAULT = "default"
    ACCEPT_EDITS = "acceptEdits"
    PLAN = "plan"
    BYPASS_PERMISSIONS = "bypassPermissions"
    DONT_ASK = "dontAsk"
    AUTO = "auto"


class Verb(StrEnum):
    """What an effect does to its target."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    EXECUTE = "execute"
    SEND = "send"  # data leaves for a host, person or remote system
    RECEIVE = "receive"  # data arrives from a host or remote system
    QUERY = "query"  # a database or remote system is asked, nothing changes
    CONFIGURE = "configure"  # settings of a system, service, repository or account change
    ESCALATE = "escalate"  # more privilege than the agent had
    PUBLISH = "publish"  # others will see or install it: push, release, post
    SPEND = "spend"  # money or quota
    STOP = "stop"  # a process, service or machine stops
    ASK = "ask"  # a person is asked a question
    DELEGATE = "delegate"  # another agent or skill is set to work

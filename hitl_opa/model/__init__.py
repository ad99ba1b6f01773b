"""The values that cross the parts of hitl-opa.

Everything here is immutable and carries no behaviour beyond reading itself: a *tool call* comes
in, Python turns it into an *input document*, Rego turns that into a *decision*. The JSON Schemas
in ``hitl_opa/schemas`` are generated from these classes, and the shipped Rego is type-checked
against them.

Two rules hold for every class below `Document`, because Rego engines differ exactly there and
both differences fail open (``null < 0.5`` is true):

* every field is always present;
* no field is ever null: an unknown string is ``""``, an unknown list ``[]``, and a scalar that
  may be unknown is `Number` or `Flag`, with ``known`` beside ``value``.
"""

from __future__ import annotations

from hitl_opa.model.call import Session, ToolCall
from hitl_opa.model.decision import Decision, Obligation, Policy, Reason
from hitl_opa.model.document import (
    DOCUMENT_VERSION,
    Agent,
    ApprovalFact,
    CallFacts,
    Claims,
    Command,
    Confidence,
    Context,
    Counters,
    DiffFact,
    Document,
    Earned,
    Effect,
    Facts,
    Flag,
    GrantFact,
    GrantScope,
    Mcp,
    Number,
    Opaque,
    PathFact,
    SecretFact,
    SqlFact,
    Taint,
    Target,
    UrlFact,
)
from hitl_opa.model.engine import Engine
from hitl_opa.model.referee import Ballot, Cast, Judgement, Matter, Redecided, Referee, Voter
from hitl_opa.model.review import Answer, Choice, Question, Reviewer, ReviewRequest
from hitl_opa.model.words import PermissionMode, Risk, Verb, Verdict

__all__ = [
    "DOCUMENT_VERSION",
    "Agent",
    "Answer",
    "ApprovalFact",
    "Ballot",
    "CallFacts",
    "Cast",
    "Choice",
    "Claims",
    "Command",
    "Confidence",
    "Context",
    "Counters",
    "Decision",
    "DiffFact",
    "Document",
    "Earned",
    "Effect",
    "Engine",
    "Facts",
    "Flag",
    "GrantFact",
    "GrantScope",
    "Judgement",
    "Matter",
    "Mcp",
    "Number",
    "Obligation",
    "Opaque",
    "PathFact",
    "PermissionMode",
    "Policy",
    "Question",
    "Reason",
    "Redecided",
    "Referee",
    "ReviewRequest",
    "Reviewer",
    "Risk",
    "SecretFact",
    "Session",
    "SqlFact",
    "Taint",
    "Target",
    "ToolCall",
    "UrlFact",
    "Verb",
    "Verdict",
    "Voter",
]

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

from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

DOCUMENT_VERSION = "1"


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


class Session(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is calling. Over HTTP the principal comes from the credential, never from the body."""

    id: str = ""
    agent_id: str = ""
    agent_type: str = ""
    principal: str = ""
    permission_mode: PermissionMode = PermissionMode.DEFAULT
    unattended: bool = False


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call as an adapter, ``hitl-opa decide --jsonl`` or the decision API hands it in.

    ``cwd``, ``workspace`` and ``home`` are absolute paths; an empty ``workspace`` means ``cwd``.
    ``annotations`` are MCP tool annotations: claims of the server, not facts.
    ``confidence`` is 0-1, or None where nobody reported one; ``confidence_verified`` says that the
    host measured it, not the model. ``claimed_risk`` is the caller's own word (``""`` for none): it
    may raise the risk, never lower it.
    """

    tool: str
    input: dict[str, Any] = {}
    id: str = ""
    cwd: str = ""
    workspace: str = ""
    home: str = ""
    annotations: dict[str, Any] = {}
    confidence: float | None = None
    confidence_verified: bool = False
    claimed_risk: Literal["", "low", "medium", "high", "critical"] = ""
    session: Session = Session()


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number that may be unknown; ``value`` is 0 then. Compare it only behind ``known``."""

    known: bool = False
    value: float = 0.0


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """A yes/no that may be unknown; ``value`` is false then. Read it only behind ``known``."""

    known: bool = False
    value: bool = False


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an MCP server says of its tool (the spec's ``*Hint`` annotations)."""

    read_only: Flag = Flag()
    destructive: Flag = Flag()
    idempotent: Flag = Flag()
    open_world: Flag = Flag()


class Mcp(msgspec.Struct, frozen=True, kw_only=True):
    """Server and tool of an MCP call, ``""`` for other tools. ``pinned``: named in the trusted servers."""

    server: str = ""
    tool: str = ""
    claims: Claims = Claims()


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The call itself. ``kind`` is the family of tool: shell, file, search, web, agent, question, plan,
    mcp, function or session."""

    id: str
    tool: str
    kind: str
    input: dict[str, Any]
    mcp: Mcp = Mcp()
    claimed_risk: Literal["", "low", "medium", "high", "critical"] = ""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What an effect acts on.

    ``type``: path, host, database, remote, process, system, package, person, agent, code, secret.
    ``value`` is what was written, ``real`` what it resolves to (absolute, symlinks followed).
    ``place`` is the class of the target (``workspace``, ``system``, ``credentials``, ``metadata`` …);
    ``inside`` says whether a path lies in the workspace.
    """

    type: str
    value: str = ""
    real: str = ""
    place: str = ""
    inside: bool = False


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the call does. ``via`` names the program or tool; ``certain`` is false where
    it only may happen (a branch, a glob, an unknown variable). ``traits`` are sorted marks that
    change how bad it is: ``recursive``, ``force``, ``bulk``, ``irreversible``, ``elevated`` …
    """

    verb: Verb
    target: Target
    via: str = ""
    certain: bool = True
    traits: list[str] = []


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the call that could not be understood. ``kind`` names what
    (``parse-error``, ``eval``, ``variable-program``, ``decoded-code`` …), ``text`` quotes it."""

    kind: str
    text: str = ""
    via: str = ""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One program run by a shell command. ``program`` is the base name, ``""`` if unknown;
    ``wrappers`` what it was unwrapped from (``sudo``, ``env`` …), outermost first."""

    program: str
    args: list[str] = []
    wrappers: list[str] = []


class PathFact(msgspec.Struct, frozen=True, kw_only=True):
    """A path that the call touches, resolved. ``access``: read, write, delete or execute."""

    value: str
    real: str
    access: str
    place: str
    inside: bool


class UrlFact(msgspec.Struct, frozen=True, kw_only=True):
    """A URL that the call names. ``place``: loopback, private, metadata, registry, pinned or public."""

    value: str
    scheme: str
    host: str
    port: int
    place: str


class SqlFact(msgspec.Struct, frozen=True, kw_only=True):
    """One SQL statement: its verb (``select``, ``delete``, ``drop`` …), tables, whether it has a WHERE."""

    verb: str
    tables: list[str] = []
    where: bool = False


class SecretFact(msgspec.Struct, frozen=True, kw_only=True):
    """A secret found in the call's input: its kind and the JSON Pointer to the field, never its value."""

    kind: str
    pointer: str


class DiffFact(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that a file edit adds and removes. ``path`` is ``""`` where the call edits no file."""

    path: str = ""
    added: int = 0
    removed: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the call does, in one flat shape for every tool, and the material it was read from."""

    effects: list[Effect] = []
    opaque: list[Opaque] = []
    commands: list[Command] = []
    paths: list[PathFact] = []
    urls: list[UrlFact] = []
    sql: list[SqlFact] = []
    secrets: list[SecretFact] = []
    diff: DiffFact = DiffFact()


class Confidence(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the agent is, 0-1. ``verified`` is false where the model said so itself."""

    known: bool = False
    value: float = 0.0
    verified: bool = False


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and how much it may do alone (``level``, 1-4)."""

    session: str = ""
    id: str = ""
    type: str = ""
    principal: str = ""
    level: int = 1
    mode: PermissionMode = PermissionMode.DEFAULT
    confidence: Confidence = Confidence()
    unattended: bool = False


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What this session has done so far, this call not counted. ``repeats``: earlier calls equal to this one."""

    calls: int = 0
    denied: int = 0
    asked: int = 0
    consecutive_denied: int = 0
    repeats: int = 0


class Taint(msgspec.Struct, frozen=True, kw_only=True):
    """What this session has already taken in: content from outside, or credentials."""

    untrusted: bool = False
    secrets: bool = False


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when. ``time`` is RFC 3339 in UTC. ``durable``: an approval can outlive this process."""

    environment: str = ""
    cwd: str = ""
    workspace: str = ""
    home: str = ""
    time: str = ""
    durable: bool = False
    counters: Counters = Counters()
    taint: Taint = Taint()


class GrantFact(msgspec.Struct, frozen=True, kw_only=True):
    """The standing grant that covers this call (``id`` is ``""`` where none does): the rules it waives, who gave it."""

    id: str = ""
    waives: list[str] = []
    reviewer: str = ""


class ApprovalFact(msgspec.Struct, frozen=True, kw_only=True):
    """The approval that this exact call carries; ``id`` is ``""`` where it carries none."""

    id: str = ""
    reviewer: str = ""
    self_approved: bool = False
    grant: GrantFact = GrantFact()


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The OPA input document."""

    version: str = DOCUMENT_VERSION
    call: CallFacts
    facts: Facts = Facts()
    agent: Agent = Agent()
    context: Context = Context()
    approval: ApprovalFact = ApprovalFact()


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a decision came out as it did: one rule's opinion.

    ``floor`` marks an ask that no waiver and no autonomy level removes; ``waives`` names the rules
    whose asks this reason removes.
    """

    rule: str
    pack: str
    verdict: Verdict
    risk: Risk
    message: str
    remedy: str = ""
    floor: bool = False
    waives: list[str] = []


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """Something the enforcement point must do, in the shape of AuthZEN's Obligations profile."""

    id: str
    type: str
    properties: dict[str, Any] = {}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy decided: a hash over Rego, data, program data and package version."""

    revision: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What Rego says of a call: ``data.hitl.main.decision``. ``waived`` lists the rules whose asks were removed."""

    verdict: Verdict
    risk: Risk
    reason: str
    reasons: list[Reason] = []
    waived: list[str] = []
    obligations: list[Obligation] = []
    policy: Policy = Policy()

    def obligation(self, type: str) -> Obligation | None:
        """The obligation of this type, or None; the combining leaves at most one of each."""
        return next((o for o in self.obligations if o.type == type), None)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question in AskUserQuestion's shape. ``options`` are {label, description}; free text is always possible."""

    question: str
    header: str = ""
    multiSelect: bool = False
    options: list[dict[str, str]] = []


class ReviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer is shown for an ask: the call, what it does, and why it is asked.

    ``questions`` are written by the guard, never by the model: the first is Approve / Reject / Edit,
    further ones clarify. ``typed`` is a phrase that the reviewer must type to approve, ``""`` for
    one keystroke. ``rationale`` is the agent's own word, unverified.
    """

    id: str
    call: ToolCall
    document: Document
    decision: Decision
    questions: list[Question]
    typed: str = ""
    rationale: str = ""


class Choice(StrEnum):
    """What a reviewer may say to a `ReviewRequest`."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer said. ``reason`` reaches the model; ``input`` is the edited input of an edit;
    ``replies`` answer the clarifying questions, question text -> answer. ``grant``: with an approval,
    how many seconds equal calls run without asking again; it never covers floors and critical asks."""

    choice: Choice
    reason: str = ""
    input: dict[str, Any] = {}
    replies: dict[str, str] = {}
    grant: float = 0.0


class Reviewer(Protocol):
    """A human who can be asked now. ``name`` and ``groups`` say who; both go into the record.

    Whatever a reviewer raises counts as a rejection.
    """

    @property
    def name(self) -> str: ...

    @property
    def groups(self) -> frozenset[str]: ...

    async def review(self, request: ReviewRequest) -> Answer: ...

    async def answer(self, questions: list[Question]) -> dict[str, str]:
        """Answers to the model's own questions (AskUserQuestion), question text -> answer; they grant nothing."""
        ...


class Engine(Protocol):
    """Evaluates the policy. Every failure is an exception of `hitl_opa.errors.EngineError`."""

    async def evaluate(self, document: bytes) -> bytes:
        """Input document (JSON) in, decision document (a JSON object) out."""
        ...

    def evaluate_sync(self, document: bytes) -> bytes:
        """The same for a caller without an event loop."""
        ...

    def describe(self) -> dict[str, str]:
        """What this engine is: ``engine``, ``version``, ``revision``."""
        ...

    async def close(self) -> None: ...

    def close_sync(self) -> None: ...

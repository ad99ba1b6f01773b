"""The OPA input document: the call, what it does, who asks, where and when."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hitl_opa.model.words import PermissionMode, Verb

DOCUMENT_VERSION = "1"


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
    pinned: bool = False
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
    """How sure the agent is, 0-1; -1 where what was stated is no such number. ``verified`` is false where the
    model said so itself."""

    known: bool = False
    value: float = 0.0
    verified: bool = False


class Earned(msgspec.Struct, frozen=True, kw_only=True):
    """What this tool of this agent has earned: calls of ``risk`` may run as at ``level``."""

    risk: str
    level: int


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and how much it may do alone (``level``, 1-4), beside what the tool has ``earned``.

    ``frozen``: somebody has taken all autonomy away.
    """

    session: str = ""
    id: str = ""
    type: str = ""
    principal: str = ""
    level: int = 1
    mode: PermissionMode = PermissionMode.DEFAULT
    confidence: Confidence = Confidence()
    unattended: bool = False
    earned: list[Earned] = []
    frozen: bool = False


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
    """Where and when. ``time`` is RFC 3339 in UTC. ``durable``: an approval can outlive this process. ``draw``: a
    random number from 0 to 1, for samples."""

    environment: str = ""
    cwd: str = ""
    workspace: str = ""
    home: str = ""
    time: str = ""
    durable: bool = False
    draw: float = 0.0
    counters: Counters = Counters()
    taint: Taint = Taint()


class GrantScope(msgspec.Struct, frozen=True, kw_only=True):
    """Effects that a grant covers: of this verb on this type and place of target, and on none but ``under``:
    a directory that ends with ``/``, or one target; ``""`` is any."""

    verb: Verb
    type: str
    place: str
    under: str = ""


class GrantFact(msgspec.Struct, frozen=True, kw_only=True):
    """A standing grant that may cover this call (``id`` is ``""`` where none may): the rules it waives, who gave it.

    ``kind``: ``equal`` (then ``equal`` says whether this call equals the one that was granted), ``scope``
    or ``plan``. ``tool``, ``agent`` and ``session`` are whose calls it covers, ``""`` for any.
    """

    id: str = ""
    kind: str = ""
    waives: list[str] = []
    reviewer: str = ""
    equal: bool = False
    tool: str = ""
    agent: str = ""
    session: str = ""
    effects: list[GrantScope] = []


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

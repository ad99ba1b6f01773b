"""Settings: ``hitl.yaml``, or arguments in its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from hitl_opa.channels import Notify
from hitl_opa.errors import ConfigError

FILE = "hitl.yaml"


class OpaServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OPA server that decides in place of the embedded engine. ``timeout`` in seconds."""

    url: str
    timeout: float = 1.0
    token: str = ""


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use the API. ``sha256`` is the hex digest of the key itself, which stands nowhere.

    Calls made with it are those of ``principal``, at ``level``, whatever their body says. ``roles`` (``viewer``,
    ``reviewer``, ``admin``) make it a person's key, whose words on approvals are those of ``principal`` and
    ``groups``; an agent's key has none.
    """

    name: str
    sha256: str
    principal: str
    level: int = 1
    roles: list[Literal["viewer", "reviewer", "admin"]] = []
    groups: list[str] = []

    def __post_init__(self) -> None:
        if self.level not in (1, 2, 3, 4):
            raise ValueError(f"key {self.name!r}: level is {self.level}: autonomy levels are 1, 2, 3 and 4")
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise ValueError(f"key {self.name!r}: sha256 is not a SHA-256 in hex; make one with hitl-opa keys new")
        if not self.principal:
            raise ValueError(f"key {self.name!r}: principal is empty")


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a measured number should lie: ``low`` to ``high``, both included, once there are ``needs`` cases."""

    low: float = 0.0
    high: float = 1.0
    needs: int = 50


class Autonomy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tools of an agent earn higher levels; without ``earn`` nothing is earned, only shown.

    ``alpha``: how often a tool that is exactly at its bar may be promoted; halved after each fall, at most
    twice. ``reviewers`` and ``days`` (86,400 s): over how many people and how long the evidence has to
    come. ``cooldown``: days after a fall. ``canary_catch``: reviewers who catch fewer of the planted
    requests do not count. ``reset_on_policy``: another policy revision starts the evidence anew.
    """

    earn: bool = False
    alpha: float = 0.05
    reviewers: int = 2
    days: float = 7
    cooldown: float = 14
    canary_catch: float = 0.8
    reset_on_policy: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.alpha <= 0.5 and 0 <= self.canary_catch <= 1):
            raise ValueError("autonomy: alpha is above 0 and at most 0.5, canary_catch is 0 to 1")
        if self.reviewers < 1 or self.days < 0 or self.cooldown < 0:
            raise ValueError("autonomy: reviewers is 1 or more, days and cooldown are 0 or more")


class Canary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that people have to reject, and ``why``, which they are told afterwards."""

    tool: str
    input: dict[str, Any]
    why: str

    def __post_init__(self) -> None:
        if not self.why.strip():
            raise ValueError(f"canaries: say of {self.tool} why it has to be rejected: reviewers are told afterwards")


class Canaries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests that ``hitl-opa worker`` plants among those of agents, one for about ``every`` so many of theirs.

    Nothing ever runs one. Everybody is told once it is decided.
    """

    calls: list[Canary]
    every: int = 40

    def __post_init__(self) -> None:
        if self.every < 1 or not self.calls:
            raise ValueError("canaries: calls names at least one, and every is 1 or more")


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where checkpoints are kept besides: one of ``file``, ``git`` (a repository) and ``webhook`` (an address).

    ``push`` pushes the commit, ``token`` is the webhook's bearer token.
    """

    file: str = ""
    git: str = ""
    webhook: str = ""
    push: bool = False
    token: str = ""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.file, self.git, self.webhook))) != 1:
            raise ValueError("an anchor is one of file, git and webhook")


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That the record is signed: with the ``keys`` in a file, every so many records and so many ``seconds``."""

    keys: str = "~/.config/hitl-opa/audit.key"
    every: int = 1000
    seconds: float = 60.0
    anchors: list[Anchor] = []

    def __post_init__(self) -> None:
        if self.every < 1 or not self.seconds > 0:
            raise ValueError("checkpoints: every must be 1 or more, and seconds above 0")
        if not self.keys.endswith("audit.key"):
            raise ValueError(
                "checkpoints: the name of the file of keys ends with audit.key: so policy keeps it from agents"
            )


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where people log in to the inbox. ``client_secret``: the name of an environment variable, as ``${NAME}``.

    ``roles``: role here -> groups there that have it (``{reviewer: [sre]}``). ``redirect``: the address of
    ``/inbox/oidc/back`` as the provider knows it, where a proxy hides ours.
    """

    name: str = "single sign-on"
    issuer: str
    client_id: str
    client_secret: str = ""
    scopes: tuple[str, ...] = ("groups",)
    groups_claim: str = "groups"
    name_claim: str = "email"
    roles: dict[str, list[str]]
    redirect: str = ""

    def secret(self) -> str:
        """The client's secret. Raises ConfigError where the variable is not set."""
        if not self.client_secret.startswith("${"):
            return self.client_secret
        name = self.client_secret[2:-1]
        if name not in os.environ:
            raise ConfigError(f"inbox.oidc.client_secret: the environment variable {name} is not set")
        return os.environ[name]


class Inbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reviewers' inbox. ``idle`` and ``lifetime`` of a login, in seconds. ``what_if``: policies that its page
    "What if" may try, by name: rules, or another ``hitl.yaml``."""

    idle: float = 3_600.0
    lifetime: float = 43_200.0
    what_if: dict[str, str] = {}
    oidc: OidcProvider | None = None

    def __post_init__(self) -> None:
        if not 0 < self.idle <= self.lifetime:
            raise ValueError("inbox: idle is above 0 and at most lifetime, in seconds")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``hitl.yaml`` holds; every field has a default, and an unknown one is an error.

    Relative paths are relative to the file. Times are in seconds.
    """

    level: int = 1
    """Autonomy level, 1-4: the risk that a call may have and still run alone."""
    environment: str = ""
    """Where the agent works (``dev``, ``production`` …), for rules."""
    agent: str = ""
    """What the agent is called, in the record and its numbers."""
    agent_version: str = ""
    """What it is made of (model, prompt, tools: a release, a hash): another version starts without trust."""
    policies: list[str] = []
    """Directories or files with rules of the pack ``hitl.custom``."""
    data: dict[str, Any] = {}
    """Values that replace those of the shipped policy data, below ``data.hitl``."""
    opa: OpaServer | None = None
    """The OPA server to ask; without it policies are evaluated here."""
    isolation: Literal["none", "process"] = "none"
    """``process`` evaluates policies in a process of their own that is killed at the deadline and replaced
    when it dies: for policies that one does not trust."""
    audit: str = ".hitl/hitl.db"
    """The database of the record, a SQLite file; ``":memory:"`` keeps it in this process only."""
    database: str = ""
    """A PostgreSQL database (``postgresql://…``) that holds the record in place of ``audit``, for several machines."""
    checkpoints: Checkpoints | None = None
    """Sign the record, so that what is cut off or rewritten shows; without it nothing is signed."""
    deadline: float = 5.0
    """How long one decision may take before it is a deny."""
    attended: float = 300.0
    """How long a present reviewer is waited for before the call is denied as pending."""
    durable: bool = False
    """Keep asks that nobody answers in time as approvals in the record's database, to be decided later."""
    pinned_hosts: list[str] = []
    """Hosts that data may be sent to."""
    trusted_servers: list[str] = []
    """MCP servers whose annotations are believed."""
    protect: list[str] = []
    """Files and directories that the agent may not change, and addresses (``http://HOST:PORT``) that it may not reach,
    besides the guard's own."""
    autonomy: Autonomy = Autonomy()
    """How tools of the agent earn higher levels."""
    canaries: Canaries | None = None
    """Requests to plant among those that wait for people, to see whether bad ones are noticed; without it none are."""
    targets: dict[str, Target] = {}
    """Where the numbers of ``hitl-opa metrics`` should be, in place of the defaults."""
    keys: list[Key] = []
    """API keys of the decision API (``hitl-opa serve``)."""
    inbox: Inbox = Inbox()
    """The reviewers' inbox (``hitl-opa serve`` with ``durable: true``)."""
    notify: Notify | None = None
    """Who is told of approvals, and how."""
    root: str = ""
    """Where relative paths start: the directory of ``hitl.yaml``."""

    def __post_init__(self) -> None:
        if self.level not in (1, 2, 3, 4):
            raise ValueError(f"level is {self.level}: autonomy levels are 1, 2, 3 and 4")
        if not (self.deadline > 0 and self.attended >= 0):
            raise ValueError("deadline must be above 0 and attended 0 or more, both in seconds")
        if self.database and not self.database.startswith(("postgresql://", "postgres://")):
            raise ValueError("database is the URL of a PostgreSQL database, postgresql://…; a SQLite file is `audit`")
        if self.durable and self.record == ":memory:":
            raise ValueError("durable approvals need a record on disk, and audit is ':memory:'")
        if self.canaries is not None and not self.durable:
            raise ValueError("canaries are planted among durable approvals: set `durable: true`")

    @property
    def record(self) -> str:
        """Where the record is: a file's absolute path, ``:memory:``, or a URL."""
        if self.database:
            return self.database
        return self.audit if self.audit == ":memory:" else str(self.path(self.audit))

    def path(self, value: str) -> Path:
        """``value`` as an absolute path."""
        return Path(self.root or Path.cwd()) / Path(value).expanduser()


def load_config(source: str | Path | None = None, **overrides: Any) -> Config:
    """Settings from ``source``, or from ``hitl.yaml`` in the working directory if there is one.

    ``overrides`` win over the file. Raises ConfigError, naming the file and the field.
    """
    path = Path(source) if source is not None else Path(FILE)
    values: dict[str, Any] = {}
    if source is not None or path.exists():
        values = _read(path)
        values.setdefault("root", str(path.resolve().parent))
    values.setdefault("root", str(Path.cwd()))
    values.update(overrides)
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(k, str) for k in values):
        raise ConfigError(f"{path}: the top of the file must be a mapping of settings")
    return values

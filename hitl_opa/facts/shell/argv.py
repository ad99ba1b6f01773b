"""A command line read by the data of its program: which words are options, which operands, and what each does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.data import Act, Acts, Program
from hitl_opa.facts.names import act_of_words, only_asks
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.asking import informational, tried
from hitl_opa.facts.shell.copies import copied, landing
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word
from hitl_opa.facts.urls import INDEXES, read_url

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell
from hitl_opa.facts.shell.options import ANY, parse

_REPORTS = Act("effect", "read", "system", "info")
# what listens here is reached from this machine alone
_LOCAL = re.compile(
    r"(?i)^(?:\w+://)?(?:localhost|127(?:\.\d+){3}|\[?::1\]?|[1-9]\d{0,4}|/.*|unix:.*|[\w.-]*\.sock)(?::\d+)?(?:/.*)?$"
)
_NPM = frozenset({"npm", "pnpm", "yarn", "bun", "cnpm", "yarnpkg"})
_REPOSITORY = re.compile(r"^[\w-][\w.-]*/[\w.-]+(?:#.*)?$")  # npm takes owner/name from GitHub
_ADDRESS = re.compile(r"(?i)((?:git|hg|svn|bzr)\+|git://|ssh://|^(?:github|gitlab|bitbucket|gist):\S+/)|https?://\S+")
_STREAMS = re.compile(r"(?i)(?:https?|rtmp[a-z]*|rtsps?|rtp|srt|rist|udp|tcp|tls|ftps?|sftp|icecast|wss?|smb)://")
# Options and variables that say which environment is meant, what they reach, and how production is called.
_WHERE = frozenset(
    {"--context", "--kube-context", "-n", "--namespace", "--profile", "--cluster", "--env", "--environment", "--stage",
     "--project", "--subscription", "--target", "--database", "-chdir", "-var-file", "--stack", "--workspace"}
)  # fmt: skip
_STAGED = {"remote": ("cluster", "cloud", "service"), "database": ("", "unknown")}
_STAGES = ("RAILS_ENV", "RACK_ENV", "APP_ENV", "FLASK_ENV", "DJANGO_ENV", "DEPLOY_ENV", "DEPLOY_ENVIRONMENT")
_LIVE = re.compile(r"(?i)(?:^|[-_./:@=])(?:prod|production|prd|live)(?:$|[-_./:@\d])")
_SECRET_SETTING = re.compile(
    r"(?i)(?:^|[_.:/-])(?:secret|password|passwd|api_?key|_?auth_?token|access_?token)|authtoken|private_key"
)
_SECRET_PLACES = frozenset({"credentials", "env-file", "system-auth"})


class Invocation:
    """One program with its arguments, about to become effects."""

    def __init__(
        self,
        shell: Shell,
        frame: Frame,
        via: str,
        program: Program,
        args: list[Word],
        stdin: Stream,
        *,
        network: str = "",
    ) -> None:
        self.shell = shell
        self.frame = frame
        self.via = via
        self.program = program
        self.args = args
        self.stdin = stdin
        self.network = network or frame.network
        self.origin = stdin.origin
        self.reading = parse(program, args)

    # -- running ----------------------------------------------------------------------------

    def apply(self) -> Stream:
        """All effects that the data gives this command. Returns what it prints, as far as known."""
        reading = self.reading
        if informational(self.program, self.args, self.reading):
            self.shell.ledger.effect("read", "system", self.via, place="info", via=self.via, traits=self.frame.traits)
            return UNREAD
        acts = self._acts()
        traits = tuple(sorted({*reading.traits, *self.frame.traits}))
        out = UNREAD
        late: list[tuple[Act, Word | None]] = []
        if reading.level.last:
            landing(self)
        copies = "recursive" in traits and any(a.kind == "path" and a.verb == "write" for a, _ in acts)
        for act, word in acts:
            if act.kind == "path":
                self._path(act, word, traits)
                if copies and act.verb == "read" and word is not None:
                    self.shell.copies(word, self.frame, self.via)
            else:
                late.append((act, word))
        if reading.level.last and len(reading.operands) == 2:
            copied(self)
        for act, word in late:
            if act.kind == "run":
                out = self.run(act, word)
            else:
                self._other(act, word, traits)
        if self.stdin is not UNREAD and self._wants_sql(acts):
            out = self._piped_sql()
        return Stream(out.text, self.origin | out.origin)

    def _wants_sql(self, acts: list[tuple[Act, Word | None]]) -> bool:
        """A client that takes SQL as an argument and was given none reads it from its input."""
        level = self.reading.level
        roles = (*level.operands, *level.options.values())
        takes = any(a.kind == "run" and a.type == "sql" for role in roles for a in role)
        return takes and not any(a.kind == "run" for a, _ in acts)

    def _piped_sql(self) -> Stream:
        from hitl_opa.facts.shell import code

        if self.stdin.text is not None:
            code.sql(self.shell, self.frame.within(self.via), Word(self.stdin.text), self.via, from_file=False)
        else:
            self.shell.ledger.opaque("sql-command", "", self.via)
            self.shell.ledger.effect("execute", "database", "", via=self.via, traits=self.frame.traits)
        return UNREAD

    def _acts(self) -> list[tuple[Act, Word | None]]:
        reading, level = self.reading, self.reading.level
        out: list[tuple[Act, Word | None]] = []
        does, operand_roles = level.does, level.operands
        if level.verbs:
            words = [w.text for w in reading.words]
            by_name, _ = act_of_words(words, level.verbs)
            if by_name is not None:
                out.append((by_name, Word(" ".join(words[:6])) if words else None))
            elif level.otherwise:
                out += [(a, Word(" ".join(words[:6])) if words else None) for a in level.otherwise]
            elif only_asks(words):
                out.append((_REPORTS, Word(self.via)))
            elif words or not level.does:
                self.shell.ledger.opaque(
                    "unknown-subcommand", " ".join([self.via, *reading.subs, *words[:4]]), self.via
                )
                out.append((Act("effect", "execute", "code", "unknown"), Word(self.via)))
        elif reading.unknown_sub:
            if only_asks([w.text for w in reading.words]):
                return [(_REPORTS, Word(self.via))]
            if reading.otherwise:
                out += [(a, Word(reading.unknown_sub)) for a in reading.otherwise]
            else:
                self.shell.ledger.opaque(
                    "unknown-subcommand", " ".join([self.via, *reading.subs, reading.unknown_sub]), self.via
                )
                out.append((Act("effect", "execute", "code", "unknown"), Word(self.via)))
        elif (
            level.subs
            and not (level.does or level.bare or reading.found or reading.operands or reading.rest)
            and reading.flags
            and not any(f in level.flags or f in level.options for f in reading.flags)
        ):  # none of its subcommands, and options that nobody has described
            self.shell.ledger.opaque("unknown-subcommand", " ".join([self.via, *sorted(reading.flags)]), self.via)
            out.append((Act("effect", "execute", "code", "unknown"), Word(self.via)))
        out += [(a, None) for a in does if a.kind != "trait"]
        reading.traits.update(t for a in does if a.kind == "trait" for t in a.traits)
        out += reading.found
        operands = reading.operands
        if reading.rest and any(a.kind == "run" and a.type == "argv" for a, _ in reading.found):
            pass  # an option took the rest
        elif reading.rest:
            out += self._command_rest(operand_roles, reading.rest)
        elif operands:
            last = len(operands) - 1
            for i, word in enumerate(operands):
                mine = operand_roles[min(i, len(operand_roles) - 1)] if operand_roles else ()
                if reading.role is not None and (reading.role.type == "all" or not mine or mine[0].kind != "none" or i):
                    out.append((Act("path", verb=reading.role.verb, traits=reading.role.traits), word))
                    continue
                acts = level.last if level.last and i == last and i > 0 else mine
                out += [(a, word) for a in acts if a.kind not in ("none", "trait")]
                reading.traits.update(t for a in acts if a.kind == "trait" for t in a.traits)
        elif level.bare and not reading.unknown_sub and not any(a.kind == "run" for a, _ in reading.found):
            fed = self.stdin.text is not None and self._wants_sql(out)  # by SQL that is known
            out += [(a, None) for a in level.bare if not (fed and "interactive" in a.traits)]
        for act, _ in list(out):
            if act.kind == "drop":
                out = [(a, w) for a, w in out if a.kind != "drop" and act.verb not in ("", a.verb)]
        out = [(a, w) for a, w in out if a.kind != "none"]
        if "dry-run" in reading.traits:
            out = [(tried(a), w) for a, w in out]
        if reading.inform:
            out = [
                (a, w) for a, w in out if a.kind in ("path", "url", "effect") and a.verb in ("read", "query", "receive")
            ]
        return out

    def _command_rest(self, roles: tuple[Acts, ...], rest: list[Word]) -> list[tuple[Act, Word | None]]:
        """Operands of a program that stops at the first: some of its own, then a command line."""
        out: list[tuple[Act, Word | None]] = []
        for i, word in enumerate(rest):
            acts = roles[min(i, len(roles) - 1)] if roles else ()
            for act in acts:
                if act.kind == "run" and act.type in ("argv", "script", "module"):
                    self.reading.rest = rest[i:]
                    out.append((act, word))
                    return out
                if act.kind == "run" and act.type == "shell" and i == len(roles) - 1:
                    words = rest[i:]
                    out.append(
                        (
                            act,
                            Word(
                                " ".join(w.text for w in words),
                                False,
                                frozenset[str]().union(*(w.origin for w in words)),
                            ),
                        )
                    )
                    return out
                if act.kind not in ("none", "trait"):
                    out.append((act, word))
        return out

    # -- single acts ------------------------------------------------------------------------

    def _path(self, act: Act, word: Word | None, traits: tuple[str, ...]) -> None:
        word = word or Word(act.place or ((self.frame.cwd and ".") or UNKNOWN))
        text = word.text
        if text == "-":
            return
        if act.traits:
            traits = tuple(sorted({*traits, *act.traits}))
        if "://" in text and "file://" not in text:
            if act.verb == "read":
                self.shell.ledger.url("receive", text, via=self.via, traits=traits)
                self.origin |= {"remote"}
                return
            if act.verb == "write" and _STREAMS.match(text):
                marks = {*traits, "upload", *(self.origin & {"secret"})}
                self.shell.ledger.url("send", text, via=self.via, traits=tuple(sorted(marks)))
                return
        if text[:1] == "|":  # sox, gnuplot and others read from and write to a command that is named so
            self.shell.script(text[1:], self.frame.within(self.via), UNREAD, via=self.via)
        place = self.shell.path(act.verb, word, self.frame, via=self.via, traits=traits)
        if act.verb == "read":
            if place in _SECRET_PLACES:
                self.origin |= {"secret", "leak"}
            if word.known:
                known = self.shell.files.get(self.shell.absolute(text, self.frame))
                if known is not None:
                    self.origin |= known.origin
        elif act.verb == "write" and word.known:
            self.shell.wrote(text, self.frame, Stream(None, self.origin), append="append" in traits)

    def _other(self, act: Act, word: Word | None, traits: tuple[str, ...]) -> None:
        value = word.text if word is not None else ""
        if "listen" in act.traits and word is not None and _LOCAL.match(value):
            return
        mine = {*traits, *act.traits}
        if act.verb in ("send", "publish") and (
            "secret" in self.origin or (word is not None and "secret" in word.origin and "@" not in value)
        ):
            mine.add("secret")
        verb = act.verb
        if (
            word is not None
            and {"leak", "encoded"} & word.origin
            and verb in ("query", "receive", "read")
            and (act.kind == "url" or act.type == "host")
        ):
            verb = "send"  # a name made of a secret is asked of whoever answers for it
            mine |= {"upload", *(word.origin & {"secret"})}
        marks = tuple(sorted(mine))
        if act.kind == "url":
            self.shell.ledger.url(verb, value or UNKNOWN, via=self.via, traits=marks, certain=self.frame.certain)
            if act.verb == "receive":
                self.origin |= {"remote"}
            return
        place = act.place
        if (act.type, place) == ("system", "settings") and verb in ("read", "query"):
            for named in self.args:
                if _SECRET_SETTING.search(named.text):  # "aws configure get aws_secret_access_key" shows it
                    self.shell.ledger.effect("read", "secret", named.text, via=self.via, traits=self.frame.traits)
        if act.type == "code" and place == "workspace":
            self.execute(marks, value)
            return
        if act.type == "code" and place == "package":
            self._packages(marks)
        if act.type == "host":
            value = value or UNKNOWN
        if place in _STAGED.get(act.type, ()) and self._live():
            place = "production"
        certain = self.frame.certain and UNKNOWN not in value
        self.shell.ledger.effect(
            verb, act.type, value, place=place, via=self.via, traits=marks, certain=certain or not word
        )

    def _live(self, *where: str) -> bool:
        """Whether an option, or one of those given, names a production environment."""
        names = frozenset(where) or _WHERE
        last = ""
        for arg in self.args:
            name, eq, value = arg.text.partition("=")
            if (last in names and _LIVE.search(arg.text)) or (eq and name in names and _LIVE.search(value)):
                return True
            last = arg.text
        return False

    def _packages(self, traits: tuple[str, ...]) -> None:
        """Packages that are named by an address, and indexes that are no well-known one."""
        if self.shell.files and any(arg.text == "." or arg.text[:2] in ("./", ".[") for arg in self.args):
            self._written()  # the project itself is installed: its setup runs
        for arg in self.args:
            text = arg.text if arg.text[:2] != "--" else arg.text.partition("=")[2]
            address = _ADDRESS.search(text)
            foreign = bool(self.via in _NPM and _REPOSITORY.match(text))
            if address:
                foreign = bool(address[1]) or read_url(address[0], self.shell.ledger.pinned).place not in INDEXES
            elif text[:1] in "./~" and "/" in text:
                at = self.shell.ledger.paths.locate(text, self.frame.cwd)
                if not at.inside and (at.place in ("temp", "unknown") or text[0] in "/~"):
                    self.shell.ledger.effect(
                        "execute", "code", text, place="unknown", real=at.real, via=self.via, traits=traits
                    )
            if foreign:
                self.shell.ledger.effect(
                    "execute", "code", text, place="remote", via=self.via, traits=traits, certain=self.frame.certain
                )

    def execute(self, traits: tuple[str, ...], value: str = "") -> None:
        """The code of the project at the current directory runs."""
        at = (
            self.shell.ledger.paths.locate(".", self.frame.cwd)
            if self.frame.cwd and UNKNOWN not in self.frame.cwd
            else None
        )
        trusted = at is None or at.place in ("workspace", "home", "outside", "unknown", "home-root")
        if trusted and self.shell.came(f"{self.frame.cwd.rstrip('/')}/."):
            trusted = False
        for name in _STAGES:
            stage = self.frame.variables.get(name)
            if stage is not None and _LIVE.search(stage.text):
                self.shell.ledger.effect(
                    "execute", "remote", f"{name}={stage.text}", place="production", via=self.via, traits=traits
                )
        if self._live(*(() if any(a.type == "database" for a in self.reading.level.does) else ("--database",))):
            self.shell.ledger.effect("execute", "database", value, place="production", via=self.via, traits=traits)
        self.shell.ledger.effect(
            "execute",
            "code",
            value,
            place="workspace" if trusted else "unknown",
            real=at.real if at else "",
            inside=at.inside if at else False,
            via=self.via,
            traits=traits,
            certain=self.frame.certain,
        )
        if self.shell.files:
            self._written()

    def _written(self) -> None:
        """Code that this very call wrote into the project runs with the project's (``conftest.py``, ``setup.py``)."""
        from hitl_opa.facts.code import read_code

        for name, content in list(self.shell.files.items())[:8]:
            if content.text is not None and name.endswith(".py") and name not in self.frame.calls:
                inner = self.frame.within(self.via, certain=False)
                inner.calls = (*self.frame.calls, name)
                read_code(
                    self.shell, inner, "python", Word(content.text, False, content.origin), UNREAD, name, script=True
                )

    def run(self, act: Act, word: Word | None) -> Stream:
        from hitl_opa.facts.shell import code

        how, what = act.type, act.place
        frame = self.frame
        if act.traits:
            frame = frame.within(self.via, *act.traits)
            frame.wrappers = frame.wrappers[:-1]
        if how == "argv":
            rest = self.reading.rest or ([word] if word is not None else [])
            if rest and rest[-1].text == ANY and len(self.reading.operands) > 1:  # "fd -e log . /var -x rm"
                rest = [*rest[:-1], *(Word(f"{w.text.rstrip('/')}/*", True) for w in self.reading.operands[1:])]
            if rest and rest[0].text == "-":  # "uv run -": what comes on its input
                rest = [Word("python"), *rest]
            return self.shell.run(rest, frame.within(self.via), self.stdin) if rest else UNREAD
        if how == "opaque":
            self.shell.ledger.opaque(what, word.text if word else self.via, self.via)
            self.shell.ledger.effect(
                "execute", "code", word.text if word else "", place="unknown", via=self.via, traits=frame.traits
            )
            return UNREAD
        if word is None:
            return UNREAD
        inner = frame.within(self.via)
        if how == "shell":
            return code.shell_text(self.shell, inner, word, self.stdin, self.via)
        if how == "code":
            return code.inline(self.shell, inner, what, word, self.stdin, self.via)
        if how == "script" and word.text in ("-", "/dev/stdin"):
            return code.piped(self.shell, inner, what, self.stdin, self.via)
        if how == "script":
            return code.script_file(self.shell, inner, what, word, self.reading.rest[1:], self.stdin, self.via)
        if how in ("sql", "sqlfile"):
            code.sql(self.shell, inner, word, self.via, from_file=how == "sqlfile")
        return UNREAD

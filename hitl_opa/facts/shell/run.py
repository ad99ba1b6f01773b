"""One simple command: which program it is, and who reads its arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.data import Program, load, program
from hitl_opa.facts.names import only_asks
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import builtins, specials
from hitl_opa.facts.shell.argv import HELP, Invocation
from hitl_opa.facts.shell.frame import SILENT, UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

_VERSIONED = re.compile(r"(.+?)[-.]?\d+(?:\.\d+)*\Z")
_COMMAND_SETTINGS = frozenset(
    {
        "BASH_ENV",
        "ENV",
        "PROMPT_COMMAND",
        "GIT_SSH_COMMAND",
        "GIT_SSH",
        "GIT_EXTERNAL_DIFF",
        "GIT_PAGER",
        "PAGER",
        "EDITOR",
        "GIT_EDITOR",
        "GIT_SEQUENCE_EDITOR",
        "VISUAL",
        "GIT_ASKPASS",
        "SSH_ASKPASS",
        "MANPAGER",
        "BROWSER",
        "LESSOPEN",
        "GIT_PROXY_COMMAND",
        "FCEDIT",
    }
)
_CODE_SETTINGS = frozenset(
    {
        "LD_PRELOAD",
        "LD_AUDIT",
        "DYLD_INSERT_LIBRARIES",
        "PYTHONSTARTUP",
        "PERL5OPT",
        "PERL5DB",
        "RUBYOPT",
        "GCONV_PATH",
        "PYTHONHOME",
        "BASH_FUNC_",
    }
)
_NO_SETTINGS: dict[str, Word] = {}


class Runner:
    """Runs simple commands for a `Shell`."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def run(
        self,
        argv: list[Word],
        frame: Frame,
        stdin: Stream,
        *,
        settings: dict[str, Word] = _NO_SETTINGS,
        network: str = "",
    ) -> Stream:
        """What a command does and prints; ``network``: its descriptors are bound to ``/dev/tcp``."""
        first = argv[0]
        if network:
            frame = frame.copy()
            frame.network = network
        if settings:
            self._settings(settings, frame)
        while first.text == "" and len(argv) > 1 and not first.glob:
            argv = argv[1:]
            first = argv[0]
        name = first.text
        if name in frame.aliases and name not in frame.calls:
            return self._alias(name, argv[1:], frame, stdin)
        function = frame.functions.get(name)
        if function is not None and name in frame.calls:
            return UNREAD  # recursion was followed once
        if function is not None:
            self._shell.ledger.command(name, [w.text for w in argv[1:]], frame.wrappers)
            return self._shell.call(function, name, argv[1:], frame, stdin)
        builtin = builtins.TABLE.get(name)
        if builtin is not None:
            self._shell.ledger.command(name, [w.text for w in argv[1:]], frame.wrappers)
            return builtin(self._shell, frame, argv[1:], stdin, settings)
        if not name:
            return SILENT
        return self._program(first, argv[1:], frame, stdin)

    def _settings(self, settings: dict[str, Word], frame: Frame) -> None:
        for name, value in settings.items():
            if name in _COMMAND_SETTINGS and value.text and self._shell.scripts:
                self._shell.script(value.text, frame.within(name), via=name)
            elif name in _CODE_SETTINGS or name.startswith("BASH_FUNC_"):
                self._shell.ledger.effect("execute", "code", value.text, place="unknown", via=name, traits=frame.traits)
            elif name.startswith("GIT_CONFIG_") or name == "NODE_OPTIONS":
                specials.setting(self._shell, frame, name, value)

    def _alias(self, name: str, args: list[Word], frame: Frame, stdin: Stream) -> Stream:
        text = frame.aliases[name]
        inner = frame.copy()
        inner.calls = (*frame.calls, name)
        inner.positional = args
        return self._shell.script(text + ' "$@"', inner, stdin, via=name)

    def _program(self, first: Word, args: list[Word], frame: Frame, stdin: Stream) -> Stream:
        ledger = self._shell.ledger
        text = first.text
        traits = frame.traits
        name = text
        if UNKNOWN in text or "/" in text or "\\" in text:
            name = text[text.rfind("/") + 1 :]
            if UNKNOWN in name:
                shown = " ".join(["?", *(a.text for a in args[:6])])
                ledger.opaque("variable-program", shown, frame.wrappers[-1] if frame.wrappers else "")
                ledger.effect(
                    "execute",
                    "code",
                    "",
                    place="remote" if "remote" in first.origin else "unknown",
                    traits=traits,
                    certain=frame.certain,
                )
                ledger.command("", [w.text for w in args], frame.wrappers)
                return UNREAD
            if "/" in text and not self._is_bin(text, frame):
                return self._file(first, args, frame, stdin)
        found, known = self.lookup(name)
        ledger.command(known or name, [w.text for w in args], frame.wrappers)
        if first.glob or found is None:
            return self._unknown(name, args, frame, stdin)
        if "decoded" in first.origin:
            ledger.opaque("decoded-code", text, known)
        invocation = Invocation(self._shell, frame, known, found, args, stdin)
        special = invocation.reading.level.special or found.special
        if special and not (found.special == "" and invocation.informational()):
            handled = specials.TABLE[special](invocation)
            if handled is not None:
                return handled
        return invocation.apply()

    def lookup(self, name: str) -> tuple[Program | None, str]:
        """The entry of a program under its own or a near name (``python3.12``, ``GIT``, ``foo.exe``)."""
        found = program(name)
        if found is not None:
            return found, name
        low = name.lower()
        if low.endswith((".exe", ".cmd", ".bat", ".com")):
            low = low[:-4]
        found = program(low)
        if found is not None:
            return found, low
        match = _VERSIONED.match(low)
        if match and (found := program(match[1])) is not None:
            return found, match[1]
        return None, ""

    def _is_bin(self, text: str, frame: Frame) -> bool:
        """Whether a program named by path lies where installed programs do."""
        paths, places = self._shell.ledger.paths, load().places
        joined = self._shell.absolute(text, frame)
        folder = joined[: joined.rfind("/")].lower() or "/"
        if folder in places.bin_dirs or UNKNOWN in text:
            return True
        for base, names in (
            (paths.home, places.home_bin_dirs),
            (paths.workspace, places.workspace_bin_dirs),
            (frame.cwd, places.workspace_bin_dirs),
        ):
            if base and folder.startswith(base.lower() + "/") and folder[len(base) + 1 :] in names:
                return True
        tail = folder.split("/")[-2:]
        return "/".join(tail) in places.workspace_bin_dirs or folder.startswith(
            (
                "/opt/homebrew/",
                "/usr/local/opt/",
                "/nix/store/",
                "/usr/lib/",
                "/usr/libexec",
                "/applications/",
                "/system/library/",
            )
        )

    def _file(self, first: Word, args: list[Word], frame: Frame, stdin: Stream) -> Stream:
        from hitl_opa.facts.shell import code

        name = first.text[first.text.rfind("/") + 1 :]
        self._shell.ledger.command(name, [w.text for w in args], frame.wrappers)
        return code.script_file(self._shell, frame, "", first, args, stdin, name)

    def _unknown(self, name: str, args: list[Word], frame: Frame, stdin: Stream) -> Stream:
        ledger = self._shell.ledger
        if (
            1 <= len(args) <= 2
            and args[-1].text in HELP
            and all(a.text.replace("-", "").isalnum() for a in args)
            and "-" not in name[:1]
            and not frame.traits
        ):
            ledger.effect("read", "system", name, place="info", via=name)
            return UNREAD
        texts = [a.text for a in args]
        if (
            1 <= len(texts) <= 4
            and not frame.traits
            and "PATH" not in frame.variables
            and all(re.fullmatch(r"[\w:.-]+", t) for t in texts)
            and only_asks([t for t in texts if t[0] != "-"])
        ):
            ledger.effect("read", "system", name, place="info", via=name, certain=False)
            return UNREAD
        ledger.opaque("unknown-program", name, frame.wrappers[-1] if frame.wrappers else "")
        ledger.effect("execute", "code", name, place="unknown", via=name, traits=frame.traits, certain=frame.certain)
        return Stream(None, stdin.origin)

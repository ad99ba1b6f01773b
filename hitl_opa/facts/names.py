"""What a name says that its tool or subcommand does: ``describe-instances``, ``GmailSendEmail``, ``delete_user``."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import Any

from hitl_opa.facts.data import Act, load

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PROPOSALS = frozenset({"create", "open", "update", "add", "comment", "edit"})
_CHOOSERS = frozenset({"action", "operation", "op", "method", "http_method", "verb", "mode", "request_type"})
_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PROPOSED = frozenset({"pull_request", "pull_requests", "merge_request", "merge_requests"})


@lru_cache(maxsize=4096)
def parts(name: str) -> tuple[str, ...]:
    """The lower-case words in a name, however they are joined."""
    return tuple(p.lower() for p in _PARTS.findall(name[:200]))


def act_of_words(words: list[str], style: str) -> tuple[Act | None, int]:
    """The act that subcommand words stand for, and which of them said so.

    ``style``: ``any|second|first``, then the place of the remote (``cloud``, ``cluster``, …), then group words to skip.
    """
    how, place, *groups = style.split()
    skip = load().names.groups.get(groups[0], frozenset()) if groups else frozenset()
    candidates = list(enumerate(words))[:8]
    if how == "second":
        candidates = candidates[1:2]
    elif how == "first":
        candidates = candidates[:1]
    verbs, nouns = load().names.verbs, load().names.groups["nouns"]
    plain = load().names.groups["asks"]
    asks: tuple[Act | None, int] = None, -1
    for i, word in candidates:
        low = word.lower()
        if low in skip and i + 1 < len(words):
            continue
        if (
            low in nouns
            and how == "any"
            and any(verbs.get(w.lower()) and w.lower() not in nouns for w in words[i + 1 : i + 3])
        ):
            continue
        pieces = [low] if asks[0] is not None else re.split(r"[-:.]", low)
        kind = verbs.get(low) or verbs.get("-".join(pieces[:2])) or verbs.get(pieces[0])
        if kind is None and how == "any" and len(pieces) > 1:
            kind = verbs.get(pieces[-1])
            if kind == "query" and pieces[-1] not in load().names.groups["asks"]:
                kind = None
        if kind == "query" and how == "any" and low not in plain and i < 2:
            # "compute droplet delete": a word that may be the name of a part yields to what is done with it
            asks = asks if asks[0] is not None else (remote_act(kind, place), i)
        elif kind:
            return (remote_act(kind, place), i) if kind not in ("query", "local") or asks[0] is None else asks
    return asks


def only_asks(words: list[str]) -> bool:
    """Whether subcommand words say that nothing changes: one of a few plain words for it, and none that does more."""
    data = load().names
    kinds = [data.verbs.get(w.lower(), "") or data.verbs.get(re.split(r"[-:.]", w.lower())[0], "") for w in words[:4]]
    plain = data.groups["asks"]
    return all(
        k in ("", "query", "local") or w.lower() in data.groups["nouns"] for k, w in zip(kinds, words, strict=False)
    ) and any(
        w.lower() in plain or re.split(r"[-:.]", w.lower())[0] in plain or re.split(r"[-:.]", w.lower())[-1] in plain
        for w in words[:3]
    )


_REMOTE = {
    "query": ("query", ()),
    "delete": ("delete", ("irreversible",)),
    "write": ("configure", ()),
    "run": ("execute", ()),
    "send": ("send", ("upload",)),
    "upload": ("send", ("upload",)),
    "spend": ("spend", ()),
    "publish": ("publish", ()),
    "grant": ("configure", ()),
    "stop": ("stop", ()),
    "local": ("read", ()),
    "secret": ("read", ("secret",)),
}


def remote_act(kind: str, place: str) -> Act:
    """The act on a remote system that a class of action is."""
    verb, traits = _REMOTE[kind]
    if kind == "local":
        return Act("effect", "read", "system", "info")
    if kind == "grant":
        return Act("effect", verb, "account", "remote", traits)
    return Act("effect", verb, "remote", place, traits)


def class_of(words: list[str], verbs: dict[str, str]) -> tuple[str, int]:
    """The class of the first word that has one, unless a later word says more of what is done: ``get_or_create``,
    ``logs_delete``, ``SmartLockViewAllUsers``, ``payment_status``.
    """
    pairs = [*(f"{a}_{b}" for a, b in itertools.pairwise(words)), ""]
    named = {i for i, p in enumerate(pairs) if p in _PROPOSED}
    found = [
        (verbs.get(p) or verbs[w], i)
        for i, (w, p) in enumerate(zip(words, pairs, strict=True))
        if {w, p} & verbs.keys() and not {i, i - 1} & named
    ]
    if not found:
        found = [("write", i) for i in named]
    if not found:
        return "", -1
    first, rest = found[0], found[1:]
    for kind, i in rest:
        if i > 0 and words[i - 1] in ("and", "or", "then") and kind != "query":
            return kind, i
    groups = load().names.groups
    if first[0] == "query" and words[first[1]] in groups["reports"]:
        return next((f for f in rest if f[0] != "query"), first)  # what a name begins with, and then what is done to it
    if first[0] != "query" and all(kind == "query" for kind, _ in rest):
        asked = next((f for f in rest if words[f[1]] in groups["asks"]), None)
        what = words[first[1]]
        if asked and (what in groups["deeds"] or (first[1] and what in groups["nouns"] and asked[1] + 1 < len(words))):
            return asked
    return first


def part_of(kind: str, words: list[str]) -> str:
    """The part of a repository that a tool proposes something to, which a person looks at before it counts."""
    if kind != "write" or not _PROPOSALS & set(words):
        return ""
    pairs = set(itertools.pairwise(words))
    if pairs & {("pull", "request"), ("merge", "request")}:
        return "pull-request"
    return "issue" if "issue" in words else ""


def chooses(value: Any) -> bool:
    """Whether an argument is one word for an action, as ``create`` or ``str_replace``."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z]+(?:_[a-z]+)*", value):
        return False
    return bool(class_of(list(parts(value)), load().names.verbs)[0])


def chosen(kind: str, fields: list[tuple[str, Any, str]], verbs: dict[str, str]) -> str:
    """The class of action, where an argument chooses it: ``action="delete"``, ``method="POST"``."""
    if kind not in ("query", "write", "run", ""):
        return kind
    for _, value, key in fields:
        if not isinstance(value, str) or (key.lower() not in _CHOOSERS and not (key == "command" and chooses(value))):
            continue
        if key.lower() in ("method", "http_method", "verb") and value.upper() in _METHODS:
            return {"DELETE": "delete"}.get(value.upper(), "send")
        said, _ = class_of([w for w in parts(value) if not w.isdigit()][:4], verbs)
        if said and said != "query":
            return said
    return kind

"""Run OPA's compliance cases on the embedded engine: ``python rego_cases.py FILE FIRST``, one JSON line a case.

In a process of its own, because a case may crash or hang regorus; `test_rego_cases` starts it again
behind that case.
"""

from __future__ import annotations

import gzip
import json
import sys
from typing import Any

from hitl_opa.engines import embedded


def main(file: str, first: int) -> None:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number < first:
                continue
            case = json.loads(line)
            say({"number": number, "note": case["note"], "folder": case["folder"]})
            try:
                why = judge(case)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                why = f"{type(error).__name__}: {embedded.explain(error)}"
            say({"number": number, "why": why})


def judge(case: dict[str, Any]) -> str:
    """``""`` where the case passes, else why not."""
    wants_error = any(case.get(key) for key in ("want_error", "want_error_code", "strict_error"))
    try:
        found = run(case)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return "" if wants_error else f"error: {embedded.explain(error)}"
    if wants_error and "want_result" not in case:
        return "no error"
    wanted = case.get("want_result") or []
    key = json.dumps
    if sorted(map(normal, found), key=key) == sorted(map(normal, wanted), key=key):
        return ""
    return f"got {json.dumps(found)[:200]}, want {json.dumps(wanted)[:200]}"


def run(case: dict[str, Any]) -> list[Any]:
    modules = {f"module-{index}.rego": source for index, source in enumerate(case.get("modules") or [])}
    engine = embedded.load(modules, json.dumps(case.get("data") or {}).encode())
    if "input_term" in case:
        term = embedded.load({"term.rego": f"package term\n\nvalue := {case['input_term']}\n"}, b"{}")
        engine.set_input_json(term.eval_rule_as_json("data.term.value"))
    else:
        engine.set_input_json(json.dumps(case["input"]) if "input" in case else "{}")
    answer = json.loads(engine.eval_query_as_json(case["query"]))
    return [row.get("bindings", {}) for row in answer.get("result") or []]


def normal(value: Any) -> Any:
    """Numbers as floats, so that 1 and 1.0 are one; objects by key."""
    if isinstance(value, dict):
        return {key: normal(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [normal(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

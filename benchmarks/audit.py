"""What the durable record costs: `AuditLog.append` beside one fsynced append of a plain JSON line.

Both write the same decision event to the same disk, interleaved, so that a slow moment hits both.
Budget: the ratio of the medians is at most 1.3. Beside it the same with the secrets detector in
front, as the guard has it, and with signed checkpoints. Then what several writers of one file get done
together (two processes: at least as much as half of one alone), and how fast a log is verified and read.

    python benchmarks/audit.py [--json] [--appends N] [--verify N] [--directory DIR]
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from hitl_opa.audit import AuditLog, Event
from hitl_opa.audit.canonical import canonical
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.notary import Notary
from hitl_opa.facts import redact
from hitl_opa.facts.secrets import suspect
from hitl_opa.model import (
    Agent,
    CallFacts,
    Command,
    Context,
    Decision,
    Document,
    Effect,
    Facts,
    PathFact,
    Policy,
    Reason,
    Risk,
    Target,
    Verb,
    Verdict,
)

BUDGET = 1.3
FLOOR = 0.5  # two processes that share a file, beside one


def sample(number: int) -> Event:
    """A decision on a shell command of usual size (about 3 kB of input document)."""
    real = f"/home/ada/project/build/{number}"
    target = Target(type="path", value=f"build/{number}", real=real, place="workspace", inside=True)
    path = PathFact(value=target.value, real=real, access="delete", place="workspace", inside=True)
    document = Document(
        call=CallFacts(id=f"toolu_{number}", tool="Bash", kind="shell", input={"command": f"rm -rf build/{number} …"}),
        facts=Facts(
            effects=[Effect(verb=Verb.DELETE, target=target, via="rm", traits=["force", "recursive"])] * 5,
            commands=[Command(program="rm", args=["-rf", target.value])] * 3,
            paths=[path] * 5,
        ),
        agent=Agent(session=f"s{number % 50}", principal="ada", level=2),
        context=Context(time="2026-01-31T12:00:00Z", cwd="/home/ada/project", draw=(number % 997 + 0.5) / 1000),
    )
    reason = Reason(rule="shell.delete", pack="shell", verdict=Verdict.ASK, risk=Risk.MEDIUM, message=f"deletes {real}")
    decision = Decision(
        verdict=Verdict.ASK,
        risk=Risk.MEDIUM,
        reason=reason.message,
        reasons=[reason] * 3,
        policy=Policy(revision=sha256(b"policy").hexdigest()),
    )
    return Event.decision(document, decision, decision_id=f"d{number}", elapsed_ms=0.7)


def timed(run: Callable[[], object]) -> float:
    """Milliseconds that one run takes."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def interval(statistic: Callable[[list[int]], float], size: int, rounds: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of a statistic of resampled indices."""
    rng = random.Random(1)
    values = sorted(statistic(rng.choices(range(size), k=size)) for _ in range(rounds))
    return values[int(rounds * 0.025)], values[int(rounds * 0.975)]


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def appends(directory: Path, count: int) -> dict[str, Any]:
    """Times of plain and recorded appends, paired."""
    plain: list[float] = []
    recorded: list[float] = []
    redacted: list[float] = []
    signed: list[float] = []
    keys = Keys.new(directory / "keys.json", "benchmark")
    descriptor = os.open(directory / "plain.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def line(event: Event) -> None:
        os.write(descriptor, msgspec.json.encode(event) + b"\n")
        os.fsync(descriptor)

    with (
        AuditLog.open(directory / "audit.db") as log,
        AuditLog.open(directory / "redacted.db", redact=redact, suspect=suspect) as guarded,
        AuditLog.open(directory / "signed.db", notary=Notary(keys, every=100)) as notarised,
    ):
        for number in range(-50, count):
            event = sample(abs(number))
            runs: list[tuple[list[float], Callable[[], object]]] = [
                (plain, partial(line, event)),
                (recorded, partial(log.append, event)),
                (redacted, partial(guarded.append, event)),
                (signed, partial(notarised.append, event)),
            ]
            first = number % 4  # no one always follows the same other
            for times, run in runs[first:] + runs[:first]:
                taken = timed(run)
                if number >= 0:
                    times.append(taken)
        if not log.verify().ok or not notarised.verify(keys.verifiers()).ok:
            raise SystemExit("the log does not verify")
    os.close(descriptor)

    def ratio(of: list[float], indices: Iterable[int]) -> float:
        chosen = list(indices)
        return statistics.median(of[i] for i in chosen) / statistics.median(plain[i] for i in chosen)

    low, high = interval(lambda indices: ratio(recorded, indices), count)
    return {
        "plain_ms": {"p50": statistics.median(plain), "p99": percentile(plain, 0.99)},
        "record_ms": {"p50": statistics.median(recorded), "p99": percentile(recorded, 0.99)},
        "redacted_ms": {"p50": statistics.median(redacted), "p99": percentile(redacted, 0.99)},
        "signed_ms": {"p50": statistics.median(signed), "p99": percentile(signed, 0.99)},
        "ratio": ratio(recorded, range(count)),
        "ratio_signed": ratio(signed, range(count)),
        "ratio_redacted": ratio(redacted, range(count)),
        "ratio_ci95": [low, high],
        "budget": BUDGET,
    }


def concurrent(directory: Path, threads: int, count: int) -> dict[str, Any]:
    """Appends a second from several threads, which share commits."""
    events = [sample(number) for number in range(count)]
    with AuditLog.open(directory / "threads.db") as log:
        workers = [
            threading.Thread(target=lambda at=at: [log.append(event) for event in events[at::threads]])
            for at in range(threads)
        ]

        def run() -> None:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

        taken = timed(run)
    return {"threads": threads, "per_second": count / taken * 1e3}


def writer(path: str, seconds: float, ready: Any, results: Any) -> None:
    """A process that appends for so long; puts how many, and the longest in ms."""
    event, longest, count = sample(1), 0.0, 0
    with AuditLog.open(path, redact=redact, suspect=suspect) as log:
        log.append(event)
        ready.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            longest = max(longest, timed(partial(log.append, event)))
            count += 1
    results.put((count, longest))


def processes(directory: Path, number: int, seconds: float) -> dict[str, Any]:
    """Appends a second of so many processes on one file, together, and the longest of all."""
    fresh = multiprocessing.get_context("spawn")
    ready, results = fresh.Barrier(number), fresh.Queue()
    path = str(directory / f"processes{number}.db")
    started = [fresh.Process(target=writer, args=(path, seconds, ready, results)) for _ in range(number)]
    for process in started:
        process.start()
    found = [results.get(timeout=120) for _ in started]
    for process in started:
        process.join()
    return {
        "processes": number,
        "per_second": sum(count for count, _ in found) / seconds,
        "least_share": min(count for count, _ in found) * number / sum(count for count, _ in found),
        "longest_ms": max(longest for _, longest in found),
    }


def reading(directory: Path, count: int) -> dict[str, Any]:
    """Verifying, proving and reading a signed log of ``count`` records (written a thousand to a commit)."""
    path = directory / "large.db"
    keys = Keys.new(directory / "large.json", "benchmark")
    with AuditLog.open(path, notary=Notary(keys)) as log:
        for start in range(0, count, 1000):
            log.write([log.seal(sample(number)) for number in range(start, min(start + 1000, count))])
        log.checkpoint()
        report = log.verify(keys.verifiers())
        if not report.ok or report.streams[0].signed != count:
            raise SystemExit("the log does not verify")
        verify_ms = timed(lambda: log.verify(keys.verifiers()))
        tail_ms = timed(lambda: list(log.tail(20)))
        scan_ms = timed(lambda: sum(1 for _ in log.records()))
        (record,) = list(log.tail(1))
        prove_ms = timed(lambda: log.prover(keys.verifiers()).inclusion(record))
    return {
        "records": count,
        "bytes_per_record": path.stat().st_size / count,
        "verify_seconds": verify_ms / 1e3,
        "verify_per_second": count / verify_ms * 1e3,
        "read_per_second": count / scan_ms * 1e3,
        "tail_20_ms": tail_ms,
        "prove_ms": prove_ms,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--appends", type=int, default=2000)
    parser.add_argument("--verify", type=int, default=20_000, help="records in the log that is verified")
    parser.add_argument("--directory", default=None, help="a directory on the disk to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory = Path(name)
        gc.disable()
        event = sample(1)
        encode = statistics.median(timed(lambda: canonical(event.input)) for _ in range(200))
        result: dict[str, Any] = {
            "append": appends(directory, arguments.appends),
            "encode_ms": encode,
            "concurrent": [concurrent(directory, threads, 1000) for threads in (1, 8)],
            "processes": [processes(directory, number, 3.0) for number in (1, 2)],
            "reading": reading(directory, arguments.verify),
        }
    one, two = result["processes"]
    result["shared"] = {"ratio": two["per_second"] / one["per_second"], "floor": FLOOR}
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    return 0 if result["append"]["ratio"] <= BUDGET and result["shared"]["ratio"] >= FLOOR else 1


def show(result: dict[str, Any]) -> None:
    append, read = result["append"], result["reading"]
    low, high = append["ratio_ci95"]
    rows = [
        ("fsynced JSON line", f"p50 {append['plain_ms']['p50']:.3f} ms", f"p99 {append['plain_ms']['p99']:.3f} ms"),
        ("AuditLog.append", f"p50 {append['record_ms']['p50']:.3f} ms", f"p99 {append['record_ms']['p99']:.3f} ms"),
        ("ratio", f"{append['ratio']:.2f} x", f"95 % CI {low:.2f}-{high:.2f}, budget {append['budget']}"),
        (
            "with secrets redacted",
            f"p50 {append['redacted_ms']['p50']:.3f} ms",
            f"p99 {append['redacted_ms']['p99']:.3f} ms, {append['ratio_redacted']:.2f} x",
        ),
        (
            "signed, a checkpoint each 100",
            f"p50 {append['signed_ms']['p50']:.3f} ms",
            f"p99 {append['signed_ms']['p99']:.3f} ms, {append['ratio_signed']:.2f} x",
        ),
        ("canonical JSON of the document", f"{result['encode_ms'] * 1e3:.0f} us", ""),
        *((f"appends, {c['threads']} threads", f"{c['per_second']:,.0f} /s", "") for c in result["concurrent"]),
        *(
            (
                f"appends, {p['processes']} processes",
                f"{p['per_second']:,.0f} /s",
                f"longest {p['longest_ms']:.0f} ms, least share {p['least_share']:.2f} of fair",
            )
            for p in result["processes"]
        ),
        ("two processes / one", f"{result['shared']['ratio']:.2f} x", f"floor {result['shared']['floor']}"),
        (
            "verify, with its checkpoints",
            f"{read['verify_per_second']:,.0f} records/s",
            f"{read['records']:,} records in {read['verify_seconds']:.1f} s, {read['memory_mb']:.0f} MB",
        ),
        ("proof of a record", f"{read['prove_ms']:.1f} ms", "checkpoints of the log read, too"),
        ("read", f"{read['read_per_second']:,.0f} records/s", f"{read['bytes_per_record']:,.0f} bytes a record"),
        ("last 20", f"{read['tail_20_ms']:.1f} ms", ""),
    ]
    for name, value, note in rows:
        print(f"{name:<32}{value:<24}{note}")


if __name__ == "__main__":
    sys.exit(main())

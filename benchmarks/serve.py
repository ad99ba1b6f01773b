"""Requests a second of `hitl-opa serve` beside `opa run --server` with the same policies, in one run.

    python benchmarks/serve.py [--rounds 6] [--seconds 2] [--connections 8] [--json]

hitl-opa is given tool calls (it reads the facts, decides and records durably); OPA the finished input
documents of the same calls (it only decides). Rounds alternate; the client is this process, on keep-alive
loopback connections. CPU a request is over the life of each server, its start included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from decide import OPA, ROOT, calls

from hitl_opa.config import Config, Key
from hitl_opa.guard import Guard
from hitl_opa.guard.case import Case
from hitl_opa.server.keys import new_key


def request(path: str, body: bytes, key: str = "") -> bytes:
    auth = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{auth}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def exchange(connection: socket.socket, message: bytes) -> int:
    """Send one request, read one whole reply; its status."""
    connection.sendall(message)
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(rest) < length:
        rest += received(connection)
    return int(head[9:12])


def received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def load(port: int, messages: list[bytes], seconds: float, connections: int) -> float:
    """Requests a second over ``seconds``, from ``connections`` at once."""
    counts = [0] * connections
    end = time.perf_counter() + seconds

    def work(n: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            i = n
            while time.perf_counter() < end:
                if exchange(connection, messages[i % len(messages)]) != 200:
                    raise RuntimeError("a request was not answered with 200")
                counts[n] += 1
                i += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(connections)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def cpu_of_children() -> float:
    """Seconds of all processes that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def server(command: list[str], port: int, cwd: Path, cpu: dict[str, float], name: str) -> Iterator[None]:
    """Run a server; afterwards ``cpu[name]`` has the seconds that it took."""
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{command[0]} does not listen on {port}")
            time.sleep(0.1)
        yield
    finally:
        before = cpu_of_children()
        process.terminate()
        process.wait(20)
        cpu[name] = cpu_of_children() - before


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Run, print; exit 1 where the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not OPA.exists():
        sys.exit("no .opa/opa to compare with: run make opa")
    folder = Path(tempfile.mkdtemp(prefix="hitl-http."))
    key, digest = new_key()
    config = Config(level=3, keys=[Key(name="bench", sha256=digest, principal="bench", level=3)])
    settings = {"level": 3, "keys": [msgspec.to_builtins(config.keys[0])]}
    (folder / "hitl.yaml").write_bytes(msgspec.yaml.encode(settings))
    guard = Guard.open(Config(audit=":memory:", level=3))
    mixed = calls()
    ours = [request("/v1/decisions", msgspec.json.encode(call), key) for call in mixed]
    bodies = [b'{"input":' + Case(guard, call, None).body + b"}" for call in mixed]
    theirs = [request("/v1/data/hitl/main/decision", body) for body in bodies]
    ports = free_port(), free_port()
    workers = str(args.workers)
    command = [str(ROOT / ".venv/bin/hitl-opa"), "serve", "--port", str(ports[0]), "--workers", workers]
    opa = [str(OPA), "run", "--server", "--addr", f"127.0.0.1:{ports[1]}", "--log-level", "error", str(ROOT / "rego")]
    rates: dict[str, list[float]] = {"hitl-opa serve": [], "opa run --server": []}
    served = {"hitl-opa serve": (command, ports[0], ours), "opa run --server": (opa, ports[1], theirs)}
    cpu: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        for name, (line, port, _) in served.items():
            stack.enter_context(server(line, port, folder, cpu, name))
        for _ in range(args.rounds + 1):
            for name, (_, port, messages) in served.items():
                rates[name].append(load(port, messages, args.seconds, args.connections))
    medians = {name: statistics.median(values[1:]) for name, values in rates.items()}  # the first round warms up
    ratio = medians["hitl-opa serve"] / medians["opa run --server"]
    report: dict[str, Any] = {
        "workers": int(workers),
        "requests_per_second": medians,
        "cpu_ms": {name: cpu[name] / (sum(values) * args.seconds) * 1e3 for name, values in rates.items()},
        "ratio": ratio,
        "budget": 1.0,
        "met": ratio >= 1,
    }
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        for name, rate in medians.items():
            print(f"{name:20}{rate:10.0f} requests/s{report['cpu_ms'][name]:8.2f} ms of CPU each")
        print(f"ratio {ratio:.2f}, budget 1.00 or more: {'met' if ratio >= 1 else 'MISSED'}")
    sys.exit(ratio < 1)


if __name__ == "__main__":
    main()

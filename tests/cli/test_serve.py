"""``hitl-opa serve`` as it runs: workers that share a port and a record."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import Result

from hitl_opa.audit import AuditLog
from hitl_opa.cli.serving import listen
from hitl_opa.errors import ConfigError
from hitl_opa.server.keys import new_key

KEY, DIGEST = new_key()
SETTINGS = {"audit": "a.db", "keys": [{"name": "ci", "sha256": DIGEST, "principal": "ci-bot", "level": 3}]}


def _ask(port: int, number: int) -> list[tuple[str, str]]:
    """Ten decisions over one connection: verdict and decision id."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    answers = []
    for i in range(10):
        command = "rm -rf /" if i % 2 else "ls"
        body = json.dumps({"tool": "Bash", "input": {"command": command}, "id": f"{number}-{i}"})
        connection.request("POST", "/v1/decisions", body, {"authorization": f"Bearer {KEY}"})
        answer = json.loads(connection.getresponse().read())
        answers.append((answer["verdict"], answer["decision_id"]))
    connection.close()
    return answers


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="uvicorn takes a descriptor only on POSIX")
@pytest.mark.parametrize("workers", [1, 2])
def test_every_answer_is_on_the_one_record(tmp_path: Path, workers: int) -> None:
    (tmp_path / "hitl.yaml").write_text(json.dumps(SETTINGS))
    program = [sys.executable, "-c", "from hitl_opa.cli import main; main()"]
    command = [*program, "serve", "--port", "0", "--workers", str(workers)]
    server = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        found = re.search(r"http://127\.0\.0\.1:(\d+)", server.stderr.readline())
        assert found
        with ThreadPoolExecutor(8) as pool:
            answers = [one for many in pool.map(lambda n: _ask(int(found[1]), n), range(8)) for one in many]
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert Counter(verdict for verdict, _ in answers) == {"allow": 40, "deny": 40}
    with AuditLog.open(tmp_path / "a.db", readonly=True) as log:
        recorded = {record.leaf["decision_id"]: record.get("verdict") for record in log.records()}
        assert log.verify().ok
    assert recorded == {number: verdict for verdict, number in answers}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_do_not_hold_back_small_writes(host: str) -> None:
    try:
        listening = listen(host, 0)
    except ConfigError:
        pytest.skip(f"no {host} here")
    with listening, socket.create_connection(listening.getsockname()[:2]), listening.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken(tmp_path: Path, run: Callable[..., Result]) -> None:
    (tmp_path / "hitl.yaml").write_text(json.dumps(SETTINGS))
    with listen("127.0.0.1", 0) as taken:
        result = run("serve", "--port", str(taken.getsockname()[1]))
    assert result.exit_code != 0
    assert "cannot listen on 127.0.0.1" in result.output

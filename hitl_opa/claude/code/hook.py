"""The command hook of Claude Code: ``python -I -S hook.py --socket PATH | --decide DIR [--seconds N]``.

Reads a hook's input on standard input. With ``--socket`` it is decided by the ``hitl-opa serve`` that
listens there, with ``--decide`` in this process, by the settings in that directory. Anything that
goes wrong is exit code 2 with its reason on standard error, which blocks the call: of a command
hook's other failures some let the call through, broken JSON with exit code 0 among them.

Only the interpreter's built-in modules are imported on the way to an allow, as each call of the agent
pays for this process.
"""

import _thread
import os
import sys
import time

PLAIN = {"allow": b'{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"allow"}}', "noted": b"{}"}
"""Answers that need no reading, by the word that the server says them with."""
AFTER = ("PostToolUse", "PostToolUseFailure", "SessionStart")
"""Events after which nothing runs that would not have run; every other one takes an allow or a deny."""
MAX_REPLY = 64 * 1024 * 1024  # bytes


class Refused(Exception):
    """Why the call is not decided, for the model and the user."""


def main(arguments: list[str]) -> int:
    """The exit code: 0 with an answer on standard output, else 2."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    seconds = float(given.pop("--seconds", "60"))
    _thread.start_new_thread(_expire, (seconds,))
    hook = sys.stdin.buffer.read()
    if given.keys() == {"--socket"}:
        word, answer = ask(given["--socket"], hook)
    elif given.keys() == {"--decide"}:
        word, answer = decide(given["--decide"], hook)
    else:
        raise Refused("the hook's command line is not one that `hitl-opa init --claude-code` writes")
    return say(PLAIN[word] if word in PLAIN else read(hook, answer))


def ask(path: str, hook: bytes) -> tuple[str, bytes]:
    """The server's answer, and its word for it where it is a plain one."""
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    folder, name = os.path.split(path)
    try:
        os.chdir(folder)  # the path of a socket has to be short
        connection.connect(name)
    except OSError as error:
        raise Refused(f"`hitl-opa serve` does not answer at {path} ({error.strerror or error}); start it") from None
    head = (
        "POST /hooks/claude-code HTTP/1.1\r\nhost: hitl\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(hook)}\r\n\r\n"
    )
    connection.sendall(head.encode() + hook)
    reply = bytearray()
    while chunk := connection.recv(65536):
        reply += chunk
        if len(reply) > MAX_REPLY:
            raise Refused("the server's answer does not end")
    top, _, body = bytes(reply).partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if status.split(" ")[:2] != ["HTTP/1.1", "200"]:
        raise Refused(f"the server answered {status[:80]!r}: {body[:300].decode('utf-8', 'replace')}")
    if headers.get("content-length") != str(len(body)):
        raise Refused("the server's answer is not whole")
    return headers.get("x-hitl-answer", ""), body


def decide(folder: str, hook: bytes) -> tuple[str, bytes]:
    """As `ask`, from the hitl-opa that is installed for this interpreter."""
    import site

    site.main()  # -S left out the directories of installed packages
    from hitl_opa.claude.code.alone import answer

    return answer(folder, hook)


def read(hook: bytes, answer: bytes) -> bytes:
    """An answer to pass on, once it is known to be one."""
    import json

    reply = json.loads(answer)
    if json.loads(hook).get("hook_event_name") not in AFTER:
        said = reply["hookSpecificOutput"]
        decision = said["permissionDecision"]
        if decision == "deny":
            raise Refused(str(said.get("permissionDecisionReason") or "it is denied"))
        if (said["hookEventName"], decision) != ("PreToolUse", "allow"):
            raise Refused("the answer is neither allow nor deny")
        if not isinstance(said.get("updatedInput", {}), dict):
            raise Refused("the answer's input is not an object")
    return json.dumps(reply).encode()


def say(answer: bytes) -> int:
    """Write all of it."""
    while answer:
        answer = answer[os.write(1, answer) :]
    return 0


def refuse(reason: str) -> None:
    """End the process so that the call is blocked."""
    os.write(2, f"hitl-opa: {reason}\n".encode("utf-8", "replace"))
    os._exit(2)


def _expire(seconds: float) -> None:
    """Refuse before the CLI gives up: a hook that runs into its time-out may let the call through."""
    time.sleep(seconds)
    refuse(f"nothing was decided within {seconds:g} s")


if __name__ == "__main__":
    try:
        os._exit(main(sys.argv[1:]))  # without the interpreter's clean-up, which may only fail
    except Refused as why:
        refuse(str(why))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the call does not run
        refuse(f"the hook failed: {type(error).__name__}: {error}")

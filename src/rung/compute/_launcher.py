"""The last step between `local.start` and a command: run as a script, it becomes the command.

It leads a session of its own, tells its pid through a socket, and waits for the order. When the caller dies before the
order is whole, it ends without a trace, so that a command never runs without being on record.
"""

from __future__ import annotations

import json
import os
import signal
import sys


def main() -> None:
    """Wait for the order on the socket whose number is the only argument, then become the command."""
    socket = int(sys.argv[1])
    keeper = os.getppid()
    os.set_inheritable(socket, False)  # noqa: FBT003 - the function takes it by position only
    os.setsid()
    os.write(socket, f"{os.getpid()} {keeper}\n".encode())
    order = _read(socket)
    if not order.endswith(b"\n"):
        _vanish(keeper)
    _restore_signals()
    _become(**json.loads(order))


def _read(socket: int) -> bytes:
    parts = []
    while part := os.read(socket, 65536):
        parts.append(part)
    return b"".join(parts)


def _vanish(keeper: int) -> None:
    """End with no exit code kept: there was no run."""
    if os.getppid() == keeper > 1:
        os.kill(keeper, signal.SIGKILL)
    os._exit(1)


def _restore_signals() -> None:
    """Undo what the shell and Python ignore, and what the caller's thread blocked: all of it would be inherited."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _become(argv: list[str], environment: dict[str, str]) -> None:
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - to run the order is what this is for
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)  # as a shell would


if __name__ == "__main__":
    main()

"""The console script. Hooks are dispatched before click is imported, and whatever escapes becomes one line and exit 3."""

from __future__ import annotations

import os
import sys

EXIT_UNDECIDED = 3
EXIT_INTERRUPTED = 130
QUICK = ("commit-msg", "prepare-commit-msg", "applypatch-msg", "pre-commit", "pre-merge-commit")
"""Hooks that are called on every commit."""


def main(arguments: list[str] | None = None) -> int:
    """Run `chainverify ARGUMENTS` (default: the process's) and return the exit status. Raises only SystemExit."""
    argv = sys.argv[1:] if arguments is None else arguments
    try:
        status = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output is gone; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_UNDECIDED
    except Exception as error:  # the last boundary: no traceback ever reaches a user
        if os.environ.get("CHAINVERIFY_DEBUG") == "1":
            raise
        _say(internal(error))
        return EXIT_UNDECIDED
    return status


def hook(name: str, arguments: list[str]) -> int:
    """What an installed hook script calls: `chainverify hook NAME ARGUMENTS`; for the quick ones it ends the process itself.

    These live for milliseconds and have no workers: collecting garbage while they import, and taking the interpreter apart at
    their end, would be a fifth of their time.
    """
    if name not in QUICK:
        return main(["hook", name, *arguments])
    import gc

    gc.disable()
    status = main(["hook", name, *arguments])
    try:
        sys.stderr.flush()
    finally:
        os._exit(status)


def internal(error: BaseException) -> str:
    """An unexpected exception in one line: its type, and the innermost place in this package where it passed."""
    trace = error.__traceback__
    where = "an unknown place"
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if name.startswith("chainverify.") and name != __name__:
            where = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"internal error, nothing was decided: {type(error).__name__} in {where} (CHAINVERIFY_DEBUG=1 shows all of it)"


def _run(argv: list[str]) -> int:
    if len(argv) >= 2 and argv[0] == "hook" and argv[1] not in ("-h", "--help"):
        from chainverify import hook as hooks

        return hooks.run(argv[1:])
    from chainverify.cli.main import main as command_line

    return command_line(argv) or 0


def _say(text: str) -> None:
    try:
        sys.stderr.write(f"chainverify: {text}\n")
    except OSError:
        return

"""The console script: dispatch, exit statuses, and the last boundary before a user would see a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainverify import _entry


def python(code: str, *, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )


CRASH = """
import sys
from chainverify import _entry
from chainverify.hook import local
def broken(*_):
    raise ZeroDivisionError("secret detail")
local.find = broken
open("/dev/null")
sys.exit(_entry.main(["hook", "commit-msg", {file!r}]))
"""


def test_an_unexpected_exception_is_one_line_and_undecided(tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_text("x")
    done = python(CRASH.format(file=str(file)))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    start = "chainverify: internal error, nothing was decided: ZeroDivisionError in chainverify.hook.commit_msg:"
    assert done.stderr.startswith(start)
    done = python(CRASH.format(file=str(file)), env={"CHAINVERIFY_DEBUG": "1"})
    assert "Traceback" in done.stderr
    assert "secret detail" in done.stderr


def test_interrupt_is_130() -> None:
    code = (
        "import sys\nfrom chainverify import _entry\ndef wait(argv):\n print('ready', flush=True)\n import time; time.sleep(30)\n"
        "_entry._run = wait\nsys.exit(_entry.main([]))"
    )
    process = subprocess.Popen([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    errors = process.stderr.read()
    assert process.wait(10) == 130
    assert errors == b"chainverify: interrupted\n"
    process.stdout.close()
    process.stderr.close()


def test_a_closed_pipe_is_no_traceback() -> None:
    code = (
        "import sys\nfrom chainverify import _entry\ndef talk(argv):\n"
        " for _ in range(100000): print('x' * 100)\n return 0\n_entry._run = talk\nsys.exit(_entry.main([]))"
    )
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen([sys.executable, "-I", "-c", code], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(10) == 3
    assert errors == b""


def test_where_an_exception_passed() -> None:
    shown = _entry.internal(KeyError("x"))
    assert shown.startswith("internal error, nothing was decided: KeyError in an unknown place")


@pytest.mark.parametrize("arguments", [["hook"], ["hook", "nothing"], ["hook", "commit-msg"]])
def test_wrong_hooks_are_exit_2(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-I", "-m", "chainverify", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

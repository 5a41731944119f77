"""The program with real streams: progress and colours on a terminal, and output that cannot be written."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Scene, Small, start
from tests.world.images import Signer, Store
from tests.world.registry import Handler, LoopbackRegistry


def on_terminal(directory: Path, *arguments: str, stream: str, **streams: Any) -> tuple[int, str, bytes]:
    """Run with one stream on a terminal: exit status, what the terminal got, what the other stream got."""
    leader, follower = pty.openpty()
    other = "stdout" if stream == "stderr" else "stderr"
    with start(directory, *arguments, **{stream: follower, other: subprocess.PIPE, **streams}) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:  # EIO: the last writer has closed it
                break
            if not data:
                break
            shown += data
        pipe = process.stdout if other == "stdout" else process.stderr
        rest = pipe.read() if pipe else b""
        process.wait(60)
    os.close(leader)
    return process.returncode, shown.decode(), rest


def slow(handler: Handler) -> None:
    time.sleep(0.2)
    handler.answer()


@pytest.fixture
def deployment(small: Small) -> Any:
    """A repository with three images in a slow registry."""
    signer, store = Signer.create("cosign.pub"), Store()
    small.policy('version = 1\n[images]\n[[images.trust]]\nmatch = "**"\nkeys = ["cosign.pub"]\n')
    (small.path / ".chainverify" / "cosign.pub").write_bytes(signer.pem)
    with LoopbackRegistry(store) as registry:
        lines = ["apiVersion: v1", "kind: Pod", "spec:", "  containers:"]
        for name in ("a", "b", "c"):
            repository = f"{registry.domain}/{name}"
            digest = store.image(repository, name)
            store.sign_bundle(repository, digest, signer)
            lines.append(f"  - image: {repository}@{digest}")
        (small.path / "pod.yaml").write_text("\n".join(lines) + "\n")
        registry.fault("/v2/", slow)
        yield small.path


def test_progress_is_shown_on_a_terminal_and_cleared(deployment: Path) -> None:
    status, shown, out = on_terminal(deployment, "images", stream="stderr")
    assert status == 0, shown
    assert "\r\x1b[Kimages: 1/3 (33%)" in shown
    assert shown.endswith("\r\x1b[K")
    assert shown.replace("\r\x1b[K", "").replace("images: ", "").strip("0123456789/ ()%") == ""
    assert b"\x1b" not in out
    assert b"passed: 3 image references" in out


def test_no_progress_where_it_is_not_wanted(deployment: Path) -> None:
    status, shown, _ = on_terminal(deployment, "images", "--no-progress", stream="stderr")
    assert (status, shown) == (0, "")
    with start(deployment, "images", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")


def test_short_work_shows_no_progress(scene: Scene) -> None:
    assert on_terminal(scene.path, "commits", "good", stream="stderr")[:2] == (0, "")


@pytest.mark.parametrize(
    ("words", "environment", "coloured"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_on_a_terminal(scene: Scene, words: tuple[str, ...], environment: dict[str, str], coloured: bool) -> None:
    status, shown, err = on_terminal(scene.path, "commits", *words, stream="stdout", env=environment)
    assert (status, err) == (1, b"")
    assert ("\x1b[" in shown) == coloured
    status, shown, out = on_terminal(scene.path, "commits", "nope", *words, stream="stderr", env=environment)
    assert (status, out) == (2, b"")
    assert ("\x1b[" in shown) == coloured
    assert "no revision 'nope'" in shown


def test_a_report_for_a_file_has_no_colours_though_a_terminal_looks_on(scene: Scene, tmp_path: Path) -> None:
    status, shown, _ = on_terminal(scene.path, "commits", "--output", str(tmp_path / "report"), stream="stdout")
    assert (status, shown) == (1, "")
    assert "\x1b" not in (tmp_path / "report").read_text()


@pytest.mark.parametrize(
    ("words", "status"), [(("commits", "-v"), 1), (("commits", "good", "-v"), 3), (("rule",), 3), (("policy", "schema"), 3)]
)
def test_a_reader_that_goes_away(scene: Scene, words: tuple[str, ...], status: int) -> None:
    """What was found wrong stays wrong; that nothing was wrong was not heard by anybody."""
    reader, writer = os.pipe()
    os.close(reader)
    with start(scene.path, *words, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (status, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which this system does not have")
@pytest.mark.parametrize("words", [("commits", "good"), ("rule",), ("--version",), ("policy", "show")])
def test_output_that_cannot_be_written(scene: Scene, words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full, start(scene.path, *words, stdout=full, stderr=subprocess.PIPE) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.decode().startswith("error: cannot write to standard output: No space left on device")


@pytest.mark.parametrize(("words", "status"), [(("commits",), 1), (("commits", "good"), 0), (("commits", "nope"), 2)])
@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_the_caller_closed(scene: Scene, words: tuple[str, ...], status: int, closed: int) -> None:
    pipes = {"stdout": subprocess.PIPE} if closed == 2 else {"stderr": subprocess.PIPE}
    with start(scene.path, *words, preexec_fn=lambda: os.close(closed), **pipes) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert b"internal error" not in (out or b"") + (err or b"")


@pytest.mark.parametrize("words", [("messages", "-"), ("images", "-", "--list")])
def test_standard_input_that_is_closed(scene: Scene, words: tuple[str, ...]) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(scene.path, *words, preexec_fn=lambda: os.close(0), **pipes) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"error: standard input is closed\n  = help: give the ")


def test_an_interrupt_is_130_and_one_line(deployment: Path) -> None:
    import signal

    with start(deployment, "images", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().strip() in ("aborted", "chainverify: interrupted")

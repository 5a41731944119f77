"""Raw objects from one `git cat-file` process, which sees what git sees: packs, alternates, the quarantine.

Requests run ahead of answers (pipelining), but never by more bytes than any pipe holds: writing then never blocks, so
neither side can wait for the other for ever, and no thread is needed.

git gathers its answers, and sends them where it is told to, at the end of each of our writes. git before 2.36 does not know
that command, and what was gathered is lost in a crash: once git has died, it is asked to send each answer at once, so that it
is known over which object it dies.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import IO, Final, NamedTuple, TypeAlias

from chainverify.errors import BudgetExceeded, ObjectMissing, Unavailable
from chainverify.git.repository import Repository

MAX_OBJECT_BYTES: Final = 64 << 20
"""The largest object that is read unless the caller says otherwise."""
MAX_HEADER_LINE: Final = 64 << 10
"""The longest line of an answer; a missing object's line repeats the name that was asked for."""
MAX_DEATHS: Final = 16
"""How often git may die over damaged objects before reading stops."""
_WINDOW: Final = 4096
"""Bytes of requests not answered: POSIX pipes hold at least one page under all limits."""
_BUFFER: Final = 1 << 16
"""Bytes that are read at once: what a pipe holds on Linux unless it is told otherwise."""
_ASK, _SEND = b"contents ", b"flush\n"
_FRAME: Final = len(_ASK) + len(_SEND)
"""The most bytes of a request beside its line."""
_LOW, _HIGH = _WINDOW // 4, _WINDOW * 3 // 4
_SKIP: Final = 1 << 20
_match_header: Final = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) ([0-9]{1,19})\n").fullmatch
_UNUSABLE: Final = re.compile("[\n\r\0]")


class RawObject(NamedTuple):
    """An object as stored: full id, kind (`commit`, `tree`, `blob`, `tag`) and content. The id is git's word, not recomputed."""

    oid: str
    kind: str
    data: bytes


Answer: TypeAlias = RawObject | Unavailable


class ObjectReader:
    """Reads objects of one repository; use it as a context manager. Not to be shared between processes or threads.

    `max_bytes` is the largest object that is read.
    """

    def __init__(self, repo: Repository, max_bytes: int = MAX_OBJECT_BYTES) -> None:
        self.repo = repo
        self.max_bytes = max_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._deaths = 0
        self._gathering = True
        self._asked: deque[tuple[str, bytes, deque[Answer]]] = deque()
        self._ahead = 0

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; the reader starts another one if it is used again."""
        self._asked.clear()
        self._ahead = 0
        self._stop()

    def read(self, name: str) -> RawObject:
        """The object that `name` (an id, or anything git resolves: `main^{tree}`) stands for.

        Raises `ObjectMissing` where there is none or the name is ambiguous, `BudgetExceeded` where it is larger than
        `max_bytes`, and `Unavailable` where git cannot read it.
        """
        for answer in self.stream((name,)):
            if isinstance(answer, Unavailable):
                raise answer
            return answer
        raise Unavailable(f"git gave no answer for {name!r}")

    def read_many(self, names: Iterable[str]) -> Iterator[RawObject]:
        """The objects that `names` stand for, in order, asked for ahead of being read. Raises as `read` does."""
        for answer in self.stream(names):
            if isinstance(answer, Unavailable):
                raise answer
            yield answer

    def stream(self, names: Iterable[str]) -> Iterator[Answer]:
        """As `read_many`, but an object that cannot be had is yielded as the error, in its place, and reading goes on."""
        mine: deque[Answer] = deque()
        waiting = iter(names)
        asked = 0
        ended = False
        while True:
            # in batches, for a write costs more than a name; and never while answers of ours wait, which would pile up
            if not ended and not mine and (self._ahead < _LOW or not asked):
                count, ended = self._gather(waiting, mine)
                asked += count
            if not asked:
                return
            while not mine:
                self._take()
            asked -= 1
            yield mine.popleft()

    def _gather(self, names: Iterator[str], sink: deque[Answer]) -> tuple[int, bool]:
        """Ask for as many of `names` as the window holds, in one write: how many, and whether there are no more."""
        lines: list[bytes] = []
        count = 0
        ended = False
        while self._ahead < _HIGH or not count:
            name = next(names, None)
            if name is None:
                ended = True
                break
            line = name.encode("utf-8", "surrogateescape") + b"\n"
            count += 1
            size = len(line) + _FRAME
            while self._ahead and self._ahead + size > _WINDOW:
                self._send(lines)
                lines = []
                self._take()
            self._asked.append((name, line, sink))
            self._ahead += size
            # an unusable name is answered in its turn, without being asked
            if name and _UNUSABLE.search(name) is None:
                lines.append(line)
        self._send(lines)
        return count, ended

    def _send(self, lines: list[bytes]) -> None:
        if not lines:
            return
        process = self._process or self._start()
        try:
            if process.stdin is not None:
                if self._gathering:
                    lines = [_ASK, _ASK.join(lines), _SEND]
                process.stdin.write(b"".join(lines))
                process.stdin.flush()
        except OSError:
            # it died: the next answer says so, and what was asked is asked again
            return

    def _take(self) -> None:
        """Put the next answer where it belongs."""
        name, line, sink = self._asked.popleft()
        self._ahead -= len(line) + _FRAME
        sink.append(self._answer(name))

    def _answer(self, name: str) -> Answer:
        if not name or _UNUSABLE.search(name):
            return ObjectMissing(f"no object can be named {name[:60]!r}")
        process = self._process
        if process is None or process.stdout is None:
            return self._died(name)
        stdout = process.stdout
        header = stdout.readline(MAX_HEADER_LINE)
        found = _match_header(header)
        if found is None:
            return self._without_object(name, header)
        oid = found[1].decode("ascii")
        size = int(found[3])
        if size > self.max_bytes:
            left = size + 1
            while left and (skipped := len(stdout.read(min(left, _SKIP)))):
                left -= skipped
            if left:
                return self._died(name)
            return BudgetExceeded(f"{found[2].decode()} {oid} has {size} bytes, at most {self.max_bytes} are read")
        data = stdout.read(size + 1)
        if len(data) != size + 1 or data[-1] != 0x0A:
            return self._died(name)
        return RawObject(oid, found[2].decode("ascii"), data[:-1])

    def _without_object(self, name: str, header: bytes) -> Answer:
        """The error for an answer that is not an object; the object where git ended before it had sent it."""
        if header.endswith((b" missing\n", b" submodule\n")):
            return ObjectMissing(
                f"object {name} is not in the repository", hint="fetch the history that is missing, or run git fsck"
            )
        if header.endswith(b" ambiguous\n"):
            return ObjectMissing(f"object name {name} is ambiguous", hint="give more of its digits")
        return self._died(name)

    def _died(self, name: str) -> Answer:
        """The error for an object over which git ended; what else was asked is asked again of a new process.

        Where git gathered its answers it may have been another object: all is asked again, this one too.
        """
        words = self._stop()
        again = [line for other, line, _ in self._asked if other and _UNUSABLE.search(other) is None]
        if self._gathering:
            self._gathering = False
            self._send([name.encode("utf-8", "surrogateescape") + b"\n", *again])
            return self._answer(name)
        self._deaths += 1
        if self._deaths <= MAX_DEATHS:
            self._send(again)
        return Unavailable(f"git could not read object {name}: {words or 'git cat-file ended'}", hint="run git fsck")

    def _start(self) -> subprocess.Popen[bytes]:
        if self._deaths > MAX_DEATHS:
            raise Unavailable(f"git cat-file ended {self._deaths} times", hint="run git fsck")
        # a file, for a pipe that nobody reads would fill and stop git
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _stop
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed argument list
                [*self.repo.command, "cat-file", *(("--batch-command", "--buffer") if self._gathering else ("--batch",))],
                cwd=self.repo.directory,
                env=self.repo.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=_BUFFER,
            )
        except OSError as error:
            self._stderr.close()
            raise Unavailable(
                f"git cannot be run: {error.strerror}", hint="install git 2.31 or newer and put it on PATH"
            ) from error
        return self._process

    def _stop(self) -> str:
        """End the process; the last line it wrote to standard error."""
        process, self._process = self._process, None
        if process is None:
            return ""
        for pipe in (process.stdin, process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                continue
        process.kill()
        process.wait()
        words = ""
        if self._stderr is not None:
            self._stderr.seek(0)
            lines = self._stderr.read(_WINDOW).decode("utf-8", "backslashreplace").strip().split("\n")
            words = lines[-1].removeprefix("fatal: ")[:200]
            self._stderr.close()
            self._stderr = None
        return words

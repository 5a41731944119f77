"""Work on many chunks in worker processes: results in the order of the chunks, bounded memory, a dead worker never a result.

Workers are forked, so what they need (decoded keys, the policy) is theirs already and nothing but chunks and results travels.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkProcess
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
Opener: TypeAlias = Callable[[], AbstractContextManager[Callable[[Chunk], Result]]]

IN_FLIGHT: Final = 2
"""Chunks that one worker has: one at work and one waiting, so that it never idles."""
AHEAD: Final = 16
"""Chunks per worker that may be finished before their turn; beyond it a slow chunk holds the others back."""
MAX_LOST: Final = 16
"""Workers that may die before the rest is given up too: something kills them all."""
STOP_SECONDS: Final = 5.0
"""How long a worker may take to end before it is killed."""


class Lost(NamedTuple):
    """In place of a result: the worker died over the chunk, or its work raised something; `reason` says which."""

    reason: str


class _Worker(Generic[Chunk, Result]):
    """One process, the connection to it, and the numbers of the chunks it has, oldest first."""

    def __init__(self, context: ForkContext, opener: Opener[Chunk, Result]) -> None:
        self.connection, theirs = context.Pipe()
        self.flying: deque[int] = deque()
        self.process: ForkProcess = context.Process(target=_serve, args=(theirs, opener), daemon=True)
        self.process.start()
        theirs.close()

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(STOP_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


def available() -> bool:
    """Whether this system can fork workers."""
    return "fork" in multiprocessing.get_all_start_methods()


def in_order(opener: Opener[Chunk, Result], chunks: Sequence[Chunk], jobs: int) -> Iterator[Result | Lost]:
    """The result of each chunk, in order, made by `jobs` worker processes.

    `opener` is called once in each worker; what its context manager gives is called with each chunk. The workers end with the
    iterator, also when it is left early or by an exception (an interrupt).
    """
    context = multiprocessing.get_context("fork")
    waiting = deque(range(len(chunks)))
    done: dict[int, Result | Lost] = {}
    workers: list[_Worker[Chunk, Result]] = []
    turn = lost = 0
    try:
        workers.extend(_Worker(context, opener) for _ in range(min(jobs, len(chunks))))
        while turn < len(chunks):
            while turn in done:
                yield done.pop(turn)
                turn += 1
            for worker in workers:
                _feed(worker, waiting, chunks, turn + AHEAD * jobs)
            busy = {worker.connection: worker for worker in workers if worker.flying}
            if not busy:
                # only where all workers are lost
                done.update((number, Lost("too many worker processes died")) for number in waiting)
                waiting.clear()
                continue
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]  # wait() gives back what it was given
                try:
                    done[worker.flying[0]] = worker.connection.recv()
                    worker.flying.popleft()
                except (EOFError, OSError):
                    done[worker.flying.popleft()] = Lost("a worker process died")
                    waiting.extendleft(reversed(worker.flying))
                    workers.remove(worker)
                    worker.stop()
                    lost += 1
                    if lost <= MAX_LOST:
                        workers.append(_Worker(context, opener))
    finally:
        for worker in workers:
            worker.stop()


def _feed(worker: _Worker[Chunk, Result], waiting: deque[int], chunks: Sequence[Chunk], before: int) -> None:
    """Give a worker what it may have. One that died meanwhile is found out when its answer is read."""
    while len(worker.flying) < IN_FLIGHT and waiting and waiting[0] < before:
        number = waiting.popleft()
        worker.flying.append(number)
        with contextlib.suppress(OSError):
            worker.connection.send(chunks[number])


def _serve(connection: Connection, opener: Opener[Chunk, Result]) -> None:
    """The life of a worker: chunks in, results out, until the connection ends."""
    # an interrupt on the terminal reaches all processes: the first one decides, and ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # what a chunk makes has no cycles: looking for them costs a tenth of the time
    gc.disable()
    with opener() as work, contextlib.suppress(EOFError, OSError):
        while True:
            chunk = connection.recv()
            try:
                result: Result | Lost = work(chunk)
            except Exception as error:
                result = Lost(f"judging failed with {type(error).__name__}")
            connection.send(result)

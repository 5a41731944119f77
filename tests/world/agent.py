"""SSH agents for tests: the real one with keys in it, and one of our own whose keys are security keys in software.

The protocol is that of draft-ietf-sshm-ssh-agent: ssh-add lists the keys, ssh-keygen asks for signatures, as with any agent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.world.ssh import SshKey

_FAILURE: Final = 5
_REQUEST_IDENTITIES: Final = 11
_IDENTITIES: Final = 12
_SIGN: Final = 13
_SIGNED: Final = 14


class AgentKey(NamedTuple):
    """A key of an agent: its wire form, its comment, and what makes the wire form of a signature over bytes."""

    blob: bytes
    comment: bytes
    sign: Callable[[bytes], bytes]


@contextlib.contextmanager
def real_agent(*keys: SshKey) -> Iterator[Path]:
    """The real ssh-agent with these keys; the path of its socket."""
    with tempfile.TemporaryDirectory(prefix="cv-agent-") as directory:
        path = Path(directory, "socket")
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            if agent.stdout is not None:
                agent.stdout.readline()
            for key in keys:
                environ = {**os.environ, "SSH_AUTH_SOCK": str(path)}
                subprocess.run(["ssh-add", "-q", key.path], check=True, env=environ, timeout=60, stdin=subprocess.DEVNULL)
            yield path
        finally:
            agent.terminate()
            agent.communicate(timeout=60)


@contextlib.contextmanager
def software_agent(keys: Sequence[AgentKey]) -> Iterator[Path]:
    """An agent with these keys; the path of its socket."""
    with tempfile.TemporaryDirectory(prefix="cv-agent-") as directory:
        path = Path(directory, "socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, keys), daemon=True)
        thread.start()
        try:
            yield path
        finally:
            # a thread that waits in accept is not woken by close
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(10)


def _serve(listener: socket.socket, keys: Sequence[AgentKey]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, client.makefile("rwb") as stream:
                while header := stream.read(4):
                    answer = _answer(stream.read(int.from_bytes(header, "big")), keys)
                    stream.write(_string(answer))
                    stream.flush()


def _answer(request: bytes, keys: Sequence[AgentKey]) -> bytes:
    if request[0] == _REQUEST_IDENTITIES:
        listed = b"".join(_string(key.blob) + _string(key.comment) for key in keys)
        return bytes([_IDENTITIES]) + len(keys).to_bytes(4, "big") + listed
    if request[0] == _SIGN:
        size = int.from_bytes(request[1:5], "big")
        blob, rest = request[5 : 5 + size], request[5 + size :]
        data = rest[4 : 4 + int.from_bytes(rest[:4], "big")]
        for key in keys:
            if key.blob == blob:
                return bytes([_SIGNED]) + _string(key.sign(data))
    return bytes([_FAILURE])


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value

"""The SSH keys that a developer has: public files, what the agent offers, certificates, hardware security keys.

Only public files are read. Whether a private key is there is told by its name beside the public one, or by the agent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import ChainverifyError, Malformed, UsageError
from chainverify.formats import sshcert, sshkey, strict64
from chainverify.jobs.crowd import key_line
from chainverify.jobs.signing import programs
from chainverify.model.localkeys import LocalKey

FILES_MAX: Final = 200
"""The most `.pub` files that are looked at."""
FILE_BYTES_MAX: Final = 64 << 10
"""The largest `.pub` file that is read."""
AGENT_SECONDS: Final = 10
"""How long the agent may take to list its keys."""
LITERALS_SINCE: Final = (2, 35)
"""git's first version that takes a key itself for `user.signingkey`; it signs with SSH keys since 2.34."""
SSH_SINCE: Final = (2, 34)

_CERTIFICATE_FILE: Final = "-cert.pub"


class Machine(NamedTuple):
    """What the keys are found with: the user's `home` (None without one), git's version, and the time in seconds since the epoch.

    `program` is what signs in the place of ssh-keygen (`gpg.ssh.program`), empty where nothing does.
    """

    home: Path | None
    git: tuple[int, ...]
    program: str
    now: int


class _Agent(NamedTuple):
    """What the agent has: key lines by the wire form of the key (certificates among them), and why it could not be asked."""

    lines: dict[bytes, str]
    why: str


def find(machine: Machine) -> tuple[LocalKey, ...]:
    """All keys, those in files first; the same key in a file and in the agent is one."""
    agent = _agent()
    broken = _unable(machine)
    found: list[LocalKey] = []
    seen: set[bytes] = set()
    for path in _files(machine.home):
        try:
            line = _first_line(path)
        except (OSError, Malformed):
            continue
        for blob, key in _read(line, path, agent, machine.now):
            seen.add(blob)
            found.append(key)
    for blob, held in agent.lines.items():
        if blob not in seen:
            found += [key for _, key in _read(held.encode(), None, agent, machine.now)]
    literal = machine.git[:2] >= LITERALS_SINCE
    if broken:
        found = [key if key.problem else key._replace(problem=broken[0], remedy=broken[1]) for key in found]
    return tuple(key if literal or not key.value.startswith("key::") else _too_old_for_literals(key) for key in found)


def at(path: Path, machine: Machine) -> LocalKey:
    """The key that a path names: its public file, its private one (which is not read), or a certificate. Raises `UsageError`."""
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    try:
        line = _first_line(public)
    except OSError as error:
        hint = "name a .pub file; of a private key ssh-keygen -y -f FILE > FILE.pub makes one"
        raise UsageError(f"cannot read {public}: {error.strerror}", hint=hint) from error
    except Malformed as error:
        raise UsageError(f"{public}: {error.message}", hint=error.hint) from error
    agent = _agent()
    broken = _unable(machine)
    for _, key in _read(line, public.absolute(), agent, machine.now):
        return key if key.problem or not broken else key._replace(problem=broken[0], remedy=broken[1])
    raise UsageError(f"{public} holds no SSH key", hint=sshkey.LINE)


def literal(value: str, machine: Machine) -> LocalKey | None:
    """The key that `user.signingkey` holds itself (`key::ssh-ed25519 AAAA...`, or without `key::`), None where it is none."""
    line = value.removeprefix("key::")
    return next((key for _, key in _read(line.encode("utf-8", "replace"), None, _agent(), machine.now)), None)


def _files(home: Path | None) -> Iterator[Path]:
    if home is None:
        return
    try:
        names = sorted(entry.name for entry in os.scandir(home / ".ssh") if entry.name.endswith(".pub"))
    except OSError:
        return
    yield from (home / ".ssh" / name for name in names[:FILES_MAX])


def _first_line(path: Path) -> bytes:
    """The key line of a `.pub` file. Raises `OSError` and `Malformed`."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX or b"PRIVATE KEY-----" in data:
        raise Malformed("expected a public key line", rule="signature-bad", hint="name the .pub file")
    return next((line.strip() for line in data.split(b"\n") if line.strip() and not line.lstrip().startswith(b"#")), b"")


def _read(line: bytes, path: Path | None, agent: _Agent, now: int) -> Iterator[tuple[bytes, LocalKey]]:
    """The key of a line with its wire form; nothing for a line of something else."""
    words = line.split(None, 2)
    if len(words) < 2:
        return
    kind = words[0].decode("ascii", "backslashreplace")
    try:
        if sshkey.CERTIFICATE in kind:
            blob = strict64.decode(words[1], "SSH certificate")
            yield blob, _certificate(sshcert.parse(blob), blob, path, agent, now)
            return
        key, comment = sshkey.parse_line(line)
    except sshkey.UnsupportedKey as error:
        place = str(path) if path else "the agent"
        yield line, LocalKey("ssh", "key", "", "", place, kind, problem=error.message, remedy=error.hint)
        return
    except ChainverifyError:
        return
    found = LocalKey(
        "ssh", "key", key.fingerprint, _value(path, line), str(path) if path else "the agent",
        key.kind + (f" {key.modulus.bit_length()}" if key.modulus else ""), comment, marks=(key.fingerprint,),
        public=" ".join((key_line(key), *(word for word in (_plain(comment),) if word))),
        touch=key.kind in sshkey.SECURITY_KEYS, file=str(path) if path else "",
    )  # fmt: skip
    yield key.blob, _with_secret(found, path, key.blob in agent.lines, agent)


def _certificate(found: sshcert.SshCertificate, blob: bytes, path: Path | None, agent: _Agent, now: int) -> LocalKey:
    """An SSH certificate: the certified key may sign, and whose it is the authority says."""
    until = None if found.valid_before == sshcert.FOREVER else found.valid_before
    names = ", ".join(name.decode("utf-8", "backslashreplace") for name in found.principals)
    key = LocalKey(
        "ssh", "certificate", found.key.fingerprint, str(path) if path else f"key::{sshkey.line_of(found.kind, blob)}",
        str(path) if path else "the agent", f"{found.key.kind} certificate", names, found.valid_after or None, until,
        marks=(found.authority.fingerprint,), public=key_line(found.authority), touch=found.key.kind in sshkey.SECURITY_KEYS,
        file=str(path) if path else "",
    )  # fmt: skip
    if found.role != sshcert.USER:
        return key._replace(problem="it is a certificate for a host", remedy="ask your authority for one for users")
    if until is not None and until <= now:
        return key._replace(problem="the certificate has expired", remedy="get a new one from your authority")
    if found.valid_after > now:
        return key._replace(problem="the certificate is not valid yet", remedy="wait, or look at the computer's clock")
    return _with_secret(key, path, blob in agent.lines or found.key.blob in agent.lines, agent)


def _with_secret(key: LocalKey, path: Path | None, held: bool, agent: _Agent) -> LocalKey:
    """A key with the reason why it cannot sign where its private half is nowhere."""
    if held:
        return key
    suffix = _CERTIFICATE_FILE if path is not None and path.name.endswith(_CERTIFICATE_FILE) else ".pub"
    if path is not None and path.with_name(path.name.removesuffix(suffix)).is_file():
        return key
    why = f" ({agent.why})" if agent.why else ""
    return key._replace(
        problem=f"its private key is neither beside it nor in the agent{why}", remedy="ssh-add FILE puts it into the agent"
    )


def _value(path: Path | None, line: bytes) -> str:
    """What `user.signingkey` gets: the public file, or the key itself without its comment."""
    return str(path) if path is not None else f"key::{b' '.join(line.split()[:2]).decode('ascii', 'replace')}"


def _plain(comment: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in comment)[:200]


def _agent() -> _Agent:
    """What `ssh-add -L` prints."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return _Agent({}, "no agent runs")
    try:
        done = programs.run(["ssh-add", "-L"], AGENT_SECONDS)
    except ChainverifyError as error:
        return _Agent({}, error.message)
    lines: dict[bytes, str] = {}
    # 1: it has no keys; 2: it cannot be asked
    for line in done.out.decode("utf-8", "backslashreplace").split("\n") if done.status == 0 else ():
        words = line.split()
        if len(words) > 1:
            try:
                lines[strict64.decode(words[1].encode(), "SSH key")] = line.strip()
            except (ChainverifyError, UnicodeEncodeError):
                continue
    return _Agent(lines, "the agent does not answer" if done.status not in {0, 1} else "")


def _unable(machine: Machine) -> tuple[str, str] | None:
    """Why nothing can be signed with any SSH key here, and what to do."""
    if machine.git and machine.git[:2] < SSH_SINCE:
        return f"git {'.'.join(map(str, machine.git))} does not sign with SSH keys", "install git 2.34 or newer"
    if machine.program:
        return None
    if shutil.which("ssh-keygen") is None:
        return "the program ssh-keygen was not found", "install OpenSSH 8.2 or newer"
    try:
        done = programs.run(["ssh-keygen", "-Y", "sign"], AGENT_SECONDS)
    except ChainverifyError as error:
        return error.message, "ssh-keygen signs in git's place: make it run"
    if b"option -- Y" in done.err or b"option -Y" in done.err:
        return "this ssh-keygen is too old to sign (it has no option -Y)", "install OpenSSH 8.2 or newer"
    return None


def _too_old_for_literals(key: LocalKey) -> LocalKey:
    if key.problem:
        return key
    return key._replace(
        problem="it is in the agent alone, and this git takes only keys in files",
        remedy="write it to a file: ssh-add -L > ~/.ssh/NAME.pub, or install git 2.35 or newer",
    )

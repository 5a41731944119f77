"""The time per commit of `chainverify commits` against `git log --format=%G?`, and against the bare cryptography, in one run.

    python -m tests.bench.history [--commits 30000] [--sample 300] [--only ssh]

A history of signed commits is made in process, so that making it takes seconds. git is timed on the newest `--sample` commits,
since its time per commit does not depend on their number; chainverify on all of them, as a new process of the command that people
run, start-up, reading, the walk and the report included. The bare check is the fastest library's own, in a loop in this process.

Then a first run is timed against a repeated one with `--cache`, each in turn.

Exit status 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nacl.bindings
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.world.bulk import EMAIL, NAME, Signer, make, openpgp_signer, rsa_signer, ssh_signer
from tests.world.repository import Repository

PER_CORE = 2.5
"""How many times the bare check one core may take for everything."""
MEMORY = 400
"""Megabytes that all processes of a run may hold together."""
REPEATED = {"ssh": (100_000, 5), "openpgp": (100_000, 5)}
"""Commits of a history that is verified again with the cache, and how many times faster that must be: of a
shorter one a larger part is the start of the program, which no cache shortens."""
ROUNDS = 5
"""Each command is timed so often, and the best counts: other work on the machine only ever adds."""


class Kind(NamedTuple):
    """A signature format: who signs, how many times faster than git we must be, and the bare check."""

    signer: Callable[[], Signer]
    goal: int
    bare: Callable[[], Callable[[], object]]


def ed25519_check() -> Callable[[], object]:
    """libsodium through PyNaCl over a digest, as both formats sign one."""
    public, secret = nacl.bindings.crypto_sign_keypair()
    signed = nacl.bindings.crypto_sign(b"m" * 100, secret)
    return lambda: nacl.bindings.crypto_sign_open(signed, public)


def rsa_check() -> Callable[[], object]:
    """OpenSSL through `cryptography`."""
    key = rsa.generate_private_key(65537, 4096)
    public, message = key.public_key(), b"m" * 700
    value = key.sign(message, padding.PKCS1v15(), hashes.SHA512())
    return lambda: public.verify(value, message, padding.PKCS1v15(), hashes.SHA512())


KINDS = {
    "ssh": Kind(ssh_signer, 100, ed25519_check),
    "openpgp": Kind(openpgp_signer, 60, ed25519_check),
    "rsa4096": Kind(rsa_signer, 50, rsa_check),
}


def bare_seconds(work: Callable[[], object], count: int = 2000) -> float:
    """Seconds per check."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            work()
        best = min(best, time.perf_counter() - start)
    return best / count


def git_seconds(repo: Repository, signer: Signer, scratch: Path, sample: int) -> float:
    """Seconds per commit of `git log --format=%G?`, which must call all of them good."""
    env: dict[str, str] = {}
    config: list[str] = []
    if signer.form == "ssh":
        allowed = scratch / "allowed_signers"
        allowed.write_bytes(EMAIL.encode() + b" " + signer.public + b"\n")
        config = ["-c", f"gpg.ssh.allowedSignersFile={allowed}"]
    else:
        home = scratch / "gnupg"
        home.mkdir(mode=0o700, exist_ok=True)
        env["GNUPGHOME"] = str(home)
        for verb, given in (("--import", signer.public), ("--import-ownertrust", f"{signer.fingerprint}:6:\n".encode())):
            subprocess.run(
                ["gpg", "--batch", "-q", verb], input=given, env={**os.environ, **env}, check=True, capture_output=True
            )
    repo.run(*config, "log", "-3", "--format=%G?", env=env)
    start = time.perf_counter()
    said = repo.run(*config, "log", f"-{sample}", "--format=%G?", env=env).stdout.split()
    spent = time.perf_counter() - start
    if set(said) != {b"G"}:
        raise SystemExit(f"git calls {set(said)}, expected G only")
    return spent / sample


class Run(NamedTuple):
    """A finished command: seconds, and the most memory that all its processes held together, in megabytes."""

    seconds: float
    memory: float


def run(command: list[str], count: int, **environment: str) -> Run:
    """Time one run of chainverify, which must have found all `count` commits good."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    watch = Memory(process.pid)
    said, told = process.communicate()
    seconds = time.perf_counter() - start
    memory = watch.end()
    if process.returncode or f"{count} commits checked: {count} good" not in said:
        raise SystemExit(f"chainverify says {said[-400:]!r} {told[-400:]!r}, expected all {count} commits to be good")
    return Run(seconds, memory)


class Memory:
    """Looks at what a process and its children hold, ten times a second: the sum of their proportional set sizes (Linux)."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> float:
        self._over.set()
        self._thread.join()
        return self.most / 1024

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, sum(_kilobytes(pid) for pid in _family(self._pid)))


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in _family(int(child)))]


def _kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def command_for(repo: Repository, signer: Signer, scratch: Path, jobs: int) -> list[str]:
    keys = f'ssh = ["{signer.public.decode()}"]' if signer.form == "ssh" else 'openpgp = ["alice.asc"]'
    (scratch / "alice.asc").write_bytes(signer.public)
    policy = scratch / "policy.toml"
    policy.write_text(
        f'version = 1\n[commits]\n[tags]\nrequire = "off"\n[[signers]]\nname = "{NAME}"\nemails = ["{EMAIL}"]\n{keys}\n'
    )
    start = [sys.executable, "-m", "chainverify", "commits", "-C", str(repo.path), "--policy", str(policy)]
    return [*start, "--jobs", str(jobs), "--no-progress"]


def compare(name: str, kind: Kind, commits: int, sample: int) -> bool:
    """Print the figures of one format; whether its goals are met."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        signer = kind.signer()
        repo = make(scratch / "repo", signer, commits)
        bare = kind.bare()
        # git before and after, for other work on the machine disturbs both
        git = git_seconds(repo, signer, scratch, sample)
        runs = {jobs: [run(command_for(repo, signer, scratch, jobs), commits) for _ in range(ROUNDS)] for jobs in (1, 2)}
        git = min(git, git_seconds(repo, signer, scratch, sample))
        check = bare_seconds(bare)
    one, two = (min(each.seconds for each in runs[jobs]) / commits for jobs in (1, 2))
    memory = max(each.memory for each in runs[2])
    times, per_core = git / two, one / check
    print(
        f"{name:8} git {git * 1e6:8.0f} us/commit   two cores {two * 1e6:6.1f} ({times:4.0f} times faster, goal {kind.goal})   "
        f"one core {one * 1e6:6.1f}, bare check {check * 1e6:5.1f} ({per_core:.2f} times, goal {PER_CORE})   "
        f"{memory:.0f} MB (goal {MEMORY})   {commits} commits",
        flush=True,
    )
    return times >= kind.goal and per_core <= PER_CORE and memory <= MEMORY


def repeat(name: str, kind: Kind, commits: int, goal: int) -> bool:
    """Print the figures of a first run and of repeated ones with the cache; whether the goal is met."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        signer = kind.signer()
        repo = make(scratch / "repo", signer, commits)
        places = {"XDG_CACHE_HOME": str(scratch / "cache"), "XDG_STATE_HOME": str(scratch / "state")}
        command = command_for(repo, signer, scratch, 2)
        filling = run([*command, "--cache"], commits, **places)
        pairs = [(run(command, commits), run([*command, "--cache"], commits, **places)) for _ in range(ROUNDS)]
    first, again = (min(each.seconds for each in runs) for runs in zip(*pairs, strict=True))
    memory = max(each.memory for each in (filling, *(both[1] for both in pairs)))
    print(
        f"{name:8} first run {first:.2f} s, filling the cache {filling.seconds:.2f} s, repeated {again:.2f} s "
        f"({first / again:.1f} times faster, goal {goal})   {memory:.0f} MB (goal {MEMORY})   {commits} commits",
        flush=True,
    )
    return first / again >= goal and memory <= MEMORY


def main(arguments: list[str]) -> int:
    """Print the figures; exit status 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--commits", type=int, default=30_000)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--repeated", action="store_true", help="time the cache only")
    parser.add_argument("--only", choices=tuple(KINDS), action="append")
    options = parser.parse_args(arguments)
    names = options.only or tuple(KINDS)
    met = [] if options.repeated else [compare(name, KINDS[name], options.commits, options.sample) for name in names]
    met += [repeat(name, KINDS[name], *REPEATED[name]) for name in names if name in REPEATED]
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

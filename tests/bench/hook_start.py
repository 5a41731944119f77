"""Start-up of the commit-msg hook against `python -I -c pass` of the same interpreter, interleaved in one run.

    python -m tests.bench.hook_start [ROUNDS]

Printed are milliseconds (median and minimum) and the ratio to the bare interpreter; the target is at most 2.8. The policy has 20
signers. `cold` has no cache, as in the first commit after a change of the policy; the cache is removed before each round.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chainverify.git.repository import Repository as Opened
from chainverify.jobs import install
from chainverify.policy import cache
from tests.world.repository import Repository
from tests.world.ssh import SshKey

SIGNERS = 20
TARGET = 2.8
MESSAGE = "JIRA-123: say what the change does\n\nWhy it is done, in a line or two\nof a body.\n"


def policy(root: Path) -> str:
    """A policy with 20 signers, one key each, and the usual rules about messages."""
    lines = ["version = 1", "", "[commits]", "", "[messages]"]
    lines += ['tickets = ["JIRA", "FEATURE"]', "subject-max = 72", "body-line-max = 100"]
    for number in range(SIGNERS):
        key = SshKey.create(root / "keys", f"person{number}")
        lines += [
            "", "[[signers]]", f'name = "Person {number}"', f'emails = ["person{number}@example.org"]', 'roles = ["developer"]',
            f'ssh = ["{" ".join(key.public.split()[:2])}"]', "valid-after = 2025-01-01",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def milliseconds(command: list[str], directory: Path, environment: dict[str, str]) -> float:
    """Wall time of one run, which must succeed."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    spent = (time.perf_counter() - start) * 1000
    if done.returncode:
        raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return spent


def measure(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every case, the cases taking turns."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        repo = Repository.create(root / "repo")
        (repo.path / ".chainverify").mkdir()
        (repo.path / ".chainverify" / "policy.toml").write_text(policy(root))
        (repo.git_dir / "COMMIT_EDITMSG").write_text(MESSAGE)
        (hook,) = install.install(Opened.discover(repo.path), ("commit-msg",))
        kept = repo.git_dir / cache.FILE
        environment = {**os.environ, "GIT_EDITOR": ":", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        call = [str(hook.path), ".git/COMMIT_EDITMSG"]
        bare = [sys.executable, "-I", "-c", "pass"]
        times: dict[str, list[float]] = {"python -I -c pass": [], "commit-msg, warm": [], "commit-msg, cold": []}
        for turn in range(rounds + 1):
            kept.unlink(missing_ok=True)
            cold = milliseconds(call, repo.path, environment)
            warm = milliseconds(call, repo.path, environment)
            base = milliseconds(bare, repo.path, environment)
            if turn:  # the first turn warms the disk and the byte code
                for case, value in zip(times, (base, warm, cold), strict=True):
                    times[case].append(value)
            if not kept.is_file():
                raise RuntimeError("the hook wrote no cache")
        return times


def main() -> int:
    """Print the table; exit 1 where a median is above the target."""
    times = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
    base = times["python -I -c pass"]
    print(f"{'case':20} {'median ms':>10} {'min ms':>8} {'ratio':>7} {'of min':>7}")
    worst = 0.0
    for case, values in times.items():
        ratio = statistics.median(values) / statistics.median(base)
        worst = max(worst, ratio)
        print(f"{case:20} {statistics.median(values):10.1f} {min(values):8.1f} {ratio:7.2f} {min(values) / min(base):7.2f}")
    print(f"target: at most {TARGET}: {'held' if worst <= TARGET else 'MISSED'}")
    return worst > TARGET


if __name__ == "__main__":
    sys.exit(main())

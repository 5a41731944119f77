"""Start-up of the local hooks against `python -I -c pass` of the same interpreter, interleaved in one run.

    python -m tests.bench.hook_start [ROUNDS]

Printed are milliseconds (median and minimum) and the ratio to the bare interpreter; the target of commit-msg is at most 2.8, and
of the other hooks where nothing is wrong and nothing that they are about is staged or pushed. The policy has 20 signers. `cold`
has no cache, as in the first commit after a change of the policy; the cache is removed before each round. `a manifest` and
`a commit` are what the hooks that judge files and pushes take for one; they have no target, and read keys and manifests.
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
from tests.hook.clone import write_hooks
from tests.world.repository import Person, Repository
from tests.world.ssh import SshKey

SIGNERS = 20
TARGET = 2.8
PERSON = Person("Person 0", "person0@example.org")
UNBOUND = {"pre-commit, a manifest", "pre-push, a commit"}
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


def milliseconds(command: list[str], directory: Path, environment: dict[str, str], text: str = "") -> float:
    """Wall time of one run, which must succeed."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=directory, env=environment, input=text.encode(), capture_output=True, check=False)
    spent = (time.perf_counter() - start) * 1000
    if done.returncode:
        raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return spent


def others(root: Path, text: str) -> dict[str, tuple[list[str], Path, str]]:
    """The other hooks: command, directory and standard input; in a repository with a staged manifest, and in one without."""
    found: dict[str, tuple[list[str], Path, str]] = {}
    images = '[images]\n[[images.trust]]\nmatch = "docker.io/**"\nunsafe-unsigned = "a test"\n'
    for staged in (False, True):
        repo = Repository.create(root / f"other{staged}", branch="JIRA-7-x")
        write_hooks(repo.git_dir / "hooks")
        repo.commit("JIRA-1: start", {".chainverify/policy.toml": text + images})
        repo.configure(remote__origin__url="nowhere", remote__origin__fetch="+refs/heads/*:refs/remotes/origin/*")
        key = SshKey.of(root / "keys" / "person0")
        repo.configure(gpg__format="ssh", user__signingkey=str(key.path), user__email=PERSON.email, commit__gpgsign="true")
        repo.update("refs/remotes/origin/main", repo.tip() or "")
        repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
        files = {f"file{number}.txt": "1" for number in range(200)}
        old, new = repo.tip(), repo.commit("JIRA-2: more", files, key=key, author=PERSON)
        (repo.path / "a.txt").write_text("1")
        repo.git("add", "a.txt")
        (repo.git_dir / "COMMIT_EDITMSG").write_text(MESSAGE)
        hooks = repo.git_dir / "hooks"
        if not staged:
            found["prepare-commit-msg"] = ([str(hooks / "prepare-commit-msg"), ".git/COMMIT_EDITMSG", "message"], repo.path, "")
            found["applypatch-msg"] = ([str(hooks / "applypatch-msg"), ".git/COMMIT_EDITMSG"], repo.path, "")
            found["pre-commit"] = ([str(hooks / "pre-commit")], repo.path, "")
            found["pre-push, nothing"] = ([str(hooks / "pre-push"), "origin", "nowhere"], repo.path, "")
            push = f"refs/heads/main {new} refs/heads/main {old}\n"
            found["pre-push, a commit"] = ([str(hooks / "pre-push"), "origin", "nowhere"], repo.path, push)
        else:
            (repo.path / "x.yaml").write_text(f"kind: Pod\nspec: {{containers: [{{image: 'nginx@sha256:{'a' * 64}'}}]}}\n")
            repo.git("add", "x.yaml")
            found["pre-commit, a manifest"] = ([str(hooks / "pre-commit")], repo.path, "")
    return found


def measure(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every case, the cases taking turns."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        repo = Repository.create(root / "repo")
        (repo.path / ".chainverify").mkdir()
        asked = policy(root)
        (repo.path / ".chainverify" / "policy.toml").write_text(asked)
        (repo.git_dir / "COMMIT_EDITMSG").write_text(MESSAGE)
        (hook,) = install.install(Opened.discover(repo.path), ("commit-msg",))
        kept = repo.git_dir / cache.FILE
        environment = {**os.environ, "GIT_EDITOR": ":", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        call = [str(hook.path), ".git/COMMIT_EDITMSG"]
        bare = [sys.executable, "-I", "-c", "pass"]
        times: dict[str, list[float]] = {"python -I -c pass": [], "commit-msg, warm": [], "commit-msg, cold": []}
        more = others(root, asked)
        times |= {case: [] for case in more}
        for turn in range(rounds + 1):
            kept.unlink(missing_ok=True)
            cold = milliseconds(call, repo.path, environment)
            warm = milliseconds(call, repo.path, environment)
            base = milliseconds(bare, repo.path, environment)
            if turn:  # the first turn warms the disk and the byte code
                for case, value in zip(tuple(times)[:3], (base, warm, cold), strict=True):
                    times[case].append(value)
            for case, (command, directory, text) in more.items():
                value = milliseconds(command, directory, environment, text)
                if turn:
                    times[case].append(value)
            if not kept.is_file():
                raise RuntimeError("the hook wrote no cache")
        return times


def main() -> int:
    """Print the table; exit 1 where a median is above the target."""
    times = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
    base = times["python -I -c pass"]
    print(f"{'case':24} {'median ms':>10} {'min ms':>8} {'ratio':>7} {'of min':>7}")
    worst = 0.0
    for case, values in times.items():
        ratio = statistics.median(values) / statistics.median(base)
        worst = max(worst, 0.0 if case in UNBOUND else ratio)
        print(f"{case:24} {statistics.median(values):10.1f} {min(values):8.1f} {ratio:7.2f} {min(values) / min(base):7.2f}")
    print(f"target: at most {TARGET}: {'held' if worst <= TARGET else 'MISSED'}")
    return worst > TARGET


if __name__ == "__main__":
    sys.exit(main())

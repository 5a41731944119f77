"""Messages judged in a range, per second, beside what the reading of the commits alone takes; the target is 5,000.

    python -m tests.bench.messages [REPOSITORY] [--rounds N]

Without a repository one is made, with COUNT commits whose messages have a body and trailers. `chainverify messages` is run as a
user would, its start included, under a policy that asks for tickets and lengths, and under one that asks for everything.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT = 20_000
TARGET = 5_000
USUAL = 'version = 1\n[messages]\ntickets = ["JIRA"]\nsubject-max = 72\nbody-line-max = 100\n'
EVERYTHING = f"""{USUAL}tickets-max = 3
conventional = true
sign-off = "committer"
trailers = {{ Reviewed-by = {{ min = 1, value = "[^<]+ <[^>]+@example.org>" }}, Change-Id = {{ max = 1 }} }}
[[signers]]
name = "Alice"
emails = ["alice@example.org", "alice@work.example"]
"""
BODY = "Why it is done, in a line or two\nof a body that says so.\n\n" * 2
TRAILERS = "Reviewed-by: Bob Example <bob@example.org>\nSigned-off-by: Alice Example <alice@example.org>\n"


def made(path: Path) -> None:
    """A bare repository with COUNT commits."""
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    stream = []
    for number in range(COUNT):
        message = f"JIRA-{number}: feat(api): say what change {number} does\n\n{BODY}{TRAILERS}".encode()
        start = f"commit refs/heads/main\ncommitter Alice Example <alice@example.org> {1_750_000_000 + number} +0000\n"
        stream.append(f"{start}data {len(message)}\n".encode() + message + b"\n")
    subprocess.run(["git", "-C", str(path), "fast-import", "--quiet"], input=b"".join(stream), check=True)
    subprocess.run(["git", "-C", str(path), "symbolic-ref", "HEAD", "refs/heads/main"], check=True)


def seconds(command: list[str], statuses: tuple[int, ...]) -> float:
    """Wall time of one run, which must end with one of the statuses."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in statuses:
        raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return time.perf_counter() - start


def main() -> int:
    """Print the table; exit 1 where fewer than TARGET messages are judged in a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("repository", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    worst = float("inf")
    with tempfile.TemporaryDirectory() as name:
        repository = arguments.repository or Path(name) / "repo"
        if arguments.repository is None:
            made(repository)
        counting = ["git", "-C", str(repository), "rev-list", "--count", "HEAD"]
        count = int(subprocess.run(counting, capture_output=True, check=True).stdout)
        for case, policy in (("tickets and lengths", USUAL), ("everything", EVERYTHING)):
            file = Path(name) / "policy.toml"
            file.write_text(policy)
            command = [sys.executable, "-m", "chainverify", "messages", "-C", str(repository), "--policy", str(file)]
            command += ["-q", "HEAD"]
            statuses = (0,) if arguments.repository is None else (0, 1)
            spent = statistics.median(seconds(command, statuses) for _ in range(arguments.rounds))
            worst = min(worst, count / spent)
            print(f"{case:20} {count:7} messages {spent:7.2f} s {count / spent:9.0f} a second", flush=True)
    print(f"target: at least {TARGET} a second: {'held' if worst >= TARGET else 'MISSED'}")
    return worst < TARGET


if __name__ == "__main__":
    sys.exit(main())

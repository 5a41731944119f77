"""Our subjects and trailers beside git's own, commit by commit, over any repositories.

    python -m tests.differential.messages REPOSITORY... [--git GIT] [--show N]

For each commit that any ref of a repository leads to, three things must be the same: the subject (`%s`), the block of trailers
(`%(trailers)`), and the trailers themselves (`%(trailers:only,unfold)`). The first N differences are shown; the exit status is 1
where there is one. Repositories are only read.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from chainverify.formats import message as text_of
from chainverify.formats import trailers
from chainverify.git.objects import ObjectReader, RawObject
from chainverify.git.repository import Repository

FORMAT = "%H%x00%s%x00%(trailers)%x00%(trailers:only,unfold)%x00"
SETTINGS = (
    "-c", "core.commentChar=#", "-c", "i18n.logOutputEncoding=UTF-8", "-c", "trailer.separators=:",
    "-c", "log.showSignature=false",
)  # fmt: skip


class Reading(NamedTuple):
    """What is read out of one message."""

    subject: str
    block: str
    trailers: str


class Difference(NamedTuple):
    """A commit that we read otherwise than git."""

    oid: str
    ours: Reading
    gits: Reading


def ours(raw: bytes) -> Reading:
    """Our reading of a commit as it is stored; its header is not judged here."""
    head, _, message = raw.partition(b"\n\n")
    fields = head.split(b"\n")
    encoding = next((line[9:].decode("latin-1") for line in fields if line.startswith(b"encoding ")), None)
    text, _ = text_of.decode(message, encoding)
    start, end = trailers.block(text)
    found = "".join(f"{each.key}: {each.value}\n" for each in trailers.trailers(text))
    # of a subject of any length only so much is read as is judged
    return Reading(text_of.subject(text)[: text_of.SUBJECT_MAX], text[start:end], found)


def gits(repo: Path, git: str = "git", revision: str = "--all") -> Iterator[tuple[str, Reading]]:
    """git's reading of the commits that `revision` leads to, by id."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = [git, *SETTINGS, "log", revision, f"--format={FORMAT}"]
    with subprocess.Popen(
        command, cwd=repo, stdout=subprocess.PIPE,
        env={**clean, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_NO_REPLACE_OBJECTS": "1"},
    ) as process:
        assert process.stdout is not None
        rest = b""
        while chunk := process.stdout.read(1 << 20):
            values = (rest + chunk).split(b"\0")
            whole = (len(values) - 1) // 4 * 4
            for at in range(0, whole, 4):
                oid, subject, block, found = (value.decode("utf-8", "replace") for value in values[at : at + 4])
                yield oid.strip(), Reading(subject[: text_of.SUBJECT_MAX], block, found)
            rest = b"\0".join(values[whole:])
    if process.returncode or rest.strip():
        raise RuntimeError(f"git log failed with {process.returncode}, {rest[:100]!r} is left")


def compare(path: Path, git: str = "git", revision: str = "--all") -> tuple[int, int, list[Difference]]:
    """How many commits were compared, how many of them have trailers, and those that differ."""
    count = trailed = 0
    found: list[Difference] = []
    wanted: dict[str, Reading] = dict(gits(path, git, revision))
    with ObjectReader(Repository.discover(path)) as reader:
        for (oid, reading), answer in zip(wanted.items(), reader.stream(wanted), strict=True):
            if not isinstance(answer, RawObject):
                raise answer
            count += 1
            trailed += bool(reading.trailers)
            mine = ours(answer.data)
            if mine != reading:
                found.append(Difference(oid, mine, reading))
    return count, trailed, found


def main() -> int:
    """Compare and print one line per repository."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("repositories", type=Path, nargs="+")
    parser.add_argument("--git", default="git", help="the git to compare with")
    parser.add_argument("--show", type=int, default=10, metavar="N", help="differences to show")
    arguments = parser.parse_args()
    total = different = 0
    print(subprocess.run([arguments.git, "--version"], capture_output=True, text=True, check=True).stdout.strip())
    for path in arguments.repositories:
        start = time.perf_counter()
        count, trailed, found = compare(path, arguments.git)
        spent = time.perf_counter() - start
        print(f"{count:7} commits, {trailed:6} with trailers, {len(found)} differences, {spent:5.1f} s: {path}", flush=True)
        for each in found[: arguments.show]:
            for name, mine, theirs in zip(Reading._fields, each.ours, each.gits, strict=True):
                if mine != theirs:
                    print(f"  {each.oid} {name}\n    ours {mine[-200:]!a}\n    git  {theirs[-200:]!a}")
        total += count
        different += len(found)
    print(f"{total:7} commits, {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())

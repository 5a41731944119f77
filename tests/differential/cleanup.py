"""The text that our commit-msg hook expects git to store, beside what git stored, over generated commits.

    python -m tests.differential.cleanup [--commits 10000] [--git PROGRAM] [--seed 1] [--jobs 2] [--unseen]

Each commit has a message of its own (comments, scissors, diffs, blanks, carriage returns, lines that look like options) and its
own way to be made: cleanup mode by configuration or on the command line, comment character or string, `-v`, an editor that keeps
git's help, drops it or writes above it, `-m`, `-F`, `-t`, `--amend`, `--trailer`. The hook is git's own call of a small script
that asks `hook.cleanup.readings` with what the real hook knows.

Where the hook returned one reading it must be the stored message. Where it returned several, for want of knowing, the stored one
must be among them. Exit status 1 where either does not hold; the first cases of it are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from tests.world.repository import Repository

HOOK: Final = """\
import json, os, sys
sys.path[:0] = {path!r}
from chainverify.formats import message
from chainverify.hook import cleanup
from chainverify.hook.local import Git
config = cleanup.parse_config(Git(["config", "-z", "--get-regexp", cleanup.CONFIG]).result()[1])
with open(sys.argv[1], "rb") as file:
    text, _ = message.decode(file.read(), dict(config).get("i18n.commitencoding"))
closed = os.environ.get("GIT_EDITOR") == ":"
command = cleanup.git_command() if {seen!r} else None
arguments, environment = command if command else (None, {{}})
found = cleanup.readings(
    text, config, editor=not closed, arguments=arguments, unsure=closed and environment.get("GIT_EDITOR") == ":"
)
with open({out!r}, "w") as file:
    json.dump([text, found], file)
"""
COMMENTS: Final = ("#", ";", "%", "//", "auto", "x")
LINES: Final = (
    "", "", " ", "\t", "subject", "JIRA-1: text", "# a comment", "#no space", " # indented", "; other comment", "% percent",
    "//slashes", "x at the start", "trailing blanks  \t", "\r", "line\r", "Signed-off-by: A <a@example.org>",
    "(cherry picked from commit 1)", "--cleanup=verbatim", "diff --git a/a b/a", "@@ -1 +1 @@", "-m", "caf\u00e9", "\u3000",
    "# ------------------------ >8 --------", "------------------------ >8 ------------------------", "'#'",
    "# Lines starting with '#' will be ignored",
)  # fmt: skip
SCISSORS: Final = " ------------------------ >8 ------------------------"
MODES: Final = ("default", "strip", "whitespace", "verbatim", "scissors")
SHOWN: Final = 5
"""Cases that are printed where something is wrong."""


class Case(NamedTuple):
    """One commit: configuration, arguments of `git commit`, what an editor does with the file (None: none runs), and the text."""

    config: tuple[str, ...]
    arguments: tuple[str, ...]
    edit: str | None
    text: str


class Result(NamedTuple):
    """What happened to a case: the message that git `stored`, None where it made no commit, and the hook's `readings`."""

    stored: str | None
    readings: list[str]


def case(draw: random.Random, *, strings: bool) -> Case:
    """A way to commit; `strings` says that git knows `core.commentString`."""
    config: list[str] = []
    comment = "#"
    if draw.random() < 0.4:
        comment = draw.choice(COMMENTS if strings else [each for each in COMMENTS if len(each) != 2])
        by_string = strings and comment != "auto" and (len(comment) > 1 or draw.random() < 0.5)
        config.append(f"core.{'commentString' if by_string else 'commentChar'}={comment}")
    if draw.random() < 0.4:
        config.append(f"commit.cleanup={draw.choice(MODES)}")
    if draw.random() < 0.2:
        config.append(f"commit.verbose={draw.choice(('true', 'false', '1', '2', '0', 'on'))}")
    lines = [draw.choice(LINES) for _ in range(draw.randrange(1, 9))]
    if draw.random() < 0.3:
        lines.insert(draw.randrange(len(lines) + 1), draw.choice((comment, "#", ";")) + SCISSORS)
    text = "\n".join(lines) + draw.choice(("", "\n", "\n\n", " \n"))
    arguments: list[str] = ["--allow-empty", "--allow-empty-message"]
    if draw.random() < 0.3:
        mode = draw.choice(MODES)
        arguments += draw.choice(([f"--cleanup={mode}"], ["--cleanup", mode], [f"--clean={mode}"]))
    if draw.random() < 0.2:
        arguments.append(draw.choice(("-v", "--verbose", "-vv", "--no-verbose")))
    for option, chance in ((("--trailer", "Reviewed-by: B <b@example.org>"), 0.2), (("--amend",), 0.15), (("-s",), 0.1)):
        if draw.random() < chance:
            arguments += option
    way = draw.choice((("-m", text), ("-F", "MESSAGE"), ("-m", text, "--edit"), ("-t", "MESSAGE"), (), ()))
    edit = None if way[:1] in (("-m",), ("-F",)) and len(way) == 2 else draw.choice(("keep", "above", "only", "below"))
    return Case(tuple(config), (*arguments, *way), edit, text)


def run(place: Path, git: str, count: int, seed: int, *, seen: bool) -> tuple[Counter[str], list[tuple[Case, Result]]]:
    """Make `count` commits; how many ended how, and those that went wrong. `seen`: the hook may look at git's command line."""
    draw = random.Random(seed)
    repo = Repository.create(place)
    out = place / ".git" / "readings"
    hook = place / ".git" / "hooks" / "commit-msg"
    hook.parent.mkdir(exist_ok=True)
    script = place / ".git" / "hook.py"
    script.write_text(HOOK.format(path=[each for each in sys.path if each], out=str(out), seen=seen))
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{script}" "$@"\n')
    hook.chmod(0o755)
    version = subprocess.check_output([git, "version"], text=True).split()[2].split(".")
    strings = (int(version[0]), int(version[1])) >= (2, 45)
    repo.commit("first", {"a": "1\n"})
    repo.git("reset", "-q", "--hard")
    counted: Counter[str] = Counter()
    wrong: list[tuple[Case, Result]] = []
    for number in range(count):
        each = case(draw, strings=strings)
        (place / "a").write_text(f"{number}\n")
        result = _commit(repo, git, each, out)
        if result.stored is None:
            counted["git made no commit"] += 1
        elif result.stored not in result.readings:
            counted["WRONG: what git stored was not among the readings"] += 1
            wrong.append((each, result))
        elif len(result.readings) == 1:
            counted["one reading, and git stored it"] += 1
        else:
            first = result.readings[0] == result.stored
            counted[f"several readings, git stored {'the first' if first else 'another'} of them"] += 1
    return counted, wrong


def _commit(repo: Repository, git: str, each: Case, out: Path) -> Result:
    message = repo.path / "MESSAGE"
    message.write_text(each.text, newline="")
    editor = repo.path / ".git" / "editor"
    body = {
        "keep": ":", "only": 'cat "$W" > "$1"', "above": 'cat "$W" "$1" > "$1.n" && mv "$1.n" "$1"', "below": 'cat "$W" >> "$1"',
    }  # fmt: skip
    editor.write_text(f'#!/bin/sh\nW="{message}"\n{body[each.edit or "keep"]}\n')
    editor.chmod(0o755)
    out.unlink(missing_ok=True)
    before = repo.tip()
    home = str(repo.path / ".git")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {
        "GIT_CONFIG_NOSYSTEM": "1", "HOME": home, "XDG_CONFIG_HOME": home, "LC_ALL": "C.UTF-8", "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
    # an editor by configuration: GIT_EDITOR is how git tells its hooks that none runs
    options = [word for pair in (*each.config, f"core.editor={editor}") for word in ("-c", pair)]
    done = subprocess.run(
        [git, *options, "commit", "-q", "-a", *each.arguments], cwd=repo.path, env=environ, capture_output=True, check=False,
        stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    if b"Traceback" in done.stderr:
        raise SystemExit(f"{each}\n{done.stderr.decode()}")
    if done.returncode or repo.tip() == before:
        return Result(None, [])
    stored = repo.read("HEAD").partition(b"\n\n")[2].decode("utf-8", "replace")
    return Result(stored, json.loads(out.read_text())[1])


def main(arguments: list[str]) -> int:
    """Print how the commits ended; exit status 1 where the hook expected what git did not store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--git", default="git")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--unseen", action="store_true", help="as where the system does not show git's command line")
    options = parser.parse_args(arguments)
    share = -(-options.commits // options.jobs)
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(options.jobs) as pool:
        works = [
            pool.submit(run, Path(scratch) / f"repo{number}", options.git, share, options.seed + number, seen=not options.unseen)
            for number in range(options.jobs)
        ]
        results = [work.result() for work in works]
    counted = sum((counter for counter, _ in results), Counter[str]())
    for what, count in counted.most_common():
        print(f"{count:7} {what}")
    wrong = [each for _, found in results for each in found]
    for each, result in wrong[:SHOWN]:
        print(f"\n{each}\n  stored   {result.stored!r}\n  readings {result.readings!r}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

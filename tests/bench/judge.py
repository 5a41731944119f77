"""The process that `tests.bench.history` times: loads a policy, judges all of HEAD, prints what it found."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path


def main(arguments: list[str]) -> None:
    """`REPOSITORY POLICY JOBS` (0: the default)."""
    from chainverify.git.repository import Repository
    from chainverify.jobs import history
    from chainverify.policy.load import parse
    from chainverify.policy.material import signing_material

    directory, policy_file, jobs = arguments
    path = Path(policy_file)
    policy = parse(path.read_bytes(), path.name)
    material = signing_material(policy, lambda name: (path.parent / name).read_bytes())
    repo = Repository.discover(Path(directory))
    selection = history.select(repo, (), policy)
    verdicts = history.check_commits(repo, selection, policy, material, int(time.time()), jobs=int(jobs) or None)
    for rule, count in Counter(finding.rule for finding in verdicts.findings).items():
        print(rule, count)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Our verdicts beside git's own, commit by commit, over any repository and policy.

    python -m tests.differential.history REPOSITORY POLICY [--jobs N] [--swap]

git gets the very same keys: an allowed_signers file from the policy's SSH keys, a GNUPGHOME with its OpenPGP keys. Every commit
of HEAD's history (after the policy's introduction) ends in one class `(our rule and code, git's %G?)`; each class is printed with
its count and an example. `--swap` replaces one key in fifty (at least one) by a new one of the same kind, and counts how many of
the commits that the key had signed are still accepted: none may be.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from chainverify.git.repository import Repository
from chainverify.jobs import history, policies
from chainverify.model.report import PASS, VERIFIED, Finding
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.policy.material import signing_material
from chainverify.policy.model import Policy
from tests.world.gpg import GpgHome
from tests.world.ssh import SshKey

SWAP = 50
"""One key in this many is replaced."""

AGREE = {("verified", "G"), ("commit-unsigned", "N"), ("signature-bad", "B")}
"""Classes that need no explanation."""


def ours(repo: Repository, policy: Policy, material: SigningMaterial, jobs: int) -> dict[str, list[Finding]]:
    """Our findings by commit."""
    selection = history.select(repo, [], policy)
    verdicts = history.check_commits(repo, selection, policy, material, int(time.time()), jobs=jobs)
    found: dict[str, list[Finding]] = {oid: [] for oid in selection.oids}
    for finding in verdicts.findings:
        found.setdefault(finding.subject.id, []).append(finding)
    return found


def gits(repo: Repository, policy: Policy, material: SigningMaterial, scratch: Path) -> dict[str, str]:
    """git's %G? by commit, under the same keys."""
    emails = {signer.name: signer.emails for signer in policy.signers}
    allowed = scratch / "allowed_signers"
    lines = [
        f'{",".join(emails[each.signer]) or each.signer.replace(" ", "-")} {" ".join(line.split()[:2])}\n'
        for each in material.ssh
        for line in each.data.decode().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    allowed.write_text("".join(lines))
    home = scratch / "gnupg"
    home.mkdir(mode=0o700)
    (home / "gpg.conf").write_text("trust-model always\nno-auto-key-retrieve\nno-auto-key-locate\n")
    for each in material.openpgp:
        subprocess.run(["gpg", "--homedir", home, "-q", "--batch", "--import"], input=each.data, check=False, capture_output=True)
    out = subprocess.run(
        ["git", f"--git-dir={repo.git_dir}", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "log", "--format=%H %G?", "HEAD"],
        env={**os.environ, "GNUPGHOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_NO_REPLACE_OBJECTS": "1"},
        capture_output=True, check=True,
    ).stdout.decode()
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
    return dict(line.split(" ", 1) for line in out.splitlines())


def word(findings: list[Finding]) -> str:
    """Our verdict on a commit in one word."""
    if not findings:
        return "NOTHING"
    first = findings[0]
    code = first.evidence.get("code", "")
    return first.rule if first.rule == VERIFIED and code in ("", "GOOD") else f"{first.rule}/{code}" if code else first.rule


def swapped(material: SigningMaterial, first: int, scratch: Path) -> tuple[SigningMaterial, set[str]]:
    """The material with one key in fifty replaced, and the places in the policy of the replaced ones."""
    every = [*material.openpgp, *material.ssh]
    places = {every[index].key for index in range(first, len(every), SWAP)}
    with GpgHome.create() as gpg:

        def new(each: KeyMaterial, index: int) -> KeyMaterial:
            if each.key not in places:
                return each
            if each in material.ssh:
                return each._replace(data=SshKey.create(scratch / "swap", f"k{index}").public.encode())
            return each._replace(data=gpg.export(gpg.key(f"Other {index} <other{index}@example.org>")))

        return material._replace(
            openpgp=tuple(new(each, index) for index, each in enumerate(material.openpgp)),
            ssh=tuple(new(each, index) for index, each in enumerate(material.ssh)),
        ), places


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("policy", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--swap", action="store_true")
    parser.add_argument("--first", type=int, default=0, help="the first key to swap, counted from 0")
    arguments = parser.parse_args()
    repo = Repository.discover(arguments.repository)
    loaded = policies.from_file(arguments.policy.absolute(), worktree=None)
    material = signing_material(loaded.policy, loaded.read)
    scratch = Path(tempfile.mkdtemp(prefix="cvdiff-"))
    try:
        start = time.perf_counter()
        found = ours(repo, loaded.policy, material, arguments.jobs)
        middle = time.perf_counter()
        print(f"{len(found)} commits; ours took {middle - start:.2f} s", flush=True)
        if arguments.swap:
            return report_swap(repo, loaded.policy, material, found, arguments, scratch)
        said = gits(repo, loaded.policy, material, scratch)
        print(f"git took {time.perf_counter() - middle:.2f} s")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    classes: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[str, str]] = {}
    for oid, findings in found.items():
        key = (word(findings), said.get(oid, "not listed by git"))
        classes[key] += 1
        examples.setdefault(key, (oid, findings[0].message if findings else ""))
    for key, count in classes.most_common():
        mark = " " if key in AGREE else "*"
        print(f"{mark} {count:6}  ours {key[0]:45} git {key[1]}   {examples[key][0]}  {examples[key][1][:150]!a}")
    missing = said.keys() - found.keys()
    if missing and not loaded.policy.commits:
        print(f"{len(missing)} commits listed by git only")
    return 0


def report_swap(
    repo: Repository, policy: Policy, material: SigningMaterial, before: dict[str, list[Finding]],
    arguments: argparse.Namespace, scratch: Path,
) -> int:
    """The same run with swapped keys: every commit that only a replaced key explains must fail now."""
    jobs = arguments.jobs
    changed, places = swapped(material, arguments.first, scratch)
    kept = [each for each in (*changed.openpgp, *changed.ssh) if each.key not in places]
    after = ours(repo, policy, changed, jobs)
    good = {oid for oid, findings in before.items() if findings and findings[0].status == PASS}
    # what the untouched keys alone still prove is not the replaced keys' work
    rest = ours(repo, policy, material._replace(
        openpgp=tuple(each for each in kept if each in material.openpgp),
        ssh=tuple(each for each in kept if each in material.ssh),
    ), jobs)
    theirs = {oid for oid in good if rest[oid][0].status != PASS}
    still = {oid for oid in theirs if after[oid][0].status == PASS}
    new = {oid for oid, findings in after.items() if findings and findings[0].status == PASS} - good
    print(f"{len(places)} of {len(material.openpgp) + len(material.ssh)} keys swapped: {', '.join(sorted(places))}")
    caught = len(theirs) - len(still)
    print(f"{len(theirs)} commits were proved by them; {caught} fail now, {len(still)} still pass, {len(new)} newly pass")
    print(Counter(word(after[oid]) for oid in theirs))
    return 1 if still or new else 0


if __name__ == "__main__":
    sys.exit(main())

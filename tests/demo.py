"""`make demo`: the main job on real input, made on the spot.

A repository with commits signed by the real gpg and ssh-keygen, unsigned and forged ones, manifests whose images were signed by
the real cosign (`testdata/images`, read from an OCI layout), and a bare repository with the pre-receive hook that people push
to. Prints every command with its output, and fails where a verdict is not the expected one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.world.gpg import GpgHome
from tests.world.repository import ALICE, BOB, Person, Repository
from tests.world.ssh import SshKey

FIXTURES = Path(__file__).parent.parent / "testdata" / "images" / "cosign.json"
PROGRAM = (sys.executable, "-m", "chainverify")
MALLORY = Person("Mallory Example", "mallory@example.org")

POLICY = """\
version = 1

[commits]

[[signers]]
name = "Alice Example"
emails = ["alice@example.org"]
roles = ["maintainer"]
ssh = ["keys/alice.pub"]

[[signers]]
name = "Bob Example"
emails = ["bob@example.org"]
openpgp = ["keys/bob.asc"]

[messages]
tickets = ["SHOP"]

[[refs]]
match = ["refs/heads/main"]

[images]
[[images.trust]]
match = "registry.example.test/**"
keys = ["keys/cosign.pub"]
"""


class Demo:
    """The scene, in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wrong: list[str] = []
        self.fixtures: dict[str, Any] = json.loads(FIXTURES.read_text())
        self.alice = SshKey.create(root / "keys", "alice")
        self.mallory = SshKey.create(root / "keys", "mallory")

    def show(self, text: str) -> None:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(f"\n\x1b[1m# {text}\x1b[0m" if colour else f"\n# {text}", flush=True)

    def run(self, directory: Path, expected: int, *command: str, chainverify: bool = True) -> str:
        """Run a command as a user would, its output shown; `expected` is the exit status that is right."""
        print(f"$ {'chainverify ' if chainverify else ''}{' '.join(command)}", flush=True)
        done = subprocess.run(
            [*(PROGRAM if chainverify else ()), *command], cwd=directory, check=False, text=True, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**environment(), "CHAINVERIFY_OUTPUT_FORMAT": "text"},
        )
        sys.stdout.write(done.stdout)
        print(f"(exit status {done.returncode})", flush=True)
        if done.returncode != expected:
            self.wrong.append(f"{' '.join(command)}: exit status {done.returncode}, expected {expected}")
        return done.stdout

    def expect(self, output: str, *parts: str) -> None:
        self.wrong += [f"expected in the output: {part}" for part in parts if part not in output]

    def layout(self) -> None:
        """Cosign's images and signatures as an OCI layout, `images`."""
        place = self.root / "images"
        blobs = place / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for digest, text in self.fixtures["content"].items():
            (blobs / digest.removeprefix("sha256:")).write_bytes(text.encode())
        entries = [
            {
                "mediaType": json.loads(self.fixtures["content"][digest])["mediaType"], "digest": digest,
                "size": len(self.fixtures["content"][digest].encode()),
                "annotations": {"org.opencontainers.image.ref.name": f"{self.fixtures['host']}/{case}:{tag}"},
            }
            for case, found in self.fixtures["cases"].items()
            for tag, digest in found["tags"].items()
        ]  # fmt: skip
        (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    def tag(self, case: str) -> str:
        return next(tag for tag in self.fixtures["cases"][case]["tags"] if not tag.startswith("sha256-"))

    def manifest(self, name: str, case: str, *, pinned: bool = True) -> str:
        image = f"{self.fixtures['host']}/{case}"
        image += f"@{self.fixtures['cases'][case]['digest']}" if pinned else f":{self.tag(case)}"
        return (
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  template:\n    spec:\n"
            f"      containers:\n        - name: {name}\n          image: {image}\n"
        )


def environment() -> dict[str, str]:
    """The user's environment without what would change git or the checks."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "CHAINVERIFY_", "CI"))},
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
    }  # fmt: skip


def history(demo: Demo, gpg: GpgHome) -> Repository:
    """The repository: good commits first, then one of each kind of bad one."""
    bob = gpg.key("Bob Example <bob@example.org>")
    repo = Repository.create(demo.root / "shop")
    files = {
        ".chainverify/policy.toml": POLICY,
        ".chainverify/keys/alice.pub": demo.alice.public + "\n",
        ".chainverify/keys/bob.asc": gpg.export(bob),
        ".chainverify/keys/cosign.pub": demo.fixtures["keys"]["p256"],
        "deploy/web.yaml": demo.manifest("web", "bundle/p256"),
    }
    repo.commit("SHOP-1: deploy the web shop", files, key=demo.alice, author=ALICE)
    repo.commit("SHOP-2: add the search", {"deploy/search.yaml": demo.manifest("search", "legacy/p256")}, key=bob, author=BOB)
    repo.git("branch", "good")
    repo.commit("quick fix, nobody will notice", {"README.md": "shop\n"}, author=MALLORY)
    repo.commit("SHOP-3: harden the ingress", {"a": "1"}, key=demo.mallory, author=ALICE)
    repo.commit("SHOP-4: raise the limits", {"b": "1"}, key=bob, author=ALICE)
    tampered(repo, demo)
    repo.commit(
        "SHOP-6: add payment", {
            "deploy/payment.yaml": demo.manifest("payment", "bundle/p384"),
            "deploy/scanner.yaml": demo.manifest("scanner", "attestation"),
            "deploy/cache.yaml": demo.manifest("cache", "bundle/p256", pinned=False),
        }, key=demo.alice, author=ALICE,
    )  # fmt: skip
    return repo


def tampered(repo: Repository, demo: Demo) -> None:
    """A commit with Alice's signature over another message."""
    oid = repo.commit("SHOP-5: lower the timeout", {"c": "1"}, key=demo.alice, author=ALICE, ref=None, parents=[repo.tip() or ""])
    raw = repo.read(oid).replace(b"lower the timeout", b"remove the alarm!")
    forged = repo.write("commit", raw)
    repo.update("HEAD", forged)
    repo.git("reset", "-q", "--hard")


def server(demo: Demo, repo: Repository) -> None:
    """A push of a good and a forged commit to a bare repository with the hook: refused as a whole."""
    bare = demo.root / "server.git"
    Repository.clone(repo.path, bare, "--bare", "--single-branch", "--branch=good")
    serving = Repository(bare)
    serving.git("update-ref", "refs/heads/main", "refs/heads/good")
    serving.git("update-ref", "-d", "refs/heads/good")
    serving.git("symbolic-ref", "HEAD", "refs/heads/main")
    demo.show("A server: the pre-receive hook judges a push before any ref moves, under the policy that was there before")
    demo.run(demo.root, 0, "install", "--server", "server.git")
    repo.git("checkout", "-q", "-B", "work", "good")
    repo.commit("SHOP-7: translate the front page", {"d": "1"}, key=demo.alice, author=ALICE)
    repo.commit("SHOP-8: add my key", {"e": "1"}, key=demo.mallory, author=ALICE)
    before = serving.git("for-each-ref")
    output = demo.run(repo.path, 1, "git", "push", "../server.git", "work:main", chainverify=False)
    demo.expect(output, "signer-unknown", "refused as a whole")
    if serving.git("for-each-ref") != before:
        demo.wrong.append("a refused push moved a ref")
    demo.show("Without the forged commit the same push is let in")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    demo.run(repo.path, 0, "git", "push", "../server.git", "work:main", chainverify=False)
    repo.git("checkout", "-q", "main")


def main() -> int:
    root = Path(tempfile.mkdtemp(prefix="chainverify-demo-"))
    demo = Demo(root)
    try:
        with GpgHome.create() as gpg:
            repo = history(demo, gpg)
            demo.layout()
            demo.show("Who made this history? Good signatures by two people, and four commits that should not be there")
            output = demo.run(repo.path, 1, "commits")
            demo.expect(output, "commit-unsigned", "signer-unknown", "identity-mismatch", "signature-bad", "3 good")
            demo.show("Why was it made? Every commit needs a ticket")
            output = demo.run(repo.path, 1, "messages")
            demo.expect(output, "message-ticket", "6 good")
            demo.show("What will it run? Images signed by our key, by another one, by nobody, and one that is not pinned")
            output = demo.run(repo.path, 1, "images", "--layout", "../images", "--offline")
            demo.expect(output, "image-signer-not-trusted", "image-unsigned", "image-not-pinned", "2 good")
            demo.show("The good part of the history passes as a whole")
            demo.run(repo.path, 0, "check", "good", "--layout", "../images", "--offline")
            server(demo, repo)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print()
    for line in demo.wrong:
        print(f"demo: not as expected: {line}")
    if not demo.wrong:
        print("demo: every verdict is the expected one")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

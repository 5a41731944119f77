"""`explain` on real commits and tags: the verdict of `commits`, the step at which it fell, a stanza that would accept it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import VALIDATOR, Result, Run, Scene, Small
from tests.world.gpg import GpgHome
from tests.world.repository import Person, signed_commit
from tests.world.ssh import SshKey

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen"), pytest.mark.tool("gpg")]


def explained(run: Run, path: Path, name: str, *options: str) -> tuple[int, dict[str, Any]]:
    done = run(path, "explain", name, "--output-format", "json", *options)
    assert done.err == ""
    found: dict[str, Any] = json.loads(done.out)
    VALIDATOR.validate(found["report"])
    return done.status, found


def steps(found: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["status"] for each in found["steps"]}


def failed(found: dict[str, Any]) -> list[str]:
    return [name for name, status in steps(found).items() if status == "failed"]


def fact(found: dict[str, Any], section: str, label: str) -> tuple[str, bool]:
    for each in found["sections"]:
        if each["title"] == section:
            for one in each["facts"]:
                if one["label"] == label:
                    return one["value"], one["claim"]
    raise AssertionError(f"no {label} in {section}")


def test_the_verdict_is_that_of_commits(run: Run, scene: Scene) -> None:
    oids = scene.repo.git("rev-list", "--all").split()
    assert len(oids) > 5
    for oid in oids:
        status, found = explained(run, scene.path, oid)
        judged = run(scene.path, "commits", f"{oid}^!", "--output-format", "json")
        assert status == judged.status
        assert found["report"]["findings"] == json.loads(judged.out)["findings"]
        assert bool(failed(found)) == (status == 1)
        assert fact(found, "commit", "id")[0] == f"{oid} (recomputed from the content)"


def test_a_good_commit(run: Run, small: Small) -> None:
    status, found = explained(run, small.path, "HEAD")
    assert status == 0
    assert set(steps(found).values()) == {"passed"}
    assert fact(found, "signature", "key") == (small.alice.fingerprint, True)
    assert fact(found, "signature", "namespace") == ("git", True)
    assert fact(found, "key in the policy", "person") == ("Alice Example <alice@example.org>", False)
    assert "a claim of whoever made it" in fact(found, "time", "believed")[0]
    assert found["proposal"] is None


def test_unsigned(run: Run, small: Small) -> None:
    small.repo.commit("SHOP-2: x", {"a": "b"})
    done = run(small.path, "explain", "HEAD")
    assert done.status == 1
    assert "FAILED       signature     commit-unsigned" in done.out
    assert "git config gpg.format ssh" in done.out


def stanza(found: dict[str, Any]) -> str:
    assert found["proposal"]["trust"] == "observed"
    return str(found["proposal"]["toml"])


def test_the_stanza_for_an_unknown_ssh_key_would_accept_it(run: Run, small: Small) -> None:
    who = Person("Mall\x07ory \u202e", "mallory@example.org")
    small.repo.commit("SHOP-2: x", {"a": "b"}, key=small.mallory, author=who, committer=who)
    status, found = explained(run, small.path, "HEAD")
    assert (status, failed(found)) == (1, ["key"])
    assert steps(found)["cryptography"] == "not reached"
    text = stanza(found)
    (signer,) = tomllib.loads(text)["signers"]
    assert signer["observed"] is True
    assert text.startswith("# observed, not trusted")
    assert run(small.path, "explain", "HEAD", "--policy-ref", "HEAD~1").status == 1  # nothing is accepted by being explained
    small.policy(small.text + "\n" + text)
    status, found = explained(run, small.path, "HEAD")
    assert status == 0
    assert "nobody confirmed" in fact(found, "key in the policy", "observed")[0]
    assert run(small.path, "explain", "HEAD", "--allow-self-policy", CI="true").status == 2


def test_no_stanza_for_a_key_that_did_not_make_the_signature(run: Run, small: Small) -> None:
    oid = small.repo.commit("SHOP-2: x", {"a": "b"}, key=small.mallory)
    raw = small.repo.read(oid).replace(b"SHOP-2: x", b"SHOP-2: y")
    bad = small.repo.write("commit", raw)
    status, found = explained(run, small.path, bad)
    assert (status, failed(found), found["proposal"]) == (1, ["key"], None)


def test_an_unknown_key_of_a_known_person_is_a_command(run: Run, small: Small) -> None:
    small.repo.commit("SHOP-2: x", {"a": "b"}, key=small.mallory)
    _, found = explained(run, small.path, "HEAD")
    text = stanza(found)
    assert tomllib.loads(text) == {}
    command = re.search(r"#   chainverify (keys add .*)$", text, re.M)
    assert command is not None
    assert run(small.path, *shlex.split(command[1])).status == 0
    assert explained(run, small.path, "HEAD")[0] == 0


def test_openpgp(run: Run, small: Small) -> None:
    bob = Person("Bob Example", "bob@example.org")
    with GpgHome.create() as home:
        key = home.key("Bob Example <bob@example.org>", subkeys=["ed25519"])
        small.repo.commit("SHOP-2: x", {"a": "b"}, key=key, author=bob, committer=bob)
        public = small.path / "bob.asc"
        public.write_bytes(home.export(key))
        subkey = home.fingerprints(key)[1]
    status, found = explained(run, small.path, "HEAD")
    assert (status, failed(found)) == (1, ["key"])
    assert fact(found, "signature", "key") == (subkey, True)
    assert f"gpg --armor --export {subkey}" in stanza(found)
    assert tomllib.loads(stanza(found)) == {}  # comments: the signature does not hold the key
    run(small.path, "keys", "add", "Bob Example", "--email", "bob@example.org", "--openpgp", str(public))
    status, found = explained(run, small.path, "HEAD")
    assert status == 0
    assert fact(found, "key in the policy", "subkey of")[0] == key.key_id
    assert "inside of the signature" in fact(found, "time", "believed")[0]


@pytest.mark.parametrize(("change", "step", "rule"), [
    (lambda text: text.replace('ssh = ["', 'compromised-at = 2020-01-01\nssh = ["'), "time", "signer-revoked"),
    (lambda text: text.replace('ssh = ["', 'valid-before = 2020-01-01\nssh = ["'), "time", "signer-expired"),
    (lambda text: text.replace("alice@example.org\"]", "other@example.org\"]"), "identity", "identity-mismatch"),
    (lambda text: text.replace("[commits]", "[commits]\nformats = ['openpgp']"), "format", "signature-format-not-allowed"),
])  # fmt: skip
def test_what_the_policy_refuses_names_its_step(run: Run, small: Small, change: Any, step: str, rule: str) -> None:
    small.policy(change(small.text))
    status, found = explained(run, small.path, "HEAD")
    assert (status, failed(found)) == (1, [step])
    assert rule in next(each["detail"] for each in found["steps"] if each["name"] == step)


def test_damage(run: Run, small: Small) -> None:
    raw = small.repo.read("HEAD")
    changed = small.repo.write("commit", raw.replace(b"SHOP-1", b"SHOP-9"))
    status, found = explained(run, small.path, changed)
    assert (status, failed(found)) == (1, ["cryptography"])
    assert "not proved" in fact(found, "key in the policy", "person")[0]
    assert fact(found, "key in the policy", "person")[1] is True
    nul = small.repo.write("commit", raw.replace(b"SHOP-1", b"SHOP\0"))
    assert failed(explained(run, small.path, nul)[1]) == ["object"]
    payload = raw[: raw.index(b"gpgsig")] + raw[raw.index(b"-----END SSH SIGNATURE-----\n") + 28 :]
    file = small.repo.write("commit", signed_commit(payload, small.alice.sign(payload, "file")))
    assert failed(explained(run, small.path, file)[1]) == ["structure"]


def test_tags(run: Run, small: Small) -> None:
    small.repo.tag("v1", key=small.alice)
    small.repo.tag("v2")
    small.repo.git("update-ref", "refs/tags/v3", small.repo.git("rev-parse", "refs/tags/v1"))
    assert explained(run, small.path, "v1")[0] == 0
    status, found = explained(run, small.path, "v2")
    assert (status, failed(found), found["kind"]) == (1, ["signature"], "tag")
    status, found = explained(run, small.path, "refs/tags/v3")
    assert (status, failed(found)) == (1, ["identity"])
    assert fact(found, "tag", "names itself") == ("v1", True)


def test_a_lightweight_tag_is_not_taken_for_its_commit(run: Run, small: Small) -> None:
    small.repo.git("tag", "light")
    status, found = explained(run, small.path, "light")
    assert (status, found["kind"]) == (0, "commit")
    assert fact(found, "commit", "ref")[0].startswith("refs/tags/light is a lightweight tag, which nobody can sign")
    # the same commit under its own name has no such line
    assert "lightweight" not in run(small.path, "explain", "HEAD").out


def test_excused_and_before_the_introduction(run: Run, small: Small) -> None:
    oid = small.repo.commit("SHOP-2: x", {"a": "b"})
    text = small.text
    small.policy(text.replace("[commits]", f'[commits]\nexceptions = ["{oid}"]'))
    status, found = explained(run, small.path, oid)
    assert status == 3
    assert set(steps(found).values()) == {"skipped"}
    small.policy(text.replace("[commits]", f'[commits]\nintroduction = "{oid}"'))
    status, found = explained(run, small.path, oid)
    assert (status, found["steps"]) == (3, [])
    assert "introduction" in found["note"]


@pytest.mark.parametrize(("name", "said"), [
    ("ghcr.io/example/app:1.0", "reads as an image reference"),
    ("nginx@sha256:" + "0" * 64, "reads as an image reference"),
    ("nothing", "no revision"), ("HEAD^{tree}", "expected a commit or a tag"), ("--all", "No such option"),
])  # fmt: skip
def test_what_is_no_commit(run: Run, small: Small, name: str, said: str) -> None:
    done = run(small.path, "explain", name)
    assert done.status == 2
    assert said in done.err


def test_hostile_objects_reach_no_terminal(run: Run, small: Small) -> None:
    who = Person("\x1b[2Jevil \u202e", "x\x1b[31m@example.org")
    small.repo.commit("SHOP-2: \x1b[2J\u202e", {"a": "b"}, key=small.mallory, author=who, committer=who)
    done: Result = run(small.path, "explain", "HEAD")
    assert done.status == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", done.out)
    done = run(small.path, "explain", "HEAD", "--output-format", "json")
    assert done.out.isascii()


def test_certificates_show_their_principals(run: Run, small: Small, tmp_path: Path) -> None:
    ca = SshKey.create(tmp_path / "ca", "ca")
    user = SshKey.create(tmp_path / "user", "user")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(ca.path), "-I", "the-id", "-n", "alice@example.org", "-V", "20200101:20400101",
         str(user.path) + ".pub"], check=True,
    )  # fmt: skip
    certificate = user.path.with_name("user-cert.pub")
    small.repo.git("-c", "gpg.format=ssh", "-c", f"user.signingkey={certificate}", "-c", "user.name=Alice", "-c",
                   "user.email=alice@example.org", "commit", "-q", "--allow-empty", "-S", "-m", "SHOP-2: x")  # fmt: skip
    status, found = explained(run, small.path, "HEAD")
    assert (status, failed(found)) == (1, ["key"])
    assert fact(found, "signature", "principals") == ("alice@example.org", True)
    assert "the-id" in fact(found, "signature", "certificate")[0]
    assert f'#   alice@example.org cert-authority,namespaces="git" {ca.public.rsplit(" ", 1)[0]}\n' in stanza(found)
    (small.path / ".chainverify" / "ca").write_text(ca.allowed("alice@example.org", "cert-authority"))
    small.policy(small.text.replace('ssh = ["', 'allowed-signers = "ca"\nssh = ["'))
    status, found = explained(run, small.path, "HEAD")
    assert status == 0
    assert fact(found, "key in the policy", "person")[0] == "Alice Example <alice@example.org>"

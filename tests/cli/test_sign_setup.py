"""`sign-setup` with real keys of every kind: from nothing to a signed commit that the policy accepts, and back to the byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from chainverify.formats import sshkey
from chainverify.formats.sshwire import string
from tests.cli.conftest import Desk, on_path, program
from tests.signatures.test_ssh import SECURITY_KEYS, SecurityKey
from tests.world import x509
from tests.world.agent import AgentKey, real_agent, software_agent
from tests.world.gpg import GpgHome
from tests.world.ssh import SshKey
from tests.world.x509 import GpgsmHome, mint

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

LATE = 4_000_000_000
SK_PROVIDER = Path("/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so")
"""OpenSSH's security key in software, as Debian's openssh-tests has it; CHAINVERIFY_SK_PROVIDER names another place."""


def test_nobody_has_a_key(desk: Desk) -> None:
    done = desk("--list")
    assert (done.status, done.out.splitlines()[0]) == (
        1, "no keys were found: no SSH key (~/.ssh/*.pub, agent), none of GnuPG, no certificate, no gitsign",
    )  # fmt: skip
    done = desk("--yes")
    assert done.status == 2
    assert "error: no key here can be used for signing\n  = help: make one, it is not made for you: ssh-keygen" in done.err
    done = desk("--check")
    assert done.status == 1
    assert done.out == (
        "not set up: git does not sign commits by itself (commit.gpgsign is not set); "
        "git does not sign tags by itself (tag.gpgsign is not set)\n  = help: chainverify sign-setup\n"
    )
    assert not (desk.home / ".ssh").exists()


def from_nothing(desk: Desk, *choice: str, scope: str = "", path: Path | None = None) -> dict[str, Any]:
    """The whole way: set up, told what is missing, added, accepted, used, undone. The record of the setup."""
    file = path or desk.config
    before = file.read_bytes()
    options = [scope] if scope else []
    history = desk.git("for-each-ref").stdout, desk.git("count-objects").stdout
    made = desk.json(*choice, *options, "--yes", status=1)
    assert made["state"] == "not accepted"
    assert [each["rule"] for each in made["findings"]] == ["signer-unknown"] * 2
    assert made["effective"] is True
    assert (made["stanza"]["person"], made["stanza"]["accepted"], made["stanza"]["why"]) == ("Dora Example", True, "")
    # nothing of the proof is in the user's repository
    assert (desk.git("for-each-ref").stdout, desk.git("count-objects").stdout) == history
    desk.add(made["stanza"])
    done = desk("--check")
    assert (done.status, f"accepted as Dora Example by {'.chainverify/policy.toml'}" in done.out) == (0, True), done
    assert [each["used"] for each in desk.json("--check", status=0)["keys"]].count(True) == 1
    desk.commits()
    content = file.read_bytes()
    again = desk.json(*choice, *options, "--yes", status=0)
    assert again["signer"] == "Dora Example"
    assert file.read_bytes() == content
    assert desk("--undo", *options).status == 0
    assert file.read_bytes() == before
    assert desk("--undo", *options).out.startswith("nothing to undo: ")
    assert file.read_bytes() == before
    return made


@pytest.mark.parametrize("choice", ["alone", "path", "private", "fingerprint", "bare"])
def test_an_ssh_key_in_a_file(desk: Desk, choice: str) -> None:
    key = desk.key(comment="dora@laptop")
    options = {
        "alone": (), "path": ("--key", f"{key.path}.pub"), "private": ("--key", str(key.path)),
        "fingerprint": ("--key", key.fingerprint),
        "bare": ("--key", key.fingerprint.removeprefix("SHA256:"), "--format", "ssh"),
    }[choice]  # fmt: skip
    made = from_nothing(desk, *options)
    assert [each["after"] for each in made["settings"]] == ["ssh", f"{key.path}.pub", "true", "true"]
    assert made["stanza"]["lines"] == [
        "[[signers]]", 'name = "Dora Example"', 'emails = ["dora@example.org"]', f'ssh = ["{key.public}"]',
    ]  # fmt: skip


def test_for_all_repositories(desk: Desk) -> None:
    desk.key()
    from_nothing(desk, scope="--global", path=desk.home / ".gitconfig")


def test_for_one_worktree(desk: Desk) -> None:
    desk.key()
    done = desk("--worktree", "--yes")
    assert (done.status, "git config extensions.worktreeConfig true" in done.err) == (2, True)
    desk.git("config", "extensions.worktreeConfig", "true")
    desk.git("worktree", "add", "-q", "../other")
    other = desk.path.parent / "other"
    (desk.repo.git_dir / "config.worktree").write_text("[core]\n")
    shared = desk.config.read_bytes()
    assert desk("--worktree", "--yes").status == 1
    assert desk.config.read_bytes() == shared
    assert desk.git("config", "user.signingkey").stdout
    assert desk.run(other, "sign-setup", "--check").status == 1
    assert "not set up" in desk.run(other, "sign-setup", "--check").out
    # in the linked one it goes to the file of that one, and away again
    assert desk.run(other, "sign-setup", "--worktree", "--yes").status == 1
    own = desk.repo.git_dir / "worktrees" / "other" / "config.worktree"
    assert b"signingkey" in own.read_bytes()
    assert desk.run(other, "sign-setup", "--worktree", "--undo").status == 0
    assert not own.exists()
    assert b"signingkey" in (desk.repo.git_dir / "config.worktree").read_bytes()


@pytest.mark.tool("ssh-agent")
def test_an_ssh_key_in_the_agent_alone(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = SshKey.create(tmp_path / "elsewhere", "key")
    with real_agent(key) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        made = from_nothing(desk)
        literal = "key::" + " ".join(key.public.split()[:2])
        assert made["settings"][1]["after"] == literal
        # the public file alone is enough for an agent's key
        (desk.home / ".ssh").mkdir()
        shutil.copy(f"{key.path}.pub", desk.home / ".ssh" / "id.pub")
        desk.config.write_text("")
        assert [each["signingkey"] for each in desk.json("--list", status=0)["keys"]] == [str(desk.home / ".ssh" / "id.pub")]
    listed = desk.json("--list", status=1)["keys"]
    assert listed[0]["problem"] == "its private key is neither beside it nor in the agent (the agent does not answer)"
    monkeypatch.delenv("SSH_AUTH_SOCK")
    done = desk("--key", key.fingerprint, "--yes")
    assert done.status == 2
    assert "nor in the agent (no agent runs)\n  = help: ssh-add FILE puts it into the agent" in done.err


def security_key(key: SecurityKey, flags: int = 1) -> AgentKey:
    def sign(data: bytes) -> bytes:
        value, tail = key.device(data, flags)
        return string(key.kind.encode()) + string(value) + tail

    return AgentKey(key.blob, b"stick", sign)


@pytest.mark.parametrize("key", SECURITY_KEYS, ids=lambda key: key.kind)
def test_a_security_key_in_an_agent(desk: Desk, key: SecurityKey, monkeypatch: pytest.MonkeyPatch) -> None:
    with software_agent([security_key(key)]) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        listed = desk.json("--list", status=0)["keys"]
        assert [(each["hardware"], each["fingerprint"]) for each in listed] == [(True, sshkey.fingerprint(key.blob))]
        from_nothing(desk, "--key", sshkey.fingerprint(key.blob))
        assert "touch your key now, when it blinks: once for a commit and once for a tag\n" in desk("--yes").err


def test_a_security_key_that_was_not_touched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with software_agent([security_key(SECURITY_KEYS[0], flags=0)]) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        made = desk.json("--yes", status=1)
        assert made["stanza"]["accepted"] is False
        assert "signed without being touched" in made["stanza"]["why"]


@pytest.mark.skipif(
    not Path(os.environ.get("CHAINVERIFY_SK_PROVIDER", SK_PROVIDER)).is_file(), reason="needs sk-dummy.so of openssh-tests"
)
@pytest.mark.parametrize("kind", ["ed25519-sk", "ecdsa-sk"])
def test_a_security_key_of_openssh(desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh-keygen makes the key, and asks the device for each signature: nothing here is ours."""
    monkeypatch.setenv("SSH_SK_PROVIDER", os.environ.get("CHAINVERIFY_SK_PROVIDER", str(SK_PROVIDER)))
    (desk.home / ".ssh").mkdir()
    path = desk.home / ".ssh" / f"id_{kind.replace('-', '_')}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True, timeout=60, capture_output=True)
    from_nothing(desk)


def test_an_ssh_certificate(desk: Desk, tmp_path: Path) -> None:
    key = desk.key()
    authority = SshKey.create(tmp_path / "authority", "ca")
    certified = authority.certify(key, "dora@example.org", "-V", "-1d:+52w")
    shutil.copy(f"{certified.path}.pub", f"{key.path}-cert.pub")
    certified.path.unlink()
    Path(f"{certified.path}.pub").unlink()
    listed = desk.json("--list", status=0)["keys"]
    assert [(each["kind"], each["signingkey"], each["comment"]) for each in listed] == [
        ("certificate", f"{key.path}-cert.pub", "dora@example.org"), ("key", f"{key.path}.pub", "id_ed25519@example.org"),
    ]  # fmt: skip
    made = from_nothing(desk, "--key", f"{key.path}-cert.pub")
    assert made["stanza"]["files"] == {
        "keys/dora-example.allowed_signers": 'dora@example.org cert-authority,namespaces="git" '
        + " ".join(authority.public.split()[:2]) + "\n",
    }  # fmt: skip
    # the policy knows it by its authority
    assert [bool(each["holder"]) for each in desk.json("--list", status=0)["keys"]] == [True, False]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("-V", "20200101:20200201"), "the certificate has expired"),
        (("-V", "20900101:20900201"), "the certificate is not valid yet"),
        (("-h",), "it is a certificate for a host"),
    ],
)
def test_certificates_that_cannot_be_used(desk: Desk, tmp_path: Path, options: tuple[str, ...], problem: str) -> None:
    key = SshKey.create(tmp_path / "keys", "key")
    certified = SshKey.create(tmp_path / "authority", "ca").certify(key, "dora@example.org", *options)
    (desk.home / ".ssh").mkdir()
    shutil.copy(f"{certified.path}.pub", desk.home / ".ssh" / "id-cert.pub")
    assert [each["problem"] for each in desk.json("--list", status=1)["keys"]] == [problem]


@pytest.mark.tool("gpg")
def test_an_openpgp_key(desk: Desk, gnupg: GpgHome) -> None:
    key = gnupg.key("Dora Example <dora@example.org>")
    made = from_nothing(desk)
    assert [each["after"] for each in made["settings"]] == ["openpgp", key.key_id, "true", "true"]
    assert made["stanza"]["lines"][-1] == 'openpgp = ["keys/dora-example.asc"]'
    assert list(made["stanza"]["files"]) == ["keys/dora-example.asc"]
    assert "PRIVATE" not in json.dumps(made)


@pytest.mark.tool("gpg")
def test_a_home_with_several_openpgp_keys(desk: Desk, gnupg: GpgHome) -> None:
    """A certificate with signing subkeys, one that only certifies, expired and revoked ones, a stub."""
    good = gnupg.key("Dora Example <dora@example.org>", usage="cert", subkeys=["ed25519"])
    second = gnupg.add_subkey(good, "nistp256")
    lapsed = gnupg.key("Lapsed <lapsed@example.org>", usage="cert")
    gnupg.add_subkey(lapsed, expires=86_400)
    old = gnupg.key("Old <old@example.org>", expires=86_400)
    revoked = gnupg.key("Revoked <revoked@example.org>")
    gnupg.revoke(revoked, 1, when=int(time.time()))
    certifier = gnupg.key("Certifier <certifier@example.org>", usage="cert")
    stub = gnupg.key("Stub <stub@example.org>", usage="cert", subkeys=["ed25519"])
    grips = gnupg.run("--list-secret-keys", "--with-colons", "--with-keygrip", stub.key_id).stdout.decode()
    grip = [line.split(":")[9] for line in grips.splitlines() if line.startswith("grp")][1]
    (gnupg.path / "private-keys-v1.d" / f"{grip}.key").unlink()
    listed = {(each["fingerprint"], each["kind"]): each for each in desk.json("--list", status=0)["keys"]}
    first = gnupg.fingerprints(good)[1]
    usable = {name for name, each in listed.items() if not each["problem"]}
    assert usable == {(good.key_id, "key"), (first, "subkey"), (second, "subkey")}
    bad = [each for each in listed.values() if each["problem"]]
    problems = {each["comment"].partition(" ")[0]: (each["problem"], each["remedy"]) for each in bad}
    assert {name: problem for name, (problem, _) in problems.items()} == {
        "Lapsed": "its signing subkey has expired", "Old": "it has expired", "Revoked": "it is revoked",
        "Certifier": "it has no key for signing", "Stub": "its signing subkey is here only as a stub, its secret is elsewhere",
    }  # fmt: skip
    assert f"gpg --quick-set-expire {lapsed.key_id} 2y " in problems["Lapsed"][1]
    assert problems["Old"][1] == f"gpg --quick-set-expire {old.key_id} 2y extends it"
    assert problems["Certifier"][1] == f"gpg --quick-add-key {certifier.key_id} ed25519 sign 2y adds one"
    done = desk("--key", lapsed.key_id, "--yes")
    assert (done.status, "cannot be used: its signing subkey has expired" in done.err) == (2, True)
    # the very key that was named signs, though gpg would take the newest
    made = from_nothing(desk, "--key", first)
    assert made["settings"][1]["after"] == f"{first}!"
    assert made["fingerprint"] == first
    # what git has set may name several keys: gpg chooses, and the verdict is about the one that signed
    gnupg.key("Dora Example the Other <other@example.org>")
    for name, value in (("user.signingkey", "other@example.org"), ("commit.gpgsign", "true"), ("tag.gpgsign", "true")):
        desk.git("config", name, value)
    assert desk.json("--check", status=1)["stanza"]["accepted"] is True
    desk.git("config", "user.signingkey", "Dora")
    assert desk.json("--check", status=0)["signer"] == "Dora Example"
    assert desk.json("--key", good.key_id[-16:], "--yes", status=0)["settings"][1]["after"] == good.key_id


@pytest.fixture(scope="module")
def people() -> dict[str, x509.Identity]:
    now = int(time.time())
    root = mint("Root", authority=True, since=now - 86_400, until=LATE)
    dora = mint("Dora", root, key="rsa2048", emails=["dora@example.org"], since=now - 86_400, until=LATE)
    return {"root": root, "dora": dora}


@pytest.mark.tool("gpgsm", "openssl")
def test_an_x509_certificate(desk: Desk, people: dict[str, x509.Identity], monkeypatch: pytest.MonkeyPatch) -> None:
    with GpgsmHome.create([people["dora"]], [people["root"]]) as home:
        monkeypatch.setenv("GNUPGHOME", str(home.path))
        sha1 = people["dora"].certificate.fingerprint(hashes.SHA1()).hex().upper()
        made = from_nothing(desk, "--format", "x509")
        assert [each["after"] for each in made["settings"]] == ["x509", sha1, "true", "true"]
        assert made["stanza"]["files"] == {"keys/dora-example.pem": people["dora"].pem.decode()}
        listed = [each for each in desk.json("--list", status=0)["keys"] if each["format"] == "x509"]
        (one,) = listed
        assert (one["fingerprint"], one["holder"]["name"]) == (people["dora"].fingerprint, "Dora Example")
        # gpgsm is named where git would call another program
        desk.git("config", "gpg.x509.program", "gitsign")
        before = desk.config.read_bytes()
        made = desk.json("--key", sha1, "--yes", status=0)
        assert {"name": "gpg.x509.program", "before": "gitsign", "after": "gpgsm"} in made["settings"]
        desk("--undo")
        assert desk.config.read_bytes() == before


@pytest.mark.tool("gpgsm", "openssl")
def test_an_authority_that_the_policy_trusts_knows_the_person(
    desk: Desk, people: dict[str, x509.Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.policy_file.parent / "root.pem").write_bytes(people["root"].pem)
    (desk.policy_file.parent / "root.crl").write_bytes(x509.crl(people["root"], updated=int(time.time()) - 60, next_update=LATE))
    desk.policy_file.write_text(
        'version = 1\n[commits]\nx509-roots = ["root.pem"]\ncrls = ["root.crl"]\n'
        '[[signers]]\nname = "Dora"\nemails = ["dora@example.org"]\n'
    )
    with GpgsmHome.create([people["dora"]], [people["root"]]) as home:
        monkeypatch.setenv("GNUPGHOME", str(home.path))
        assert desk.json("--yes", status=0)["signer"] == "Dora"


def test_gitsign_is_found_where_it_is_installed(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that: the program itself cannot be had here, so its signatures are proved elsewhere (test_gitsign)."""
    assert desk.json("--list", "--format", "gitsign", status=1)["keys"] == []
    program(tmp_path / "bin", "gitsign", "echo 'no browser here' >&2; exit 1")
    on_path(monkeypatch, tmp_path / "bin")
    assert [each["format"] for each in desk.json("--list", status=0)["keys"]] == ["gitsign"]
    before = desk.config.read_bytes()
    done = desk("--format", "gitsign", "--yes")
    # a program that cannot sign changes nothing
    assert (done.status, "error: git could not sign: " in done.err) == (1, True), done
    assert desk.config.read_bytes() == before
    desk.git("config", "gpg.format", "x509")
    desk.git("config", "gpg.x509.program", "gitsign")
    assert [each["used"] for each in desk.json("--list", status=0)["keys"]] == [True]


def test_what_smimesign_lists(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is for other systems: its listing, which is read here, is written as its source writes it."""
    lines = ["       ID: " + "0a" * 20, "      S/N: 1", "Algorithm: SHA256-RSA", "  Subject: CN=ID: " + "0b" * 20]
    program(tmp_path / "bin", "smimesign", "cat <<'E'\n" + "\n".join(lines) + "\nE")
    on_path(monkeypatch, tmp_path / "bin")
    listed = desk.json("--list", status=0)["keys"]
    assert [(each["format"], each["signingkey"], each["where"]) for each in listed] == [("x509", "0A" * 20, "smimesign")]

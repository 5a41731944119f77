"""`keys list`, `keys add` and `keys import` on real keys: what is listed, what is written, and what is refused."""

from __future__ import annotations

import base64
import datetime
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, Small
from tests.world.gpg import CREATED, GpgHome
from tests.world.repository import Person
from tests.world.ssh import SshKey

DAY = 86_400
BOB = "Bob Example <bob@example.org>"

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen"), pytest.mark.tool("gpg")]


@pytest.fixture(scope="module")
def home() -> Iterator[GpgHome]:
    with GpgHome.create() as made:
        yield made


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, home: GpgHome) -> Path:
    """Key files: `bob.asc` (never expires), `late.asc` (expired), `mixed.asc` (a primary key that only certifies, one old and one
    new subkey), `gone.asc` (revoked), `encrypt.asc`, `bob.sec`, `carol.pub`, and `all.gpg` with several in binary."""
    directory = tmp_path_factory.mktemp("team")
    bob = home.key(BOB, subkeys=["ed25519"])
    late = home.key("Late Example <late@example.org>", expires=10 * DAY)
    mixed = home.key("Mixed Example <mixed@example.org>", usage="cert")
    home.add_subkey(mixed, expires=20 * DAY)
    home.add_subkey(mixed)
    gone = home.key("Gone Example <gone@example.org>")
    home.revoke(gone, 2, when=CREATED + DAY)
    encrypt = home.key("Cipher Example <cipher@example.org>", usage="cert")
    for name, key in (("bob", bob), ("late", late), ("mixed", mixed), ("gone", gone), ("encrypt", encrypt)):
        (directory / f"{name}.asc").write_bytes(home.export(key))
    (directory / "all.gpg").write_bytes(home.export(bob, late, encrypt, armor=False))
    (directory / "bob.sec").write_bytes(home.export_secret(bob))
    (directory / "bob.secret.gpg").write_bytes(home.export_secret(bob, armor=False))
    SshKey.create(directory, "carol")
    return directory


def listed(run: Run, small: Small, *options: str) -> dict[str, Any]:
    done = run(small.path, "keys", "list", "--output-format", "json", *options)
    assert done.status in (0, 1), done.err
    found: dict[str, Any] = json.loads(done.out)
    return {person["name"]: person for person in found["people"]} | {"shared": found["shared"]}


def rows(person: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(key["format"], key["kind"], key["state"]) for key in person["keys"]]


def test_list_shows_every_key_with_its_state_and_place(run: Run, small: Small, team: Path) -> None:
    for name in ("bob", "late", "mixed", "gone"):
        title = name.title() + " Example"
        export = str(team / f"{name}.asc")
        assert run(small.path, "keys", "add", title, "--email", f"{name}@example.org", "--openpgp", export).status == 0
    found = listed(run, small)
    assert rows(found["Alice Example"]) == [("ssh", "key", "good")]
    assert found["Alice Example"]["keys"][0]["fingerprint"] == small.alice.fingerprint
    assert found["Alice Example"]["keys"][0]["line"] == 6
    assert rows(found["Bob Example"]) == [("openpgp", "key", "good"), ("openpgp", "subkey", "good")]
    assert rows(found["Late Example"]) == [("openpgp", "key", "expired")]
    assert rows(found["Mixed Example"]) == [
        ("openpgp", "key", "cannot sign"), ("openpgp", "subkey", "expired"), ("openpgp", "subkey", "good"),
    ]  # fmt: skip
    assert found["Mixed Example"]["keys"][0]["notes"] == ["certifies only"]
    assert rows(found["Gone Example"]) == [("openpgp", "key", "revoked")]
    text = run(small.path, "keys", "list").out
    assert text.splitlines()[0] == "Alice Example <alice@example.org>"
    assert "keys/bob-example.asc, line " in text
    columns = {line.index(each["fingerprint"]) for person in found.values() if isinstance(person, dict) for each in person["keys"]
               for line in text.splitlines() if each["fingerprint"] in line}  # fmt: skip
    assert len(columns) == 1


def test_what_gpg_says_of_expiry_is_what_is_listed(run: Run, small: Small, team: Path, home: GpgHome) -> None:
    for name in ("late", "mixed"):
        run(small.path, "keys", "add", name, "--openpgp", str(team / f"{name}.asc"))
    expected = {}
    lines = home.run("--with-colons", "--with-subkey-fingerprint", "--list-keys").stdout.decode().splitlines()
    for line, following in itertools.pairwise(lines):
        if line.startswith(("pub:", "sub:")):
            expected[following.split(":")[9]] = line.split(":")[6]
    found = listed(run, small)
    for person in ("late", "mixed"):
        for key in found[person]["keys"]:
            until = key["until"]
            seconds = str(int(datetime.datetime.fromisoformat(until).timestamp())) if until else ""
            assert expected[key["fingerprint"]] == seconds


@pytest.mark.parametrize(("field", "state"), [
    ("valid-before = 2020-01-01", "expired"), ("valid-after = 2999-01-01", "not yet"),
    ("compromised-at = 2026-01-01", "compromised"), ("roles = ['x']", "good"),
])  # fmt: skip
def test_a_person_s_own_time_counts(run: Run, small: Small, field: str, state: str) -> None:
    small.policy(small.text.replace('ssh = ["', f'{field}\nssh = ["'))
    assert rows(listed(run, small)["Alice Example"]) == [("ssh", "key", state)]


def test_allowed_signers_and_revocations_are_listed(run: Run, small: Small) -> None:
    beside = small.path / ".chainverify"
    window = 'valid-after="20200101Z",valid-before="20210101Z"'
    (beside / "allowed").write_text(small.mallory.allowed("mallory@example.org", window))
    (beside / "revoked").write_text(small.alice.public + "\n")
    small.policy(small.text.replace("[commits]", '[commits]\nallowed-signers = ["allowed"]\nssh-revoked = "revoked"'))
    found = listed(run, small)
    assert rows(found["Alice Example"]) == [("ssh", "key", "revoked")]
    window_row, list_row = found["shared"]
    assert (window_row["state"], window_row["since"], window_row["until"]) == (
        "expired", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z",
    )  # fmt: skip
    assert window_row["notes"][1] == "principals mallory@example.org"
    assert (list_row["kind"], list_row["file"]) == ("revocations", "revoked")


def test_expiring(run: Run, small: Small, team: Path, tmp_path: Path) -> None:
    done = run(small.path, "keys", "list", "--expiring", "30d")
    assert (done.status, done.out) == (0, "nothing expires within 30d\n")
    run(small.path, "keys", "add", "Late", "--openpgp", str(team / "late.asc"))
    done = run(small.path, "keys", "list", "--expiring", "1d")
    assert done.status == 1
    assert "expired" in done.out
    assert "Alice" not in done.out
    # an old subkey that another one outlives needs no renewal
    run(small.path, "keys", "add", "Mixed", "--openpgp", str(team / "mixed.asc"))
    assert "Mixed" not in run(small.path, "keys", "list", "--expiring", "1d").out
    for text in ("30", "x", "-1d", "30 days"):
        done = run(small.path, "keys", "list", "--expiring", text)
        assert done.status == 2
        assert "30d, 12h or 90m" in done.err


def test_what_is_not_looked_into_is_not_decided(run: Run, small: Small) -> None:
    (small.path / ".chainverify" / "ca.crl").write_text("x")
    small.policy(small.text.replace("[commits]", '[commits]\ncrls = ["ca.crl"]'))
    done = run(small.path, "keys", "list", "--expiring", "30d")
    if done.status == 2:  # a version that reads revocation lists refuses this one
        return
    assert done.status == 3
    assert "commits.crls[0]" in done.out


def test_hostile_text_reaches_no_terminal(run: Run, small: Small) -> None:
    small.policy(small.text.replace('emails = ["', 'emails = ["\u202egro@x", "'))
    done = run(small.path, "keys", "list")
    assert "\\u202e" in done.out
    assert "\u202e" not in done.out


# --- add


def test_add_keeps_every_byte_and_copies_the_key(run: Run, small: Small, team: Path) -> None:
    before = "# first\n" + small.text.replace("[messages]", "# about messages\n[messages]  # here")
    small.policy(before)
    who = ("Carol Example", "--email", "carol@example.org", "--role", "dev")
    done = run(small.path, "keys", "add", *who, "--ssh", str(team / "carol.pub"))
    assert (done.status, done.err) == (0, "")
    added = '\n[[signers]]\nname = "Carol Example"\nemails = ["carol@example.org"]\nroles = ["dev"]\n'
    added += 'ssh = ["keys/carol-example.pub"]\n'
    assert small.text.replace(added, "") == before
    assert (small.path / ".chainverify" / "keys" / "carol-example.pub").read_bytes() == (team / "carol.pub").read_bytes()
    assert SshKey.of(team / "carol").fingerprint in done.out
    assert "over another channel" in done.out
    assert "observed" not in small.text
    assert not list((small.path / ".chainverify").glob(".policy*"))


def test_the_new_key_signs_from_then_on(run: Run, small: Small, team: Path) -> None:
    carol = SshKey.of(team / "carol")
    oid = small.repo.commit("SHOP-2: x", {"a": "b"}, key=carol, committer=Person("Carol", "carol@example.org"))
    assert run(small.path, "commits", f"{oid}^!").status == 1
    run(small.path, "keys", "add", "Carol", "--email", "carol@example.org", "--ssh", carol.public)
    assert run(small.path, "commits", f"{oid}^!").status == 0


def test_add_to_a_person_who_is_there(run: Run, small: Small, team: Path) -> None:
    for name in ("Alice Example", "alice example", "ALICE@example.org"):
        small.policy(small.text)
        done = run(small.path, "keys", "add", name, "--openpgp", str(team / "bob.asc"), "--diff")
        assert done.status == 0, done.err
        assert '+openpgp = ["keys/' in done.out
    assert run(small.path, "keys", "add", "alice@example.org", "--role", "boss", "--ssh", str(team / "carol.pub")).status == 0
    person = tomllib.loads(small.text)["signers"][0]
    assert person["roles"] == ["boss"]
    assert person["ssh"][1].startswith("keys/")
    assert len(tomllib.loads(small.text)["signers"]) == 1


def test_diff_writes_nothing(run: Run, small: Small, team: Path) -> None:
    before = small.text
    for option in ("--diff", "--dry-run"):
        done = run(small.path, "keys", "add", "Carol", "--ssh", str(team / "carol.pub"), option)
        assert done.status == 0
        assert "+ssh = [" in done.out
        assert small.text == before
        assert not (small.path / ".chainverify" / "keys").exists()


def test_a_key_file_is_never_overwritten(run: Run, small: Small, team: Path) -> None:
    directory = small.path / ".chainverify" / "keys"
    directory.mkdir()
    (directory / "carol.pub").write_text("something else")
    (directory / "carol-2.pub").symlink_to("/nowhere")
    assert run(small.path, "keys", "add", "Carol", "--ssh", str(team / "carol.pub")).status == 0
    assert (directory / "carol.pub").read_text() == "something else"
    assert (directory / "carol-3.pub").is_file()


def test_names_of_files_are_sanitised(run: Run, small: Small, team: Path) -> None:
    done = run(small.path, "keys", "add", "../../Ev/il \u00e9 -x", "--ssh", str(team / "carol.pub"))
    assert done.status == 0
    (made,) = (small.path / ".chainverify" / "keys").iterdir()
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*\.pub", made.name)


@pytest.mark.parametrize(("arguments", "said"), [
    (("X", "--ssh", "{team}/carol"), "PRIVATE key"),
    (("X", "--openpgp", "{team}/bob.sec"), "PRIVATE key"),
    (("X", "--openpgp", "{team}/bob.secret.gpg"), "PRIVATE key"),
    (("X", "--x509", "{team}/carol"), "PRIVATE key"),
    (("X", "--allowed-signers", "{team}/carol"), "PRIVATE key"),
    (("X", "--ssh", "{team}/bob.asc"), "expected a public key line"),
    (("X", "--openpgp", "{team}/carol.pub"), "expected an OpenPGP public key"),
    (("X", "--x509", "{team}/carol.pub"), "holds no certificate, in PEM or DER"),
    (("X", "--ssh", "{team}/nothing.pub"), "no key file"),
    (("X", "--ssh", "ssh-ed25519 AAAA"), "key line"),
    (("X", "--ssh", "{alice}"), "belongs to 'Alice Example'"),
    (("X", "--email", "Alice@example.org", "--ssh", "{team}/carol.pub"), "belongs to 'Alice Example'"),
    (("X", "--email", "no address", "--ssh", "{team}/carol.pub"), "refused"),
    (("role:x", "--ssh", "{team}/carol.pub"), "a name cannot start with role:"),
    (("X",), "nobody named 'X', and no key was given"),
    (("alcie@example.org", "--ssh", "{team}/carol.pub"), "nobody with the address 'alcie@example.org'"),
    (("Alice Example", "--email", "alice@example.org"), "nothing to add"),
    (("Alice Example", "--ssh", "{alice}"), "nothing to add"),
    (("X", "--gitsign", "x@example.org"), "expected one issuer for each identity"),
    (("X", "--gitsign", "*", "--issuer", "https://i"), "trusts everybody"),
    (("X", "--ssh", "{team}/carol.pub", "--valid-after", "tomorrow"), "is no date"),
    (("X", "--ssh", "{team}/carol.pub", "--valid-after", "2026-01-01", "--valid-before", "2025-01-01"), "could ever"),
    (("X", "--ssh", "{team}/carol.pub", "--policy-ref", "HEAD"), "cannot be edited"),
])  # fmt: skip
def test_what_is_refused_writes_nothing(run: Run, small: Small, team: Path, arguments: tuple[str, ...], said: str) -> None:
    before = small.text
    done = run(small.path, "keys", "add", *(each.format(team=team, alice=small.alice.public) for each in arguments))
    assert done.status == 2
    assert said in done.err
    assert small.text == before
    assert not (small.path / ".chainverify" / "keys").exists()


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a certificate comes in, made by the real openssl: PEM, DER, PKCS#7, PKCS#12, and its key in every form."""
    from tests.world import x509

    directory = tmp_path_factory.mktemp("cards")
    dora = x509.mint("Dora Example", emails=["dora@example.org"], key="rsa2048")
    (directory / "dora.pem").write_bytes(dora.pem)
    (directory / "dora.key").write_bytes(dora.private)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)

    openssl("x509", "-in", "dora.pem", "-outform", "der", "-out", "dora.cer")
    for form in ("der", "pem"):
        openssl("crl2pkcs7", "-nocrl", "-certfile", "dora.pem", "-outform", form, "-out", f"{form}.p7b")
    openssl("pkcs12", "-export", "-in", "dora.pem", "-inkey", "dora.key", "-passout", "pass:x", "-out", "dora card.p12")
    openssl("pkcs12", "-export", "-nokeys", "-in", "dora.pem", "-passout", "pass:x", "-out", "nokeys.pfx")
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", "dora.key", "-outform", "der", "-out", "pkcs8.der")
    openssl("pkcs8", "-topk8", "-passout", "pass:x", "-in", "dora.key", "-outform", "der", "-out", "encrypted.der")
    openssl("rsa", "-traditional", "-in", "dora.key", "-outform", "der", "-out", "pkcs1.der")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-outform", "der", "-out", "ec.der")
    openssl("genpkey", "-algorithm", "ed25519", "-outform", "der", "-out", "ed25519.der")
    openssl("x509", "-in", "dora.pem", "-pubkey", "-noout", "-out", "public.pem")
    openssl("pkey", "-pubin", "-in", "public.pem", "-outform", "der", "-out", "public.der")
    # with a length left open, as some programs write them (BER)
    data = (directory / "dora card.p12").read_bytes()
    assert data[:2] == b"\x30\x82"
    (directory / "open.pfx").write_bytes(b"\x30\x80" + data[4:] + b"\0\0")
    return directory


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("name", ["dora.pem", "dora.cer"])
def test_a_certificate_is_taken_in_pem_and_in_der(run: Run, small: Small, cards: Path, name: str) -> None:
    done = run(small.path, "keys", "add", "Dora", "--email", "dora@example.org", "--x509", str(cards / name))
    assert done.status == 0, done.err
    assert "x509 certificate SHA256:" in done.out
    suffix = ".pem" if name.endswith("pem") else ".der"
    assert (small.path / ".chainverify" / "keys" / f"dora{suffix}").read_bytes() == (cards / name).read_bytes()
    (key,) = listed(run, small)["Dora"]["keys"]
    assert (key["format"], key["fingerprint"][:7]) == ("x509", "SHA256:")


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("name", ["dora card.p12", "nokeys.pfx", "open.pfx"])
def test_pkcs12_is_refused_with_the_command_that_helps(run: Run, small: Small, cards: Path, name: str) -> None:
    before = small.text
    for option in ("--x509", "--ssh", "--openpgp"):
        done = run(small.path, "keys", "add", "Dora", "--email", "dora@example.org", option, str(cards / name))
        assert done.status == 2
        assert "is a PKCS#12 file (.p12, .pfx), which holds a PRIVATE key" in done.err
    assert small.text == before
    assert not (small.path / ".chainverify" / "keys").exists()
    if name != "dora card.p12":
        return
    command = shlex.split(done.err.split("help: ")[1].split(" writes ")[0])
    made = Path(command[command.index("-out") + 1])
    subprocess.run([*command, "-passin", "pass:x"], check=True, capture_output=True, timeout=60)
    assert b"PRIVATE" not in made.read_bytes()
    done = run(small.path, "keys", "add", "Dora", "--email", "dora@example.org", "--x509", str(made))
    assert done.status == 0, done.err
    assert "x509 certificate SHA256:" in done.out


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("name", ["pem.p7b", "der.p7b"])
def test_pkcs7_is_told_with_the_command_that_helps(run: Run, small: Small, cards: Path, name: str) -> None:
    done = run(small.path, "keys", "add", "Dora", "--email", "dora@example.org", "--x509", str(cards / name))
    assert done.status == 2
    assert "is a PKCS#7 file" in done.err
    command = shlex.split(done.err.split("help: ")[1].split(" writes ")[0])
    made = Path(command[command.index("-out") + 1])
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    done = run(small.path, "keys", "add", "Dora", "--email", "dora@example.org", "--x509", str(made))
    assert done.status == 0, done.err


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("name", ["dora.key", "pkcs8.der", "encrypted.der", "pkcs1.der", "ec.der", "ed25519.der"])
@pytest.mark.parametrize("option", ["--x509", "--ssh", "--openpgp", "--allowed-signers"])
def test_private_keys_are_refused_in_every_form(run: Run, small: Small, cards: Path, name: str, option: str) -> None:
    done = run(small.path, "keys", "add", "Dora", "--email", "dora@example.org", option, str(cards / name))
    assert done.status == 2
    assert "holds a PRIVATE key: nothing was written" in done.err
    assert not (small.path / ".chainverify" / "keys").exists()


@pytest.mark.tool("openssl")
def test_a_public_key_is_no_certificate(run: Run, small: Small, cards: Path) -> None:
    for name in ("public.pem", "public.der"):
        done = run(small.path, "keys", "add", "Dora", "--email", "dora@example.org", "--x509", str(cards / name))
        assert done.status == 2
        assert "holds no certificate, in PEM or DER" in done.err


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("name", ["dora card.p12", "pkcs8.der", "dora.key"])
def test_a_policy_that_names_a_private_key_is_refused(run: Run, small: Small, cards: Path, name: str) -> None:
    shutil.copy(cards / name, small.path / ".chainverify" / "file")
    (small.path / ".chainverify" / "policy.toml").write_text(
        small.text + '[[signers]]\nname = "Dora"\nemails = ["dora@example.org"]\nx509 = ["file"]\n'
    )
    done = run(small.path, "policy", "check")
    assert done.status == 2
    assert "file holds a private key" in done.err


def test_a_link_in_the_place_of_the_directory_is_not_followed(run: Run, small: Small, team: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (small.path / ".chainverify" / "keys").symlink_to(tmp_path / "out")
    before = small.text
    assert run(small.path, "keys", "add", "X", "--ssh", str(team / "carol.pub")).status == 2
    assert not list((tmp_path / "out").iterdir())
    assert small.text == before


def test_a_full_disk_leaves_nothing_behind(run: Run, small: Small, team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = small.text

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    done = run(small.path, "keys", "add", "X", "--ssh", str(team / "carol.pub"))
    assert done.status == 2
    assert "No space left" in done.err
    assert small.text == before
    assert not list((small.path / ".chainverify").glob("**/*.pub"))
    assert not list((small.path / ".chainverify").glob(".policy*"))


def test_a_file_outside_with_its_mode_and_server_section(run: Run, small: Small, team: Path, tmp_path: Path) -> None:
    policy = tmp_path / "server.toml"
    policy.write_text(small.text + '[server]\ndeadline = "30s"\n')
    policy.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(policy)
    key = str(team / "carol.pub")
    assert run(small.path, "keys", "add", "X", "--ssh", key, "--policy", str(policy)).status == 2
    done = run(small.path, "keys", "add", "X", "--ssh", key, "--policy", str(link), "--server")
    assert (done.status, link.is_symlink()) == (0, True)
    assert policy.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "keys" / "x.pub").is_file()
    assert run(small.path, "keys", "list", "--policy", str(policy), "--server").status == 0


def test_gitsign_and_times(run: Run, small: Small) -> None:
    issuer = "https://accounts.example.org"
    done = run(small.path, "keys", "add", "Dan", "--email", "dan@example.org", "--gitsign", "dan@example.org", "--issuer", issuer,
               "--valid-after", "2026-01-01", "--valid-before", "2027-01-01T12:00:00Z", "--output-format", "json")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert record["written"] is True
    assert record["added"][0]["comment"] == f"dan@example.org of {issuer}"
    assert record["added"][0]["until"] == "2027-01-01T12:00:00Z"
    assert run(small.path, "keys", "add", "Dan", "--valid-after", "2026-02-01").status == 2


# --- import


def test_import_marks_what_it_found(run: Run, small: Small, team: Path) -> None:
    done = run(small.path, "keys", "import", *(str(team / name) for name in ("bob.asc", "late.asc", "encrypt.asc", "carol.pub")))
    assert done.status == 0, done.err
    assert "has no key for signing" in done.err
    people = {each["name"]: each for each in tomllib.loads(small.text)["signers"]}
    assert list(people) == ["Alice Example", "Bob Example", "Late Example", "carol@example.org"]
    assert people["Bob Example"]["emails"] == ["bob@example.org"]
    assert all(each.get("observed") is (name != "Alice Example" or None) for name, each in people.items())
    assert "# imported from bob.asc" in small.text
    assert run(small.path, "policy", "check", CI="true").status == 2
    assert run(small.path, "policy", "check").status == 0


def test_import_of_a_binary_keyring_splits_it(run: Run, small: Small, team: Path, home: GpgHome) -> None:
    assert run(small.path, "keys", "import", str(team / "all.gpg"), "--confirmed").status == 0
    assert "observed" not in small.text
    written = sorted((small.path / ".chainverify" / "keys").iterdir())
    assert [path.name for path in written] == ["bob-example.asc", "late-example.asc"]
    with GpgHome.create() as other:  # gpg reads what was written, and finds the same keys
        for path in written:
            other.run("--import", str(path))
        listed_there = other.run("--with-colons", "--list-keys").stdout.decode()
    assert len(re.findall("^pub:", listed_there, re.M)) == 2


def test_import_adds_to_people_by_their_address(run: Run, small: Small, team: Path, home: GpgHome, tmp_path: Path) -> None:
    key = home.key("A. Example <Alice@Example.org>")
    (tmp_path / "a.asc").write_bytes(home.export(key))
    assert run(small.path, "keys", "import", str(tmp_path / "a.asc")).status == 0
    (person,) = tomllib.loads(small.text)["signers"]
    assert person["name"] == "Alice Example"
    assert person["openpgp"] == ["keys/alice-example.asc"]
    # she was confirmed, the new key is not
    assert person["observed"] is True


def test_import_twice_adds_nothing(run: Run, small: Small, team: Path) -> None:
    source = str(team / "bob.asc")
    assert run(small.path, "keys", "import", source).status == 0
    before = small.text
    done = run(small.path, "keys", "import", source)
    assert done.status == 2
    assert "nothing to add" in done.err
    assert small.text == before


def test_import_marks_nobody_who_was_confirmed_and_gets_nothing(run: Run, small: Small, team: Path) -> None:
    assert run(small.path, "keys", "import", str(team / "bob.asc"), "--confirmed").status == 0
    before = small.text
    done = run(small.path, "keys", "import", str(team / "bob.asc"))
    assert (done.status, small.text) == (2, before)
    assert "nothing to add" in done.err
    # beside somebody who is new, too
    done = run(small.path, "keys", "import", str(team / "bob.asc"), str(team / "late.asc"))
    assert done.status == 0, done.err
    marks = {person["name"]: person.get("observed", False) for person in tomllib.loads(small.text)["signers"]}
    assert marks == {"Alice Example": False, "Bob Example": False, "Late Example": True}


def test_import_finds_a_key_that_stands_in_a_file(run: Run, small: Small, tmp_path: Path) -> None:
    key = SshKey.create(tmp_path / "k", "dan@example.org")
    public = str(tmp_path / "k" / "dan@example.org.pub")
    assert run(small.path, "keys", "add", "Dan", "--email", "dan@example.org", "--ssh", public).status == 0
    assert key.fingerprint in run(small.path, "keys", "list").out
    before = small.text
    assert 'ssh = ["keys/dan.pub"]' in before
    other = tmp_path / "other.pub"  # the key alone, with another comment
    other.write_text(" ".join(key.public.split()[:2]) + " dan@example.org\n")
    done = run(small.path, "keys", "import", str(other))
    assert (done.status, small.text) == (2, before)
    assert "nothing to add" in done.err


def test_import_of_allowed_signers_keeps_windows(run: Run, small: Small, tmp_path: Path) -> None:
    keys = {name: SshKey.create(tmp_path / "k", name) for name in ("dan", "eve", "ca")}
    source = tmp_path / "allowed"
    source.write_text(
        "# team\n" + keys["dan"].allowed("dan@example.org,*@wild.org")
        + keys["eve"].allowed("eve@example.org", 'namespaces="git",valid-after="20200101Z",valid-before="20300101Z"')
        + keys["ca"].allowed("dan@example.org", "cert-authority")
    )
    done = run(small.path, "keys", "import", "--allowed-signers", str(source))
    assert done.status == 0, done.err
    assert "'*@wild.org' is no address" in done.err
    found = listed(run, small)
    assert rows(found["dan@example.org"]) == [("ssh", "key", "good"), ("ssh", "authority", "good")]
    (eve,) = found["eve@example.org"]["keys"]
    assert (eve["since"], eve["until"]) == ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z")
    assert "namespaces git" in eve["notes"]


def test_import_gives_no_key_to_an_address_that_its_line_excludes(run: Run, small: Small, tmp_path: Path) -> None:
    keys = {name: SshKey.create(tmp_path / "k", name) for name in ("dan", "eve")}
    source = tmp_path / "allowed"
    source.write_text(
        keys["dan"].allowed("dan@example.org,eve@example.org,!EVE@*") + keys["eve"].allowed("eve@example.org,!*@example.org")
    )
    done = run(small.path, "keys", "import", "--allowed-signers", str(source))
    assert done.status == 0, done.err
    assert "'eve@example.org' is excluded" in done.err
    assert set(listed(run, small)) == {"Alice Example", "dan@example.org", "shared"}


def test_names_of_accounts_stand_in_for_addresses(run: Run, small: Small, tmp_path: Path) -> None:
    key = SshKey.create(tmp_path, "dan")
    (tmp_path / "dan.keys").write_text(" ".join(key.public.split()[:2]) + "\n")
    done = run(small.path, "keys", "import", str(tmp_path / "dan.keys"))
    assert done.status == 0
    assert "no address" in done.err
    assert tomllib.loads(small.text)["signers"][1]["name"] == "dan"


@pytest.mark.parametrize("name", ["bob.sec", "bob.secret.gpg", "carol"])
def test_import_refuses_private_keys(run: Run, small: Small, team: Path, name: str) -> None:
    before = small.text
    done = run(small.path, "keys", "import", str(team / "bob.asc"), str(team / name))
    assert done.status == 2
    assert "PRIVATE key" in done.err
    assert small.text == before


def test_import_from_a_gnupg_home(run: Run, small: Small) -> None:
    with GpgHome.create() as home:
        frank = home.key("Frank Example <frank@example.org>", subkeys=["ed25519"])
        home.key("Grace Example <grace@example.org>")
        subkey = home.fingerprints(frank)[1]
        done = run(small.path, "keys", "import", "--gnupg", str(home.path), "--key", subkey)
        assert done.status == 0, done.err
        assert [each["name"] for each in tomllib.loads(small.text)["signers"]] == ["Alice Example", "Frank Example"]
        assert subkey in done.out
        assert run(small.path, "keys", "import", "--gnupg", str(home.path), "--key", "1234").status == 2
        assert run(small.path, "keys", "import", "--confirmed", "--gnupg", GNUPGHOME=str(home.path)).status == 0
    people = {each["name"]: each for each in tomllib.loads(small.text)["signers"]}
    assert list(people) == ["Alice Example", "Frank Example", "Grace Example"]
    assert people["Frank Example"]["observed"] is True
    assert "observed" not in people["Grace Example"]
    assert "give --gnupg too" in run(small.path, "keys", "import", "--key", subkey).err


def test_import_of_nothing(run: Run, small: Small, team: Path, tmp_path: Path) -> None:
    assert run(small.path, "keys", "import").status == 2
    assert "no key was found" in run(small.path, "keys", "import", str(team / "encrypt.asc")).err
    junk = tmp_path / "junk.asc"
    junk.write_bytes(base64.b64decode("mQGi") + os.urandom(200))
    assert run(small.path, "keys", "import", str(junk)).status == 2

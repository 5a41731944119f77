"""GnuPG beside us: keys out of a home, second opinions, and status lines that somebody would like to forge."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainverify.errors import Malformed, SignatureError, Unavailable, UsageError
from chainverify.formats import openpgp as packets
from chainverify.formats import openpgp_keys
from chainverify.model.signing import Evidence, SignatureOptions
from chainverify.signatures import gnupg, openpgp
from tests.signatures.test_openpgp import CLOCK, DAY, NOW, PAYLOAD, material, proof, ring_of
from tests.world.gpg import GpgHome
from tests.world.openpgp import (
    CREATED,
    ForgedKey,
    armor,
    certificate,
    created,
    issuer,
    packet,
    self_signature,
    subpacket,
)
from tests.world.repository import START

pytestmark = pytest.mark.tool("gpg")


@pytest.fixture(scope="module")
def home() -> Iterator[GpgHome]:
    with GpgHome.create() as made:
        yield made


# --- keys out of a home

def snapshot(path: Path) -> dict[str, str]:
    """Digests of the files of a home, without sockets."""
    return {
        str(each.relative_to(path)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in path.rglob("*") if stat.S_ISREG(each.lstat().st_mode)
    }


def test_export_of_chosen_and_of_all_keys() -> None:
    with GpgHome.create() as home:
        alice = home.key("Alice Example <alice@example.org>", subkeys=["ed25519"], also=["A. E. <ae@example.org>"])
        bob = home.key("Bob <bob@example.org>", "rsa2048")
        home.run("--quick-sign-key", alice.key_id, "--local-user", bob.key_id, check=False)
        subkey = home.fingerprints(alice)[1]
        before = snapshot(home.path)
        for names in ([alice.key_id], [subkey], [alice.key_id.lower()], [" ".join(alice.key_id)], [alice.key_id, subkey]):
            (found,) = gnupg.export_keys(home.path, names)
            assert found.fingerprint == alice.key_id
            assert set(found.user_ids) == {"Alice Example <alice@example.org>", "A. E. <ae@example.org>"}
            assert proof(home.sign(subkey, PAYLOAD), ring_of(found.armored.encode())).fingerprint == subkey
        both = gnupg.export_keys(home.path)
        assert [each.fingerprint for each in both] == [alice.key_id, bob.key_id]
        assert both[1].user_ids == ("Bob <bob@example.org>",)
        assert gnupg.export_keys(home.path, []) == ()
        assert "PRIVATE" not in both[0].armored + both[1].armored
        after = snapshot(home.path)
        assert {name: after[name] for name in before} == before
        assert set(after) - set(before) <= {".#lk"}, "nothing is created either"
        # gpg reads what is exported
        with GpgHome.create() as other:
            other.run("--import", stdin=both[1].armored.encode())
            assert bob.key_id in other.run("--with-colons", "--list-keys").stdout.decode()


def test_self_signatures_stay_and_other_peoples_go() -> None:
    with GpgHome.create() as home:
        alice = home.key(subkeys=["ed25519"])
        bob = home.key("Bob <bob@example.org>")
        armored = home.sign(alice, PAYLOAD)
        home.run("--local-user", bob.key_id, "--quick-sign-key", alice.key_id)
        home.expire(alice, 900 * DAY, when=START + DAY)
        home.revoke(alice, 1, when=START + 2 * DAY, subkey=1)
        (full,) = openpgp_keys.parse_file(home.export(alice)).certificates
        (found,) = gnupg.export_keys(home.path, [alice.key_id])
        (kept,) = openpgp_keys.parse_file(found.armored.encode()).certificates
        others = [sig for sig in full.user_ids[0].signatures if sig.fingerprint != full.primary.fingerprint]
        assert [sig.fingerprint for sig in others] == [bytes.fromhex(bob.key_id)]
        assert [s for s in full.user_ids[0].signatures if s not in others] == list(kept.user_ids[0].signatures)
        assert kept.subkeys == full.subkeys
        assert proof(armored, ring_of(found.armored.encode())) == proof(armored, ring_of(home.export(alice)))


@pytest.mark.parametrize(
    "name", ["", "alice@example.org", "Alice", "*", "--list-secret-keys", "-", "0123456789ABCDEF", "A" * 41, "A" * 40 + "!",
             "0x" + "A" * 40, "\uff21" * 40, "=Alice"],
)
def test_names_that_are_no_fingerprints(home: GpgHome, name: str) -> None:
    with pytest.raises(UsageError, match="expected an OpenPGP fingerprint"):
        gnupg.export_keys(home.path, [name])


def test_keys_that_are_not_there(home: GpgHome, tmp_path: Path) -> None:
    home.key()
    with pytest.raises(UsageError, match=r"has no public key A{40}$"):
        gnupg.export_keys(home.path, ["A" * 40])
    with pytest.raises(UsageError, match=r"has no public key A{64}$"):
        gnupg.export_keys(home.path, ["A" * 64])
    with pytest.raises(Unavailable, match="gpg does not read its home"):
        gnupg.export_keys(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_gpg_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="Unable to run gpg"):
        gnupg.export_keys(tmp_path)
    with pytest.raises(Unavailable, match="gpg is not installed"):
        gnupg.open([])


def test_parts_of_an_export() -> None:
    one, two = ForgedKey.create(), ForgedKey.create("rsa2048")
    first, second = certificate(one), certificate(two)
    data = first + second
    assert openpgp_keys.split(data) == (first, second)
    assert openpgp_keys.split(b"") == ()
    for broken in (data[:-1], packet(13, b"x") + data, b"\x00"):
        with pytest.raises(Malformed):
            openpgp_keys.split(broken)
    text = b"Alice"
    foreign = two.sign(0x10, one.prefix, b"\xb4" + len(text).to_bytes(4, "big") + text)
    unreadable = b"\x03" + bytes(20)
    own = self_signature(one, text)
    data = certificate(one, [(text, [foreign, own, unreadable])]) + packet(12, b"\0\0")
    assert openpgp_keys.without_others(data) == certificate(one, [(text, [own])])


# --- status lines

KEY, PRIMARY = "A" * 40, "B" * 40
VALIDSIG = f"VALIDSIG {KEY} 2025-06-15 1750000000 0 4 0 22 8 00 {PRIMARY}"
GOOD = f"GOODSIG {KEY[-16:]} Alice Example <alice@example.org>"


def lines(*text: str) -> bytes:
    return "".join(f"[GNUPG:] {line}\n" for line in text).encode()


STATUS: dict[str, tuple[bytes, str, str]] = {
    "good": (lines("NEWSIG", f"KEY_CONSIDERED {KEY} 0", "SIG_ID x 2025-06-15 1", GOOD, VALIDSIG, "TRUST_FULLY 0 always"),
             "GOODSIG", ""),
    "expired": (lines("NEWSIG", "KEYEXPIRED 1", f"EXPKEYSIG {KEY[-16:]} A", VALIDSIG), "EXPKEYSIG", ""),
    "revoked": (lines("NEWSIG", f"REVKEYSIG {KEY[-16:]} A", VALIDSIG, "KEYREVOKED"), "REVKEYSIG", ""),
    "expired and revoked": (lines("NEWSIG", f"EXPKEYSIG {KEY[-16:]} A", VALIDSIG, "KEYREVOKED"), "REVKEYSIG", ""),
    "expired signature": (lines("NEWSIG", f"EXPSIG {KEY[-16:]} A", VALIDSIG), "EXPSIG", ""),
    "bad": (lines("NEWSIG", f"BADSIG {KEY[-16:]} Alice"), "BADSIG", ""),
    "no key": (lines("NEWSIG", f"ERRSIG {KEY[-16:]} 22 8 00 1750000000 9 {KEY}", f"NO_PUBKEY {KEY[-16:]}"), "ERRSIG",
               "could not check"),
    "a user id that says more": (lines("NEWSIG", f"GOODSIG {KEY[-16:]} \u0085[GNUPG:] BADSIG x\u2028[GNUPG:] NEWSIG", VALIDSIG),
                                 "GOODSIG", ""),
    "nothing": (b"", "", "0 signatures"),
    "no signature": (lines("NODATA 4"), "", "0 signatures"),
    "no NEWSIG": (lines(GOOD, VALIDSIG), "", "0 signatures"),
    "two signatures": (lines("NEWSIG", GOOD, VALIDSIG, "NEWSIG", GOOD, VALIDSIG), "", "2 signatures"),
    "two signatures, one not judged": (lines("NEWSIG", "NEWSIG", GOOD, VALIDSIG), "", "2 signatures"),
    "good and bad": (lines("NEWSIG", GOOD, VALIDSIG, "BADSIG x y"), "", "'BADSIG', 'GOODSIG'"),
    "good twice": (lines("NEWSIG", GOOD, GOOD, VALIDSIG), "", "'GOODSIG', 'GOODSIG'"),
    "good without VALIDSIG": (lines("NEWSIG", GOOD), "", "0 times VALIDSIG"),
    "VALIDSIG without a verdict": (lines("NEWSIG", VALIDSIG), "", "verdicts \\[\\]"),
    "VALIDSIG twice": (lines("NEWSIG", GOOD, VALIDSIG, VALIDSIG), "", "2 times VALIDSIG"),
    "bad with VALIDSIG": (lines("NEWSIG", "BADSIG x y", VALIDSIG), "", "1 times VALIDSIG"),
    "unexpected data": (lines("NEWSIG", GOOD, VALIDSIG, "UNEXPECTED 0"), "", "UNEXPECTED"),
    "short VALIDSIG": (lines("NEWSIG", GOOD, VALIDSIG.rsplit(" ", 1)[0]), "", "9 fields"),
    "VALIDSIG with a short key": (lines("NEWSIG", GOOD, VALIDSIG.replace(KEY, KEY[:39])), "", "reads"),
    "VALIDSIG with a lower key": (lines("NEWSIG", GOOD, VALIDSIG.replace(KEY, KEY.lower())), "", "reads"),
    "VALIDSIG without a time": (lines("NEWSIG", GOOD, VALIDSIG.replace("1750000000", "20250615T000000")), "", "reads"),
    "VALIDSIG with another type": (lines("NEWSIG", GOOD, VALIDSIG.replace(" 00 ", " zz ")), "", "reads"),
    "another line": (lines("NEWSIG", GOOD, VALIDSIG) + b"gpg: Good signature\n", "", "where a status line is expected"),
    "cut": (lines("NEWSIG", GOOD, VALIDSIG)[:-2], "", "reads"),
    "empty line": (b"\n" + lines("NEWSIG", GOOD, VALIDSIG), "", "where a status line is expected"),
    "flood": (lines("NEWSIG", GOOD, VALIDSIG) + lines("PROGRESS") * 70000, "", "at most"),
}


@pytest.mark.parametrize("name", STATUS)
def test_status_lines(name: str) -> None:
    data, word, why = STATUS[name]
    found = gnupg.read_status(data)
    assert found.word == word
    assert re.search(why, found.why) if why else found.why == ""
    if word and word not in ("BADSIG", "ERRSIG"):
        assert found[1:5] == (KEY, PRIMARY, 1750000000, 0)
    else:
        assert found[1:5] == ("", "", 0, -1)


# --- second opinions

def test_a_second_opinion_on_each_state_of_a_key(home: GpgHome) -> None:
    """gpg's word on good, changed, expired, revoked and unknown; what we accept is confirmed, with the reason where it is not."""
    key = home.key(subkeys=["ed25519"])
    armored = home.sign(key, PAYLOAD)
    by_primary = home.sign(key.key_id, PAYLOAD)
    fresh = material(home.export(key))
    stranger = home.sign(home.key("Bob <bob@example.org>"), PAYLOAD)
    with gnupg.open([fresh], NOW) as second:
        found = second.confirm(PAYLOAD, armored, proof(armored, openpgp.load([fresh])))
        assert (found.word, found.primary, found.made, found.kind) == ("GOODSIG", key.key_id, START, 0)
        assert found.fingerprint == home.fingerprints(key)[1]
        assert second.ask(PAYLOAD + b"x", armored).word == "BADSIG"
        assert second.ask(PAYLOAD, stranger).word == "ERRSIG"
        assert second.ask(PAYLOAD, b"").word == ""
        assert second.ask(PAYLOAD, b"no armor").word == ""
    home.expire(key, 60 * DAY, when=CREATED + 5)
    expired = material(home.export(key))
    with gnupg.open([expired], NOW) as second:
        evidence = proof(armored, openpgp.load([expired]))
        assert evidence.code == "GOOD_EXPIRED_NOW"
        assert second.confirm(PAYLOAD, armored, evidence).word == "EXPKEYSIG"
    lone = material(home.revocation(key, 3, when=START + 2 * DAY))
    with gnupg.open([lone, expired], NOW) as second:
        # expired and revoked: gpg tells of the first alone, and nobody may take that for "not revoked"
        assert second.ask(PAYLOAD, armored).word == second.ask(PAYLOAD, by_primary).word == "EXPKEYSIG"
    home.expire(key, 0, when=START - DAY)
    home.revoke(key, 3, when=START + DAY)
    for materials in ([material(home.export(key))], [lone, fresh]):
        with gnupg.open(materials, NOW) as second:
            assert second.ask(PAYLOAD, armored).word == "REVKEYSIG"
            evidence = proof(armored, openpgp.load(materials))
            assert any("revoked" in note for note in evidence.notes)
            second.confirm(PAYLOAD, armored, evidence)
            with pytest.raises(SignatureError, match="gpg says that the key is revoked") as caught:
                second.confirm(PAYLOAD, armored, evidence._replace(notes=()))
            assert (caught.value.code, caught.value.rule, caught.value.evidence["gnupg"]) == (
                "DISPUTED", "signature-ambiguous", "REVKEYSIG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "A" * 40}, "it is by [0-9A-F]{40} of"),
        ({"primary": "A" * 40}, "it is by [0-9A-F]{40} of"),
        ({"signed_at": START + 1}, "was made at"),
    ],
)
def test_what_gpg_contradicts(home: GpgHome, change: dict[str, Any], message: str) -> None:
    key = home.key()
    armored = home.sign(key, PAYLOAD)
    evidence = proof(armored, ring_of(home.export(key)))
    with gnupg.open([material(home.export(key))], NOW) as second:
        second.confirm(PAYLOAD, armored, evidence)
        with pytest.raises(SignatureError, match=message):
            second.confirm(PAYLOAD, armored, evidence._replace(**change))
        with pytest.raises(SignatureError, match="does not fit the signed bytes"):
            second.confirm(PAYLOAD + b"x", armored, evidence)
        text = home.sign(key, PAYLOAD, "--textmode")
        with pytest.raises(SignatureError, match="has the type 0x01"):
            second.confirm(PAYLOAD, text, evidence)
        # an arrival says nothing of the signature's own time
        second.confirm(PAYLOAD, armored, evidence._replace(signed_at=NOW, time_source="arrival"))


def test_what_gpg_cannot_say(home: GpgHome) -> None:
    """gpg 2.2 does not know version 6: that is no pass, and nothing bad either."""
    key = ForgedKey.create("ed25519-new", version=6)
    data, armored = certificate(key), armor(packet(2, key.sign(0, PAYLOAD)))
    with gnupg.open([material(data)], NOW) as second:
        evidence = proof(armored, ring_of(data))
        if second.ask(PAYLOAD, armored).word == "GOODSIG":
            pytest.skip("this gpg knows version 6")
        with pytest.raises(Unavailable, match="gpg has no opinion") as caught:
            second.confirm(PAYLOAD, armored, evidence)
        assert caught.value.status == "unknown"


def test_several_signatures_have_no_second_opinion(home: GpgHome) -> None:
    one, two = home.key(), home.key("Bob <bob@example.org>")
    binary = [home.sign(each, PAYLOAD, armor=False) for each in (one, two)]
    with gnupg.open([material(home.export(one, two))], NOW) as second:
        assert second.ask(PAYLOAD, armor(binary[0])).word == "GOODSIG"
        assert second.ask(PAYLOAD, armor(binary[0] + binary[1])).word == ""


HOSTILE = [
    b"A\xc2\x85[GNUPG:] VALIDSIG %b 2025-06-15 1750000000 0 4 0 22 8 00 %b" % (b"A" * 40, b"A" * 40),
    b"A\n[GNUPG:] VALIDSIG %b 2025-06-15 1750000000 0 4 0 22 8 00 %b" % (b"A" * 40, b"A" * 40),
    b"A\r[GNUPG:] NEWSIG", b"A\x0b\x0c\x1c\x1d\x1e[GNUPG:] BADSIG x", "A\u2028[GNUPG:] BADSIG x".encode(),
    b"A\x85[GNUPG:] BADSIG x",
    b"A%0A[GNUPG:] BADSIG x", b"\0A\n[GNUPG:] BADSIG",
]


@pytest.mark.parametrize("user_id", HOSTILE, ids=range(len(HOSTILE)))
def test_a_user_id_forges_no_status_line(user_id: bytes) -> None:
    key = ForgedKey.create()
    data = certificate(key, [(user_id, [self_signature(key, user_id)])])
    notation = subpacket(20, b"\x80\0\0\0\0\3\0\x30a@b[GNUPG:] BADSIG x".ljust(8 + 3 + 48, b"\n"))
    armored = armor(packet(2, key.sign(0, PAYLOAD, hashed=[created(START), issuer(key), notation, subpacket(26, user_id)])))
    with gnupg.open([material(data)], NOW) as second:
        found = second.confirm(PAYLOAD, armored, proof(armored, ring_of(data)))
    assert (found.word, found.fingerprint) == ("GOODSIG", key.fingerprint.hex().upper())


def test_why_python_gnupg_does_not_judge() -> None:
    """Of a bad signature its verify() says "signature good" with the key, the time and the trust that the user id names."""
    import gnupg as python_gnupg

    key = ForgedKey.create()
    user_id = "\u0085".join([
        "A", f"[GNUPG:] VALIDSIG {KEY} 2025-06-15 1750000000 0 4 0 22 8 00 {KEY}", "[GNUPG:] GOODSIG 0123456789ABCDEF B",
        "[GNUPG:] TRUST_ULTIMATE 0 pgp"]).encode()
    data = certificate(key, [(user_id, [self_signature(key, user_id)])])
    armored = armor(packet(2, key.sign(0, PAYLOAD)))
    with GpgHome.create() as home:
        home.run("--import", stdin=data, when=NOW)
        signature = home.path / "signature"
        signature.write_bytes(armored)
        theirs = python_gnupg.GPG(gnupghome=str(home.path)).verify_data(str(signature), b"other bytes")
        assert (theirs.status, theirs.fingerprint, theirs.trust_text) == ("signature good", KEY, "TRUST_ULTIMATE")
    with gnupg.open([material(data)], NOW) as second:
        assert second.ask(b"other bytes", armored).word == "BADSIG"


def test_the_home_is_private_and_goes(home: GpgHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(home.path))
    key = home.key()
    before = snapshot(home.path)
    second = gnupg.open([material(home.export(key))])
    path = Path(second._directory.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert second.ask(PAYLOAD, home.sign(key, PAYLOAD)).word == "GOODSIG"
    assert not list(path.glob("S.*")), "no agent was started"
    second.close()
    assert not path.exists()
    assert snapshot(home.path) == before | {name: digest for name, digest in snapshot(home.path).items() if "trust" not in name}
    with pytest.raises(Malformed):
        gnupg.open([material(b"no key")])
    leftovers = [name for name in os.listdir(path.parent) if name.startswith("chainverify-gnupg-")]
    assert leftovers == []


def test_opinions_on_real_keys_agree(home: GpgHome) -> None:
    for kind in ("rsa2048", "ed25519", "nistp256", "dsa2048"):
        key = home.key(f"{kind} <{kind}@example.org>", kind)
        armored = home.sign(key, PAYLOAD)
        ring = ring_of(home.export(key))
        evidence: Evidence = openpgp.verify(PAYLOAD, armored, ring, CLOCK, SignatureOptions(dsa_before=NOW))
        with gnupg.open([material(home.export(key))], NOW) as second:
            assert second.confirm(PAYLOAD, armored, evidence).fingerprint == evidence.fingerprint
    assert packets.parse_detached(armored).algorithm == packets.DSA

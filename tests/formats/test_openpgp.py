"""The readers of OpenPGP bytes: armor, packets, signatures, certificates; what they take and why they refuse."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import armor, openpgp, openpgp_keys, openpgp_packets
from chainverify.formats.openpgp import Signature
from tests.world.gpg import GpgHome
from tests.world.openpgp import (
    CREATED,
    Bound,
    ForgedKey,
    binding,
    certificate,
    crc24,
    created,
    flags,
    issuer,
    mpi,
    packet,
    self_signature,
    subpacket,
)
from tests.world.openpgp import armor as armored_of
from tests.world.repository import START

KEY = ForgedKey.create()
BODY = KEY.sign(0, b"payload")
DATA = packet(2, BODY)
ARMOR = armored_of(DATA)
BAD = "signature-bad"
AMBIGUOUS = "signature-ambiguous"


def lines(edit: Callable[[list[bytes]], object]) -> bytes:
    """The armor with its lines edited."""
    found = ARMOR.split(b"\n")
    edit(found)
    return b"\n".join(found)


# --- armor

@pytest.mark.parametrize(
    ("form", "notes"),
    [
        (ARMOR, ()),
        (ARMOR + b"\n", ()),
        (armored_of(DATA, headers=["Version: GnuPG v2", "Comment: https://example.org", "Hash: SHA256"]), ()),
        (armored_of(DATA, headers=["Comment:"]), ()),
        (armored_of(DATA, crc=b""), ()),
        (ARMOR + b"\n\n", (armor.NONCANONICAL,)),
        (ARMOR + b" ", (armor.NONCANONICAL,)),
        (ARMOR + b"\n   \n\t", (armor.NONCANONICAL,)),
        (ARMOR.replace(b"\n", b"\r\n") + b"\r", (armor.NONCANONICAL,)),
        (ARMOR.replace(b"\n", b"\r\n") + b"\r\n", (armor.NONCANONICAL,)),
    ],
)
def test_armors_that_are_read(form: bytes, notes: tuple[str, ...]) -> None:
    assert armor.signature(form) == (DATA, notes)


@pytest.mark.parametrize(
    ("form", "rule", "message"),
    [
        (b"", BAD, "does not start"),
        (b"-----BEGIN PGP SIGNATURE-----", BAD, "no END"),
        (b"-----BEGIN PGP MESSAGE-----\n\nAA==\n-----END PGP MESSAGE-----", BAD, "does not start"),
        (b"text\n" + ARMOR, AMBIGUOUS, "before its BEGIN"),
        (b" " + ARMOR, AMBIGUOUS, "before its BEGIN"),
        (ARMOR + b"\nSign completed", AMBIGUOUS, "after its END"),
        (ARMOR + b"x", AMBIGUOUS, "after its END"),
        (ARMOR + b"\n\x00", AMBIGUOUS, "after its END"),
        (ARMOR + b"\n" + ARMOR, AMBIGUOUS, "several armors"),
        (ARMOR + b"\n-----BEGIN SSH SIGNATURE-----", AMBIGUOUS, "several armors"),
        (lines(lambda found: found.insert(1, b"-----BEGIN PGP SIGNATURE-----")), AMBIGUOUS, "several armors"),
        (ARMOR + b"\r", BAD, "carriage returns"),
        (ARMOR.replace(b"\n", b"\r\n"), BAD, "not on its END line"),
        (ARMOR.replace(b"\n", b"\r\n", 1), BAD, "carriage returns"),
        (ARMOR.replace(b"\n", b"\r\r\n") + b"\r", BAD, "carriage returns"),
        (lines(lambda found: found.pop()), BAD, "no END"),
        (lines(lambda found: found.pop(1)), BAD, "header line"),
        (armored_of(DATA, headers=["Evil: yes"]), BAD, "header line"),
        (armored_of(DATA, headers=["Comment: x"] * 17), BAD, "no empty line"),
        (armored_of(DATA, headers=["-----END PGP SIGNATURE-----"]), AMBIGUOUS, "after its END"),
        (ARMOR.replace(b"SIGNATURE-----\n\n", b"SIGNATURE----- \n\n", 1), BAD, "text on its BEGIN line"),
        (lines(lambda found: found.insert(3, b"")), BAD, "empty lines"),
        (lines(lambda found: found.insert(2, b"")), BAD, "empty lines"),
        (lines(lambda found: found.insert(-1, b"")), BAD, "is empty, or has empty lines|not base64"),
        (lines(lambda found: found.__setitem__(2, found[2] + b" ")), BAD, "not base64"),
        (lines(lambda found: found.__setitem__(2, b"=" + found[2])), BAD, "not base64"),
        (lines(lambda found: found.__setitem__(2, b"!" + found[2][1:])), BAD, "not base64"),
        (armored_of(DATA, crc=b"\0\0\0"), BAD, "checksum"),
        (armored_of(DATA, crc=crc24(DATA) + b"\0"), BAD, "checksum"),
        (b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----", BAD, "no END|empty"),
        (b"-----BEGIN PGP SIGNATURE-----\n\nQR==\n-----END PGP SIGNATURE-----", BAD, "not canonical|not base64"),
        (b"-----BEGIN PGP SIGNATURE-----\n\nQQ\n-----END PGP SIGNATURE-----", BAD, "not base64"),
        (ARMOR + b"\n" * (256 << 10), BAD, "at most"),
    ],
)
def test_armors_that_are_refused(form: bytes, rule: str, message: str) -> None:
    with pytest.raises(Malformed, match=message) as caught:
        armor.signature(form)
    assert caught.value.rule == rule


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_checksum_is_that_of_the_specification(data: bytes) -> None:
    assert armor.crc24(data) == int.from_bytes(crc24(data), "big")


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=1500), st.booleans())
def test_armor_round_trip(data: bytes, checked: bool) -> None:
    assert armor.signature(armored_of(data, crc=None if checked else b"")) == (data, ())


@given(st.binary(max_size=200) | st.text().map(lambda text: b"-----BEGIN PGP SIGNATURE-----\n" + text.encode()))
def test_any_bytes_as_armor(data: bytes) -> None:
    for read in (armor.signature, armor.key_blocks):
        try:
            read(data)
        except Malformed:
            continue


# --- packets

@given(st.lists(st.tuples(st.integers(1, 39), st.binary(max_size=400), st.booleans()), max_size=6))
def test_packets_round_trip(parts: list[tuple[int, bytes, bool]]) -> None:
    data = b"".join(packet(tag, body, old=old) for tag, body, old in parts)
    assert openpgp_packets.read(data) == tuple((tag, body) for tag, body, _ in parts)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xc2\x00", (2, b"")),
        (b"\xc2\xbf" + bytes(191), (2, bytes(191))),
        (b"\xc2\xc0\x00" + bytes(192), (2, bytes(192))),
        (b"\xc2\xdf\xff" + bytes(8383), (2, bytes(8383))),
        (b"\xc2\xff\0\0\0\1x", (2, b"x")),
        (b"\x88\1x", (2, b"x")),
        (b"\x89\0\1x", (2, b"x")),
        (b"\x8a\0\0\0\1x", (2, b"x")),
    ],
)
def test_lengths_of_packets(data: bytes, expected: tuple[int, bytes]) -> None:
    assert openpgp_packets.read(data) == (expected,)
    for cut in range(1, min(len(data), 12)):
        with pytest.raises(Malformed):
            openpgp_packets.read(data[:-cut])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x00", "expected an OpenPGP packet"),
        (b"\x02\x00", "expected an OpenPGP packet"),
        (b"\x8b" + bytes(9), "indeterminate"),
        (b"\xc2\xe0" + bytes(9), "partial"),
        (b"\xc2\xfe" + bytes(9), "partial"),
        (b"\xc0\x00", "reserved type"),
        (b"\x80\x00", "reserved type"),
        (b"\xc2", "cut off"),
        (b"\xc2\xff\xff\xff\xff\xff", "cut off"),
        (b"\xc2\x00" * (openpgp_packets.MAX_PACKETS + 1), "more than 65536"),
    ],
)
def test_packets_that_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        openpgp_packets.read(data)


@given(st.binary(max_size=60), st.integers(0, 6), st.integers(0, 4))
def test_any_bytes_as_integers(data: bytes, at: int, count: int) -> None:
    try:
        values, end, canonical = openpgp_packets.mpis(data, at, count)
    except Malformed:
        return
    assert len(values) == count
    assert count == 0 or end <= len(data)
    assert all(not value or value[0] for value in values)
    written = b"".join(mpi(value) for value in values)
    assert canonical == (written == data[at:end] if count else True)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\x09\1\xff", ((b"\1\xff",), 4, True)),
        (b"\0\x0a\1\xff", ((b"\1\xff",), 4, False)),
        (b"\0\x10\1\xff", ((b"\1\xff",), 4, False)),
        (b"\0\x10\0\xff", ((b"\xff",), 4, False)),
        (b"\0\x10\0\0", ((b"",), 4, False)),
        (b"\0\0", ((b"",), 2, True)),
        (b"\0\x0a\x0f\xff", None),
        (b"\0\x09\1", None),
        (b"\0", None),
        (b"\xff\xff" + bytes(8192), None),
    ],
)
def test_integers(data: bytes, expected: object) -> None:
    if expected is None:
        with pytest.raises(Malformed):
            openpgp_packets.mpis(data, 0, 1)
    else:
        assert openpgp_packets.mpis(data, 0, 1) == expected


# --- signatures

def test_what_a_signature_says() -> None:
    found = openpgp.parse_detached(ARMOR)
    assert isinstance(found, Signature)
    assert (found.kind, found.algorithm, found.hash_algorithm, found.created) == (0, 22, 8, START)
    assert (found.fingerprint, found.key_id) == (KEY.fingerprint, KEY.fingerprint[-8:])
    assert found.hashed == BODY[: len(found.hashed) - 6] + b"\x04\xff" + (len(found.hashed) - 6).to_bytes(4, "big")
    assert (found.expires, found.flags, found.reason, found.embedded, found.notes) == (0, None, None, (), ())


def test_what_only_the_hashed_area_says() -> None:
    extra = [subpacket(3, b"\0\0\0\1"), subpacket(9, b"\0\0\0\2"), flags(2), subpacket(25, b"\1"), subpacket(28, b"me"),
             subpacket(29, b"\2why"), subpacket(12, b"\x80\x16" + b"r" * 20)]
    said = openpgp.parse_body(KEY.sign(0, hashed=[created(START), *extra]))
    assert (said.expires, said.key_expires, said.flags, said.primary, said.signer_user_id, said.reason, said.revokers) == (
        1, 2, 2, True, b"me", 2, (b"r" * 20,)
    )
    unsaid = openpgp.parse_body(KEY.sign(0, hashed=[created(START)], unhashed=extra))
    assert unsaid[7:16] == (0, None, None, None, 0, None, False, None, ())


@pytest.mark.parametrize("area", ["hashed", "unhashed"])
@pytest.mark.parametrize(
    "broken", [b"\0", b"\1", b"\5\x10abc", b"\xff\xff\xff\xff\xff\2", b"\xc0", b"\xfe\xff\2", b"\2\x02", b"\x02\x10x", b"\1\x21"]
)
def test_subpackets_that_do_not_fit(area: str, broken: bytes) -> None:
    hashed, unhashed = ([created(START)], [broken]) if area == "unhashed" else ([created(START), broken], None)
    with pytest.raises(Malformed) as caught:
        openpgp.parse_body(KEY.sign(0, hashed=hashed, unhashed=unhashed))
    assert caught.value.rule == BAD


@pytest.mark.parametrize("kind", [2, 3, 9, 27])
def test_what_may_be_said_once(kind: int) -> None:
    twice = [subpacket(kind, b"\0\0\0\1")] * 2
    with pytest.raises(Malformed, match=r"two|twice"):
        openpgp.parse_body(KEY.sign(0, hashed=[*([] if kind == 2 else [created(START)]), *twice]))


def test_too_many_subpackets() -> None:
    with pytest.raises(Malformed, match="too many"):
        openpgp.parse_body(KEY.sign(0, unhashed=[subpacket(100, b"")] * 129))


@given(st.binary(max_size=120))
def test_any_bytes_as_a_signature(data: bytes) -> None:
    for body in (data, b"\4" + data, BODY[:4] + data, b"\4\0\x16\x08\0\x06\5\2\0\0\0\0" + data):
        try:
            found = openpgp.parse_body(body)
        except Malformed:
            continue
        assert found.hashed[:-6] == body[: len(found.hashed) - 6]


@given(st.data())
def test_a_changed_signature_is_another_or_none(data: st.DataObject) -> None:
    """The reader loses nothing that is signed: two bodies that read the same differ only where nobody signed."""
    at = data.draw(st.integers(0, len(BODY) - 1))
    mutant = BODY[:at] + bytes([BODY[at] ^ data.draw(st.integers(1, 255))]) + BODY[at + 1 :]
    try:
        found = openpgp.parse_body(mutant)
    except Malformed:
        return
    honest = openpgp.parse_body(BODY)
    if (found.hashed, found.values) == (honest.hashed, honest.values):
        assert (found.kind, found.created, found.flags) == (honest.kind, honest.created, honest.flags)
        assert at >= len(honest.hashed) - 6


# --- certificates

def full() -> bytes:
    subkey = ForgedKey.create("nistp256")
    return certificate(
        KEY,
        [(b"A <a@example.org>", [self_signature(KEY, b"A <a@example.org>")]), (b"B", [])],
        [Bound(subkey, [binding(KEY, subkey)])],
        direct=[KEY.sign(0x1F, KEY.prefix, hashed=[created(CREATED), issuer(KEY)])],
    )


def test_structure_of_a_certificate() -> None:
    (found,) = openpgp_keys.parse_file(full()).certificates
    assert found.primary.fingerprint == KEY.fingerprint
    assert [user.data for user in found.user_ids] == [b"A <a@example.org>", b"B"]
    assert [len(user.signatures) for user in found.user_ids] == [1, 0]
    assert [len(subkey.signatures) for subkey in found.subkeys] == [1]
    assert len(found.signatures) == 1
    assert openpgp_keys.merge(found, found) == found


def test_a_revocation_counts_wherever_it_stands() -> None:
    revocation = packet(2, KEY.sign(0x20, KEY.prefix))
    (found,) = openpgp_keys.parse_file(full() + revocation).certificates
    assert [item.kind for item in found.signatures] == [0x1F, 0x20]
    assert openpgp_keys.parse_file(revocation).revocations[0].kind == 0x20


def test_what_is_not_understood_is_skipped_with_its_signatures() -> None:
    alien = packet(14, b"\x06" + bytes(30)) + packet(2, BODY) + packet(60, b"private") + packet(12, b"trust")
    (found,) = openpgp_keys.parse_file(full() + alien + packet(2, b"\x03old") + packet(13, b"C")).certificates
    assert len(found.subkeys) == 1
    assert [user.data for user in found.user_ids][-1] == b"C"
    assert sum(len(user.signatures) for user in found.user_ids) == 1


def test_budgets() -> None:
    key = packet(6, KEY.body)
    for data, message in [
        (key * (openpgp_keys.MAX_CERTIFICATES + 1), "more than 1024 certificates"),
        (key + b"".join(packet(13, b"%d" % number) for number in range(257)), "more than 256"),
        (bytes(openpgp_keys.MAX_FILE_BYTES + 1), "at most"),
    ]:
        with pytest.raises(Malformed, match=message):
            openpgp_keys.parse_file(data)


@pytest.mark.tool("gpg")
def test_fingerprints_are_those_of_gpg() -> None:
    with GpgHome.create() as home:
        for kind in ("rsa2048", "ed25519", "nistp521", "dsa2048"):
            key = home.key(kind=kind)  # type: ignore[arg-type]
            home.add_subkey(key, "cv25519", usage="encr")  # type: ignore[arg-type]
            (found,) = openpgp_keys.parse_file(home.export(key)).certificates
            assert [found.primary.fingerprint.hex().upper(), *(
                subkey.key.fingerprint.hex().upper() for subkey in found.subkeys
            )] == home.fingerprints(key)
            assert found.primary.created == CREATED


@given(st.binary(max_size=80))
def test_any_bytes_as_a_key_file(data: bytes) -> None:
    for form in (data, b"\x99" + data, packet(6, KEY.body) + data, packet(6, data), packet(6, KEY.body) + packet(14, data)):
        try:
            found = openpgp_keys.parse_file(form)
        except Malformed:
            continue
        assert found.certificates or found.revocations


def test_damaged_certificates() -> None:
    rng = random.Random(2)
    data = full()
    text = armored_of(data, "PGP PUBLIC KEY BLOCK")
    assert openpgp_keys.parse_file(text) == openpgp_keys.parse_file(data)
    for _ in range(1500):
        source = rng.choice((data, text))
        at, size = rng.randrange(len(source)), rng.choice((0, 1, 1, 5))
        mutant = source[:at] + rng.randbytes(rng.choice((0, 1, 3))) + source[at + size :]
        try:
            openpgp_keys.parse_file(mutant)
        except Malformed:
            continue


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Alice Example <alice@example.org>", "alice@example.org"),
        (b"alice@example.org", "alice@example.org"),
        (b"<alice@example.org>", "alice@example.org"),
        (b"Eve <eve@evil.org> (work) <alice@example.org>", "alice@example.org"),
        (b"Alice <Alice+git@Example.ORG>", "Alice+git@Example.ORG"),
        ("Ålice <alice@example.org>".encode(), "alice@example.org"),
        (b"Alice Example", None),
        (b"", None),
        (b"Alice <alice@example.org> (work)", None),
        (b"Alice <alice@example.org", None),
        (b"Alice <alice>", None),
        (b"Alice <@example.org>", None),
        (b"Alice <alice@>", None),
        (b"Alice <a@b@c>", None),
        (b'Alice <"a@b"@example.org>', None),
        (b"Alice <al ice@example.org>", None),
        (b"Alice <alice\0@example.org>", None),
        (b"Alice <alice@example.org\n>", None),
        ("Alice <älice@example.org>".encode(), None),
        (b"Alice <" + b"a" * 250 + b"@example.org>", None),
    ],
)
def test_addresses_of_user_ids(text: bytes, expected: str | None) -> None:
    assert openpgp_keys.email(text) == expected


def test_key_files_as_text() -> None:
    block = armored_of(full(), "PGP PUBLIC KEY BLOCK", headers=["Comment: mine"])
    for form in (block, block + b"\n" + block, b"Alice's key:\n\n" + block + b"\nbye", block.replace(b"\n", b"\r\n"),
                 block.replace(b"\n", b" \n"), b"\xef\xbb\xbf" + block):
        assert len(openpgp_keys.parse_file(form).certificates) == form.count(b"BEGIN")
    secret = base64.b64encode(packet(5, b"x")).decode()
    for form in (f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{secret}\n-----END PGP PRIVATE KEY BLOCK-----",
                 f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{secret}\n-----END PGP PUBLIC KEY BLOCK-----"):
        with pytest.raises(Malformed, match="private key"):
            openpgp_keys.parse_file(form.encode())

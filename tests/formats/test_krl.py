"""Key revocation lists as ssh-keygen makes them, and as nobody should."""

from __future__ import annotations

import base64
import hashlib
import random
import time
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import krl, sshcert, sshkey
from chainverify.formats.sshwire import string
from tests.world.ssh import SshKey, keygen_revokes
from tests.world.ssh import krl as made_krl

pytestmark = pytest.mark.tool("ssh-keygen")


class World(NamedTuple):
    authority: SshKey
    other: SshKey
    alice: SshKey
    bob: SshKey


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("krl")
    return World(*(SshKey.create(root, name) for name in ("authority", "other", "alice")),
                 SshKey.create(root, "bob", kind="rsa", bits=2048))


def blob_of(key: SshKey) -> bytes:
    return base64.b64decode(key.public.split()[1])


def revokes(found: krl.RevokedKeys, key: SshKey) -> bool:
    """As ssh-keygen -Q: the key, and of a certificate its authority, serial number and key id."""
    blob = blob_of(key)
    if not sshcert.is_certificate(blob):
        return bool(found.revokes_key(sshkey.parse_blob(blob)))
    certificate = sshcert.parse(blob)
    return bool(
        found.revokes_key(certificate.key) or found.revokes_key(certificate.authority) or found.revokes_certificate(certificate)
    )


def hex_serials(*serials: int) -> str:
    return "".join(f"serial: {serial}\n" for serial in serials)


SPECIFICATIONS = [
    "",
    "serial: 5\n",
    "serial: 1-4\nserial: 6-18446744073709551615\n",
    hex_serials(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 5000),
    hex_serials(4, 6, 1000, 10**6, 10**12),
    "serial: 18446744073709551615\nserial: 1\n",
    "id: laptop\n",
    "id: other\nserial: 7\n",
    "id: laptop\nid: laptop of Alice\nserial: 4-6\n",
]


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=repr)
def test_certificates_as_ssh_keygen_reads_them(world: World, specification: str) -> None:
    certificates = [
        authority.certify(world.alice, "a", "-z", str(serial), name=name)
        for authority, serial, name in [
            (world.authority, 5, "laptop"), (world.authority, 7, "x"), (world.authority, 0, "x"), (world.other, 5, "laptop"),
            (world.authority, (1 << 64) - 1, "laptop of Alice"), (world.authority, 5000, "x"), (world.authority, 10**12, "y"),
        ]
    ]  # fmt: skip
    for authority in (world.authority, "none", *([] if specification else [None])):
        data = made_krl(specification, authority=authority)
        found = krl.parse_file(data)
        said = [keygen_revokes(data, each) for each in (*certificates, world.alice)]
        assert [revokes(found, each) for each in (*certificates, world.alice)] == said
        assert not said[-1]
        assert not specification or any(said) or "other" in specification


@pytest.mark.parametrize("authority", [False, True])
def test_keys_as_ssh_keygen_reads_them(world: World, authority: bool) -> None:
    certificate = world.authority.certify(world.alice, "a", "-z", "3")
    line = " ".join(world.alice.public.split()[:2])
    sha256 = hashlib.sha256(blob_of(world.alice)).digest()
    every = (world.alice, world.bob, world.authority, certificate)
    for specification, keys, expected in [
        (f"key: {line}\n", (), (True, False, False, True)),
        (f"sha1: {line}\n", (), (True, False, False, True)),
        (f"sha256: {line}\n", (), (True, False, False, True)),
        (f"hash: SHA256:{base64.b64encode(sha256).decode().rstrip('=')}\n", (), (True, False, False, True)),
        ("", (world.bob, world.alice), (True, True, False, True)),
        ("", (world.authority,), (False, False, True, True)),
        (f"sha256: {' '.join(world.authority.public.split()[:2])}\n", (), (False, False, True, True)),
        ("", (certificate,), (False, False, False, True)),
    ]:
        by = world.authority if authority else None
        data = made_krl(specification, *keys, authority=by)
        found = krl.parse_file(data)
        assert tuple(revokes(found, each) for each in every) == expected
        assert tuple(keygen_revokes(data, each) for each in every) == expected


def test_a_krl_of_nothing() -> None:
    assert krl.parse_file(made_krl()) == krl.RevokedKeys()


@given(st.sets(st.integers(1, 300) | st.integers(2**63, 2**63 + 50) | st.integers(2**64 - 40, 2**64 - 1), max_size=60))
def test_serial_numbers_in_all_forms(serials: set[int]) -> None:
    """A list, ranges and a bitmap of the same numbers say the same."""
    number = 0
    low = min(serials, default=1)
    for serial in serials:
        if serial - low < 4096:
            number |= 1 << (serial - low)
    as_list = b"".join(serial.to_bytes(8, "big") for serial in serials)
    forms = [
        sub(0x20, as_list),
        b"".join(sub(0x21, serial.to_bytes(8, "big") * 2) for serial in serials),
        sub(0x22, low.to_bytes(8, "big") + string(mpint(number)))
        + sub(0x20, b"".join(serial.to_bytes(8, "big") for serial in serials if serial - low >= 4096)),
    ]
    expected = None
    for form in forms:
        found = krl.parse_file(whole(certificates(form)))
        runs = found.certificates[b""].runs
        assert expected in (None, runs)
        expected = runs
    assert {serial for first, last in expected or () for serial in range(first, last + 1)} == serials


def mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b""


def sub(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + string(data)


def certificates(*parts: bytes, authority: bytes = b"", reserved: bytes = b"") -> bytes:
    return sub(1, string(authority) + string(reserved) + b"".join(parts))


def whole(*sections: bytes, version: int = 1, flags: int = 0, reserved: bytes = b"", comment: bytes = b"") -> bytes:
    header = krl.MAGIC + version.to_bytes(4, "big") + bytes(16) + flags.to_bytes(8, "big")
    return header + string(reserved) + string(comment) + b"".join(sections)


def extension(*, critical: bytes, name: bytes = b"new@example.org", contents: bytes = b"x", tail: bytes = b"") -> bytes:
    return string(name) + critical + string(contents) + tail


ONE = (1).to_bytes(8, "big")
TWO = (2).to_bytes(8, "big")
KEY = string(b"ssh-ed25519") + string(bytes(32))
SIGNATURE = b"\x04" + string(KEY) + string(b"signature")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (whole(version=2), "version 2"),
        (whole(flags=1), "flags 0x1"),
        (whole(comment=b"a\0b"), "NUL"),
        (whole(b"\0"), "cut off"),
        (whole(sub(6, b"")), "unknown type 6"),
        (whole(sub(2, b"")), "holds none"),
        (whole(sub(2, string(b""))), "cut off"),
        (whole(sub(2, string(string(b"")))), "bad algorithm name"),
        (whole(sub(2, string(KEY) + b"\0")), "cut off"),
        (whole(sub(2, string(KEY + b"\0"))), "too many"),
        (whole(sub(2, string(KEY[:-1]))), "cut off"),
        (whole(sub(2, string(string(b"ssh-ed25519-cert-v01@openssh.com") + bytes(200)))), "a certificate where a plain key"),
        (whole(sub(3, string(bytes(19)))), "19 bytes, expected 20"),
        (whole(sub(5, string(bytes(20)))), "20 bytes, expected 32"),
        (whole(sub(5, b"")), "holds none"),
        (whole(sub(255, extension(critical=b"\1"))), "critical extension b'new@example.org'"),
        (whole(sub(255, extension(critical=b"\2"))), "0 or 1"),
        (whole(sub(255, extension(critical=b"\0", tail=b"x"))), "too many"),
        (whole(SIGNATURE, sub(2, string(KEY))), "after its signature"),
        (whole(b"\x04" + string(KEY)), "cut off"),
        (whole(certificates(sub(0x24, b""))), "unknown type 0x24"),
        (whole(certificates(sub(0x20, b"\0" * 8))), "expected 1 or more"),
        (whole(certificates(sub(0x20, ONE + b"\0"))), "cut off"),
        (whole(certificates(sub(0x21, TWO + ONE))), "in order"),
        (whole(certificates(sub(0x21, ONE + TWO + ONE))), "too many"),
        (whole(certificates(sub(0x21, bytes(8) + ONE))), "expected 1 or more"),
        (whole(certificates(sub(0x22, bytes(8) + string(b"\1")))), "expected 1 or more"),
        (whole(certificates(sub(0x22, ONE + string(b"\0\1")))), "shortest form"),
        (whole(certificates(sub(0x22, ONE + string(b"\0")))), "shortest form"),
        (whole(certificates(sub(0x22, ONE + string(b"\x80")))), "no positive number"),
        (whole(certificates(sub(0x22, b"\xff" * 8 + string(b"\2")))), "in 64 bits"),
        (whole(certificates(sub(0x22, ONE + string(b"\1") + b"\0"))), "too many"),
        (whole(certificates(sub(0x22, ONE + string(bytes([1]) + bytes(krl.MAX_BITMAP_BYTES + 1))))), "at most"),
        (whole(certificates(sub(0x23, b""))), "holds none"),
        (whole(certificates(sub(0x23, string(b"a\0b")))), "NUL"),
        (whole(certificates(sub(0x39, extension(critical=b"\1")))), "critical extension"),
        (whole(certificates(authority=b"x")), "cut off"),
        (whole(certificates(authority=KEY[:-1])), "cut off"),
        (whole(certificates()) + b"\0", "cut off"),
        (krl.MAGIC, "cut off"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_krls_that_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        krl.parse_file(data)


def test_what_is_left_aside_is_noted() -> None:
    assert krl.parse_file(whole(SIGNATURE, SIGNATURE)).notes == ("krl-signature-ignored",)
    found = krl.parse_file(whole(
        sub(255, extension(critical=b"\0")), certificates(sub(0x39, extension(critical=b"\0"))), sub(2, string(KEY)), SIGNATURE,
    ))  # fmt: skip
    assert found.notes == ("krl-extension-ignored", "krl-signature-ignored")
    assert found.keys == {KEY}


def test_keys_that_are_not_supported_can_be_revoked() -> None:
    dss = string(b"ssh-dss") + string(b"\1")
    web = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(32)) + string(b"https://example.org")
    assert krl.parse_file(whole(sub(2, string(dss) + string(web)))).keys == {dss, web}
    assert krl.parse_file(whole(certificates(sub(0x20, ONE), authority=dss))).certificates[dss].runs == ((1, 1),)


def test_a_section_may_be_long(world: World) -> None:
    """Longer than the strings of keys and signatures; and sections for one authority add up."""
    hashes = b"".join(string(hashlib.sha256(b"%d" % number).digest()) for number in range(10_000))
    found = krl.parse_file(whole(sub(5, hashes)))
    assert len(found.sha256) == 10_000
    found = krl.parse_file(whole(certificates(sub(0x20, ONE)), certificates(sub(0x20, TWO), sub(0x23, string(b"x")))))
    assert found.certificates[b""] == krl.RevokedCertificates(((1, 2),), frozenset({b"x"}))


@pytest.mark.parametrize(
    "data",
    [
        whole(certificates(sub(0x22, ONE + string(b"\x55" * krl.MAX_BITMAP_BYTES)))),
        whole(certificates(*[sub(0x22, ONE + string(b"\x55" * (1 << 15)))] * 200)),
        whole(certificates(sub(0x20, b"".join(number.to_bytes(8, "big") for number in range(1, (1 << 18) + 2))))),
    ],
    ids=["bitmap", "bitmaps", "list"],
)
def test_serial_numbers_have_a_budget(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(Malformed, match="runs of serial numbers"):
        krl.parse_file(data)
    assert time.process_time() - started < 5


def test_a_large_bitmap_is_one_run() -> None:
    found = krl.parse_file(whole(certificates(sub(0x22, ONE + string(b"\x7f" + b"\xff" * (krl.MAX_BITMAP_BYTES - 1))))))
    assert found.certificates[b""].runs == ((1, krl.MAX_BITMAP_BYTES * 8 - 1),)
    with pytest.raises(Malformed, match="at most"):
        krl.parse_file(bytes(krl.MAX_FILE_BYTES + 1))


# --- lists of keys

def test_lists(world: World) -> None:
    certificate = world.authority.certify(world.alice, "a")
    dss = base64.b64encode(string(b"ssh-dss") + b"x").decode()
    text = f"# gone\r\n\n{world.bob.public}\r\n  {certificate.public}\nssh-dss {dss}"
    found = krl.parse_file(text.encode())
    assert found.keys == {blob_of(world.bob), blob_of(world.alice), string(b"ssh-dss") + b"x"}
    assert not found.notes
    assert revokes(found, world.alice)
    assert revokes(found, certificate)
    assert not revokes(found, world.authority)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "got none"),
        (b"# nothing\n", "got none"),
        (b"serial: 5", "got b'serial: 5'"),
        (b"ID : laptop", "expected a public key, got"),
        (b"hash: SHA256:abc", "expected a public key, got"),
        (b"SHA256:abc", "expected a public key, got"),
        (b"garbage", "expected a public key line"),
        (b"from=\"10.0.0.1\" ssh-ed25519 AAAA", "expected a public key line"),
        (b"ssh-ed25519 AAAA", "cut off"),
        (b"ssh-dss", "no key after its type"),
        (b"ssh-dss " + base64.b64encode(KEY), "is another"),
        (b"ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(KEY), "is another"),
        (b"ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(string(b"ssh-ed25519-cert-v01@openssh.com")), "cut off"),
        (b"SSHKRL", "expected a public key line"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----", "expected a public key line"),
    ],
)
def test_lists_that_are_refused(line: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why) as caught:
        krl.parse_file(line)
    assert why == "got none" or "line 1" in caught.value.message


# --- damage

def test_damaged_krls_are_refused_or_read(world: World) -> None:
    """Never another exception, never long."""
    rng = random.Random(8)
    line = " ".join(world.bob.public.split()[:2])
    data = made_krl(
        f"serial: 1-9\nserial: 100\nserial: 102\nid: x\nsha1: {line}\nsha256: {line}\nkey: {line}\n", authority=world.authority
    )
    started = time.process_time()
    refused = 0
    for _ in range(3000):
        out = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(out))
            match rng.randrange(3):
                case 0:
                    out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, out[at] ^ 1))
                case 1:
                    del out[at : at + rng.choice((1, 4, 8))]
                case 2:
                    out[at:at] = rng.randbytes(rng.choice((1, 4, 8)))
        try:
            krl.parse_file(bytes(out))
        except Malformed:
            refused += 1
    assert refused > 1500
    assert time.process_time() - started < 20
    # a cut between two sections cannot be seen: the format has no end
    complete = sum(1 for end in range(len(data)) if readable(data[:end]))
    assert complete == 4


def readable(data: bytes) -> bool:
    try:
        krl.parse_krl(data)
    except Malformed:
        return False
    return True


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_errors(data: bytes) -> None:
    for each in (data, krl.MAGIC + data, whole() + data, whole(certificates(data))):
        try:
            krl.parse_file(each)
        except Malformed:
            continue
        assert each.startswith(krl.MAGIC)

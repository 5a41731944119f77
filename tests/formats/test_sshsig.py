"""SSH armor, SSHSIG structures and public keys: one accepted form, every other refused with its rule."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import ChainverifyError, Malformed
from chainverify.formats import pem, sshkey, sshsig
from chainverify.formats.sshwire import WireReader, string
from tests.world.ssh import SshKey

AMBIGUOUS = "signature-ambiguous"
BAD = "signature-bad"


def structure(
    *,
    magic: bytes = b"SSHSIG",
    version: int = 1,
    key: bytes = b"key",
    namespace: bytes = b"git",
    reserved: bytes = b"",
    hashing: bytes = b"sha512",
    inner: bytes = string(b"ssh-ed25519") + string(b"s" * 64),
    tail: bytes = b"",
) -> bytes:
    """An SSHSIG structure with anything in its fields."""
    fields = (key, namespace, reserved, hashing, inner)
    return magic + version.to_bytes(4, "big") + b"".join(map(string, fields)) + tail


def armor(blob: bytes, width: int = 70) -> bytes:
    text = base64.b64encode(blob)
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    return b"\n".join([sshsig.BEGIN, *lines, sshsig.END])


GOOD = armor(structure())
BODY = GOOD.split(b"\n")[1:-1]


@pytest.mark.parametrize("width", [64, 70, 76, 10_000])
def test_canonical_armor_is_read(width: int) -> None:
    assert sshsig.parse(armor(structure(), width)) == sshsig.SshSignature(
        b"key", b"git", "sha512", "ssh-ed25519", b"s" * 64
    )


def joined(*lines: bytes) -> bytes:
    return b"\n".join([sshsig.BEGIN, *lines, sshsig.END])


PADDED = next(armor(structure(key=b"k" * size)) for size in range(1, 4) if b"cw==" in armor(structure(key=b"k" * size)))
UNUSED_BITS = PADDED.replace(b"cw==", b"cx==")

ARMORS = {
    "empty": (b"", BAD),
    "no armor": (b"hello", BAD),
    "PGP": (GOOD.replace(b"SSH", b"PGP"), BAD),
    "text before": (b"text\n" + GOOD, AMBIGUOUS),
    "empty line before": (b"\n" + GOOD, AMBIGUOUS),
    "space before": (b" " + GOOD, AMBIGUOUS),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, AMBIGUOUS),
    "text beside BEGIN": (GOOD.replace(sshsig.BEGIN, sshsig.BEGIN + b" "), AMBIGUOUS),
    "line end after END": (GOOD + b"\n", AMBIGUOUS),
    "CR after END": (GOOD + b"\r", AMBIGUOUS),
    "space after END": (GOOD + b" ", AMBIGUOUS),
    "text after END": (GOOD + b"\ntext", AMBIGUOUS),
    "second END": (GOOD + b"\n" + sshsig.END, AMBIGUOUS),
    "second block": (GOOD + b"\n" + GOOD, AMBIGUOUS),
    "second block of PGP": (GOOD + b"\n-----BEGIN PGP SIGNATURE-----", AMBIGUOUS),
    "BEGIN inside": (joined(*BODY[:1], sshsig.BEGIN, *BODY[1:]), AMBIGUOUS),
    "END indented": (GOOD.replace(sshsig.END, b" " + sshsig.END), AMBIGUOUS),
    "no END": (GOOD.removesuffix(b"\n" + sshsig.END), BAD),
    "END cut": (GOOD[:-1], BAD),
    "nothing inside": (joined(), BAD),
    "empty line inside": (joined(b"", *BODY), BAD),
    "empty line at the end": (joined(*BODY, b""), BAD),
    "CR in a line": (joined(BODY[0] + b"\r", *BODY[1:]), BAD),
    "space in a line": (joined(BODY[0][:-1] + b" ", *BODY[1:]), BAD),
    "URL alphabet": (armor(structure(key=b"\xff" * 40)).replace(b"/", b"_"), BAD),
    "armor header": (joined(b"Version: 1", b"", *BODY), BAD),
    "lines of different width": (joined(BODY[0][:10], BODY[0][10:], *BODY[1:]), BAD),
    "last line wider": (joined(BODY[0][:4], b"".join((BODY[0][4:], *BODY[1:]))), BAD),
    "padding inside": (joined(BODY[0][:-1] + b"=", *BODY[1:]), BAD),
    "character missing": (joined(*BODY[:-1], BODY[-1][:-1]), BAD),
    "padding too long": (joined(*BODY[:-1], BODY[-1] + b"===="), BAD),
    "unused bits set": (UNUSED_BITS, BAD),
    "too large": (joined(b"A" * pem.MAX_ARMOR_BYTES), BAD),
}


@pytest.mark.parametrize(("armored", "rule"), ARMORS.values(), ids=ARMORS)
def test_other_armor_is_refused(armored: bytes, rule: str) -> None:
    assert armored != GOOD
    with pytest.raises(Malformed) as caught:
        sshsig.dearmor(armored)
    assert caught.value.rule == rule


def test_unused_bits_are_seen() -> None:
    """The vector above differs from an accepted armor in unused bits only: a lenient decoder sees the same bytes."""
    text = [b"".join(armored.split(b"\n")[1:-1]) for armored in (PADDED, UNUSED_BITS)]
    assert base64.b64decode(text[0]) == base64.b64decode(text[1])
    assert sshsig.dearmor(PADDED) == base64.b64decode(text[0])


BLOBS = {
    "empty": (b"", BAD),
    "other magic": (structure(magic=b"SSHSIC"), BAD),
    "version 0": (structure(version=0), BAD),
    "version 2": (structure(version=2), BAD),
    "bytes after it": (structure(tail=b"\0"), BAD),
    "reserved used": (structure(reserved=b"x"), AMBIGUOUS),
    "empty hash": (structure(hashing=b""), BAD),
    "hash with NUL": (structure(hashing=b"sha512\0"), BAD),
    "hash not ASCII": (structure(hashing=b"sha\xb2512"), BAD),
    "long hash name": (structure(hashing=b"s" * 65), BAD),
    "empty signature": (structure(inner=b""), BAD),
    "bytes after the signature": (structure(inner=string(b"ssh-ed25519") + string(b"s") + b"\0"), BAD),
    "no algorithm": (structure(inner=string(b"") + string(b"s")), BAD),
    "string beyond the end": (b"SSHSIG\0\0\0\1\0\0\0\5abc", BAD),
    "length of 4 GiB": (b"SSHSIG\0\0\0\1\xff\xff\xff\xffabc", BAD),
}


@pytest.mark.parametrize(("blob", "rule"), BLOBS.values(), ids=BLOBS)
def test_damaged_structure_is_refused(blob: bytes, rule: str) -> None:
    with pytest.raises(Malformed) as caught:
        sshsig.parse_blob(blob)
    assert caught.value.rule == rule


def test_every_cut_is_refused() -> None:
    whole = structure()
    for end in range(len(whole)):
        with pytest.raises(Malformed):
            sshsig.parse_blob(whole[:end])


def test_security_key_signatures_keep_flags_and_counter() -> None:
    name = b"sk-ssh-ed25519@openssh.com"
    parsed = sshsig.parse_blob(structure(inner=string(name) + string(b"s" * 64) + b"\1\0\0\0\7"))
    assert (parsed.algorithm, parsed.extra) == (name.decode(), b"\1\0\0\0\7")


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_errors(data: bytes) -> None:
    for parse in (sshsig.parse, sshsig.parse_blob, sshkey.parse_blob, sshkey.parse_file, sshkey.parse_line):
        with pytest.raises(ChainverifyError):
            parse(data)


@given(st.binary(max_size=60), st.binary(max_size=20), st.binary(max_size=80))
def test_fields_come_back(key: bytes, namespace: bytes, signature: bytes) -> None:
    blob = structure(key=key, namespace=namespace, inner=string(b"ssh-rsa") + string(signature))
    parsed = sshsig.parse(armor(blob))
    assert (parsed.public_key, parsed.namespace, parsed.signature) == (key, namespace, signature)


@given(st.binary(max_size=200), st.integers(1, 120))
def test_only_one_text_decodes_to_a_blob(blob: bytes, width: int) -> None:
    """Among mutants of an armor, one that is still accepted at the same width is the same bytes."""
    whole = armor(blob or b"x", width)
    rng = random.Random(blob)
    for _ in range(20):
        mutant = bytearray(whole)
        mutant[rng.randrange(len(mutant))] = rng.choice(b"\n\r =-AZaz09+/")
        try:
            decoded = sshsig.dearmor(bytes(mutant))
        except Malformed:
            continue
        assert bytes(mutant) == whole or decoded != (blob or b"x")


@pytest.mark.parametrize(
    ("value", "number"),
    [(b"\x01", 1), (b"\x7f", 127), (b"\x00\x80", 128), (b"\x01\x00", 256), (b"\x00\xff\xff", 65535)],
)
def test_canonical_numbers(value: bytes, number: int) -> None:
    reader = WireReader(string(value), "test")
    assert reader.positive() == number
    reader.end()


@pytest.mark.parametrize("value", [b"", b"\0", b"\x80", b"\xff\x01", b"\0\x7f", b"\0\0\x80"])
def test_other_numbers_are_refused(value: bytes) -> None:
    with pytest.raises(Malformed):
        WireReader(string(value), "test").positive()


# --- public keys

KINDS = [("ed25519", 0), ("rsa", 2048), ("rsa", 3072), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], SshKey]:
    root = tmp_path_factory.mktemp("keys")
    return {(kind, bits): SshKey.create(root, f"{kind}{bits}", kind=kind, bits=bits) for kind, bits in KINDS}


@pytest.mark.tool("ssh-keygen")
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_keys_of_ssh_keygen(keys: dict[tuple[str, int], SshKey], kind: tuple[str, int]) -> None:
    made = keys[kind]
    key, comment = sshkey.parse_line(made.public.encode())
    assert key.fingerprint == made.fingerprint
    assert key.kind == made.public.split()[0]
    assert comment == f"{kind[0]}{kind[1]}@example.org"
    if kind[0] == "rsa":
        assert (key.modulus.bit_length(), key.exponent) == (kind[1], 65537)
    else:
        assert key.point


def test_a_file_of_keys(keys: dict[tuple[str, int], SshKey]) -> None:
    first, second = keys["ed25519", 0], keys["ecdsa", 256]
    text = f"# a comment\n\n{first.public}\r\n  {second.public} and more\n"
    lines = sshkey.parse_file(text.encode())
    assert [(line.number, line.key.fingerprint) for line in lines] == [(3, first.fingerprint), (4, second.fingerprint)]
    assert lines[1].comment.endswith("and more")
    with pytest.raises(Malformed, match="key line 5: expected a public key line"):
        sshkey.parse_file(text.encode() + b"garbage\n")
    with pytest.raises(Malformed, match="got none"):
        sshkey.parse_file(b"# nothing\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "expected a public key line"),
        (b"ssh-ed25519", "no key after its type"),
        (b"ssh-ed25519 !!!!", "not base64"),
        (b"ssh-ed25519 AAAA AAAA", "cut off"),
        (b"ssh-ed448 AAAA", "ssh-ed448 is not supported"),
        (b"ssh-dss AAAA", "DSA keys"),
        (b"sk-ssh-ed25519@openssh.com AAAA", "cut off"),
        (b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com AAAA", "it names signatures"),
        (b"ssh-ed25519-cert-v01@openssh.com AAAA", "a certificate stands"),
        (b"sk-ssh-ed25519-cert-v01@openssh.com AAAA", "a certificate stands"),
        (b'from="10.0.0.1" ssh-ed25519 AAAA', "expected a public key line"),
        (b"alice@example.org ssh-ed25519 AAAA", "expected a public key line"),
        (b"ssh-ED25519 AAAA", "expected a public key line"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        (b"---- BEGIN SSH2 PUBLIC KEY ----", "expected a public key line"),
    ],
)
def test_lines_that_are_no_key(line: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        sshkey.parse_file(line or b"x")


def wire(*parts: bytes) -> bytes:
    return b"".join(map(string, parts))


ED = b"p" * 32
POINT = b"\x04" + b"p" * 64
KEY_BLOBS = {
    "empty": b"",
    "unknown type": wire(b"ssh-new", ED),
    "short Ed25519": wire(b"ssh-ed25519", ED[1:]),
    "long Ed25519": wire(b"ssh-ed25519", ED + b"p"),
    "bytes after Ed25519": wire(b"ssh-ed25519", ED) + b"\0",
    "another string after Ed25519": wire(b"ssh-ed25519", ED, b""),
    "RSA without modulus": wire(b"ssh-rsa", b"\1\0\1"),
    "RSA exponent with leading zero": wire(b"ssh-rsa", b"\0\1\0\1", b"\0" + b"\xff" * 256),
    "RSA modulus with leading zeros": wire(b"ssh-rsa", b"\1\0\1", b"\0\0" + b"\xff" * 256),
    "RSA modulus negative": wire(b"ssh-rsa", b"\1\0\1", b"\xff" * 256),
    "RSA modulus zero": wire(b"ssh-rsa", b"\1\0\1", b""),
    "curve of another type": wire(b"ecdsa-sha2-nistp256", b"nistp384", POINT),
    "unknown curve": wire(b"ecdsa-sha2-nistp192", b"nistp192", POINT),
    "compressed point": wire(b"ecdsa-sha2-nistp256", b"nistp256", b"\x02" + b"p" * 32),
    "hybrid point": wire(b"ecdsa-sha2-nistp256", b"nistp256", b"\x06" + b"p" * 64),
    "short point": wire(b"ecdsa-sha2-nistp256", b"nistp256", POINT[:-1]),
    "point of another curve": wire(b"ecdsa-sha2-nistp384", b"nistp384", POINT),
}


@pytest.mark.parametrize("blob", KEY_BLOBS.values(), ids=KEY_BLOBS)
def test_damaged_keys_are_refused(blob: bytes) -> None:
    with pytest.raises(Malformed):
        sshkey.parse_blob(blob)


def test_a_line_must_say_what_its_key_is(keys: dict[tuple[str, int], SshKey]) -> None:
    blob = keys["ed25519", 0].public.split()[1]
    with pytest.raises(Malformed, match="says ssh-rsa, the key in it is ssh-ed25519"):
        sshkey.parse_line(f"ssh-rsa {blob}".encode())


@pytest.mark.tool("ssh-keygen")
def test_real_armor_is_canonical(keys: dict[tuple[str, int], SshKey]) -> None:
    for made in keys.values():
        parsed = sshsig.parse(made.sign(b"payload"))
        assert sshkey.fingerprint(parsed.public_key) == made.fingerprint
        assert (parsed.namespace, parsed.hash_algorithm, parsed.extra) == (b"git", "sha512", b"")


def test_key_files_have_a_largest_size(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="at most"):
        sshkey.parse_file(b"#" * (sshkey.MAX_FILE_BYTES + 1))

"""Random changes to validly signed commits, half of them where a signature does not look, in search of one that passes.

A change may pass only where it is known to be harmless. Whatever passes must still have the bytes that were signed, found by a
splitter of the test's own, and the very statement that was signed: the hashed part of the packet and its numbers.
`CHAINVERIFY_MUTATIONS=100000 pytest tests/signatures/test_openpgp_mutations.py` looks longer; the seed is fixed, so that the
n-th mutant is the same everywhere.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest

from chainverify.errors import Malformed, SignatureError
from chainverify.formats import armor as armor_reader
from chainverify.formats import objects
from chainverify.formats import openpgp as packets
from chainverify.model.signing import Clock, SignatureOptions, SigningMaterial
from chainverify.signatures import backends
from tests.signatures.test_openpgp import NOW, damaged, material
from tests.world.openpgp import (
    ForgedKey,
    armor,
    certificate,
    crc24,
    created,
    issuer_id,
    mpi,
    packet,
    subpacket,
)
from tests.world.repository import START, signed_commit

MUTANTS = int(os.environ.get("CHAINVERIFY_MUTATIONS", "6000"))
PAYLOAD = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 1111111111111111111111111111111111111111\n"
    b"author Alice Example <alice@example.org> 1750000000 +0000\ncommitter Alice Example <alice@example.org> 1750000000 +0000\n"
    b"\nJIRA-1: add the thing\n\nIt was missing.\n"
)
NISTP256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Subject(NamedTuple):
    """A signed commit: the key, and the body of its signature packet."""

    key: ForgedKey
    body: bytes
    keyrings: backends.Keyrings


def subject(kind: str, *, version: int = 4, github: bool = False) -> Subject:
    key = ForgedKey.create(kind, version=version)
    wrong = {"hashed": [created(START)], "unhashed": [issuer_id(key)], "pad": 1, "left": b"\0\0"} if github else {}
    keyrings = backends.load(SigningMaterial(openpgp=(material(certificate(key)),)))
    return Subject(key, key.sign(0, PAYLOAD, **wrong), keyrings)  # type: ignore[arg-type]


SUBJECTS = [
    subject("ed25519"), subject("ed25519-new", version=6), subject("rsa2048"), subject("rsa2048", github=True),
    subject("nistp256"), subject("dsa2048"), subject("ed448"),
]


class Split(NamedTuple):
    """The parts of a signature packet's body: up to the hashed area, the unhashed one, the digest's start, salt, numbers."""

    hashed: bytes
    unhashed: bytes
    left: bytes
    salt: bytes
    numbers: bytes

    @classmethod
    def of(cls, body: bytes) -> Split:
        width = 4 if body[0] == 6 else 2
        end = 4 + width + int.from_bytes(body[4 : 4 + width], "big")
        loose = end + width + int.from_bytes(body[end : end + width], "big")
        at = loose + 2
        salt = body[at : at + 1 + body[at]] if body[0] == 6 else b""
        return cls(body[:end], body[end + width : loose], body[loose:at], salt, body[at + len(salt) :])

    def join(self) -> bytes:
        width = 4 if self.hashed[0] == 6 else 2
        size = len(self.unhashed).to_bytes(width, "big")
        return self.hashed + size + self.unhashed + self.left + self.salt + self.numbers

    def values(self) -> list[int] | None:
        """The integers, None where the algorithm has none."""
        if self.hashed[2] in (27, 28):
            return None
        found, at = [], 0
        while at < len(self.numbers):
            end = at + 2 + (int.from_bytes(self.numbers[at : at + 2], "big") + 7) // 8
            found.append(int.from_bytes(self.numbers[at + 2 : end], "big"))
            at = end
        return found


Rng = random.Random
HARMLESS, REFUSED, EITHER = "harmless", "refused", "either"


def with_unhashed(rng: Rng, body: bytes) -> bytes:
    """A further subpacket that is not critical, of a type that says nothing there."""
    parts = Split.of(body)
    kind = rng.choice([kind for kind in range(128) if kind not in (16, 32, 33)])
    return parts._replace(unhashed=parts.unhashed + subpacket(kind, rng.randbytes(rng.choice((0, 1, 4, 20, 200))))).join()


def with_critical(rng: Rng, body: bytes) -> bytes:
    parts = Split.of(body)
    kind = rng.choice([*range(40, 128), 0, 1, 5, 6, 8, 10, 13, 20])
    return parts._replace(unhashed=parts.unhashed + subpacket(kind, rng.randbytes(4), critical=True)).join()


def with_other_issuer(rng: Rng, body: bytes) -> bytes:
    parts = Split.of(body)
    return parts._replace(unhashed=subpacket(16, rng.randbytes(8))).join()


def with_left(rng: Rng, body: bytes) -> bytes:
    return Split.of(body)._replace(left=rng.randbytes(2)).join()


def with_padding(rng: Rng, body: bytes) -> bytes:
    """Leading zeros in the numbers; without numbers the body as it is."""
    parts = Split.of(body)
    values = parts.values()
    if values is None:
        return body
    return parts._replace(numbers=b"".join(mpi(each, rng.choice((1, 2, 7))) for each in values)).join()


def with_more_after(rng: Rng, body: bytes) -> bytes:
    return body + rng.randbytes(rng.choice((1, 2, 66)))


def with_other_sign(rng: Rng, body: bytes) -> bytes:
    """The other s of ECDSA, a second valid signature of the same statement; a changed number elsewhere."""
    parts = Split.of(body)
    values = parts.values()
    if values is None or parts.hashed[2] != 19:
        return parts._replace(numbers=parts.numbers[:-1] + bytes([parts.numbers[-1] ^ 1])).join()
    return parts._replace(numbers=mpi(values[0]) + mpi(NISTP256_ORDER - values[1])).join()


def with_other_time(rng: Rng, body: bytes) -> bytes:
    """The creation time of the hashed area changed, or repeated."""
    parts = Split.of(body)
    moved = parts.hashed.replace(START.to_bytes(4, "big"), (START - rng.randrange(1, 10**6)).to_bytes(4, "big"), 1)
    return parts._replace(hashed=moved).join()


def with_other_head(rng: Rng, body: bytes) -> bytes:
    """Version, type, algorithm or hash changed."""
    at = rng.randrange(4)
    return body[:at] + bytes([rng.choice([each for each in range(40) if each != body[at]])]) + body[at + 1 :]


def packet_damage(rng: Rng, body: bytes) -> bytes:
    return damaged(body, rng)


BODIES: list[tuple[Callable[[Rng, bytes], bytes], str]] = [
    (with_unhashed, HARMLESS), (with_critical, REFUSED), (with_other_issuer, EITHER), (with_left, HARMLESS),
    (with_padding, HARMLESS), (with_more_after, REFUSED), (with_other_sign, EITHER), (with_other_time, REFUSED),
    (with_other_head, REFUSED), (packet_damage, EITHER),
]


def lines_of(armored: bytes) -> list[bytes]:
    return armored.split(b"\n")


def a_header(rng: Rng, armored: bytes) -> bytes:
    name = rng.choice(["Version", "Comment", "Hash", "Charset", "MessageID"])
    return armored.replace(b"-----\n", b"-----\n%b: %d\n" % (name.encode(), rng.randrange(10**9)), 1)


def an_unknown_header(rng: Rng, armored: bytes) -> bytes:
    return armored.replace(b"-----\n", b"-----\nX-%d: y\n" % rng.randrange(10**9), 1)


def other_widths(rng: Rng, armored: bytes) -> bytes:
    lines = lines_of(armored)
    start = lines.index(b"") + 1
    text, width = b"".join(lines[start:-2]), rng.choice((32, 60, 76, 1000))
    return b"\n".join([*lines[:start], *(text[at : at + width] for at in range(0, len(text), width)), *lines[-2:]])


def no_checksum(rng: Rng, armored: bytes) -> bytes:
    return b"\n".join(line for line in lines_of(armored) if not line.startswith(b"="))


def wrong_checksum(rng: Rng, armored: bytes) -> bytes:
    lines = lines_of(armored)
    lines[-2] = b"=" + (b"A" if lines[-2][1:2] != b"A" else b"B") + lines[-2][2:]
    return b"\n".join(lines)


def all_crlf(rng: Rng, armored: bytes) -> bytes:
    return armored.replace(b"\n", b"\r\n") + b"\r"


def one_cr(rng: Rng, armored: bytes) -> bytes:
    lines = lines_of(armored)
    at = rng.randrange(len(lines))
    lines[at] += b"\r"
    return b"\n".join(lines)


def white_tail(rng: Rng, armored: bytes) -> bytes:
    return armored + b"\n" + bytes(rng.choices(b" \t\n", k=rng.randrange(5)))


def text_tail(rng: Rng, armored: bytes) -> bytes:
    return armored + b"\n" + rng.choice([b"x", b"Sign completed", b"\n\n.", b"-----END PGP SIGNATURE-----", armored])


def text_head(rng: Rng, armored: bytes) -> bytes:
    return rng.choice([b"\n", b"x\n", b" ", b"-----BEGIN SSH SIGNATURE-----\n"]) + armored


def a_space(rng: Rng, armored: bytes) -> bytes:
    lines = lines_of(armored)
    at = rng.randrange(lines.index(b"") + 1, len(lines) - 1)
    cut = rng.randrange(1, len(lines[at]))
    lines[at] = lines[at][:cut] + rng.choice([b" ", b"\t", b"\x0b", b"\0"]) + lines[at][cut:]
    return b"\n".join(lines)


def armor_damage(rng: Rng, armored: bytes) -> bytes:
    return damaged(armored, rng)


ARMORS: list[tuple[Callable[[Rng, bytes], bytes], str]] = [
    (a_header, HARMLESS), (an_unknown_header, REFUSED), (other_widths, HARMLESS), (no_checksum, HARMLESS),
    (wrong_checksum, REFUSED), (all_crlf, HARMLESS), (one_cr, REFUSED), (white_tail, HARMLESS), (text_tail, REFUSED),
    (text_head, REFUSED), (a_space, REFUSED), (armor_damage, EITHER),
]


def unsigned_header(rng: Rng, raw: bytes) -> bytes:
    """A header beside the signature: of a name that git leaves out of the payload, or of another."""
    name = rng.choice([b"gpgsig-foo", b"gpgsig-sha256", b"gpgsigx", b"x-note", b"encoding", b"mergetag", b"change-id"])
    return raw.replace(b"\ngpgsig ", b"\n" + name + b" junk\ngpgsig ", 1)


def header_after(rng: Rng, raw: bytes) -> bytes:
    line = rng.choice([b"gpgsig-foo x", b"gpgsig-sha256 x", b"HG:extra x", b"gpgsig x"])
    return raw.replace(b"\n\n", b"\n" + line + b"\n\n", 1)


def two_signatures(rng: Rng, raw: bytes) -> bytes:
    start, end = raw.index(b"gpgsig "), raw.index(b"\n\n") + 1
    return raw[:end] + raw[start:end] + raw[end:]


def signature_first(rng: Rng, raw: bytes) -> bytes:
    start, end = raw.index(b"gpgsig "), raw.index(b"\n\n") + 1
    return raw[start:end] + raw[:start] + raw[end:]


def signature_in_body(rng: Rng, raw: bytes) -> bytes:
    start, end = raw.index(b"gpgsig "), raw.index(b"\n\n") + 1
    return raw[:start] + b"\n" + raw[start:end] + raw[end + 1 :]


def second_tree(rng: Rng, raw: bytes) -> bytes:
    line = b"tree " + rng.randbytes(20).hex().encode() + b"\n"
    return line + raw if rng.random() < 0.5 else raw.replace(b"\nparent", b"\n" + line + b"parent", 1)


def a_nul(rng: Rng, raw: bytes) -> bytes:
    at = rng.choice([len(raw), rng.randrange(len(raw))])
    return raw[:at] + b"\0junk" + raw[at:]


def no_final_line_end(rng: Rng, raw: bytes) -> bytes:
    return raw[:-1] if rng.random() < 0.5 else raw + b"\n"


def crlf_body(rng: Rng, raw: bytes) -> bytes:
    head, _, body = raw.partition(b"\n\n")
    return head + b"\n\n" + body.replace(b"\n", b"\r\n")


def payload_damage(rng: Rng, raw: bytes) -> bytes:
    """Bytes outside of the signature damaged."""
    start, end = raw.index(b"gpgsig "), raw.index(b"\n\n") + 1
    if rng.random() < 0.5:
        return damaged(raw[:start], rng) + raw[start:]
    return raw[:end] + damaged(raw[end:], rng)


def raw_damage(rng: Rng, raw: bytes) -> bytes:
    return damaged(raw, rng)


RAWS: list[tuple[Callable[[Rng, bytes], bytes], str]] = [
    (unsigned_header, REFUSED), (header_after, REFUSED), (two_signatures, REFUSED), (signature_first, REFUSED),
    (signature_in_body, REFUSED), (second_tree, REFUSED), (a_nul, REFUSED), (no_final_line_end, REFUSED), (crlf_body, REFUSED),
    (payload_damage, REFUSED), (raw_damage, EITHER),
]


def split_by_hand(raw: bytes) -> tuple[bytes, bytes]:
    """The payload of a commit and its signature, with nothing of the code under test."""
    head, gap, message = raw.partition(b"\n\n")
    payload, signature, inside = [], [], False
    for line in head.split(b"\n"):
        inside = line.startswith(b"gpgsig ") or (inside and line.startswith(b" "))
        (signature if inside else payload).append(line)
    text = b"\n".join([signature[0][7:], *(line[1:] for line in signature[1:])]) if signature else b""
    return b"\n".join(payload) + gap + message, text


def judge(raw: bytes, one: Subject) -> str:
    """GOOD, or the rule that refuses; anything but our own errors is a failure of the test."""
    oid = hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest()
    try:
        commit = objects.parse_commit(oid, raw, "sha1")
        if commit.signature is None:
            return "commit-unsigned"
        options = SignatureOptions(dsa_before=NOW)
        return backends.verify(commit.payload, commit.signature, one.keyrings, Clock(START, NOW), options, ("openpgp",)).code
    except (SignatureError, Malformed) as error:
        return error.rule


def mutate(number: int) -> tuple[Subject, bytes, list[str], str]:
    """The mutant of this number: whose, its bytes, what was done to it, and what may become of it."""
    rng = random.Random(f"openpgp {number}")
    one = SUBJECTS[number % len(SUBJECTS)]
    body, done, fates = one.body, [], set()

    def apply(table: list[tuple[Callable[[Rng, bytes], bytes], str]], data: bytes) -> bytes:
        change, fate = rng.choice(table)
        out = change(rng, data)
        if out != data:
            done.append(change.__name__)
            fates.add(fate)
        return out

    level = rng.randrange(4)
    if level in (0, 3):
        body = apply(BODIES, body)
        # others may leave no packet to split
        if level == 3 and fates <= {HARMLESS}:
            body = apply(BODIES, body)
    armored = armor(packet(2, body, old=rng.random() < 0.8))
    if level in (1, 3):
        armored = apply(ARMORS, armored)
    raw = signed_commit(PAYLOAD, armored)
    if level == 2:
        raw = apply(RAWS, raw)
    fate = REFUSED if REFUSED in fates and EITHER not in fates else HARMLESS if fates <= {HARMLESS} else EITHER
    return one, raw, done, fate


def same_statement(signature: bytes, one: Subject) -> bool:
    """Whether an accepted signature says what was signed: by hand, from the armor on."""
    data, _ = armor_reader.signature(signature)
    _, start, end = packets.header(data, 0)
    found, honest = Split.of(data[start:end]), Split.of(one.body)
    if (found.hashed, found.salt) != (honest.hashed, honest.salt):
        return False
    values, expected = found.values(), honest.values()
    if values is None or expected is None:
        return found.numbers == honest.numbers
    # ECDSA and DSA have two signatures for one statement, of which anybody can make one from the other
    twins = [expected, [expected[0], NISTP256_ORDER - expected[1]]] if one.key.algorithm == 19 else [expected]
    return values in twins


def test_the_honest_ones_pass() -> None:
    for one in SUBJECTS:
        raw = signed_commit(PAYLOAD, armor(packet(2, one.body)))
        assert judge(raw, one) == "GOOD"
        assert split_by_hand(raw) == (PAYLOAD, armor(packet(2, one.body)))
        assert Split.of(one.body).join() == one.body
    assert crc24(b"") == b"\xb7\x04\xce"


@pytest.mark.parametrize("part", range(4))
def test_mutants(part: int) -> None:
    seen: Counter[str] = Counter()
    for number in range(part, MUTANTS, 4):
        one, raw, done, fate = mutate(number)
        said = judge(raw, one)
        where = f"mutant {number}: {' '.join(done)}"
        seen[said] += 1
        seen.update(f"{change} {'passed' if said == 'GOOD' else 'refused'}" for change in done)
        if fate == REFUSED:
            assert said != "GOOD", where
        elif fate == HARMLESS:
            assert said == "GOOD", f"{where}: {said}"
        if said == "GOOD":
            payload, signature = split_by_hand(raw)
            assert payload == PAYLOAD, where
            assert same_statement(signature, one), where
    assert seen["GOOD"] > MUTANTS / 40
    assert {"signature-bad", "signature-ambiguous", "commit-malformed"} <= set(seen)
    # every change was tried, and the harmless ones did pass
    for table in (BODIES, ARMORS, RAWS):
        for change, fate in table:
            tried = {end for end in ("passed", "refused") if seen[f"{change.__name__} {end}"]}
            assert tried >= ({"passed"} if fate == HARMLESS else {"refused"}), change.__name__

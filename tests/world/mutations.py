"""Changes to signed git objects, for tests that look for one that passes and should not: to the lines of the object, and to the
armor in it. What is inside of the armor is changed by `openpgp_mutations`, `ssh_mutations` and `cms_mutations`.

    signed = Signed("commit", "sha256", payload, armor)
    change = COMMIT_COVERED[0]
    raw = change.make(random.Random(1), signed)             # the raw object that came of it
    git_reads("commit", "sha256", raw)                      # what git would verify of it, with nothing of the code under test
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from tests.world.repository import Algorithm, signed_commit

Rng = random.Random
Kind = Literal["commit", "tag"]
HARMLESS, REFUSED, EITHER = "harmless", "refused", "either"
"""What may become of a change: it must pass, for the reason that stands beside; it must not; or it may be either, and whatever
passes is looked at with care."""


class Change(NamedTuple):
    """A way to change bytes. `why` is the reason that a mutant may pass, `note` what a passing one must be reported with."""

    make: Callable[[Rng, Any], bytes]
    fate: str
    why: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        return self.make.__name__


class Signed(NamedTuple):
    """A signed object in its two parts; `armor` is without its final line end."""

    kind: Kind
    algorithm: Algorithm
    payload: bytes
    armor: bytes

    @property
    def field(self) -> bytes:
        """The header of a commit that holds the signature, with its space."""
        return b"gpgsig " if self.algorithm == "sha1" else b"gpgsig-sha256 "

    @property
    def block(self) -> bytes:
        """The lines of that header."""
        return self.field + self.armor.replace(b"\n", b"\n ") + b"\n"

    @property
    def raw(self) -> bytes:
        if self.kind == "commit":
            return signed_commit(self.payload, self.armor, self.algorithm)
        return self.payload + self.armor + b"\n"

    def with_block(self, block: bytes) -> bytes:
        """The commit with other lines in the place of the signature's."""
        head, _, message = self.payload.partition(b"\n\n")
        return head + b"\n" + block + b"\n" + message


def damaged(data: bytes, rng: Rng) -> bytes:
    """`data` with one small damage."""
    out = bytearray(data)
    at = rng.randrange(len(out))
    match rng.randrange(4):
        case 0:
            out[at] ^= 1 << rng.randrange(8)
        case 1:
            out[at:at] = bytes([rng.randrange(256)])
        case 2:
            del out[at : at + rng.choice((1, 1, 4, 30))]
        case 3:
            out[at:at] = out[at : at + rng.choice((1, 4, 70))]
    return bytes(out)


def flipped(rng: Rng, data: bytes) -> bytes:
    """`data` with one bit turned."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


# --- what git reads, written a second time from git's commit.c (`parse_buffer_signed_by_header`, `remove_signature`) and
# gpg-interface.c (`parse_signed_buffer`)

ARMORS = (
    b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----", b"-----BEGIN SIGNED MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
)  # fmt: skip


def git_reads(kind: Kind, algorithm: Algorithm, raw: bytes) -> tuple[bytes, bytes | None]:
    """The payload and the signature that git would give to a verifier, None for an unsigned object."""
    return _commit(raw, b"gpgsig" if algorithm == "sha1" else b"gpgsig-sha256") if kind == "commit" else _tag(raw)


def _commit(raw: bytes, ours: bytes) -> tuple[bytes, bytes | None]:
    payload, signature = [], []
    inside = other = False
    lines = _lines(raw)
    for at, line in enumerate(lines):
        if line == b"\n":
            payload += lines[at:]
            break
        if inside and line.startswith(b" "):
            signature.append(line[1:])
            continue
        inside = line.startswith(ours + b" ")
        if inside:
            signature.append(line[len(ours) + 1 :])
            other = False
            continue
        other = line.startswith(b"gpgsig") or (other and line.startswith(b" "))
        if not other:
            payload.append(line)
    return b"".join(payload), b"".join(signature) if signature else None


def _tag(raw: bytes) -> tuple[bytes, bytes | None]:
    at, match = 0, None
    for line in _lines(raw):
        if line.startswith(ARMORS):
            match = at
        at += len(line)
    if match is None:
        return raw, None
    kept, inside = [], False
    head, gap, message = raw[:match].partition(b"\n\n")
    for line in _lines(head + b"\n" if gap else head):
        # a tag's own headers of this kind are signatures in another format, and are removed in every repository
        inside = line.startswith((b"gpgsig ", b"gpgsig-sha256 ")) or (inside and line.startswith(b" "))
        if not inside:
            kept.append(line)
    return b"".join(kept) + (b"\n" + message if gap else b""), raw[match:]


def _lines(raw: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+\Z", raw)


def inside(armor: bytes) -> bytes:
    """The bytes in an armor of whatever kind: what stands between the headers, or the BEGIN line, and the checksum, or END."""
    lines = armor.replace(b"\r", b"").split(b"\n")
    end = next(at for at, line in enumerate(lines) if line.startswith(b"-----END "))
    start = lines.index(b"", 0, end) + 1 if b"" in lines[:end] else 1
    return base64.b64decode(b"".join(line for line in lines[start:end] if not line.startswith(b"=")))


# --- objects: what the signature covers

def a_nul(rng: Rng, signed: Signed) -> bytes:
    raw = signed.raw
    at = rng.choice([len(raw), rng.randrange(len(raw))])
    return raw[:at] + b"\0junk" + raw[at:]


def no_final_line_end(rng: Rng, signed: Signed) -> bytes:
    raw = signed.raw
    return raw[:-1] if rng.random() < 0.5 else raw + b"\n"


def crlf_body(rng: Rng, signed: Signed) -> bytes:
    head, _, body = signed.payload.partition(b"\n\n")
    return signed._replace(payload=head + b"\n\n" + body.replace(b"\n", b"\r\n")).raw


def crlf_header(rng: Rng, signed: Signed) -> bytes:
    head, _, body = signed.payload.partition(b"\n\n")
    lines = head.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] += b"\r"
    return signed._replace(payload=b"\n".join(lines) + b"\n\n" + body).raw


def payload_damage(rng: Rng, signed: Signed) -> bytes:
    """Bytes outside of the signature damaged."""
    head, gap, body = signed.payload.partition(b"\n\n")
    if rng.random() < 0.5:
        return signed._replace(payload=damaged(head, rng) + gap + body).raw
    # a tag's message ends where its signature begins, so a line end that is lost takes the signature along
    return signed._replace(payload=head + gap + damaged(body, rng)).raw


def other_message(rng: Rng, signed: Signed) -> bytes:
    head, _, body = signed.payload.partition(b"\n\n")
    change = rng.choice([body.swapcase(), body + b"x\n", b"\n" + body, body[:-1] + b" \n", b"x" + body, body.replace(b".", b"!")])
    return signed._replace(payload=head + b"\n\n" + change).raw


def other_person(rng: Rng, signed: Signed) -> bytes:
    """Name, address, time or zone of author, committer or tagger."""
    who = rng.choice([b"author", b"committer"] if signed.kind == "commit" else [b"tagger"])
    line = next(line for line in signed.payload.split(b"\n") if line.startswith(who + b" "))
    seconds = re.search(rb"> (\d+) ", line)
    assert seconds
    other = rng.choice([
        line.replace(b"Alice", b"Bob"), line.replace(b"alice@", b"mallory@"), line.replace(b"+0000", b"-0000"),
        line.replace(seconds[1], b"%d" % (int(seconds[1]) - rng.randrange(1, 10**6))), line.replace(b" <", b"  <"),
        line.replace(seconds[1], b"0" + seconds[1]), line.replace(b">", b"> <mallory@example.org>"), line + b" ",
        line.replace(b"+0000", b"+0000\n x"),
    ])  # fmt: skip
    return signed._replace(payload=signed.payload.replace(line, other, 1)).raw


def other_target(rng: Rng, signed: Signed) -> bytes:
    """Another id: of the tree, of the last parent, of what a tag points at."""
    found = re.search(rb"[0-9a-f]{40,64}", signed.payload)
    assert found
    start, end = found.span()
    other = rng.choice([rng.randbytes((end - start) // 2).hex().encode(), signed.payload[start:end].upper() + b"A", b"0" * 39])
    return signed._replace(payload=signed.payload[:start] + other + signed.payload[end:]).raw


def header_repeated(rng: Rng, signed: Signed) -> bytes:
    """A header twice, the second with another value or the same."""
    head, gap, body = signed.payload.partition(b"\n\n")
    lines = re.split(rb"\n(?! )", head)
    line = rng.choice(lines)
    again = line if rng.random() < 0.5 else line[:-1] + bytes([line[-1] ^ 1])
    lines.insert(rng.randrange(len(lines) + 1), again)
    return signed._replace(payload=b"\n".join(lines) + gap + body).raw


def header_gone(rng: Rng, signed: Signed) -> bytes:
    head, gap, body = signed.payload.partition(b"\n\n")
    lines = re.split(rb"\n(?! )", head)
    del lines[rng.randrange(len(lines))]
    return signed._replace(payload=b"\n".join(lines) + gap + body).raw


def headers_in_other_order(rng: Rng, signed: Signed) -> bytes:
    head, gap, body = signed.payload.partition(b"\n\n")
    lines = re.split(rb"\n(?! )", head)
    at = rng.randrange(len(lines) - 1)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return signed._replace(payload=b"\n".join(lines) + gap + body).raw


def header_goes_on(rng: Rng, signed: Signed) -> bytes:
    """A continuation line more, or one less."""
    head, gap, body = signed.payload.partition(b"\n\n")
    lines = head.split(b"\n")
    at = rng.randrange(1, len(lines) + 1)
    if at < len(lines) and lines[at].startswith(b" "):
        del lines[at]
    else:
        lines.insert(at, rng.choice([b" ", b" more", b"  more"]))
    return signed._replace(payload=b"\n".join(lines) + gap + body).raw


def another_header(rng: Rng, signed: Signed) -> bytes:
    """A header that the signature does not know, in the payload as git sees it."""
    line = rng.choice([
        b"x-note junk", b"encoding latin-1", b"mergetag x", b"change-id zzz", b"HG:extra x", b"Gpgsig x", b" gpgsig x",
    ])  # fmt: skip
    head, gap, body = signed.payload.partition(b"\n\n")
    return signed._replace(payload=head + b"\n" + line + gap + body).raw


def other_encoding(rng: Rng, signed: Signed) -> bytes:
    other = rng.choice([b"encoding utf-8", b"encoding  ISO-8859-1", b"Encoding ISO-8859-1", b"encoding ISO-8859-1\n x"])
    return signed._replace(payload=signed.payload.replace(b"encoding ISO-8859-1", other, 1)).raw


def other_mergetag(rng: Rng, signed: Signed) -> bytes:
    """The quoted tag changed: its target, its name, the signature in it, or its place among the headers."""
    other = rng.choice([
        (b" tag v0", b" tag v9"), (b" AAAA\n", b" AAAB\n"), (b"mergetag object ", b"mergetag object 0"),
        (b" -----END PGP", b" \n -----END PGP"), (b"\n -----BEGIN", b"\ngpgsig -----BEGIN"), (b"mergetag ", b"mergetag  "),
    ])  # fmt: skip
    return signed._replace(payload=signed.payload.replace(*other, 1)).raw


def second_tree(rng: Rng, signed: Signed) -> bytes:
    line = b"tree " + rng.randbytes(20 if signed.algorithm == "sha1" else 32).hex().encode() + b"\n"
    payload = line + signed.payload if rng.random() < 0.5 else signed.payload.replace(b"\nparent", b"\n" + line + b"parent", 1)
    return signed._replace(payload=payload).raw


def second_parent(rng: Rng, signed: Signed) -> bytes:
    line = b"parent " + rng.randbytes(20 if signed.algorithm == "sha1" else 32).hex().encode() + b"\n"
    return signed._replace(payload=signed.payload.replace(b"author ", line + b"author ", 1)).raw


def other_name(rng: Rng, signed: Signed) -> bytes:
    other = rng.choice([b"tag v2", b"tag v1 ", b"tag v1\ntag v2", b"tag v1\n x", b"tag  v1", b"tag V1"])
    return signed._replace(payload=signed.payload.replace(b"tag v1", other, 1)).raw


def other_type(rng: Rng, signed: Signed) -> bytes:
    other = rng.choice([b"type tree", b"type blob", b"type tag", b"type comet", b"type commit\ntype tree"])
    return signed._replace(payload=signed.payload.replace(b"type commit", other, 1)).raw


COMMIT_COVERED = [Change(make, REFUSED) for make in (
    a_nul, no_final_line_end, crlf_body, crlf_header, payload_damage, other_message, other_person, other_target, header_repeated,
    header_gone, headers_in_other_order, header_goes_on, another_header, other_encoding, other_mergetag, second_tree,
    second_parent,
)]  # fmt: skip
TAG_COVERED = [Change(make, REFUSED) for make in (
    a_nul, crlf_body, crlf_header, payload_damage, other_message, other_person, other_target, header_repeated,
    header_gone, headers_in_other_order, header_goes_on, another_header, other_name, other_type,
)]  # fmt: skip


# --- objects: what no signature covers

def unsigned_header(rng: Rng, signed: Signed) -> bytes:
    """A header beside the signature that git leaves out of the payload."""
    wrong = b"gpgsig-sha256" if signed.algorithm == "sha1" else b"gpgsig"
    line = rng.choice([b"gpgsig-foo junk", b"gpgsigx junk", wrong + b" junk", wrong + b" " + signed.armor.replace(b"\n", b"\n "),
                       b"gpgsig-sha512 junk\n more", b"gpgsig", b"gpgsig-foo junk\n " + signed.payload[:45]]) + b"\n"
    return signed.with_block(line + signed.block if rng.random() < 0.5 else signed.block + line)


def header_after(rng: Rng, signed: Signed) -> bytes:
    line = rng.choice([b"gpgsig-foo x", b"gpgsig-sha256 x", b"HG:extra x", b"gpgsig x"])
    return signed.with_block(signed.block + line + b"\n")


def two_signatures(rng: Rng, signed: Signed) -> bytes:
    return signed.with_block(signed.block * 2)


def signature_first(rng: Rng, signed: Signed) -> bytes:
    """The signature before author and committer: git does not mind where it stands, others do."""
    lines = signed.payload.split(b"\n")
    at = rng.randrange(next(at for at, line in enumerate(lines) if line.startswith(b"committer ")) + 1)
    return b"\n".join(lines[:at] + signed.block.split(b"\n")[:-1] + lines[at:])


def signature_elsewhere(rng: Rng, signed: Signed) -> bytes:
    """The signature at another place among the headers that have no order."""
    head, gap, body = signed.payload.partition(b"\n\n")
    lines = re.split(rb"\n(?! )", head)
    first = next(at for at, line in enumerate(lines) if line.startswith(b"committer ")) + 1
    at = rng.randrange(first, len(lines))
    return b"\n".join([*lines[:at], signed.block[:-1], *lines[at:]]) + gap + body


def signature_in_body(rng: Rng, signed: Signed) -> bytes:
    head, _, body = signed.payload.partition(b"\n\n")
    return head + b"\n\n" + rng.choice([signed.block + body, body + signed.block, signed.block + b"\n" + body])


def signature_under_other_name(rng: Rng, signed: Signed) -> bytes:
    """The signature under the other format's header, or one that is none."""
    wrong = b"gpgsig-sha256 " if signed.algorithm == "sha1" else b"gpgsig "
    return signed.with_block(rng.choice([wrong, b"gpgsig-sha512 ", b"GPGSIG ", b"gpgsig\t"]) + signed.block[len(signed.field) :])


def signature_not_folded(rng: Rng, signed: Signed) -> bytes:
    """A line of the signature that does not go on as such: a tab, two spaces, none."""
    lines = signed.block.split(b"\n")
    at = rng.randrange(1, len(lines) - 1)
    lines[at] = rng.choice([b"\t", b"", b"  ", b"\r "]) + lines[at][1:]
    return signed.with_block(b"\n".join(lines))


def empty_signature(rng: Rng, signed: Signed) -> bytes:
    return signed.with_block(signed.field + rng.choice([b"\n", b"\n \n", b" \n"]))


def raw_damage(rng: Rng, signed: Signed) -> bytes:
    return damaged(signed.raw, rng)


_DAMAGE = "damage may hit what says nothing: then the statement is the one that was signed"
COMMIT_UNCOVERED = [
    *(Change(make, REFUSED) for make in (
        unsigned_header, header_after, two_signatures, signature_first, signature_in_body, signature_under_other_name,
        signature_not_folded, empty_signature,
    )),
    Change(signature_elsewhere, HARMLESS, "headers after the committer have no order, and git takes this one out wherever it is"),
    Change(raw_damage, EITHER, _DAMAGE),
]  # fmt: skip


def tag_with_header(rng: Rng, signed: Signed) -> bytes:
    """A header that git takes out of a tag's payload."""
    line = rng.choice([b"gpgsig junk", b"gpgsig-sha256 junk", b"gpgsig " + signed.armor.replace(b"\n", b"\n ")])
    return signed._replace(payload=signed.payload.replace(b"\n\n", b"\n" + line + b"\n\n", 1)).raw


def tag_signed_twice(rng: Rng, signed: Signed) -> bytes:
    return signed.raw + signed.armor + b"\n"


def tag_with_another_armor(rng: Rng, signed: Signed) -> bytes:
    """A BEGIN line of some format before or after the signature: git takes the last, others the first."""
    other = rng.choice(ARMORS) + rng.choice([b"", b"\n\nAA==", b"x"]) + b"\n"
    if rng.random() < 0.5:
        return signed.raw + other
    return signed._replace(payload=signed.payload + other).raw


def tag_signature_indented(rng: Rng, signed: Signed) -> bytes:
    return signed.payload + rng.choice([b" ", b"> ", b"\t", b"\0"]) + signed.armor + b"\n"


def tag_signature_cut(rng: Rng, signed: Signed) -> bytes:
    lines = signed.armor.split(b"\n")
    return signed.payload + b"\n".join(lines[: rng.randrange(1, len(lines))]) + b"\n"


def tag_without_final_line_end(rng: Rng, signed: Signed) -> bytes:
    return signed.raw.rstrip()


def tag_signed_as_a_commit(rng: Rng, signed: Signed) -> bytes:
    """The signature as a header, where a tag has none."""
    return signed._replace(kind="commit").raw


TAG_UNCOVERED = [
    *(Change(make, REFUSED) for make in (
        tag_with_header, tag_signed_twice, tag_with_another_armor, tag_signature_indented, tag_signature_cut,
        tag_without_final_line_end, tag_signed_as_a_commit,
    )),
    Change(raw_damage, EITHER, _DAMAGE),
]  # fmt: skip


# --- armor

def other_widths(rng: Rng, armored: bytes) -> bytes:
    lines = armored.split(b"\n")
    start = lines.index(b"") + 1 if b"" in lines else 1
    last = -2 if lines[-2].startswith(b"=") else -1
    text, width = b"".join(lines[start:last]), rng.choice((32, 60, 76, 1000))
    return b"\n".join([*lines[:start], *(text[at : at + width] for at in range(0, len(text), width)), *lines[last:]])


def uneven_widths(rng: Rng, armored: bytes) -> bytes:
    lines = armored.split(b"\n")
    lines[1:2] = [lines[1][:-4], lines[1][-4:]]
    return b"\n".join(lines)


def an_unknown_header(rng: Rng, armored: bytes) -> bytes:
    return armored.replace(b"-----\n", b"-----\nX-%d: y\n" % rng.randrange(10**9), 1)


def a_header(rng: Rng, armored: bytes) -> bytes:
    name = rng.choice(["Version", "Comment", "Hash", "Charset", "MessageID"])
    return armored.replace(b"-----\n", b"-----\n%b: %d\n" % (name.encode(), rng.randrange(10**9)), 1)


def pem_header(rng: Rng, armored: bytes) -> bytes:
    """What OpenPGP has and the others have not: a header, an empty line, a checksum."""
    lines = armored.split(b"\n")
    at, more = rng.choice([(1, [b"Comment: x", b""]), (1, [b""]), (len(lines) - 1, [b"=AAAA"]), (2, [b""])])
    return b"\n".join([*lines[:at], *more, *lines[at:]])


def no_checksum(rng: Rng, armored: bytes) -> bytes:
    return b"\n".join(line for line in armored.split(b"\n") if not line.startswith(b"="))


def wrong_checksum(rng: Rng, armored: bytes) -> bytes:
    lines = armored.split(b"\n")
    lines[-2] = b"=" + (b"A" if lines[-2][1:2] != b"A" else b"B") + lines[-2][2:]
    return b"\n".join(lines)


def all_crlf(rng: Rng, armored: bytes) -> bytes:
    return armored.replace(b"\n", b"\r\n") + b"\r"


def one_cr(rng: Rng, armored: bytes) -> bytes:
    lines = armored.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] += b"\r"
    return b"\n".join(lines)


def one_line_end(rng: Rng, armored: bytes) -> bytes:
    return armored + b"\n"


def white_tail(rng: Rng, armored: bytes) -> bytes:
    return armored + b"\n" + bytes(rng.choices(b" \t\n", k=rng.randrange(1, 5)))


def text_tail(rng: Rng, armored: bytes) -> bytes:
    end = armored.rpartition(b"\n")[2]
    return armored + rng.choice([b"\nx", b"\nSign completed", b"\n\n\n.", b"\n" + end, b"\n" + armored, b"x", b"-"])


def text_head(rng: Rng, armored: bytes) -> bytes:
    return rng.choice([b"\n", b"x\n", b" ", *(each + b"\n" for each in ARMORS)]) + armored


def a_space(rng: Rng, armored: bytes) -> bytes:
    lines = armored.split(b"\n")
    at = rng.randrange(lines.index(b"") + 1 if b"" in lines else 1, len(lines) - 1)
    cut = rng.randrange(1, len(lines[at]))
    lines[at] = lines[at][:cut] + rng.choice([b" ", b"\t", b"\x0b", b"\0"]) + lines[at][cut:]
    return b"\n".join(lines)


def other_label(rng: Rng, armored: bytes) -> bytes:
    """Another kind of armor around the same bytes."""
    begin, end = armored.split(b"\n")[0], armored.rpartition(b"\n")[2]
    label = rng.choice([each[11:-5] for each in ARMORS if each != begin])
    fresh = [armored.replace(begin, b"-----BEGIN %b-----" % label), armored.replace(end, b"-----END %b-----" % label)]
    return rng.choice([fresh[0], fresh[1], fresh[0].replace(end, b"-----END %b-----" % label)])


def not_canonical_base64(rng: Rng, armored: bytes) -> bytes:
    """Padding too much, or bits in the last character that mean nothing."""
    lines = armored.split(b"\n")
    at = -3 if lines[-2].startswith(b"=") and len(lines[-2]) == 5 else -2
    line = lines[at]
    if not line.endswith(b"="):
        lines[at] += b"===="
    elif rng.random() < 0.5:
        lines[at] = line.rstrip(b"=")
    else:
        letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        cut = len(line.rstrip(b"=")) - 1
        lines[at] = line[:cut] + bytes([letters[letters.index(line[cut]) ^ 1]]) + line[cut + 1 :]
    return b"\n".join(lines)


def armor_damage(rng: Rng, armored: bytes) -> bytes:
    return damaged(armored, rng)


PGP_ARMOR = [
    Change(a_header, HARMLESS, "headers of OpenPGP armor that RFC 4880 names are comments"),
    Change(other_widths, HARMLESS, "lines of base64 have no fixed width"),
    Change(no_checksum, HARMLESS, "RFC 9580 does without it"),
    Change(all_crlf, HARMLESS, "signed on Windows: seen in real histories, on all lines alike", "armor-noncanonical"),
    Change(one_line_end, HARMLESS, "most armors of real histories, GitHub's above all, end so"),
    Change(white_tail, HARMLESS, "vanity ids of real histories were ground with it", "armor-noncanonical"),
    *(Change(make, REFUSED) for make in (
        an_unknown_header, wrong_checksum, one_cr, text_tail, text_head, a_space, other_label, not_canonical_base64,
    )),
    Change(armor_damage, EITHER, _DAMAGE),
]  # fmt: skip
PEM_ARMOR = [
    Change(other_widths, HARMLESS, "signers write lines of 64, 70 and 76 characters"),
    *(Change(make, REFUSED) for make in (
        uneven_widths, pem_header, all_crlf, one_cr, one_line_end, white_tail, text_tail, text_head, a_space, other_label,
        not_canonical_base64,
    )),
    Change(armor_damage, EITHER, _DAMAGE),
]  # fmt: skip

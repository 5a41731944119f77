"""Changes to CMS signatures (RFC 5652), of X.509 and gitsign alike, with an ASN.1 reader and writer of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cryptography import x509

from tests.world.mutations import EITHER, HARMLESS, REFUSED, Change, Rng, damaged, flipped
from tests.world.openpgp_mutations import NISTP256_ORDER
from tests.world.sigstore import ENTRY_OID, TIMESTAMP_OID, attribute, oid, tlv

LEGACY_OID = "1.3.6.1.4.1.57264.3.0"
SHA256 = bytes.fromhex("608648016503040201")
SHA512 = bytes.fromhex("608648016503040203")
ECDSA_SHA256 = bytes.fromhex("2a8648ce3d040302")
ECDSA_SHA512 = bytes.fromhex("2a8648ce3d040304")
RSA = bytes.fromhex("2a864886f70d010101")
RSA_SHA256 = bytes.fromhex("2a864886f70d01010b")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SIGNING_TIME = bytes.fromhex("2a864886f70d010905")
NULL = b"\x05\x00"


class Node:
    """A value: `parts` of a constructed one, `content` of another."""

    def __init__(self, tag: int, parts: list[Node] | None = None, content: bytes = b"") -> None:
        self.tag, self.parts, self.content = tag, parts if parts is not None else [], content

    @classmethod
    def read(cls, data: bytes) -> Node:
        """The value in `data`, of definite or indefinite lengths."""
        node, end = _read(data, 0)
        assert end == len(data)
        return node

    @property
    def constructed(self) -> bool:
        return bool(self.tag & 0x20)

    def der(self) -> bytes:
        return tlv(self.tag, *(each.der() for each in self.parts)) if self.constructed else tlv(self.tag, self.content)

    def ber(self, depth: int) -> bytes:
        """With indefinite lengths in the outermost `depth` levels, as gpgsm writes four."""
        if not self.constructed or not depth:
            return self.der()
        # it writes so what holds the rest, and each field beside that in DER
        last = next((at for at in reversed(range(len(self.parts))) if self.parts[at].constructed), None)
        if self.tag == 0x30 and len(self.parts) > 3:
            last = 2
        inner = b"".join(each.ber(depth - 1) if at == last else each.der() for at, each in enumerate(self.parts))
        return bytes([self.tag, 0x80]) + inner + b"\0\0"

    def walk(self) -> Iterator[Node]:
        yield self
        for each in self.parts:
            yield from each.walk()


def _read(data: bytes, at: int) -> tuple[Node, int]:
    tag, size = data[at], data[at + 1]
    at += 2
    if size == 0x80:
        parts = []
        while data[at : at + 2] != b"\0\0":
            part, at = _read(data, at)
            parts.append(part)
        return Node(tag, parts), at + 2
    if size > 0x80:
        width = size - 0x80
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    end = at + size
    assert end <= len(data)
    if not tag & 0x20:
        return Node(tag, content=data[at:end]), end
    parts = []
    while at < end:
        part, at = _read(data, at)
        parts.append(part)
    return Node(tag, parts), end


class Tree:
    """A signature's structure, with names for what is changed of it."""

    def __init__(self, data: bytes) -> None:
        self.root = Node.read(data)
        self.signed_data = self.root.parts[1].parts[0]
        self.digests, self.encapsulated, self.certificates = self.signed_data.parts[1:4]
        self.signers = self.signed_data.parts[-1]
        self.info = self.signers.parts[0]
        self.attributes = next(each for each in self.info.parts if each.tag == 0xA0)
        self.value = next(each for each in self.info.parts if each.tag == 0x04)
        self.algorithm = self.info.parts[self.info.parts.index(self.value) - 1]

    @property
    def unsigned(self) -> Node:
        """The unsigned attributes, made where there are none."""
        if self.info.parts[-1].tag != 0xA1:
            self.info.parts.append(Node(0xA1))
        return self.info.parts[-1]

    def der(self) -> bytes:
        return self.root.der()


def statement(data: bytes) -> tuple[object, ...]:
    """What is signed, and the signature; of ECDSA, which has two for one statement, the smaller s."""
    tree = Tree(data)
    signed = tlv(0x31, *(each.der() for each in tree.attributes.parts))
    try:
        r, s = (int.from_bytes(each.content, "big") for each in Node.read(tree.value.content).parts)
    except (AssertionError, IndexError, ValueError):
        return signed, tree.value.content
    return signed, r, min(s, NISTP256_ORDER - s)


def kinds_of_unsigned(data: bytes) -> frozenset[bytes]:
    """The kinds (DER) of unsigned attributes that are there."""
    last = Tree(data).info.parts[-1]
    return frozenset(each.parts[0].der() for each in last.parts) if last.tag == 0xA1 else frozenset()


ENTRY, STAMP, LEGACY = oid(ENTRY_OID), oid(TIMESTAMP_OID), oid(LEGACY_OID)


class Spare(NamedTuple):
    """What an attacker has at hand: a certificate of his own, one with issuer and serial number of the signer's, a real timestamp
    (attribute) of another signature, a real log entry (attribute) of another signature, and the payload."""

    stranger: bytes
    twin: bytes
    stamp: bytes
    entry: bytes
    payload: bytes
    signer: x509.Certificate


def edited(edit: Callable[[Rng, Tree], object]) -> Callable[[Rng, bytes], bytes]:
    """A change of the structure as one of its bytes."""

    def make(rng: Rng, data: bytes) -> bytes:
        tree = Tree(data)
        edit(rng, tree)
        return tree.der()

    make.__name__ = edit.__name__
    return make


# --- outside of the signature

def unsigned_attribute(rng: Rng, tree: Tree) -> None:
    value = tlv(rng.choice((0x04, 0x0C, 0x13)), rng.randbytes(rng.randrange(40)).hex().encode())
    tree.unsigned.parts.insert(0, Node.read(attribute(f"1.2.3.{rng.randrange(10**6)}", *[value] * rng.choice((0, 1, 1, 2)))))


def unsigned_attribute_twice(rng: Rng, tree: Tree) -> None:
    one = Node.read(attribute("1.2.3", tlv(0x04, b"x")))
    tree.unsigned.parts += [one, rng.choice([one, Node.read(attribute("1.2.3", tlv(0x04, b"y")))])]


def unsigned_in_other_order(rng: Rng, tree: Tree) -> None:
    tree.unsigned.parts += [Node.read(attribute("1.2.3", tlv(0x04, b"x"))), Node.read(attribute("1.2", tlv(0x04, b"x")))]
    tree.unsigned.parts.reverse()


def unsigned_gone(rng: Rng, tree: Tree) -> None:
    if tree.unsigned.parts:
        del tree.unsigned.parts[rng.randrange(len(tree.unsigned.parts))]
    if not tree.unsigned.parts:
        tree.info.parts.pop()


def anchor_of_unknown_kind(rng: Rng, tree: Tree) -> None:
    """A proof of time under the name of something else is none."""
    node = rng.choice(tree.unsigned.parts)
    node.parts[0].content = node.parts[0].content[:-1] + bytes([node.parts[0].content[-1] ^ 0x40])


def legacy_attribute(rng: Rng, tree: Tree) -> None:
    """The first encoding of gitsign's log entries beside the second."""
    tree.unsigned.parts.append(Node.read(attribute(LEGACY_OID, tlv(0x04, b"x"))))


def bag_in_other_order(rng: Rng, tree: Tree) -> None:
    parts = tree.certificates.parts
    parts += rng.choice([[], parts[:1], parts])
    parts.reverse()


def bag_empty(rng: Rng, tree: Tree) -> None:
    if rng.random() < 0.5:
        tree.signed_data.parts.remove(tree.certificates)
    else:
        tree.certificates.parts.clear()


def bag_with_garbage(rng: Rng, tree: Tree) -> None:
    other = rng.choice([tlv(0x30, b"\x02\x01\x05"), tlv(0x30), tlv(0xA1, b"\x02\x01\x05"), tlv(0x04, b"x")])
    tree.certificates.parts.append(Node.read(other))


def bag_with_damage(rng: Rng, tree: Tree) -> None:
    """A certificate of the bag changed in one byte."""
    at = rng.randrange(len(tree.certificates.parts))
    node = rng.choice([each for each in tree.certificates.parts[at].walk() if not each.constructed and each.content])
    node.content = flipped(rng, node.content)


def lists_with_revocation(rng: Rng, tree: Tree) -> None:
    """Revocation lists among the certificates, where anybody could put old ones."""
    tree.signed_data.parts.insert(4, Node.read(tlv(0xA1, tlv(0x30, tlv(0x04, rng.randbytes(9))))))


def more_digests_listed(rng: Rng, tree: Tree) -> None:
    tree.digests.parts.append(Node.read(tlv(0x30, tlv(0x06, SHA512), rng.choice([b"", NULL]))))
    if rng.random() < 0.5:
        tree.digests.parts.reverse()


def digest_not_listed(rng: Rng, tree: Tree) -> None:
    tree.digests.parts = rng.choice([[], [Node.read(tlv(0x30, tlv(0x06, SHA512)))]])


def digest_with_or_without_null(rng: Rng, tree: Tree) -> None:
    for parent in rng.choice([[tree.digests], [tree.info], [tree.digests, tree.info]]):
        node = next(each for each in parent.parts if each.constructed and each.parts and each.parts[0].content == SHA256)
        node.parts = node.parts[:1] if len(node.parts) > 1 else [*node.parts, Node.read(NULL)]


def digest_with_parameters(rng: Rng, tree: Tree) -> None:
    node = next(each for each in tree.info.parts if each.constructed and each.parts and each.parts[0].content == SHA256)
    node.parts = [node.parts[0], Node.read(tlv(0x04, b"x"))]


def other_digest(rng: Rng, tree: Tree) -> None:
    for node in tree.digests, tree.info.parts[2]:
        for each in node.walk():
            if each.content == SHA256:
                each.content = SHA512


def version_of_the_table(rng: Rng, tree: Tree) -> None:
    tree.signed_data.parts[0].content = rng.choice((b"\1", b"\3", b"\4", b"\5"))


def other_version(rng: Rng, tree: Tree) -> None:
    node = rng.choice([tree.signed_data.parts[0], tree.info.parts[0]])
    node.content = rng.choice([b"\0", b"\2", b"\6", b"\0\1", b"\xff", b""])


def rsa_by_another_name(rng: Rng, tree: Tree) -> None:
    """RSA with and without the hash in its name, with and without NULL."""
    name = tree.algorithm.parts[0]
    name.content = RSA_SHA256 if name.content == RSA else RSA
    if rng.random() < 0.5:
        tree.algorithm.parts = tree.algorithm.parts[:1]


def other_algorithm(rng: Rng, tree: Tree) -> None:
    name = tree.algorithm.parts[0]
    name.content = rng.choice([each for each in (RSA, ECDSA_SHA256, ECDSA_SHA512, bytes.fromhex("2b6570"), bytes.fromhex(
        "2a864886f70d01010a"), bytes.fromhex("2a864886f70d01010d")) if each != name.content and not (
        each == RSA and name.content == RSA_SHA256)])  # fmt: skip


def algorithm_with_parameters(rng: Rng, tree: Tree) -> None:
    tree.algorithm.parts = [tree.algorithm.parts[0], Node.read(rng.choice([tlv(0x04, b"x"), tlv(0x06, SHA256), tlv(0x30)]))]


def signer_by_other_serial(rng: Rng, tree: Tree) -> None:
    serial = tree.info.parts[1].parts[1]
    serial.content = serial.content[:-1] + bytes([serial.content[-1] ^ 1])


def two_signers(rng: Rng, tree: Tree) -> None:
    if rng.random() < 0.7:
        tree.signers.parts.append(tree.info)
    else:
        tree.signers.parts.clear()


def other_content_type(rng: Rng, tree: Tree) -> None:
    tree.encapsulated.parts[0].content = bytes.fromhex(rng.choice(["2a864886f70d010703", "2a864886f70d0109100104"]))


def enclosing_other_content(rng: Rng, tree: Tree) -> None:
    tree.encapsulated.parts.append(Node.read(tlv(0xA0, tlv(0x04, rng.choice([b"", b"tree 0\n"])))))


def more_after(rng: Rng, data: bytes) -> bytes:
    return data + rng.choice([b"\0", b"\0\0", NULL, data])


def longer_length(rng: Rng, data: bytes) -> bytes:
    """A length in more bytes than needed, somewhere."""
    tree = Tree(data)
    nodes = list(tree.root.walk())
    chosen = rng.choice([tree.root, tree.info, tree.value, tree.attributes, rng.choice(nodes)])

    def write(node: Node) -> bytes:
        content = b"".join(map(write, node.parts)) if node.constructed else node.content
        if node is not chosen:
            return tlv(node.tag, content)
        size = len(content)
        width = 1 if size < 0x80 else (size.bit_length() + 7) // 8 + 1
        return bytes((node.tag, 0x80 | width)) + size.to_bytes(width, "big") + content

    return write(tree.root)


def indefinite_length(rng: Rng, data: bytes) -> bytes:
    """A length that is told by an end, below what gpgsm writes so."""
    tree = Tree(data)
    chosen = rng.choice([tree.info, tree.attributes, tree.signers, tree.certificates.parts[0], tree.attributes.parts[0]])

    def write(node: Node) -> bytes:
        content = b"".join(map(write, node.parts)) if node.constructed else node.content
        return bytes((node.tag, 0x80)) + content + b"\0\0" if node is chosen else tlv(node.tag, content)

    return write(tree.root)


def divided_octets(rng: Rng, tree: Tree) -> None:
    """The signature as a constructed OCTET STRING, which the basic rules allow."""
    half = len(tree.value.content) // 2
    parts = [Node(0x04, content=tree.value.content[:half]), Node(0x04, content=tree.value.content[half:])]
    at = tree.info.parts.index(tree.value)
    tree.info.parts[at] = Node(0x24, parts)


def as_gpgsm_writes(rng: Rng, data: bytes) -> bytes:
    return Tree(data).root.ber(4)


def value_written_otherwise(rng: Rng, tree: Tree) -> None:
    """The same numbers of ECDSA in another encoding; an RSA number in more bytes."""
    content = tree.value.content
    try:
        r, s = Node.read(content).parts
    except (AssertionError, IndexError, ValueError):
        tree.value.content = b"\0" + content
        return
    tree.value.content = rng.choice([
        tlv(0x30, tlv(0x02, b"\0" + r.content), s.der()), content + b"\0", tlv(0x30, r.der(), s.der(), NULL),
        b"\x30\x81" + content[1:], b"\x30\x80" + r.der() + s.der() + b"\0\0",
    ])  # fmt: skip


def ecdsa_twin(rng: Rng, tree: Tree) -> None:
    r, s = (int.from_bytes(each.content, "big") for each in Node.read(tree.value.content).parts)
    other = NISTP256_ORDER - s
    tree.value.content = tlv(0x30, *(tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (r, other)))


def der_damage(rng: Rng, data: bytes) -> bytes:
    return damaged(data, rng)


# --- under the signature

def attributes_in_other_order(rng: Rng, tree: Tree) -> None:
    tree.attributes.parts.reverse()


def attributes_gone(rng: Rng, tree: Tree) -> None:
    if rng.random() < 0.5:
        tree.info.parts.remove(tree.attributes)
    else:
        tree.attributes.parts.clear()


def attribute_gone(rng: Rng, tree: Tree) -> None:
    del tree.attributes.parts[rng.randrange(len(tree.attributes.parts))]


def attribute_more(rng: Rng, tree: Tree) -> None:
    """One more, in its place of the order; or one that is there, again."""
    tree.attributes.parts.append(rng.choice([Node.read(attribute("1.2.3.4", tlv(0x04, b"x"))), *tree.attributes.parts]))
    tree.attributes.parts.sort(key=Node.der)


def other_signing_time(rng: Rng, tree: Tree) -> None:
    node = next(each for each in tree.attributes.parts if each.parts[0].content == SIGNING_TIME)
    time = node.parts[1].parts[0]
    time.content = b"%02d" % rng.randrange(20, 25) + time.content[2:]


def two_signing_times(rng: Rng, tree: Tree) -> None:
    node = next(each for each in tree.attributes.parts if each.parts[0].content == SIGNING_TIME)
    node.parts[1].parts *= 2


def other_message_digest(rng: Rng, tree: Tree) -> None:
    node = next(each for each in tree.attributes.parts if each.parts[0].content == MESSAGE_DIGEST)
    node.parts[1].parts[0].content = rng.randbytes(32)


def other_value(rng: Rng, tree: Tree) -> None:
    tree.value.content = flipped(rng, tree.value.content)


SIGNED = [Change(edited(edit), REFUSED) for edit in (
    attributes_in_other_order, attributes_gone, attribute_gone, attribute_more, other_signing_time, two_signing_times,
    other_message_digest, other_value,
)]  # fmt: skip


def changes(
    spare: Spare, *, gitsign: bool, ecdsa: bool, anchors: frozenset[bytes], middle: bool,
    pinned: bool = False,
) -> list[Change]:  # fmt: skip
    """Those that are outside of the signature; what may become of some depends on whose it is, and on the proofs of its time.

    `middle`: the bag holds an authority between root and signer, without which there is no path. `pinned`: the policy has the
    signer's certificate.
    """
    def stranger_in_bag(rng: Rng, tree: Tree) -> None:
        tree.certificates.parts.insert(rng.randrange(2), Node.read(spare.stranger))

    def twin_in_bag(rng: Rng, tree: Tree) -> None:
        tree.certificates.parts.insert(rng.randrange(2), Node.read(spare.twin))

    def authority_gone(rng: Rng, tree: Tree) -> None:
        tree.certificates.parts.pop()

    def signer_by_key_id(rng: Rng, tree: Tree) -> None:
        found = spare.signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        tree.info.parts[:2] = [Node(0x02, content=b"\3"), Node(0x80, content=found)]

    def signer_by_other_key_id(rng: Rng, tree: Tree) -> None:
        tree.info.parts[:2] = [Node(0x02, content=b"\3"), Node(0x80, content=rng.randbytes(20))]

    def enclosing_content(rng: Rng, tree: Tree) -> None:
        tree.encapsulated.parts.append(Node.read(tlv(0xA0, tlv(0x04, spare.payload))))

    def timestamp_of_another(rng: Rng, tree: Tree) -> None:
        """A genuine timestamp of another signature in the place of this one's."""
        tree.unsigned.parts = [*(each for each in tree.unsigned.parts if each.parts[0].der() != STAMP), Node.read(spare.stamp)]

    def timestamps_several(rng: Rng, tree: Tree) -> None:
        """One more value beside a genuine one: of another signature, or garbage."""
        values = next(each for each in tree.unsigned.parts if each.parts[0].der() == STAMP).parts[1].parts
        values.insert(rng.randrange(2), rng.choice([Node.read(spare.stamp).parts[1].parts[0], Node.read(tlv(0x30))]))

    def log_entry_of_another(rng: Rng, tree: Tree) -> None:
        tree.unsigned.parts = [*(each for each in tree.unsigned.parts if each.parts[0].der() != ENTRY), Node.read(spare.entry)]

    def log_entries_several(rng: Rng, tree: Tree) -> None:
        values = next(each for each in tree.unsigned.parts if each.parts[0].der() == ENTRY).parts[1].parts
        values.insert(rng.randrange(2), rng.choice([*values, Node.read(spare.entry).parts[1].parts[0]]))

    def anchor_damage(rng: Rng, tree: Tree) -> None:
        """Damage inside of what proves the time."""
        node = rng.choice([each for each in tree.unsigned.parts if each.parts[0].der() in {ENTRY, STAMP}])
        value = node.parts[1].parts[0].der()
        node.parts[1].parts = [Node(0x04, content=b"")]
        node.parts[1].parts[0] = _Raw(damaged(value, rng))

    def harmless(edit: Callable[[Rng, Tree], None], why: str, note: str = "") -> Change:
        return Change(edited(edit), HARMLESS, why, note)

    def refused(*edits: Callable[[Rng, Tree], None]) -> list[Change]:
        return [Change(edited(edit), REFUSED) for edit in edits]

    bag = "certificates that come along are links of a chain, and never a reason to trust"
    found = [
        harmless(unsigned_attribute, "unsigned attributes that are not known say nothing"),
        harmless(unsigned_in_other_order, "signers do not sort unsigned attributes, and no two are of one kind"),
        harmless(bag_in_other_order, bag),
        harmless(stranger_in_bag, bag),
        harmless(lists_with_revocation, "revocations count where the policy names them"),
        harmless(more_digests_listed, "one of those that are listed is used, and that one is checked"),
        harmless(digest_with_or_without_null, "RFC 5754 section 2: both are SHA-256"),
        harmless(version_of_the_table, "the version follows from what is there, and is asked by nobody"),
        harmless(signer_by_key_id, "both names lead to the same certificate, which is compared or has a path"),
        Change(as_gpgsm_writes, HARMLESS, "gpgsm writes its outermost values so", "cms-ber"),
        *refused(
            unsigned_attribute_twice, bag_with_garbage, twin_in_bag, digest_not_listed, digest_with_parameters,
            other_digest, other_version, other_algorithm, algorithm_with_parameters, signer_by_other_serial,
            signer_by_other_key_id, two_signers, other_content_type, enclosing_other_content, divided_octets,
            value_written_otherwise,
        ),
        *(Change(make, REFUSED) for make in (more_after, indefinite_length)),
        # a certificate that nobody uses is not read to its last length
        Change(longer_length, EITHER, bag) if pinned else Change(longer_length, REFUSED),
        Change(edited(bag_with_damage), EITHER, bag),
        Change(der_damage, EITHER, "damage may hit versions, lists and kinds of unsigned attributes"),
    ]  # fmt: skip
    found += refused(enclosing_content) if gitsign else [harmless(
        enclosing_content, "what is enclosed is what the signature stands beside", "cms-attached"
    )]  # fmt: skip
    found += [harmless(bag_empty, "a certificate that the policy has need not come along")] if pinned else refused(bag_empty)
    found += refused(timestamp_of_another)
    if gitsign:
        found += refused(log_entry_of_another)
        found.append(harmless(legacy_attribute, "an entry in the first encoding is none, and the level says so"))
    if middle:
        found += refused(authority_gone)
    if STAMP in anchors:
        found += refused(timestamps_several)
    if ENTRY in anchors:
        found += refused(log_entries_several)
    if anchors:
        found.append(harmless(unsigned_gone, "a proof of time can be taken away, and then proves nothing"))
        found.append(harmless(anchor_of_unknown_kind, "what is not known says nothing"))
        found.append(Change(edited(anchor_damage), EITHER, "parts of a timestamp say nothing: the accuracy, the serial number"))
    if ecdsa:
        # a log entry or a timestamp is about one of the two signatures
        twin = "ECDSA has two signatures of one statement, and the object's id is no name of it"
        found += refused(ecdsa_twin) if anchors else [harmless(ecdsa_twin, twin)]
    else:
        found.append(harmless(rsa_by_another_name, "RFC 5754 section 3.2: the hash is the one of the digest"))
    return found


class _Raw(Node):
    """Bytes in the place of a value."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0x04, content=data)

    def der(self) -> bytes:
        return self.content

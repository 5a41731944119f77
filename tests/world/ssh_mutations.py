"""Changes to SSHSIG structures (OpenSSH PROTOCOL.sshsig)."""

from __future__ import annotations

from typing import NamedTuple

from tests.world.mutations import EITHER, HARMLESS, REFUSED, Change, Rng, damaged, flipped
from tests.world.openpgp_mutations import NISTP256_ORDER

_HEAD = b"SSHSIG\0\0\0\1"


def text(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def texts(data: bytes) -> list[bytes]:
    """The strings that `data` is made of, to its exact end."""
    found, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        assert end <= len(data)
        found.append(data[at + 4 : end])
        at = end
    return found


def number(value: int) -> bytes:
    return text(value.to_bytes(value.bit_length() // 8 + 1, "big"))


class Blob(NamedTuple):
    """The fields of a structure; `extra` are flags and counter of a security key."""

    key: bytes
    namespace: bytes
    reserved: bytes
    hashing: bytes
    algorithm: bytes
    value: bytes
    extra: bytes

    @classmethod
    def of(cls, data: bytes) -> Blob:
        assert data.startswith(_HEAD)
        key, namespace, reserved, hashing, inner = texts(data[len(_HEAD) :])
        end = 4 + int.from_bytes(inner[:4], "big")
        last = end + 4 + int.from_bytes(inner[end : end + 4], "big")
        return cls(key, namespace, reserved, hashing, inner[4:end], inner[end + 4 : last], inner[last:])

    def join(self) -> bytes:
        inner = text(self.algorithm) + text(self.value) + self.extra
        return _HEAD + b"".join(map(text, (self.key, self.namespace, self.reserved, self.hashing, inner)))


def _is_ecdsa(blob: Blob) -> bool:
    return b"ecdsa" in blob.algorithm


def statement(data: bytes) -> tuple[object, ...]:
    """All fields; of ECDSA, which has two signatures for one statement, the smaller s."""
    blob = Blob.of(data)
    if not _is_ecdsa(blob):
        # leading zeros of RSA numbers are put back by OpenSSH and by us: the number is the same
        return (*blob[:5], blob.value.lstrip(b"\0") if b"rsa" in blob.algorithm else blob.value, blob.extra)
    r, s = (int.from_bytes(each, "big") for each in texts(blob.value))
    return *blob[:5], r, min(s, NISTP256_ORDER - s), blob.extra


def with_reserved(rng: Rng, data: bytes) -> bytes:
    return Blob.of(data)._replace(reserved=rng.randbytes(rng.choice((1, 4, 40)))).join()


def with_bytes_after(rng: Rng, data: bytes) -> bytes:
    return data + rng.choice([b"\0", b"\0\0\0\0", rng.randbytes(9), data])


def with_bytes_inside(rng: Rng, data: bytes) -> bytes:
    """Bytes after the value, where only security keys have some."""
    blob = Blob.of(data)
    return blob._replace(extra=blob.extra + rng.choice([b"\0", b"\1\0\0\0\7", text(b"")])).join()


def with_key_and_more(rng: Rng, data: bytes) -> bytes:
    """The same key, written with bytes after it."""
    blob = Blob.of(data)
    return blob._replace(key=blob.key + rng.choice([b"\0", text(b""), text(b"ssh:")])).join()


def with_padded_value(rng: Rng, data: bytes) -> bytes:
    """Numbers with needless leading zeros, and values with a byte more or less."""
    blob = Blob.of(data)
    if _is_ecdsa(blob):
        r, s = map(text, texts(blob.value))
        longer = [text(b"\0" + r[4:]) + s, r + text(b"\0" + s[4:]), r + s + b"\0"]
        return blob._replace(value=rng.choice(longer)).join()
    return blob._replace(value=rng.choice([b"\0" + blob.value, blob.value + b"\0", blob.value[:-1]])).join()


def with_other_version(rng: Rng, data: bytes) -> bytes:
    return rng.choice([b"SSHSIG\0\0\0\2", b"SSHSIG\0\0\0\0", b"SSHSIg\0\0\0\1", b"SSHSIG\1\0\0\0"]) + data[len(_HEAD) :]


def with_other_namespace(rng: Rng, data: bytes) -> bytes:
    return Blob.of(data)._replace(namespace=rng.choice([b"", b"file", b"git\0", b"Git", b"gi", b"git,file"])).join()


def with_other_hash(rng: Rng, data: bytes) -> bytes:
    blob = Blob.of(data)
    return blob._replace(hashing=rng.choice([b"sha256", b"sha1", b"sha512\0", b"SHA512", b"", b"sha384"])).join()


def with_other_algorithm(rng: Rng, data: bytes) -> bytes:
    blob = Blob.of(data)
    names = [b"ssh-ed25519", b"rsa-sha2-256", b"rsa-sha2-512", b"ssh-rsa", b"ecdsa-sha2-nistp256", b"sk-ssh-ed25519@openssh.com",
             b"ecdsa-sha2-nistp384", b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com", b"ssh-ed25519-cert-v01@openssh.com", b""]
    return blob._replace(algorithm=rng.choice([name for name in names if name != blob.algorithm])).join()


def with_other_value(rng: Rng, data: bytes) -> bytes:
    blob = Blob.of(data)
    return blob._replace(value=flipped(rng, blob.value)).join()


def with_other_key(rng: Rng, data: bytes) -> bytes:
    blob = Blob.of(data)
    return blob._replace(key=flipped(rng, blob.key)).join()


def with_other_flags(rng: Rng, data: bytes) -> bytes:
    """Flags or counter of a security key, which are under the signature."""
    blob = Blob.of(data)
    return blob._replace(extra=flipped(rng, blob.extra)).join()


def with_other_sign(rng: Rng, data: bytes) -> bytes:
    blob = Blob.of(data)
    r, s = (int.from_bytes(each, "big") for each in texts(blob.value))
    return blob._replace(value=number(r) + number(NISTP256_ORDER - s)).join()


def plain_key_of_a_certificate(rng: Rng, data: bytes) -> bytes:
    """The certified key without what its authority says: the nonce, and all after the key, left out."""
    blob = Blob.of(data)
    kind, _, point = texts(blob.key[: 4 + 32 + 4 + 32 + 4 + 32])
    return blob._replace(key=text(kind.replace(b"-cert-v01@openssh.com", b"")) + text(point)).join()


def blob_damage(rng: Rng, data: bytes) -> bytes:
    return damaged(data, rng)


_DAMAGE = Change(blob_damage, EITHER, "a number of RSA may lose a leading zero; nothing else is without meaning")
BLOBS = [_DAMAGE, *(Change(make, REFUSED) for make in (
    with_reserved, with_bytes_after, with_bytes_inside, with_key_and_more, with_padded_value, with_other_version,
))]  # fmt: skip
SIGNED = [Change(make, REFUSED) for make in (
    with_other_namespace, with_other_hash, with_other_algorithm, with_other_value, with_other_key,
)]  # fmt: skip
TWIN = Change(with_other_sign, HARMLESS, "ECDSA has two signatures of one statement, and the object's id is no name of it")
FLAGS = Change(with_other_flags, REFUSED)
UNCERTIFIED = Change(plain_key_of_a_certificate, REFUSED)

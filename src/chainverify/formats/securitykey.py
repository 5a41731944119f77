"""What a hardware security key signs in place of the data it is given, and what it says beside (OpenSSH PROTOCOL.u2f).

A key asked by OpenSSH signs a hash of the data. One asked through a web browser (WebAuthn) signs the JSON of the browser, which
names the data as its challenge. All errors are `Malformed`.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Final, NamedTuple

from chainverify.formats.sshwire import WireReader, damaged

WEBAUTHN: Final = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
"""The algorithm of signatures made through a browser, by keys of type sk-ecdsa-sha2-nistp256@openssh.com."""
USER_PRESENT: Final = 0x01
"""The flag that says the key was touched."""
USER_VERIFIED: Final = 0x04
"""The flag that says the key's owner was verified, by PIN or fingerprint."""

_ATTESTED: Final = 0x40
_EXTENDED: Final = 0x80


class Assertion(NamedTuple):
    """What stands beside the signature of a security key, not verified; all of it is under the signature.

    `counter` is as in the wire form: nothing is made of it. `client_data` is the JSON of a browser and `origin` the site it says
    it is for; both are empty, and `extensions` too, for a key asked by OpenSSH.
    """

    flags: int
    counter: bytes
    origin: bytes = b""
    client_data: bytes = b""
    extensions: bytes = b""


def parse(extra: bytes, *, webauthn: bool) -> Assertion:
    """The fields that follow the signature itself, read to their exact end. Raises `Malformed`."""
    reader = WireReader(extra, "signature of a security key")
    flags, counter = reader.byte(), reader.raw(4)
    found = Assertion(flags, counter)
    if webauthn:
        found = Assertion(flags, counter, reader.text(), reader.string(), reader.string())
        if not found.client_data or b'"' in found.origin:
            raise damaged(f"browser's signature has no data, or names a bad origin {found.origin[:60]!r}")
        if flags & _ATTESTED or bool(flags & _EXTENDED) != bool(found.extensions):
            raise damaged(f"browser's signature has flags {flags:#04x}, which do not fit its extensions")
    reader.end()
    return found


def message(assertion: Assertion, application: bytes, data: bytes) -> bytes:
    """The bytes under the signature where `data` was to be signed. Raises `Malformed` where the browser's JSON names other data.

    As in OpenSSH the JSON is compared from its start to the end of the origin, in the one form in which browsers write it
    (WebAuthn section 5.8.1.2, which fixes it for verifiers without a JSON parser); what else it says does not matter here.
    """
    digest = hashlib.sha256(data)
    if assertion.client_data:
        challenge = binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_URL_SAFE)
        expected = b'{"type":"webauthn.get","challenge":"' + challenge + b'","origin":"' + assertion.origin + b'"'
        if not assertion.client_data.startswith(expected):
            raise damaged("browser's signature is not over these bytes, or not in the form that browsers write")
        digest = hashlib.sha256(assertion.client_data)
    return b"".join((
        hashlib.sha256(application).digest(), bytes([assertion.flags]), assertion.counter, assertion.extensions, digest.digest(),
    ))  # fmt: skip


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")

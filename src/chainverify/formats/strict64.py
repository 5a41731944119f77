"""Base64 in its one canonical form (RFC 4648 sections 3.5 and 4): two texts for the same bytes would be two objects for one
signature."""

from __future__ import annotations

import binascii

from chainverify.formats.sshwire import damaged


def decode(text: bytes, what: str) -> bytes:
    """The bytes in `text`: standard alphabet, padded, unused bits zero. Raises `Malformed` (rule `signature-bad`) that names
    `what`."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise damaged(f"{what} is not base64: {str(error).lower()}") from error
    if binascii.b2a_base64(data, newline=False) != text:
        raise damaged(f"{what} is not canonical base64")
    return data

"""The signature in a CMS structure: does it fit the content and the signer's key? (RFC 5652 sections 5.4 to 5.6)

It stands here, and not with the backends of git objects, because timestamp tokens are CMS signatures too.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature

from chainverify.errors import SignatureError
from chainverify.formats import cms as cms_format
from chainverify.formats.cms import Cms
from chainverify.transparency import algorithms
from chainverify.transparency.algorithms import Key

ATTACHED: Final = "cms-attached"
"""The note for a signature that encloses what it signs; git's are detached."""


def check(
    cms: Cms, key: Key, content: bytes, *, content_type: str = cms_format.DATA, sha1: bool = False
) -> tuple[str, tuple[str, ...]]:
    """The name of the algorithm and notes, once the signature proves to be one by `key` over `content`.

    1. it is about content of `content_type`; what it encloses, if anything, is `content`,
    2. the digest algorithm is accepted (SHA-1 where `sha1` is set),
    3. attributes are signed; without them bytes that are the attributes of one signature are the content of another,
    4. the message digest among them is that of `content`,
    5. the signature over the attributes is good, by an algorithm that fits key and digest.

    Raises `SignatureError` with code `BAD`, `WEAK_HASH` or `UNSUPPORTED`, and `Malformed` where parts contradict each other.
    """
    if cms.content_type != content_type:
        raise _bad(f"signature is about content of the type {cms.content_type}, expected {content_type}")
    if cms.content is not None and cms.content != content:
        raise _bad("signature encloses other bytes than those it stands beside")
    hashing = algorithms.accepted_hash(cms.digest_algorithm, sha1=sha1)
    if cms.signed_attributes is None:
        raise SignatureError(
            "signature has no signed attributes", code="UNSUPPORTED", rule="algorithm-forbidden",
            hint="sign with gpgsm, smimesign or gitsign; with openssl, without -noattr",
        )
    if hashlib.new(hashing.name, content, usedforsecurity=False).digest() != cms.message_digest:
        raise _bad("signature does not fit the signed bytes")
    try:
        name = algorithms.check(
            key, cms.signature_algorithm, cms.signature_parameters, cms.signature, cms.signed_attributes, cms.digest_algorithm,
            sha1=sha1,
        )
    except InvalidSignature as error:
        raise _bad("signature does not fit the key of its certificate") from error
    notes = cms.notes
    if cms.content is not None and content_type == cms_format.DATA:
        notes += (ATTACHED,)
    if cms.digest_algorithm == algorithms.SHA1:
        notes += ("sha1",)
    return name, notes


def _bad(message: str) -> SignatureError:
    return SignatureError(message, code="BAD", rule="signature-bad")

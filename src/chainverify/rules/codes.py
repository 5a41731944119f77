"""The finer results of the signature formats (`code` of the evidence): what each means, and which rules report it.

`chainverify rule CODE` tells them; `tests/rules/test_codes.py` compares the table with what the verifiers say.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class CodeText(NamedTuple):
    """A code, the rules of the findings that carry it, the most usual first, and what it means."""

    code: str
    rules: tuple[str, ...]
    meaning: str


_ROWS: Final = (
    CodeText("GOOD", ("verified",), "the signature is good, and the key was at the time that is believed"),
    CodeText("GOOD_EXPIRED_NOW", ("verified",), "the key was good at the time that is believed, and has expired since"),
    CodeText("ANNOTATED", ("verified",), "an annotated tag without a signature, where the policy asks for no more"),
    CodeText("MALFORMED", ("signature-bad", "signature-ambiguous"), "the signature is damaged, or verifiers read it differently"),
    CodeText(
        "UNSUPPORTED", ("algorithm-forbidden", "signature-format-not-allowed"),
        "the format, version or algorithm is not accepted by the policy, or by this program",
    ),
    CodeText("WEAK_HASH", ("algorithm-forbidden",), "the hash is too weak, or too short for the key"),
    CodeText("WEAK_KEY", ("algorithm-forbidden",), "the key is too short, or of a kind that must not be used any more"),
    CodeText("WRONG_NAMESPACE", ("signature-bad",), "the SSH signature was made for something else than git"),
    CodeText("NO_KEY", ("signer-unknown",), "the key is nobody's in the policy"),
    CodeText("BAD", ("signature-bad",), "the signature does not fit the signed bytes and the key"),
    CodeText(
        "FUTURE", ("signature-bad", "signer-expired", "commit-malformed"),
        "the signature, the key or a date of the object is from a time that is yet to come",
    ),
    CodeText(
        "EXPIRED_AT_T", ("signer-expired", "signature-bad"),
        "the key, its line, its certificate or the person's time was over at the time that is believed or proved",
    ),
    CodeText("REVOKED_HARD", ("signer-revoked",), "the key was revoked as compromised, which counts for all that it ever signed"),
    CodeText("REVOKED_SOFT_AT_T", ("signer-revoked",), "the key had been revoked as superseded or retired at that time"),
    CodeText("NOT_BOUND", ("signer-not-allowed",), "nothing that the primary key signed binds this subkey at that time"),
    CodeText("NOT_SIGNING_CAPABLE", ("signer-not-allowed",), "the key is not for signing"),
    CodeText("INVALID_UID", ("identity-mismatch",), "the signature names a user id that the key did not have at that time"),
    CodeText("NO_PRESENCE", ("signer-not-allowed",), "the security key signed without being touched"),
    CodeText("NO_VERIFICATION", ("signer-not-allowed",), "the security key signed without verifying its owner"),
    CodeText("BAD_LOG_ENTRY", ("signature-bad",), "the transparency log's entry is of another signature, or cannot be believed"),
    CodeText("BAD_SCT", ("signature-bad",), "the certificate's timestamp by a log of certificates cannot be believed"),
    CodeText("BAD_TIMESTAMP", ("signature-bad",), "the timestamp is not one of this signature, or by nobody who is trusted"),
    CodeText("UNKNOWN_LOG", ("signature-bad",), "the entry is of a transparency log that the trust root does not name"),
    CodeText("AMBIGUOUS", ("signature-ambiguous",), "the policy gives the identity to several people"),
    CodeText("DISPUTED", ("signature-ambiguous",), "the signature is good here, and gpg, which was asked too, contradicts"),
    CodeText("CERT_BAD", ("signature-bad",), "the authority's signature does not fit the certificate"),
    CodeText("CERT_EXPIRED", ("signer-expired",), "the certificate was not valid at the time that is believed"),
    CodeText("CERT_NOT_TRUSTED", ("signer-unknown",), "no authority of the policy, or of the trust root, issued the certificate"),
    CodeText("CERT_OPTION", ("signer-not-allowed",), "the certificate has a critical option that is not known here"),
    CodeText("CERT_PRINCIPAL", ("signer-not-allowed",), "the certificate names nobody whom its authority may vouch for"),
    CodeText("CERT_TYPE", ("signer-not-allowed",), "the certificate is one for hosts, not for people"),
    CodeText("CERT_NOT_ALLOWED", ("signer-not-allowed",), "the certificate, or one above it, may not do this"),
    CodeText("NO_ADDRESS", ("identity-mismatch",), "the certificate names no address that could be the signer's"),
    CodeText("LEVEL_0", ("signer-not-allowed",), "no log of certificates vouches for the gitsign certificate, and more is asked"),
    CodeText("LEVEL_1", ("signer-not-allowed",), "nothing proves when the gitsign signature was made, and that is asked"),
    CodeText("LIMIT", ("signer-not-allowed",), "only clean merges of this person count, and this is none"),
)

CODES: Final[dict[str, CodeText]] = {row.code: row for row in _ROWS}
"""All codes, the good ones first."""

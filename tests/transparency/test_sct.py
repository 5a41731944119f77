"""Timestamps of certificate logs inside of certificates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography import x509

from chainverify.errors import Malformed, SignatureError
from chainverify.transparency import certificates, roots, sct
from tests.world.sigstore import DER, T0, Leaf, Sigstore, authority, log, p256, spki

DAY = 86_400


def verify(
    sigstore: Sigstore, leaf: Leaf, ctlogs: list[dict[str, Any]] | None = None, issuer: x509.Certificate | None = None
) -> int | None:
    trust = sigstore.trust() if ctlogs is None else sigstore.trust(ctlogs=ctlogs)
    by = (issuer or sigstore.intermediate).public_bytes(DER)
    return sct.verify(certificates.decode(leaf.der), certificates.decode(by), roots.parse(json.dumps(trust).encode()).ct_logs)


def test_a_good_timestamp_tells_its_time(sigstore: Sigstore) -> None:
    assert verify(sigstore, sigstore.leaf(sct_at=T0 + 3)) == T0 + 3


def test_a_certificate_without_timestamp_has_none(sigstore: Sigstore) -> None:
    assert verify(sigstore, sigstore.leaf(sct=False)) is None


def test_the_issuer_that_verified_is_the_one_that_was_logged(sigstore: Sigstore) -> None:
    leaf = sigstore.leaf(by=(sigstore.root, sigstore.root_key))
    assert verify(sigstore, leaf, issuer=sigstore.root) == T0
    with pytest.raises(SignatureError, match="does not fit it"):
        verify(sigstore, leaf)


STRANGER = p256()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sct_key": STRANGER}, "does not fit it"),
        ({"sct_for": spki(STRANGER)}, "does not fit it"),
        ({"sct_algorithm": b"\5\3"}, "does not fit it"),
        ({"sct_at": T0 - 400 * DAY}, "at which the log is not trusted"),
    ],
)
def test_a_timestamp_that_is_wrong_in_one_thing_fails(sigstore: Sigstore, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(SignatureError, match=reason) as caught:
        verify(sigstore, sigstore.leaf(**changes))
    assert (caught.value.code, caught.value.rule) == ("BAD_SCT", "signature-bad")


@pytest.mark.parametrize("ctlogs", [[], [log("https://other.example.org", STRANGER)]])
def test_only_logs_of_the_root_count(sigstore: Sigstore, ctlogs: list[dict[str, Any]]) -> None:
    with pytest.raises(SignatureError, match="does not name") as caught:
        verify(sigstore, sigstore.leaf(), ctlogs)
    assert caught.value.code == "BAD_SCT"


@pytest.mark.parametrize(("end", "good"), [("2023-11-14T22:13:20.123Z", True), ("2023-11-14T22:13:20.122Z", False)])
def test_the_window_of_the_log_counts_to_the_millisecond(sigstore: Sigstore, end: str, good: bool) -> None:
    ctlogs = [log("https://ct.example.org", sigstore.ct_key, end=end)]
    if good:
        assert verify(sigstore, sigstore.leaf(), ctlogs) == T0
        return
    with pytest.raises(SignatureError, match="not trusted"):
        verify(sigstore, sigstore.leaf(), ctlogs)


def test_a_certificate_for_another_name_does_not_fit_the_timestamp(sigstore: Sigstore) -> None:
    """The timestamp of one certificate inside of another one, issued by the same authority to the same key."""
    honest = sigstore.leaf()
    stolen = honest.certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
    other = sigstore.leaf("mallory@example.org", key=honest.key, sct=False)
    builder = x509.CertificateBuilder(
        other.certificate.issuer, other.certificate.subject, other.key.public_key(), other.certificate.serial_number,
        other.certificate.not_valid_before_utc, other.certificate.not_valid_after_utc, list(other.certificate.extensions),
    )  # fmt: skip
    mixed = builder.add_extension(stolen.value, critical=False).sign(
        sigstore.intermediate_key, other.certificate.signature_hash_algorithm
    )
    with pytest.raises(SignatureError, match="does not fit it"):
        verify(sigstore, Leaf(honest.key, mixed))


def test_a_timestamp_for_an_authority_of_the_same_name_does_not_fit(sigstore: Sigstore) -> None:
    with pytest.raises(SignatureError, match="does not fit it"):
        verify(sigstore, sigstore.leaf(), issuer=authority("intermediate", p256()))


def test_an_empty_or_damaged_list_fails(sigstore: Sigstore) -> None:
    leaf = sigstore.leaf(sct=False)
    for value in (b"\4\2\0\0", b"\4\3\0\1\0", b"\4\4\0\2\0\0", b"\5\0"):
        builder = x509.CertificateBuilder(
            leaf.certificate.issuer, leaf.certificate.subject, leaf.key.public_key(), leaf.certificate.serial_number,
            leaf.certificate.not_valid_before_utc, leaf.certificate.not_valid_after_utc, list(leaf.certificate.extensions),
        )  # fmt: skip
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), value)
        damaged = builder.add_extension(extension, critical=False).sign(
            sigstore.intermediate_key, leaf.certificate.signature_hash_algorithm
        )
        with pytest.raises((SignatureError, Malformed)) as caught:
            verify(sigstore, Leaf(leaf.key, damaged))
        assert caught.value.rule == "signature-bad"

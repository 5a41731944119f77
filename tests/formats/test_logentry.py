"""Log entries in protobuf form, read strictly."""

from __future__ import annotations

import pytest

from chainverify.errors import Malformed
from chainverify.formats import logentry
from tests.world.sigstore import field

ID = field(2, field(1, bytes(32)))
KIND = field(3, field(1, b"hashedrekord") + field(2, b"0.0.1"))
PROOF = field(2, bytes(32)) + field(3, 9)


def test_an_entry_is_read() -> None:
    proof = field(1, 3) + PROOF + field(4, b"\1" * 32) + field(4, b"\2" * 32) + field(5, field(1, b"note"))
    data = field(1, 77) + ID + KIND + field(4, 5) + field(5, field(1, b"promise")) + field(6, proof) + field(7, b"body")
    assert logentry.parse(data) == logentry.LogEntry(
        77, bytes(32), "hashedrekord", "0.0.1", 5, b"promise",
        logentry.InclusionProof(3, bytes(32), 9, (b"\1" * 32, b"\2" * 32), "note"), b"body",
    )  # fmt: skip


def test_an_entry_may_lack_promise_proof_and_body() -> None:
    found = logentry.parse(ID + KIND)
    assert (found.promise, found.proof, found.body, found.integrated_time) == (b"", None, b"", 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (KIND, "log id of 0 bytes"),
        (field(2, field(1, bytes(31))) + KIND, "log id of 31 bytes"),
        (ID + KIND + field(8, b""), "field 8"),
        (ID + KIND + KIND, "field 3 twice"),
        (ID + field(3, field(1, b"\xff")), "not UTF-8"),
        (ID + KIND + field(6, b""), "not of 32 bytes"),
        (ID + KIND + field(6, PROOF + field(4, b"\1" * 31)), "not of 32 bytes"),
        (ID + KIND + field(6, PROOF + field(4, b"\1" * 32) * 65), "65 hashes"),
        (ID + KIND + field(6, PROOF + field(5, field(1, b"x" * 70_000))), "at most"),
        (ID + KIND + field(6, PROOF + field(5, field(1, b"\xff"))), "not UTF-8"),
        (ID + KIND + field(7, b"x" * 200_000), "at most"),
    ],
)
def test_anything_else_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        logentry.parse(data)
    assert caught.value.rule == "signature-bad"

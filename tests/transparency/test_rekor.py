"""Log entries verified against a log of our own: everything that an entry could be wrong in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from chainverify.errors import SignatureError
from chainverify.formats import logentry
from chainverify.transparency import rekor, roots
from chainverify.transparency.rekor import Logged
from tests.world.sigstore import REKOR2, T0, Entry, Signed, Sigstore, b64, log, note_key_id, p256

PAYLOAD = b"tree 1\n\nmessage\n"


@pytest.fixture(scope="module")
def signed(sigstore: Sigstore) -> Signed:
    return sigstore.sign(PAYLOAD, sigstore.leaf())


def verify(
    sigstore: Sigstore, signed: Signed, entry: Entry, *, at: int | None = None, trust: dict[str, Any] | None = None
) -> Logged:
    root = roots.parse(json.dumps(trust or sigstore.trust()).encode())
    found = logentry.parse(entry.message())
    body = rekor.hashedrekord(found.version, signed.attributes, signed.signature, signed.leaf.der)
    assert body is not None
    return rekor.verify(found, body, root, at=at)


def test_the_body_is_built_as_the_log_stores_it(sigstore: Sigstore, signed: Signed) -> None:
    arguments = (signed.attributes, signed.signature, signed.leaf.der)
    assert rekor.hashedrekord("0.0.1", *arguments) == sigstore.body(signed)
    assert rekor.hashedrekord("0.0.2", *arguments) == sigstore.body2(signed)
    assert rekor.hashedrekord("0.0.3", *arguments) is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"proof": False},
        {"checkpoint": False},
        {"leaves": 1, "position": 0},
        {"leaves": 64, "position": 63},
    ],
)
def test_an_entry_of_rekor_1_tells_its_time(sigstore: Sigstore, signed: Signed, changes: dict[str, Any]) -> None:
    found = verify(sigstore, signed, sigstore.entry(signed, **changes))
    assert (found.log.host, found.time) == ("rekor.example.org", T0 + 7)


def test_a_time_that_no_timestamp_vouches_for_is_not_believed(sigstore: Sigstore, signed: Signed) -> None:
    assert verify(sigstore, signed, sigstore.entry(signed, promise=False)).time is None


def test_an_entry_of_rekor_2_proves_its_place(sigstore: Sigstore, signed: Signed) -> None:
    found = verify(sigstore, signed, sigstore.entry2(signed))
    assert (found.log.host, found.time) == (REKOR2, None)


def test_the_embedded_body_may_be_there(sigstore: Sigstore, signed: Signed) -> None:
    assert verify(sigstore, signed, sigstore.entry(signed, embedded_body=sigstore.body(signed))).time


def test_witnesses_do_not_disturb(sigstore: Sigstore, signed: Signed) -> None:
    entry = sigstore.entry(signed, promise=False)
    data = logentry.parse(entry.message())
    assert data.proof is not None
    note = data.proof.checkpoint + data.proof.checkpoint.splitlines()[-1].replace("rekor.", "witness.") + "\n"
    root = roots.parse(json.dumps(sigstore.trust()).encode())
    assert rekor.verify(data._replace(proof=data.proof._replace(checkpoint=note)), sigstore.body(signed), root).log


STRANGER = p256()
DEFECTS: list[tuple[dict[str, Any], str]] = [
    ({"key": STRANGER}, "signed entry timestamp"),
    ({"promised_body": b"another"}, "signed entry timestamp"),
    ({"promise": False, "checkpoint_key": STRANGER}, "checkpoint without exactly one good signature"),
    ({"checkpoint_key": STRANGER}, "checkpoint without exactly one good signature"),
    ({"checkpoint_size": 8}, "of different trees"),
    ({"checkpoint_root": b"\7" * 32}, "of different trees"),
    ({"root": b"\7" * 32, "checkpoint_root": b"\7" * 32}, "does not lead from this signature to its root"),
    ({"stated_position": 5}, "does not lead from this signature to its root"),
    ({"stated_position": 7}, "leaf 7 of 7"),
    ({"origin": "other.example.org"}, "checkpoint of 'other.example.org'"),
    ({"origin": "rekor.example.org.evil.example - 1"}, "checkpoint of"),
    ({"name": "other.example.org"}, "checkpoint without exactly one good signature"),
    ({"body": b"another body"}, "signed entry timestamp"),
    ({"body": b"another body", "promise": False}, "does not lead from this signature"),
    ({"embedded_body": b"another body"}, "for another signature than this"),
    ({"promise": False, "proof": False}, "nothing in it is signed by the log"),
    ({"promise": False, "checkpoint": False}, "nothing in it is signed by the log"),
]


@pytest.mark.parametrize(("changes", "reason"), DEFECTS)
def test_an_entry_that_is_wrong_in_one_thing_fails(
    sigstore: Sigstore, signed: Signed, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SignatureError, match=reason) as caught:
        verify(sigstore, signed, sigstore.entry(signed, **changes))
    assert (caught.value.code, caught.value.rule) == ("BAD_LOG_ENTRY", "signature-bad")


def test_an_entry_for_another_signature_fails(sigstore: Sigstore, signed: Signed) -> None:
    """The attacker's own entry is genuine: only the body tells (T47)."""
    for other in (
        sigstore.sign(b"another payload", signed.leaf),
        sigstore.sign(PAYLOAD, signed.leaf),  # the same attributes, another signature
        sigstore.sign(PAYLOAD, sigstore.leaf()),
    ):
        for entry in (sigstore.entry(other), sigstore.entry(other, proof=False), sigstore.entry2(other)):
            with pytest.raises(SignatureError) as caught:
                verify(sigstore, signed, entry)
            assert caught.value.code == "BAD_LOG_ENTRY"


def test_a_log_that_the_root_does_not_name_fails(sigstore: Sigstore, signed: Signed) -> None:
    with pytest.raises(SignatureError, match="trust root does not name") as caught:
        verify(sigstore, signed, sigstore.entry(signed, log_id=bytes(32)))
    assert (caught.value.code, caught.value.rule) == ("UNKNOWN_LOG", "signature-bad")


def test_the_key_of_another_log_does_not_count(sigstore: Sigstore, signed: Signed) -> None:
    root = sigstore.trust()
    root["tlogs"][0]["publicKey"], root["tlogs"][1]["publicKey"] = root["tlogs"][1]["publicKey"], root["tlogs"][0]["publicKey"]
    with pytest.raises(SignatureError, match="signed entry timestamp"):
        verify(sigstore, signed, sigstore.entry(signed), trust=root)


@pytest.mark.parametrize(
    ("start", "end", "good"),
    [
        ("2023-11-14T22:13:27Z", None, True),  # T0 + 7 exactly
        ("2023-11-14T22:13:27.001Z", None, False),
        ("2023-01-01T00:00:00Z", "2023-11-14T22:13:27Z", True),
        ("2023-01-01T00:00:00Z", "2023-11-14T22:13:26.999Z", False),
    ],
)
def test_the_window_of_the_log_counts_at_the_time_of_the_entry(
    sigstore: Sigstore, signed: Signed, start: str, end: str | None, good: bool
) -> None:
    first = log("https://rekor.example.org", sigstore.rekor_key, start=start, end=end)
    second = log(f"https://{REKOR2}", sigstore.rekor2_key, note_key_id(REKOR2, sigstore.rekor2_key), start=start, end=end)
    trust = sigstore.trust(tlogs=[first, second])
    for entry, at in ((sigstore.entry(signed), None), (sigstore.entry2(signed), T0 + 7)):
        if good:
            assert verify(sigstore, signed, entry, at=at, trust=trust)
            continue
        with pytest.raises(SignatureError, match="does not trust https://") as caught:
            verify(sigstore, signed, entry, at=at, trust=trust)
        assert caught.value.code == "BAD_LOG_ENTRY"


def test_an_entry_of_rekor_2_has_one_place(sigstore: Sigstore, signed: Signed) -> None:
    with pytest.raises(SignatureError, match="two different places"):
        verify(sigstore, signed, sigstore.entry2(signed, shard=3))


def test_a_log_without_a_host_signs_no_checkpoint(sigstore: Sigstore, signed: Signed) -> None:
    trust = sigstore.trust(tlogs=[log("", sigstore.rekor_key)])
    with pytest.raises(SignatureError, match="checkpoint of"):
        verify(sigstore, signed, sigstore.entry(signed), trust=trust)


def test_two_signatures_by_the_log_are_ambiguous(sigstore: Sigstore, signed: Signed) -> None:
    data = logentry.parse(sigstore.entry(signed).message())
    assert data.proof is not None
    note = data.proof.checkpoint + data.proof.checkpoint.splitlines()[-1] + "\n"
    root = roots.parse(json.dumps(sigstore.trust()).encode())
    with pytest.raises(SignatureError, match="exactly one good signature"):
        rekor.verify(data._replace(proof=data.proof._replace(checkpoint=note)), sigstore.body(signed), root)


def test_a_signature_for_another_key_of_the_same_name_does_not_count(sigstore: Sigstore, signed: Signed) -> None:
    """The four bytes before it name the key: what a log signed for a key of another tree is not for this one."""
    data = logentry.parse(sigstore.entry(signed).message())
    assert data.proof is not None
    text, _, last = data.proof.checkpoint.rpartition(" ")
    note = f"{text} {b64(bytes(4) + base64.b64decode(last)[4:])}\n"
    root = roots.parse(json.dumps(sigstore.trust()).encode())
    with pytest.raises(SignatureError, match="exactly one good signature"):
        rekor.verify(data._replace(proof=data.proof._replace(checkpoint=note)), sigstore.body(signed), root)

"""gitsign signatures: every level, everything that can be wrong with one, and what sigstore-python says of the same facts."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from chainverify.errors import ChainverifyError, Malformed, PolicyError, SignatureError
from chainverify.formats import cms
from chainverify.model.signing import Clock, Evidence, GitsignMaterial, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.signatures import gitsign
from tests.world.sigstore import (
    ALICE,
    DER,
    ENTRY_OID,
    ISSUER,
    LIFE,
    REKOR2,
    T0,
    TIMESTAMP_OID,
    Signed,
    Sigstore,
    attribute,
    authority,
    bundle,
    chain,
    cms_of,
    log,
    note_key_id,
    p256,
    tlv,
)

PAYLOAD = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.org> 1700000005 +0000\n\nmessage\n"
CLOCK = Clock(T0 + 10, T0 + 1_000_000)
DAY = 86_400


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


def material(identity: str = ALICE, issuer: str = ISSUER, signer: str = "alice", **claims: str) -> GitsignMaterial:
    return GitsignMaterial(signer, identity, issuer, False, False, tuple(claims.items()), "signers[0].gitsign[0]", "policy", 7)


def keyring(sigstore: Sigstore, *rules: GitsignMaterial, **trust: Any) -> gitsign.GitsignKeyring:
    root = KeyMaterial("", json.dumps(sigstore.trust(**trust)).encode(), "commits.trusted-root", name="trusted_root.json")
    return gitsign.load(SigningMaterial(gitsign=rules or (material(),), trusted_root=root))


def verify(
    sigstore: Sigstore, signature: bytes, payload: bytes = PAYLOAD, keys: gitsign.GitsignKeyring | None = None
) -> Evidence:
    return gitsign.verify(payload, cms.parse(signature), keys or keyring(sigstore), CLOCK, SignatureOptions())


def refused(sigstore: Sigstore, signature: bytes, code: str, rule: str = "signature-bad", reason: str | None = None,
            payload: bytes = PAYLOAD, keys: gitsign.GitsignKeyring | None = None) -> SignatureError:  # fmt: skip
    with pytest.raises(SignatureError, match=reason) as caught:
        verify(sigstore, signature, payload, keys)
    assert (caught.value.code, caught.value.rule) == (code, rule), caught.value.message
    assert caught.value.evidence["format"] == "gitsign"
    return caught.value


class TestLevels:
    """What is proved, by what is there."""

    def test_a_log_entry_proves_the_time(self, sigstore: Sigstore) -> None:
        leaf = sigstore.leaf(claims={"12": tlv(0x0C, b"https://github.com/example/repo")})
        signed = sigstore.sign(PAYLOAD, leaf)
        found = verify(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute()))
        keys = keyring(sigstore)
        fingerprint = "SHA256:" + hashlib.sha256(leaf.der).hexdigest().upper()
        assert found == Evidence(
            "gitsign", fingerprint, fingerprint, "alice", T0 + 7, "log", found.algorithm, emails=(ALICE,), level=2,
            anchored_at=T0 + 7,
            claims=(("identity", ALICE), ("issuer", ISSUER), ("source-repository-uri", "https://github.com/example/repo"),
                    ("trust-root", f"sha256:{keys.root.digest}")),
        )  # fmt: skip

    def test_a_timestamp_proves_the_time(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        found = verify(sigstore, sigstore.cms(signed, sigstore.timestamp(signed.signature, T0 + 9)))
        assert (found.level, found.signed_at, found.time_source, found.anchored_at, found.notes) == (
            2, T0 + 9, "timestamp", T0 + 9, (),
        )  # fmt: skip

    def test_the_earlier_of_two_proofs_counts(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        for at, expected in ((T0 + 3, "timestamp"), (T0 + 30, "log")):
            signature = sigstore.cms(signed, sigstore.entry(signed).attribute(), sigstore.timestamp(signed.signature, at))
            found = verify(sigstore, signature)
            assert (found.level, found.time_source, found.anchored_at) == (2, expected, min(at, T0 + 7))

    def test_rekor_2_needs_a_timestamp(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        entry = sigstore.entry2(signed).attribute()
        found = verify(sigstore, sigstore.cms(signed, entry))
        assert (found.level, found.time_source, found.anchored_at, found.notes) == (1, "certificate", None, ("no-log-time",))
        found = verify(sigstore, sigstore.cms(signed, entry, sigstore.timestamp(signed.signature, T0 + 9)))
        assert (found.level, found.time_source, found.anchored_at) == (2, "timestamp", T0 + 9)

    def test_rekor_2_was_trusted_at_the_time_of_the_timestamp(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        signature = sigstore.cms(signed, sigstore.entry2(signed).attribute(), sigstore.timestamp(signed.signature, T0 + 9))
        log_id = note_key_id(REKOR2, sigstore.rekor2_key)
        old = log(f"https://{REKOR2}", sigstore.rekor2_key, log_id, end="2023-11-14T22:13:28Z")
        refused(sigstore, signature, "BAD_LOG_ENTRY", reason="does not trust", keys=keyring(sigstore, tlogs=[old]))

    def test_without_log_entry_the_certificate_tells_the_time(self, sigstore: Sigstore) -> None:
        found = verify(sigstore, sigstore.cms(sigstore.sign(PAYLOAD, sigstore.leaf())))
        assert (found.level, found.signed_at, found.time_source, found.anchored_at, found.notes) == (
            1, T0, "certificate", None, ("no-log-entry",),
        )  # fmt: skip

    def test_without_certificate_log_it_is_level_0(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(sct=False))
        found = verify(sigstore, sigstore.cms(signed))
        assert (found.level, found.notes, found.signer) == (0, ("no-sct", "no-log-entry"), "alice")
        found = verify(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute()))
        assert (found.level, found.notes, found.anchored_at) == (0, ("no-sct",), T0 + 7)

    def test_the_first_encoding_of_log_entries_is_no_entry(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        legacy = [attribute(f"1.3.6.1.4.1.57264.3.{number}", tlv(0x02, b"\5")) for number in (0, 2, 7, 8)]
        legacy += [attribute(ENTRY_OID, tlv(0x13, b"c0d2")), attribute("1.3.6.1.4.1.57264.3.5", tlv(0x30))]
        found = verify(sigstore, sigstore.cms(signed, *legacy))
        assert (found.level, found.notes) == (1, ("legacy-log-encoding",))

    def test_other_unsigned_attributes_say_nothing(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        found = verify(sigstore, sigstore.cms(signed, attribute("1.2.3.4", tlv(0x04, b"x"))))
        assert (found.level, found.notes) == (1, ("no-log-entry",))

    def test_the_root_may_have_issued_the_certificate(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(by=(sigstore.root, sigstore.root_key)))
        assert verify(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute())).level == 2


STRANGER = p256()


class TestSignature:
    def test_another_payload(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        signature = sigstore.cms(signed, sigstore.entry(signed).attribute())
        refused(sigstore, signature, "BAD", payload=PAYLOAD + b"\n")
        refused(sigstore, signature, "BAD", payload=b"")

    def test_another_key(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(), key=STRANGER)
        refused(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute()), "BAD")

    def test_enclosed_content_is_not_what_gitsign_writes(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        enclosed = cms_of(
            signed.leaf.certificate, signed.attributes, signed.signature, certificates=[signed.leaf.der], content=PAYLOAD
        )
        refused(sigstore, enclosed, "MALFORMED")

    def test_another_curve_is_not_what_gitsign_writes(self, sigstore: Sigstore) -> None:
        leaf = sigstore.leaf(key=ec.generate_private_key(ec.SECP384R1()))
        refused(sigstore, sigstore.cms(sigstore.sign(PAYLOAD, leaf)), "UNSUPPORTED", "algorithm-forbidden")


class TestCertificate:
    def test_an_authority_of_the_same_name(self, sigstore: Sigstore) -> None:
        """A forged identity is no person at any level (T49)."""
        key = p256()
        forged = sigstore.leaf(by=(authority("intermediate", key), key))
        signed = sigstore.sign(PAYLOAD, forged)
        for extra in ([], [authority("intermediate", key).public_bytes(DER)]):
            signature = sigstore.cms(signed, sigstore.entry(signed).attribute(), certificates=[forged.der, *extra])
            refused(sigstore, signature, "CERT_NOT_TRUSTED", "signer-unknown", "no authority of the trust root")

    def test_its_own_authority(self, sigstore: Sigstore) -> None:
        key = p256()
        own = authority("mallory", key)
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(by=(own, key)))
        signature = sigstore.cms(signed, certificates=[signed.leaf.der, own.public_bytes(DER)])
        refused(sigstore, signature, "CERT_NOT_TRUSTED", "signer-unknown")

    def test_an_authority_under_a_leaf(self, sigstore: Sigstore) -> None:
        """A leaf is no authority, whatever it says."""
        for ca in (False, True):
            leaf = sigstore.leaf(ca=ca)
            under = sigstore.leaf("bob@example.org", by=(leaf.certificate, leaf.key))
            signed = sigstore.sign(PAYLOAD, under)
            signature = sigstore.cms(signed, certificates=[under.der, leaf.der])
            refused(sigstore, signature, "CERT_NOT_TRUSTED", "signer-unknown")

    @pytest.mark.parametrize("usage", [None, ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    def test_a_certificate_for_another_use(self, sigstore: Sigstore, usage: x509.ObjectIdentifier | None) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(usage=usage))
        refused(sigstore, sigstore.cms(signed), "CERT_NOT_ALLOWED", "signer-not-allowed")

    def test_an_authority_is_no_signer(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(ca=True))
        refused(sigstore, sigstore.cms(signed), "CERT_NOT_ALLOWED", "signer-not-allowed")

    @pytest.mark.parametrize(
        ("start", "end", "good"),
        [
            ("2023-01-01T00:00:00Z", "2023-11-14T22:13:27Z", True),
            ("2023-01-01T00:00:00Z", "2023-11-14T22:13:26.999Z", False),
            ("2023-11-14T22:13:20Z", None, True),
            ("2023-11-14T22:13:20.001Z", None, False),
        ],
    )
    def test_the_window_of_the_authority(self, sigstore: Sigstore, start: str, end: str | None, good: bool) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        signature = sigstore.cms(signed, sigstore.entry(signed).attribute())
        entry = chain("https://fulcio.example.org", sigstore.intermediate, sigstore.root, start=start, end=end)
        keys = keyring(sigstore, certificateAuthorities=[entry])
        if good:
            assert verify(sigstore, signature, keys=keys).level == 2
        else:
            refused(sigstore, signature, "EXPIRED_AT_T", reason="authority is trusted from", keys=keys)

    def test_every_entry_of_the_root_is_tried(self, sigstore: Sigstore) -> None:
        others = [(authority(f"other {number}", key), key) for number, key in enumerate((p256(), p256()))]
        chains = [chain("https://other.example.org", each) for each, _ in others]
        keys = keyring(sigstore, certificateAuthorities=[
            chains[0], chain("https://fulcio.example.org", sigstore.intermediate, sigstore.root), chains[1]
        ])  # fmt: skip
        for by in (None, *others):
            signed = sigstore.sign(PAYLOAD, sigstore.leaf(by=by))
            assert verify(sigstore, sigstore.cms(signed), keys=keys).level == 1

    def test_an_expired_authority(self, sigstore: Sigstore) -> None:
        key = p256()
        old = authority("old", key, start=T0 - 800 * DAY, years=1)
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(by=(old, key)))
        keys = keyring(sigstore, certificateAuthorities=[chain("https://old.example.org", old)])
        refused(sigstore, sigstore.cms(signed), "EXPIRED_AT_T", reason="was not valid at", keys=keys)


class TestIdentity:
    @pytest.mark.parametrize(
        ("changes", "identity", "issuer"),
        [
            ({"name": "bob@example.org"}, "bob@example.org", ISSUER),
            ({"issuer": "https://evil.example.org"}, ALICE, "https://evil.example.org"),
            ({"name": f"{ALICE}.evil.example"}, f"{ALICE}.evil.example", ISSUER),
        ],
    )
    def test_an_identity_that_nobody_has(
        self, sigstore: Sigstore, changes: dict[str, str], identity: str, issuer: str
    ) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(**changes))  # type: ignore[arg-type]
        signature = sigstore.cms(signed, sigstore.entry(signed).attribute())
        error = refused(sigstore, signature, "NO_KEY", "signer-unknown", "no signer in the policy is")
        assert (error.evidence["identity"], error.evidence["issuer"]) == (identity, issuer)
        assert f'identity = "{identity}", issuer = "{issuer}"' in error.hint
        # a stranger's is no identity to add
        assert error.hint.startswith("if it is an account of somebody who may sign")

    def test_a_claim_that_differs(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(claims={"20": tlv(0x0C, b"push")}))
        for trigger, good in (("push", True), ("pull_request", False)):
            keys = keyring(sigstore, material(**{"build-trigger": trigger}))
            if good:
                assert verify(sigstore, sigstore.cms(signed), keys=keys).signer == "alice"
            else:
                refused(sigstore, sigstore.cms(signed), "NO_KEY", "signer-unknown", keys=keys)

    def test_two_people_with_one_identity(self, sigstore: Sigstore) -> None:
        signature = sigstore.cms(sigstore.sign(PAYLOAD, sigstore.leaf()))
        keys = keyring(sigstore, material(), material("*@example.org", signer="bob"))
        refused(sigstore, signature, "AMBIGUOUS", "signature-ambiguous", "alice and bob", keys=keys)
        keys = keyring(sigstore, material(), material("*@example.org"))
        assert verify(sigstore, signature, keys=keys).signer == "alice"

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": None},
            {"names": [x509.RFC822Name(ALICE), x509.RFC822Name("bob@example.org")]},
            {"issuer": None},
            {"issuer_v1": "https://evil.example.org"},
        ],
    )
    def test_a_certificate_that_names_not_exactly_one(self, sigstore: Sigstore, changes: dict[str, Any]) -> None:
        refused(sigstore, sigstore.cms(sigstore.sign(PAYLOAD, sigstore.leaf(**changes))), "MALFORMED")

    def test_only_addresses_become_emails(self, sigstore: Sigstore) -> None:
        name = "https://github.com/example/repo/.github/workflows/x.yml@refs/heads/main"
        found = verify(
            sigstore, sigstore.cms(sigstore.sign(PAYLOAD, sigstore.leaf(name))), keys=keyring(sigstore, material(name))
        )
        assert found.emails == ()


class TestLog:
    @pytest.mark.parametrize(
        "changes",
        [
            {"key": STRANGER},
            {"promised_body": b"another"},
            {"body": b"another body"},
            {"checkpoint_key": STRANGER},
            {"checkpoint_size": 8},
            {"checkpoint_root": b"\7" * 32},
            {"stated_position": 3},
            {"origin": "other.example.org"},
            {"embedded_body": b"another body"},
            {"promise": False, "proof": False},
            {"version": "0.0.3"},
            {"version": "0.0.2"},
            {"kind": "intoto"},
        ],
    )
    def test_an_entry_that_is_wrong_in_one_thing(self, sigstore: Sigstore, changes: dict[str, Any]) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        signature = sigstore.cms(signed, sigstore.entry(signed, **changes).attribute())
        refused(sigstore, signature, "BAD_LOG_ENTRY")

    def test_a_genuine_entry_of_another_signature(self, sigstore: Sigstore) -> None:
        """As CVE-2024-51746: an entry is there, and it is for something else."""
        leaf = sigstore.leaf()
        signed, other = sigstore.sign(PAYLOAD, leaf), sigstore.sign(b"another payload", leaf)
        refused(sigstore, sigstore.cms(signed, sigstore.entry(other).attribute()), "BAD_LOG_ENTRY")

    def test_an_unknown_log(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        refused(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute()), "UNKNOWN_LOG",
                keys=keyring(sigstore, tlogs=[]))  # fmt: skip

    def test_a_retired_log(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        old = log("https://rekor.example.org", sigstore.rekor_key, end="2023-06-01T00:00:00Z")
        refused(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute()), "BAD_LOG_ENTRY", reason="does not trust",
                keys=keyring(sigstore, tlogs=[old]))  # fmt: skip

    @pytest.mark.parametrize(("at", "good"), [(-1, False), (0, True), (LIFE, True), (LIFE + 1, False)])
    def test_the_time_of_the_log_lies_in_the_certificate(self, sigstore: Sigstore, at: int, good: bool) -> None:
        """A stolen key signs after its certificate: gitsign's own check without an embedded entry lets it through (T48)."""
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        signature = sigstore.cms(signed, sigstore.entry(signed, time=T0 + at).attribute())
        if good:
            assert verify(sigstore, signature).anchored_at == T0 + at
        else:
            refused(sigstore, signature, "EXPIRED_AT_T", reason="come by the key later")

    def test_an_entry_that_is_damaged(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        message = sigstore.entry(signed).message()
        for value in (b"", message[:-1], message + b"\0", message + message[:3]):
            refused(sigstore, sigstore.cms(signed, attribute(ENTRY_OID, tlv(0x04, value))), "MALFORMED")
        for value in (tlv(0x13, message), tlv(0x04, message) + b"\0"):
            with pytest.raises((SignatureError, Malformed)):
                verify(sigstore, sigstore.cms(signed, attribute(ENTRY_OID, value)))

    def test_two_entries_are_ambiguous(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        good = tlv(0x04, sigstore.entry(signed).message())
        other = tlv(0x04, sigstore.entry(signed, time=T0 + 8).message())
        refused(sigstore, sigstore.cms(signed, attribute(ENTRY_OID, good, other)), "MALFORMED", "signature-ambiguous")
        refused(sigstore, sigstore.cms(signed, attribute(ENTRY_OID)), "MALFORMED", "signature-ambiguous")
        with pytest.raises(Malformed, match="twice") as caught:
            cms.parse(sigstore.cms(signed, attribute(ENTRY_OID, good), attribute(ENTRY_OID, other)))
        assert caught.value.rule == "signature-ambiguous"


class TestTimestamp:
    def test_one_over_something_else(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        refused(sigstore, sigstore.cms(signed, sigstore.timestamp(signed.attributes, T0 + 9)), "BAD_TIMESTAMP")

    def test_one_by_another_key(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        refused(sigstore, sigstore.cms(signed, sigstore.timestamp(signed.signature, T0 + 9, key=STRANGER)), "BAD_TIMESTAMP")

    def test_one_by_a_stranger_does_not_pass_beside_a_good_entry(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        stranger = Sigstore().timestamp(signed.signature, T0 + 9)
        refused(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute(), stranger), "BAD_TIMESTAMP")

    @pytest.mark.parametrize(("at", "good"), [(-1, False), (0, True), (LIFE, True), (LIFE + 1, False)])
    def test_its_time_lies_in_the_certificate(self, sigstore: Sigstore, at: int, good: bool) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        signature = sigstore.cms(signed, sigstore.timestamp(signed.signature, T0 + at))
        if good:
            assert verify(sigstore, signature).anchored_at == T0 + at
        else:
            refused(sigstore, signature, "EXPIRED_AT_T")

    def test_both_times_lie_in_the_certificate(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        good, late = sigstore.entry(signed), sigstore.entry(signed, time=T0 + LIFE + 1)
        stamp, late_stamp = (sigstore.timestamp(signed.signature, at) for at in (T0 + 9, T0 + LIFE + 1))
        refused(sigstore, sigstore.cms(signed, late.attribute(), stamp), "EXPIRED_AT_T")
        refused(sigstore, sigstore.cms(signed, good.attribute(), late_stamp), "EXPIRED_AT_T")

    @pytest.mark.parametrize(
        ("start", "end", "good"),
        [
            ("2023-01-01T00:00:00Z", "2023-11-14T22:13:29Z", True),  # T0 + 9 exactly
            ("2023-01-01T00:00:00Z", "2023-11-14T22:13:28.999Z", False),
            ("2023-11-14T22:13:29.001Z", None, False),
        ],
    )
    def test_the_window_of_the_authority(self, sigstore: Sigstore, start: str, end: str | None, good: bool) -> None:
        """Closed at both ends, as the specification of Sigstore clients says."""
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        signature = sigstore.cms(signed, sigstore.timestamp(signed.signature, T0 + 9))
        entry = chain("https://tsa.example.org", sigstore.tsa, sigstore.tsa_root, start=start, end=end)
        keys = keyring(sigstore, timestampAuthorities=[entry])
        if good:
            assert verify(sigstore, signature, keys=keys).level == 2
        else:
            refused(sigstore, signature, "BAD_TIMESTAMP", keys=keys)

    def test_authorities_of_the_policy_count_too(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        other = Sigstore()
        signature = sigstore.cms(signed, other.timestamp(signed.signature, T0 + 9))
        root = KeyMaterial("", json.dumps(sigstore.trust()).encode(), "commits.trusted-root", name="trusted_root.json")
        own = KeyMaterial("", other.tsa_root.public_bytes(DER), "commits.timestamp-roots[0]", name="tsa.der")
        keys = gitsign.load(SigningMaterial(gitsign=(material(),), trusted_root=root, timestamp_roots=(own,)))
        assert verify(sigstore, signature, keys=keys).time_source == "timestamp"

    def test_two_tokens_are_ambiguous(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        refused(sigstore, sigstore.cms(signed, attribute(TIMESTAMP_OID)), "MALFORMED", "signature-ambiguous")


class TestCertificateLog:
    @pytest.mark.parametrize("changes", [{"sct_key": STRANGER}, {"sct_at": T0 - 400 * DAY}])
    def test_a_wrong_timestamp_is_no_missing_one(self, sigstore: Sigstore, changes: dict[str, Any]) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(**changes))
        refused(sigstore, sigstore.cms(signed, sigstore.entry(signed).attribute()), "BAD_SCT")

    def test_an_unknown_log(self, sigstore: Sigstore) -> None:
        signed = sigstore.sign(PAYLOAD, sigstore.leaf())
        refused(sigstore, sigstore.cms(signed), "BAD_SCT", keys=keyring(sigstore, ctlogs=[]))


class TestPolicy:
    def test_a_root_that_cannot_be_read(self) -> None:
        root = KeyMaterial("", b"{}", "commits.trusted-root", "policy", 3, "trusted_root.json")
        with pytest.raises(PolicyError, match=r"trusted_root\.json cannot be read") as caught:
            gitsign.load(SigningMaterial(gitsign=(material(),), trusted_root=root))
        assert (caught.value.key, caught.value.source, caught.value.line) == ("commits.trusted-root", "policy", 3)

    def test_the_public_root_is_the_default(self) -> None:
        assert "sigstore" in gitsign.load(SigningMaterial(gitsign=(material(),))).root.authorities[0].uri


class Verdict(NamedTuple):
    level: int | None
    time_source: str


def test_no_damage_passes_at_a_level_that_it_does_not_have(sigstore: Sigstore) -> None:
    """Bytes changed, cut, doubled and swapped, in the whole signature and in its unsigned attributes: each one fails, or proves
    what can be proved without the attribute that is gone. Only unsigned attributes can be taken away."""
    chance = random.Random(20)
    keys = keyring(sigstore)
    signed = sigstore.sign(PAYLOAD, sigstore.leaf())
    entry, stamp = sigstore.entry(signed).attribute(), sigstore.timestamp(signed.signature, T0 + 9)
    whole = sigstore.cms(signed, entry, stamp)
    assert verify(sigstore, whole, keys=keys).level == 2
    passed: set[Verdict] = set()
    for number in range(3000):
        if number % 2:
            damaged = _damage(chance, whole)
        else:
            parts = [_damage(chance, tlv_content(entry)) if chance.random() < 0.5 else tlv_content(entry), tlv_content(stamp)]
            if chance.random() < 0.5:
                parts[1] = _damage(chance, parts[1])
            damaged = sigstore.cms(signed, *(tlv(0x30, part) for part in parts))
        if damaged == whole:
            continue
        try:
            found = verify(sigstore, damaged, keys=keys)
        except ChainverifyError:
            continue
        # what an unsigned attribute may lose is its type: then nothing is there, and the level says so
        again = cms.parse(damaged)
        kinds = {kind for kind, _ in again.unsigned}
        anchored = {ENTRY_OID, TIMESTAMP_OID} & kinds
        assert found.level == (2 if anchored else 1), damaged.hex()
        assert (again.signed_attributes, again.signature) == (signed.attributes, signed.signature)
        assert found.anchored_at == (T0 + 7 if ENTRY_OID in anchored else T0 + 9 if anchored else None)
        passed.add(Verdict(found.level, found.time_source))
    assert passed <= {Verdict(2, "log"), Verdict(2, "timestamp"), Verdict(1, "certificate")}


def tlv_content(value: bytes) -> bytes:
    """The content of a DER value."""
    return value[2:] if value[1] < 0x80 else value[2 + (value[1] & 0x7F) :]


def _damage(chance: random.Random, data: bytes) -> bytes:
    at, other = (chance.randrange(len(data)) for _ in range(2))
    kind = chance.randrange(4)
    if kind == 0:
        return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[at : at + 1] + data[at:]
    low, high = sorted((at, other))
    return data[:low] + data[high : high + 1] + data[low + 1 : high] + data[low : low + 1] + data[high + 1 :]


@pytest.fixture(scope="module")
def oracle(sigstore: Sigstore, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Signed, Any, str, str], bool]:
    from sigstore.errors import Error
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity

    path = Path(tmp_path_factory.mktemp("oracle"), "trusted_root.json")
    path.write_text(json.dumps(sigstore.trust()))
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(path)))

    def accepts(signed: Signed, entry: Any, identity: str, issuer: str) -> bool:
        try:
            found = Bundle.from_json(bundle(signed, entry))
            verifier.verify_artifact(signed.attributes, found, Identity(identity=identity, issuer=issuer))
        except (Error, ValueError):
            return False
        return True

    return accepts


class TestSigstorePython:
    """The reference client in our language, on the same facts: it accepts exactly what we accept at level 2."""

    @pytest.mark.parametrize(
        ("leaf", "changes", "identity", "good"),
        [
            ({}, {}, ALICE, True),
            ({}, {"leaves": 50, "position": 31}, ALICE, True),
            ({"name": "https://github.com/example/x"}, {}, "https://github.com/example/x", True),
            ({}, {}, "bob@example.org", False),
            ({"issuer": "https://evil.example.org"}, {}, ALICE, False),
            ({"sct_key": STRANGER}, {}, ALICE, False),
            ({"sct": False}, {}, ALICE, False),
            ({"usage": ExtendedKeyUsageOID.SERVER_AUTH}, {}, ALICE, False),
            ({}, {"key": STRANGER}, ALICE, False),
            ({}, {"promised_body": b"another"}, ALICE, False),
            ({}, {"checkpoint_key": STRANGER}, ALICE, False),
            ({}, {"checkpoint_root": b"\7" * 32}, ALICE, False),
            ({}, {"body": b'{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{}}'}, ALICE, False),
            ({}, {"time": T0 - 1}, ALICE, False),
            ({}, {"time": T0 + LIFE + 1}, ALICE, False),
        ],
    )
    def test_it_agrees(
        self, sigstore: Sigstore, oracle: Callable[[Signed, Any, str, str], bool], leaf: dict[str, Any],
        changes: dict[str, Any], identity: str, good: bool,
    ) -> None:  # fmt: skip
        # it asks for the issuer's old extension, which Fulcio still writes beside the new one
        signed = sigstore.sign(PAYLOAD, sigstore.leaf(issuer_v1=leaf.get("issuer", ISSUER), **leaf))
        entry = sigstore.entry(signed, **changes)
        assert oracle(signed, entry, identity, ISSUER) == good
        try:
            level = verify(sigstore, sigstore.cms(signed, entry.attribute()), keys=keyring(sigstore, material(identity))).level
        except SignatureError:
            level = None
        assert (level == 2) == good

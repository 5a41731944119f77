"""Certificates of the real Fulcio: identity, issuer, path and certificate timestamp as the real authority writes them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from chainverify.errors import SignatureError
from chainverify.formats import cms
from chainverify.model.signing import Clock, GitsignMaterial, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.signatures import gitsign
from tests.conftest import find_tool
from tests.world import fulcio
from tests.world.fulcio import Fulcio
from tests.world.sigstore import ALICE, Sigstore, authority, chain, p256

pytestmark = pytest.mark.tool("fulcio")

PAYLOAD = b"tree 1\n\nmessage\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fulcio]:
    sigstore = Sigstore()
    # Fulcio asks that its root is valid today
    sigstore.root_key = p256()
    sigstore.root = authority("root", sigstore.root_key, start=int(time.time()) - 86_400)
    program = find_tool("fulcio")
    assert program is not None
    with fulcio.running(program, sigstore, tmp_path_factory.mktemp("fulcio")) as found:
        yield found


def keyring(service: Fulcio, identity: str, issuer: str) -> gitsign.GitsignKeyring:
    root = KeyMaterial("", json.dumps(service.sigstore.trust(
        certificateAuthorities=[chain("https://fulcio.example.org", service.sigstore.root)]
    )).encode(), "commits.trusted-root", name="trusted_root.json")  # fmt: skip
    rule = GitsignMaterial("alice", identity, issuer, False, False, (), "signers[0].gitsign[0]")
    return gitsign.load(SigningMaterial(gitsign=(rule,), trusted_root=root))


def test_a_certificate_of_the_real_fulcio_reaches_its_level(service: Fulcio) -> None:
    sigstore = service.sigstore
    leaf = service.leaf(ALICE)
    now = int(time.time())
    signed = sigstore.sign(PAYLOAD, leaf, at=now)
    keys = keyring(service, ALICE, service.issuer)
    for unsigned, level in (([sigstore.entry(signed, time=now).attribute()], 2), ([], 1)):
        parsed = cms.parse(sigstore.cms(signed, *unsigned))
        found = gitsign.verify(PAYLOAD, parsed, keys, Clock(now, now), SignatureOptions())
        assert (found.signer, found.level, found.emails) == ("alice", level, (ALICE,))
        assert dict(found.claims)["issuer"] == service.issuer


def test_another_identity_is_nobody(service: Fulcio) -> None:
    signed = service.sigstore.sign(PAYLOAD, service.leaf("mallory@example.org"), at=int(time.time()))
    with pytest.raises(SignatureError) as caught:
        gitsign.verify(
            PAYLOAD, cms.parse(service.sigstore.cms(signed)), keyring(service, ALICE, service.issuer), Clock(0, 0),
            SignatureOptions(),
        )
    assert (caught.value.code, caught.value.rule) == ("NO_KEY", "signer-unknown")


def test_its_timestamp_does_not_fit_another_log(service: Fulcio) -> None:
    signed = service.sigstore.sign(PAYLOAD, service.leaf(ALICE), at=int(time.time()))
    known = keyring(service, ALICE, service.issuer)
    logs = tuple(log._replace(key=known.root.logs[0].key) for log in known.root.ct_logs)
    with pytest.raises(SignatureError) as caught:
        gitsign.verify(
            PAYLOAD, cms.parse(service.sigstore.cms(signed)), known._replace(root=known.root._replace(ct_logs=logs)),
            Clock(0, 0), SignatureOptions(),
        )
    assert caught.value.code == "BAD_SCT"

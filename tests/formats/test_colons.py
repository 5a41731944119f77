"""Listings of gpg and gpgsm: fields as their manual numbers them, hostile user ids, and what is no listing."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import Malformed
from chainverify.formats import colons
from tests.world.gpg import CREATED, GpgHome

PRIMARY, SUBKEY, SHA256 = "A" * 40, "B" * 40, "C" * 64
LISTING = f"""\
tru::1:1795579426:0:3:1:5
sec:e:255:22:71E7624E6D2B6BC6:1700000000:1800000000::u:::cSC:::+::ed25519:::0:
fpr:::::::::{PRIMARY}:
grp:::::::::{"D" * 40}:
uid:u::::1795579426::BA36::A\\x3a Ex\\x5cample <a@example.org>::::::::::0:
uid:r::::1795579426::BA36::\\x1b[31m\\x0afpr\\x3a::::::::::0:
ssb:r:2048:1:FCFDE60C9215F155:1700000001::::::s:::D2760001240102000000:::::
fpr:::::::::{SUBKEY}:
crs::2048:1:C23A5ADAE3120A2A:20250516T150640:20961002T070640:1050:CN=Root::CN=A:sS::::::23:
fpr:::::::::{"E" * 40}:::316D:
fp2:::::::::{SHA256}::::
uid:::::::::CN=Al\\x3aice::
"""


def test_every_field() -> None:
    first, second = colons.parse(LISTING.encode())
    (subkey,) = first.subkeys
    assert first[:8] == ("key", "e", 255, 1_700_000_000, 1_800_000_000, "c", "+", "ed25519")
    assert (first.fingerprint, first.user_ids) == (PRIMARY, ("A: Ex\\ample <a@example.org>", "\x1b[31m\nfpr:"))
    assert subkey[:9] == ("subkey", "r", 2048, 1_700_000_001, None, "s", "D2760001240102000000", "", SUBKEY)
    assert (second.kind, second.since, second.until, second.can) == ("certificate", 1_747_408_000, 4_000_000_000, "s")
    assert (second.fingerprint, second.sha256, second.user_ids) == ("E" * 40, SHA256, ("CN=Al:ice",))


@pytest.mark.tool("gpg")
def test_what_gpg_prints() -> None:
    with GpgHome.create() as home:
        key = home.key("Alice: \\x3a <alice@example.org>", subkeys=["nistp256"], also=["Second <second@example.org>"])
        listed = home.run("--list-secret-keys", "--with-colons", "--with-subkey-fingerprint", "--fixed-list-mode").stdout
        (found,) = colons.parse(listed)
        assert [found.fingerprint, *(sub.fingerprint for sub in found.subkeys)] == home.fingerprints(key)
        assert sorted(found.user_ids) == ["Alice: \\x3a <alice@example.org>", "Second <second@example.org>"]
        assert (found.since, found.until, found.held, found.curve, found.subkeys[0].curve) == (
            CREATED, None, "+", "ed25519", "nistp256",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        (f"ssb:u:255:22::1:::::s:::+::\nfpr:::::::::{SUBKEY}:\n", "a subkey before any key"),
        ("sec:\n" * 1001, "more than 1000 keys"),
        ("x" * (colons.BYTES_MAX + 1), "at most"),
    ],
)
def test_what_is_no_listing(listing: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        colons.parse(listing.encode())


@pytest.mark.parametrize(
    "listing", ["", "nothing\n", "sec\n", "sec:u\n", "uid:x\n", f"fpr:::::::::{PRIMARY}:\n", "sec:u:::::\nfpr:::::::::abc:\n"]
)
def test_records_without_a_key_are_nothing(listing: str) -> None:
    assert colons.parse(listing.encode()) == ()


_LINES = st.sampled_from(LISTING.splitlines()) | st.text(alphabet="secubfpr:x\\0123#+TZ\x85\u2028", max_size=40)


@given(st.lists(_LINES, max_size=20))
def test_any_lines_are_read_or_refused(lines: list[str]) -> None:
    try:
        found = colons.parse("\n".join(lines).encode())
    except Malformed:
        return
    assert all(key.fingerprint for key in found)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        colons.parse(data)

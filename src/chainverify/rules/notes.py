"""The notes of the evidence: what was seen of an object or signature and is no reason to refuse it, each explained for people.

`chainverify rule NOTE` tells them, and docs/rules/notes.md is made of them; `tests/rules/test_notes.py` compares the table with
the notes that the code writes.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class NoteText(NamedTuple):
    """One note: `about` is the kind of signature or object, `when` says when it appears, `remedy` what to do, if anything.

    A `note` that ends with `:` is followed by what it is about, as in `target:tree`.
    """

    note: str
    about: str
    when: str
    remedy: str


_HARMLESS: Final = "Nothing: it tells how the signature was written, and changes nothing about what it proves."

_ROWS: Final = (
    # --- objects
    NoteText(
        "unknown-header:", "commit or tag",
        "The object has a header that git keeps and does not read; the name follows the colon. It is under the signature.",
        "Nothing, if you know the tool that writes it.",
    ),
    NoteText(
        "mergetag-verified:", "merge commit",
        "The merge quotes a signed tag that it merged, and that tag's own signature is good; whose it is follows the "
        "colon.",
        "Nothing.",
    ),
    NoteText(
        "mergetag-unverified:", "merge commit",
        "The merge quotes a tag that it merged, and the tag was not proved: the rule that it breaks follows the colon "
        "(`unsigned` without a signature, `target` where it is of no parent, `too-many` where there are more than "
        "parents). The merge's own signature covers the quote, so the verdict stays.",
        "Ask whoever made the merge where the tag came from, if that matters to you.",
    ),
    NoteText(
        "target:", "tag",
        "The tag points at something else than a commit; what it is (tree or blob) follows the colon.",
        "Nothing, if that was meant; a release is a commit as a rule.",
    ),
    NoteText(
        "second-opinion:", "OpenPGP",
        "Another program was asked too (`--second-opinion`), and agrees; which one follows the colon.", "Nothing.",
    ),
    # --- more than one format
    NoteText(
        "skew", "OpenPGP, X.509",
        "The time in the signature and the committer's (tagger's) date are more than ten minutes apart: a rebase that "
        "kept the date, a date set by hand, or a wrong clock.",
        "Look at the clock of the machine that signs, if it is frequent.",
    ),
    NoteText(
        "sha1", "OpenPGP, X.509",
        "The signature uses SHA-1 and counts only because it claims to be older than the policy's `sha1-before`.",
        "Nothing for the past; whoever signs so today needs a newer setting (`personal-digest-preferences SHA512`).",
    ),
    NoteText(
        "key-revoked-hard", "OpenPGP, X.509",
        "The key or certificate was revoked as compromised, or without a harmless reason, and counts only because "
        "`key-validity` is `identity`: the policy names it.",
        "Take it out of the policy, or set `key-validity` to `backfill`, unless this is what you mean.",
    ),
    NoteText(
        "key-revoked-soft-at-t", "OpenPGP, X.509",
        "The key or certificate had been revoked as superseded or retired at the time that is believed, and counts only "
        "because `key-validity` is `identity`.",
        "As for `key-revoked-hard`.",
    ),
    NoteText(
        "key-expired-at-t", "OpenPGP, X.509",
        "The key or certificate had expired at the time that is believed, and counts only because `key-validity` is "
        "`identity`.",
        "Renew the key, or set `key-validity` to `backfill`.",
    ),
    # --- OpenPGP
    NoteText(
        "key-today-revoked-soft-at-t", "OpenPGP",
        "The key was good when the signature was made, and has been revoked since as superseded or retired.",
        "Nothing for old commits. Look for the person's new key (`chainverify keys list`).",
    ),
    NoteText(
        "key-today-not-bound", "OpenPGP",
        "The key was good when the signature was made, and nothing binds it to its certificate today.",
        "Get the certificate again from its owner: a newer self-signature may be missing.",
    ),
    NoteText(
        "key-today-not-signing-capable", "OpenPGP",
        "The key was for signing when the signature was made, and is not today.", "Nothing for old commits.",
    ),
    NoteText(
        "key-today-future", "OpenPGP",
        "The key was made some minutes after the time of this check: the clocks of two machines differ.",
        "Look at the clocks of the signer's machine and of this one.",
    ),
    NoteText(
        "binding-backfilled", "OpenPGP",
        "The self-signature that makes the key valid is younger than the signature of the commit, as after an export that"
        " left the older ones out; `key-validity = \"backfill\"` lets it count.",
        "Get an export with all self-signatures, if the policy is to be `strict`.",
    ),
    NoteText(
        "expiry-backfilled", "OpenPGP",
        "By the self-signatures of that time the key had expired, and a later one extended it; `key-validity = "
        "\"backfill\"` lets the later one count.",
        "Nothing, if you trust the owner's renewal; `strict` would refuse.",
    ),
    NoteText(
        "no-key-flags", "OpenPGP",
        "The primary key says nothing of what it is for, as very old keys do; it is taken as one that may sign.",
        "Nothing; a new self-signature by a current gpg would say it.",
    ),
    NoteText(
        "revocation-not-verified", "OpenPGP",
        "The certificate holds a revocation by a hash that is not supported (RIPEMD-160), which cannot be checked; it "
        "counts as if it were good, since it can only refuse.",
        "Get the certificate again from its owner, and make sure that the revocation is meant.",
    ),
    NoteText(
        "designated-revoker-unknown", "OpenPGP",
        "The certificate holds a revocation that may be by somebody whom its owner allowed to revoke it, and that key is "
        "not in the policy, so the revocation is not looked at.",
        "Add the certificate of that revoker to the owner's `openpgp` list, if it should count.",
    ),
    NoteText(
        "signature-expired", "OpenPGP",
        "The signature itself has an end that has passed, and counts only because `key-validity` is `identity`.",
        "Sign without an expiry (no `default-sig-expire` in gpg.conf).",
    ),
    NoteText(
        "signer-user-id-unknown", "OpenPGP",
        "The signature names a user id that the certificate did not have at that time, and counts only because "
        "`key-validity` is `identity`.",
        "Get the certificate again from its owner.",
    ),
    NoteText(
        "left16-mismatch", "OpenPGP",
        "The two check bytes in front of the signature do not fit, and the signature does: some programs write zeros "
        "there.",
        _HARMLESS,
    ),
    NoteText(
        "no-issuer-fingerprint", "OpenPGP",
        "The signature names its key by its key id alone, as old versions of gpg do; each key of the policy with that id "
        "was tried.",
        _HARMLESS,
    ),
    NoteText("no-issuer", "OpenPGP", "The signature does not name its key; keys of the policy were tried.", _HARMLESS),
    NoteText("noncanonical-mpi", "OpenPGP", "A number in the signature is written with leading zeros.", _HARMLESS),
    NoteText(
        "armor-noncanonical", "OpenPGP",
        "The text form of the signature has carriage returns, or blanks after its last line, which gpg does not write.",
        _HARMLESS,
    ),
    NoteText(
        "rsa-under-3072", "OpenPGP",
        "The RSA key has 2048 to 3071 bits: still accepted, and under what is advised today.",
        "Plan for a new key: `gpg --quick-generate-key NAME ed25519`.",
    ),
    NoteText(
        "dsa", "OpenPGP",
        "The key is DSA, and the signature counts only because it claims to be older than the policy's `dsa-before`.",
        "Nothing for the past; whoever signs so today needs a new key.",
    ),
    # --- SSH
    NoteText(
        "allowed-signers-time-as-utc", "SSH",
        "A time in the allowed_signers file names no zone; OpenSSH reads it in the zone of the machine, this program in "
        "UTC.",
        "Write the time with a `Z` at its end, and both read the same.",
    ),
    NoteText(
        "krl-signature-ignored", "SSH",
        "The list of revoked keys (KRL) is signed; the signature is not looked at, for the policy names the file itself.",
        "Nothing.",
    ),
    NoteText(
        "krl-extension-ignored", "SSH",
        "The list of revoked keys (KRL) has an extension that is not known, and not marked critical.", "Nothing.",
    ),
    # --- X.509 and gitsign
    NoteText(
        "crl-outdated", "X.509, gitsign",
        "A revocation list of the policy has announced its successor for a time that has passed: what it says still "
        "counts, and newer revocations are not known.",
        "Fetch the current list from the authority and replace the file that `[commits] crls` names.",
    ),
    NoteText(
        "timestamp-not-checked", "X.509",
        "The signature brings a timestamp, and the policy names no authority for timestamps, so it proves nothing.",
        "Name the root of the timestamp authority in `[commits] timestamp-roots`, if its time should count.",
    ),
    NoteText(
        "timestamp-unknown-authority", "X.509",
        "The signature brings a timestamp by an authority that the policy does not know, so it proves nothing.",
        "Name its root in `[commits] timestamp-roots`, if its time should count.",
    ),
    NoteText(
        "cms-ber", "X.509",
        "The signature is written in BER where DER is usual, as gpgsm does.", _HARMLESS,
    ),
    NoteText(
        "cms-attached", "X.509",
        "The signature holds a copy of what it signs; git's are detached. The copy is the same, or it would be refused.",
        _HARMLESS,
    ),
    NoteText(
        "no-sct", "gitsign",
        "The certificate brings no proof that a public log of certificates has seen it: the signature reaches level 0.",
        "Use a Fulcio that logs its certificates, or set `gitsign-level = 0` for a private one without such a log.",
    ),
    NoteText(
        "no-log-entry", "gitsign",
        "The signature brings no entry of the transparency log, so nothing proves when it was made: it reaches level 1. "
        "gitsign's default leaves the entry online (`rekorMode = online`), where this program does not look.",
        "Sign with `git config gitsign.rekorMode offline`, which puts the entry into the signature; or accept "
        "`gitsign-level = 1`.",
    ),
    NoteText(
        "no-log-time", "gitsign",
        "The log entry is good and says no time of its own (Rekor 2), and there is no timestamp beside it: level 1.",
        "Sign with a timestamp authority (`gitsign.timestampServerURL`), or accept `gitsign-level = 1`.",
    ),
    NoteText(
        "legacy-log-encoding", "gitsign",
        "The log entry is in the first encoding of gitsign (January 2023), which is recognised and not read: level 1.",
        "Set `gitsign-level = 1` for these commits' signer, or excuse known ones in `[commits] exceptions`.",
    ),
)  # fmt: skip

NOTES: Final[dict[str, NoteText]] = {row.note: row for row in _ROWS}
"""All notes, those about objects first."""


def note(name: str) -> NoteText | None:
    """The row for a note as it stands in the evidence (`target:tree`) or in the table; None for what is none."""
    start, colon, _ = name.partition(":")
    return NOTES.get(start + colon) or NOTES.get(start + ":")

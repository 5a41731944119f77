"""The stable rule ids of the contract, by family. Nothing else may be named in `[rules]` of a policy.

What each means is told by `rules.table`; a test compares the two.
"""

from __future__ import annotations

from typing import Final

COMMITS: Final = (
    "commit-unsigned", "commit-malformed", "signature-bad", "signature-ambiguous", "signature-format-not-allowed",
    "algorithm-forbidden", "signer-unknown", "signer-expired", "signer-revoked", "signer-not-allowed", "identity-mismatch",
    "history-not-anchored", "history-incomplete", "object-missing",
)
TAGS: Final = ("tag-unsigned", "tag-name-mismatch")
MESSAGES: Final = (
    "message-ticket", "message-pattern", "message-subject", "message-body", "message-trailer", "message-sign-off",
    "message-characters", "message-encoding",
)
REFS: Final = (
    "ref-delete", "ref-rewind", "tag-moved", "approval-missing", "policy-change", "policy-missing", "pusher-not-signer",
    "push-certificate", "break-glass", "deadline",
)
MANIFESTS: Final = (
    "image-unresolved", "image-not-pinned", "image-override-unmatched", "manifest-unreadable", "manifest-ambiguous",
    "secret-in-manifest",
)
IMAGES: Final = (
    "image-unsigned", "image-signature-bad", "image-signer-not-trusted", "image-threshold-not-met", "image-not-covered",
    "image-digest-mismatch", "image-reference-mismatch", "image-attestation-missing", "image-attestation-failed",
    "image-expired-trust", "image-unavailable",
)

RULE_IDS: Final = (*COMMITS, *TAGS, *MESSAGES, *REFS, *MANIFESTS, *IMAGES)
"""Every id that a policy may set; `verified` is not among them, for it is no rule that could be broken."""

ALWAYS: Final = frozenset(("deadline", "object-missing", "history-incomplete", "policy-missing", "image-unavailable"))
"""Ids that no policy can relax: they say that something was not looked at, and that is never a pass."""

NOT_YET: Final = frozenset((
    "approval-missing", "pusher-not-signer", "push-certificate", "break-glass",
    "image-override-unmatched", "secret-in-manifest", "image-attestation-missing", "image-attestation-failed",
    "image-expired-trust",
))
"""Ids of the contract that this version never reports; a policy that asks for one is refused, not ignored."""

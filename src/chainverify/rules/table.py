"""The table of rules: what each stable id means, why it is asked, and what to do. `chainverify rule` and docs/rules come from it.

A rule of the contract that this version never reports has no row; `tests/rules/test_table.py` compares the rows with the ids
that the code reports.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple


class RuleText(NamedTuple):
    """One rule for people. `family` groups the listing; `status` is what its findings are: fail, or unknown (exit 3)."""

    id: str
    family: str
    title: str
    why: str
    example: str
    remedy: str
    status: str = "fail"


_ROWS: Final = (
    RuleText(
        "verified", "every", "The subject was checked and is good",
        "A report proves what was checked only if it names what passed. Passing subjects carry this rule, with the evidence; with "
        "status `skip` it names a subject that the policy excuses (a merge under `merges = \"skip\"`, a listed exception).",
        "good: good SSH signature by Alice Example",
        "Nothing to do.", "pass",
    ),
    RuleText(
        "commit-unsigned", "commits", "The commit carries no signature",
        "Author and committer are free text: without a signature anyone who can push can write history in another person's name. A "
        "signature block inside the message is message text and signs nothing.",
        "commit-unsigned: commit is not signed",
        "Sign it: `git commit --amend -S` for the last commit, `git rebase -r --exec 'git commit --amend --no-edit -S' BASE` for all "
        "after the commit BASE. An "
        "old commit can be excused by its full id in `[commits] exceptions`, a whole unsigned past by `introduction`.",
    ),
    RuleText(
        "commit-malformed", "commits", "The object does not follow git's format",
        "A byte that one reader ignores and another reads (NUL, a second tree line, a missing blank line) makes two tools see two "
        "different commits in one signed object.",
        "commit-malformed: commit holds a NUL byte, after which some verifiers stop reading",
        "Run `git fsck` in the repository it came from and make the object again with git. A known old object can be listed in "
        "`[commits] exceptions`.",
    ),
    RuleText(
        "signature-bad", "commits", "The signature does not fit, or cannot be read",
        "The signed bytes were changed after signing, the signature was made over something else, or it is damaged.",
        "signature-bad: SSH signature by SHA256:... does not fit the signed bytes",
        "Treat it as tampering until you know better: compare the object with the author's own copy, then sign it again.",
    ),
    RuleText(
        "signature-ambiguous", "commits", "Two verifiers would judge different signatures or different bytes",
        "Two signatures, two signature headers, text around an armor, `gpgsig-` headers that git does not verify: an attacker picks "
        "the reading that each tool believes. git itself answers G to some of these.",
        "signature-ambiguous: commit has the header 'gpgsig-foo', expected only 'gpgsig'; git does not verify it",
        "Make the object again with git itself. A known old one can be excused by its id in `[commits] exceptions`.",
    ),
    RuleText(
        "signature-format-not-allowed", "commits", "The signature is of a format that the policy does not allow",
        "`[commits] formats` says which kinds of signatures count; a kind that nobody looks after is a way in.",
        "signature-format-not-allowed: OpenPGP signatures are not accepted, expected SSH",
        "Sign with an allowed format, or add the format to `[commits] formats`.",
    ),
    RuleText(
        "algorithm-forbidden", "commits", "The signature or key uses an algorithm or size that is too weak or not supported",
        "SHA-1 collisions are cheap and RSA keys under 2048 bits can be factored: such a signature proves little.",
        "algorithm-forbidden: OpenPGP signature uses the hash SHA-1, expected SHA-256 or better",
        "Make a new key (`ssh-keygen -t ed25519`, `gpg --quick-generate-key NAME ed25519`) or set a strong digest (`personal-digest-"
        "preferences SHA512`). For an old history there is `[commits] sha1-before`.",
    ),
    RuleText(
        "signer-unknown", "commits", "The signing key belongs to no signer of the policy",
        "A good signature by an unknown key says only that somebody has a key.",
        "signer-unknown: SSH key SHA256:... is not a key of any signer in the policy",
        "If the key should count, its owner's `[[signers]]` table needs it (`chainverify explain COMMIT` prints the lines to add); the "
        "change to the policy must itself be trusted.",
    ),
    RuleText(
        "signer-expired", "commits", "The key, or the person's time in the policy, was over (or had not begun) at the believed time",
        "Keys and people change. The report names the clock that was believed, because a date inside a commit is only a claim.",
        "signer-expired: Alice Example could sign until 2026-01-01T00:00:00Z, signature is of 2026-02-03T00:00:00Z (source: signature)",
        "Sign with a current key; or extend the key (`gpg --quick-set-expire`) or the `valid-before` of the signer.",
    ),
    RuleText(
        "signer-revoked", "commits", "The key was revoked, or is marked as compromised",
        "Whoever has a stolen key also chooses the dates: a hard revocation, or `compromised-at`, ends belief in everything that is "
        "not proved to be older. A transparency log, a timestamp authority, or the server's own clock when the commit arrived can "
        "prove it; a date inside the commit cannot. Revocations are those in OpenPGP certificates, `ssh-revoked` files and `crls`.",
        "signer-revoked: keys of Alice Example are compromised since 2026-01-01T00:00:00Z, and nothing proves when it was made",
        "Sign again with a new key, and take the old one out of the policy. Commits that are known to be good can be excused by their "
        "full ids in `[commits] exceptions`.",
    ),
    RuleText(
        "signer-not-allowed", "commits", "The signer is known but may not do this",
        "`[[refs]] signers` says who may sign what lands on a branch, `limit = \"clean-merge\"` that of a forge's or bot's commits "
        "only merges count whose tree git itself would make, `gitsign-level` how much a gitsign signature must prove, "
        "`ssh-require` that a security key was touched, `merge-rule = \"all-parents\"` that the policy in every parent agrees. A "
        "key may also lack the right to sign (no signing flag, no binding by its primary key, a certificate for something else).",
        "signer-not-allowed: signed by Bob Example, who may not sign what lands on refs/heads/main",
        "Have it signed, or merged, by someone with the right, or change the policy. The evidence's `code` says which of these it "
        "was: LIMIT, LEVEL_0, LEVEL_1, NO_PRESENCE, NO_VERIFICATION, NOT_SIGNING_CAPABLE, NOT_BOUND, or none for `[[refs]]`.",
    ),
    RuleText(
        "identity-mismatch", "commits", "The signature is good, but by someone else than the committer it names",
        "git shows the committer's name, not the signer's: without this rule a developer with a key can commit as anyone.",
        "identity-mismatch: signed by Bob Example, but the committer is alice@example.org",
        "Set `user.email` to an address of your `[[signers]]` table, or add the address there. `[commits] identity` sets what must agree.",
    ),
    RuleText(
        "history-not-anchored", "commits", "The introduction commit is not part of the history that was judged",
        "`introduction` is the point from which trust starts; a history that does not contain it is another history.",
        "history-not-anchored: the introduction 4f2c... is not an ancestor of 8f98...",
        "Check that you are on the right repository and branch; a rewritten history needs a new introduction, set on purpose. Where an "
        "object between the two cannot be read this is not said: that is `history-incomplete`, and the introduction should stay.",
    ),
    RuleText(
        "history-incomplete", "commits", "Part of the history is not in this clone",
        "Shallow clones, grafts and partial clones cut history: what is missing cannot be judged, so nothing is claimed about it. A "
        "lost or damaged commit between a tip and the `introduction` leaves open whether one leads to the other.",
        "history-incomplete (not decided): history may be cut: this is a shallow clone",
        "Run `git fetch --unshallow` (in CI: `fetch-depth: 0`), or remove the grafts. For a lost object run `git fsck`, and get it from "
        "another clone (`git fetch --refetch`, or a fresh clone).", "unknown",
    ),
    RuleText(
        "object-missing", "commits", "An object that the history names cannot be read",
        "A missing commit, tag or file could hold anything.",
        "object-missing (not decided): object 4f2c... is not in the repository",
        "Run `git fsck` and fetch the object again.", "unknown",
    ),
    RuleText(
        "tag-unsigned", "tags", "The tag is not signed, or is lightweight where a signed tag is required",
        "Deployments follow tags; a lightweight tag is a name that anyone with push rights can put anywhere.",
        "tag-unsigned: refs/tags/v1.0 is a lightweight tag, which nobody can sign",
        "Make it again on the same commit: `git tag -s -f NAME \"NAME^{}\"`, then `git push --force origin refs/tags/NAME` (a server "
        "that protects its tags asks for `allow-rewind`). An old annotated tag can be listed by its own id in `[commits] exceptions`; "
        "a lightweight tag has no id of its own, and an exception of its commit does not excuse the name. Where such tags must stay, "
        "`[rules] tag-unsigned = \"advise\"` or `[tags] require` decide for all of them.",
    ),
    RuleText(
        "tag-name-mismatch", "tags", "A signed tag stands under another name than the one that was signed",
        "The signature covers the name inside the tag object, git shows the ref: an old signed release can be shown as the newest.",
        "tag-name-mismatch: refs/tags/v2 holds a tag that names itself v1",
        "Delete the ref and make a tag of the right name.",
    ),
    RuleText(
        "message-ticket", "messages", "The message does not name a ticket where and as the policy wants it",
        "A change without a ticket has no recorded reason, and the reason is what an auditor asks for first.",
        'message-ticket: expected JIRA-NUMBER, then ": " and text, got "fix the build"',
        "Reword the commit: `git commit --amend`, or `git rebase -i` for older ones. `[messages] tickets`, `ticket-where`, `tickets-max` "
        "and `separator` say what is wanted.",
    ),
    RuleText(
        "message-pattern", "messages", "The subject does not have the form that the policy asks for",
        "Tools that read the history (changelogs, deployment records) rely on the form.",
        'message-pattern: expected a subject that matches "^[a-z]+: .+", got "Fix the build"',
        "Reword the commit to match; the form is `[messages] pattern`, or that of Conventional Commits under `conventional`.",
    ),
    RuleText(
        "message-subject", "messages", "The subject is empty, too long, or a fixup that was left in",
        "The subject is what people see in every list. A `fixup!` that reaches a shared branch was forgotten.",
        "message-subject: expected a subject of at most 72 characters, got 91",
        "Shorten it, or run `git rebase -i --autosquash` to fold fixups in.",
    ),
    RuleText(
        "message-body", "messages", "A line of the body is too long",
        "Long lines are cut or wrapped differently by every tool that shows them.",
        "message-body: expected lines of at most 100 characters, got 133",
        "Break the line.",
    ),
    RuleText(
        "message-trailer", "messages", "A trailer that the policy asks for is missing, too many, or says something else",
        "Trailers are read by tools: who reviewed a change, which run tested it. A line that only looks like one, in the middle of the "
        "text, is read by none of them: git reads trailers in a last paragraph that holds nothing else.",
        "message-trailer: expected at least 1 Reviewed-by trailer, got none",
        "End the message with the trailer (`git commit --amend --trailer \"Reviewed-by: NAME <ADDRESS>\"`); `git log "
        "--format='%(trailers)'` shows those that git sees. `[messages] trailers` says what is asked.",
    ),
    RuleText(
        "message-sign-off", "messages", "The message carries no sign-off by whom the policy asks",
        "`Signed-off-by` is the author's word that the change may be given (the Developer Certificate of Origin); another person's word "
        "says nothing. It is a statement, not a proof: who made the commit is proved by its signature.",
        "message-sign-off: expected a sign-off by the author, Alice Example <alice@example.org>, got none",
        "Commit with `-s` (`git commit --amend -s --no-edit`, `git rebase --signoff BASE`) as the person that the commit names as its "
        "author. Not decided where the author of a message in a file is not known: set `user.name` and `user.email`.",
    ),
    RuleText(
        "message-characters", "messages", "The message holds characters that hide or reorder what is shown",
        "Escape sequences, bidirectional controls and zero-width characters make a reader see another message than the one stored.",
        "message-characters: expected text that shows what it says, got U+202E bidirectional control",
        "Remove the character: the caret shows where it stands.",
    ),
    RuleText(
        "message-encoding", "messages", "The message is not valid in its encoding",
        "Bytes that are no text are shown differently everywhere, and judged differently too.",
        "message-encoding: expected text in its declared encoding (or UTF-8), but byte 12 is not valid utf-8",
        "Write the message in UTF-8 (`git config --unset i18n.commitEncoding`).",
    ),
    RuleText(
        "ref-delete", "refs", "A protected ref would be deleted",
        "Deleting and creating a branch again is a rewind in two steps.",
        "ref-delete: refs/heads/main may not be deleted",
        "Leave the ref, or set `allow-delete` in its `[[refs]]` stanza.",
    ),
    RuleText(
        "ref-rewind", "refs", "A protected ref would lose commits, or a ref that git itself reads specially would be written",
        "A forced push takes back what was reviewed. `refs/replace/*` shows other objects than the ones that were signed.",
        "ref-rewind: refs/heads/main would lose 4f2c...",
        "Push without force; merge or rebase on top of the branch. `allow-rewind` or `rewind-signers` set who may.",
    ),
    RuleText(
        "tag-moved", "refs", "A tag that exists would be moved",
        "A release that changes under its name is a different release.",
        "tag-moved: refs/tags/v1.0 exists and would point at another object",
        "Make a new tag. A `[[refs]]` stanza with `allow-rewind` lets a tag move.",
    ),
    RuleText(
        "policy-change", "refs", "The policy or a file of it is changed by someone who may not",
        "Whoever may change the policy decides everything else; a push is judged by the policy before it.",
        "policy-change: Bob Example changes .chainverify/, which only Alice Example may",
        "Have the change signed by someone that `[policy] signers` names.",
    ),
    RuleText(
        "policy-missing", "refs", "No policy was found where one must be",
        "A server that judges nothing must not look like one that does.",
        "policy-missing: this repository has no policy, so no push is let in",
        "Run `chainverify init` and commit the file to the default branch before the hook is installed, or give the hook a server "
        "file (`chainverify install --server DIR --policy FILE`). Where the policy is on a branch that the repository's HEAD does not name: "
        "`git symbolic-ref HEAD refs/heads/BRANCH` on the server.",
    ),
    RuleText(
        "deadline", "refs", "A budget ran out before the verdict",
        "What was not reached was not checked. The report says how far it got.",
        "deadline (not decided): 812 of 4000 objects were checked within the deadline of 30 s",
        "Push in smaller parts, or raise the budget.", "unknown",
    ),
    RuleText(
        "image-unresolved", "manifests", "An image reference cannot be resolved from the file alone",
        "A reference with a template, a variable or a mistake in it still runs something; skipping it silently would be a hole.",
        "image-unresolved (not decided): container image 'app:${TAG}' cannot be resolved: holds '${', a variable or template that is "
        "filled in elsewhere",
        "Write the reference out, or excuse the path in `[[images.allow-unresolved]]` with a reason and check the rendered form.",
        "unknown",
    ),
    RuleText(
        "image-not-pinned", "manifests", "An image is referenced without a digest",
        "A tag can be moved between the check and the start of the container.",
        "image-not-pinned: 'registry.example.org/team/app:v1' has no digest, so what it names can change",
        "Write `name:tag@sha256:...`; the digest is shown by `crane digest` or in the evidence of this report. `[images] require-digest` "
        "and `[rules] image-not-pinned` set whether it is asked.",
    ),
    RuleText(
        "manifest-unreadable", "manifests", "A deployment file cannot be read as one",
        "What cannot be read may still be deployed, by a reader that is less strict.",
        "manifest-unreadable (not decided): document 2: not YAML: ...",
        "Mend the file, or exclude it in `[images] exclude` if it is no manifest.", "unknown",
    ),
    RuleText(
        "manifest-ambiguous", "manifests", "Two readers would find different images in the file",
        "With a key that stands twice one reader takes the first and another the last image.",
        "manifest-ambiguous: key 'image' stands twice in one mapping",
        "Remove the duplicate.",
    ),
    RuleText(
        "image-unsigned", "images", "No signature was found for the image",
        "Anyone who can push to the registry can put this image there.",
        "image-unsigned: sha256:... has no signature of the formats bundle and legacy",
        "Sign it: `cosign sign --key KEY NAME@DIGEST`.",
    ),
    RuleText(
        "image-signature-bad", "images", "A signature of the image is damaged or does not fit",
        "The signature, its payload or the image was changed.",
        "image-signature-bad: signature lacks an annotation: expected env=prod, got no annotation env",
        "Treat it as tampering; sign the image again from a trusted build.",
    ),
    RuleText(
        "image-signer-not-trusted", "images", "The image is signed, but by no key that its trust stanza names",
        "Anyone can sign; the stanza says whose signature counts here.",
        "image-signer-not-trusted: signed, but not by a trusted key: expected a signature by keys/cosign.pub, got a signature by another "
        "key, or over other bytes",
        "Sign with the right key, or change the stanza.",
    ),
    RuleText(
        "image-threshold-not-met", "images", "Fewer distinct keys signed the image than the stanza asks",
        "Several signatures by one key are one voice.",
        "image-threshold-not-met: signed by 1 of the keys that registry.example.org/team/** trusts, 2 are needed: keys/alice.pub",
        "Have another key holder sign.",
    ),
    RuleText(
        "image-not-covered", "images", "No trust stanza matches the image",
        "An image that no rule covers is not thereby allowed.",
        "image-not-covered: no [[images.trust]] stanza matches docker.io/library/redis",
        "Add a stanza: with keys, or with `unsafe-unsigned` and a reason.",
    ),
    RuleText(
        "image-digest-mismatch", "images", "What is signed, or what the registry sent, is another digest",
        "A signature of one image copied beside another proves nothing about the other.",
        "image-digest-mismatch: signature is for another image: expected sha256:..., got sha256:...",
        "Look at who wrote to the registry; sign the right digest.",
    ),
    RuleText(
        "image-reference-mismatch", "images", "The signature was made for another repository",
        "An old or test image, validly signed elsewhere, must not pass under a production name.",
        "image-reference-mismatch: signature is for another reference: expected registry.example.org/team/app, got "
        "registry.example.org/test/app",
        "Sign it under the name it is used by, or set `reference = \"off\"` in the stanza.",
    ),
    RuleText(
        "image-unavailable", "images", "The registry did not give what is needed for a verdict",
        "A registry that is down, refuses access or limits the rate says nothing about the signature.",
        "image-unavailable (not decided): registry.example.org did not answer: status 503",
        "Try again, log in, or check from a place that reaches the registry.", "unknown",
    ),
)  # fmt: skip

RULES: Final[dict[str, RuleText]] = {row.id: row for row in _ROWS}
"""All rules by id, in the order of the contract."""


def nearest(rule: str, others: Iterable[str] = ()) -> str:
    """The known id, or name among `others`, most like `rule`; empty where none is near."""
    import difflib

    return next(iter(difflib.get_close_matches(rule, (*RULES, *others), 1, 0.5)), "")

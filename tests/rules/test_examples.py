"""The examples of the rule table are what the tool prints: each is compared with a finding that the code really makes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from chainverify.errors import ChainverifyError
from chainverify.formats import message as message_format
from chainverify.formats.objects import parse_commit
from chainverify.formats.push import RefUpdate
from chainverify.formats.reference import parse
from chainverify.images.verify import verify
from chainverify.manifests.extract import extract
from chainverify.model.gitobject import Ident, Tag
from chainverify.model.report import FAIL, UNKNOWN, Finding, Subject
from chainverify.model.signing import Clock, Evidence, Format, SignatureOptions, SigningMaterial
from chainverify.output import text
from chainverify.policy.model import ImagesPolicy, MessagesPolicy, Policy, RefPolicy, Signer, TrailerPolicy
from chainverify.rules import images, manifests, refs, signatures
from chainverify.rules import messages as message_rules
from chainverify.rules.refs import RefChange
from chainverify.rules.sign_off import People
from chainverify.rules.table import RULES
from chainverify.signatures import backends
from tests.world.images import Signer as ImageSigner
from tests.world.images import Store, payload, trust

OID, OTHER = "4f2c" + "0" * 36, "8f98" + "0" * 36
ABOUT = Subject("commit", OID)
COMMIT = f"tree {OID}\nauthor A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\n"
JANUARY, FEBRUARY = 1767225600, 1770076800
SSH: tuple[Format, ...] = ("ssh",)
TEAM = "registry.example.org/team"
APP = f"{TEAM}/app"
COSIGN, ALICE = ImageSigner.create("keys/cosign.pub"), ImageSigner.create("keys/alice.pub")


def caught(act: Callable[[], object]) -> Finding:
    """The finding that the error of `act` becomes."""
    with pytest.raises(ChainverifyError) as error:
        act()
    return Finding(error.value.rule, FAIL if error.value.status == "fail" else UNKNOWN, ABOUT, error.value.message)


def commit(header: str = "", message: str = "x\n") -> Finding:
    data = COMMIT + header + "\n" + message
    return caught(lambda: parse_commit(git_id(data), data.encode(), "sha1"))


def judged(name: str = "Alice Example", email: str = "alice@example.org", **signer: int) -> Finding:
    policy = Policy("p", "", signers=(Signer(name, (email,), **signer),))  # type: ignore[arg-type]
    data = COMMIT.replace("a@example.org", "alice@example.org") + "\nx\n"
    evidence = Evidence("ssh", "SHA256:x", "SHA256:x", name, FEBRUARY, "signature", "ed25519")
    plain = parse_commit(git_id(data), data.encode(), "sha1")
    (found,) = signatures.judge_commit(plain, evidence, Clock(claimed=FEBRUARY, now=FEBRUARY), signatures.prepare(policy))
    return found


def git_id(data: str) -> str:
    import hashlib

    return hashlib.sha1(b"commit %d\0" % len(data) + data.encode(), usedforsecurity=False).hexdigest()


def message(subject: str, **policy: object) -> Finding:
    alice = ("Alice Example", "alice@example.org")
    encoding = message_format.decode(b"x" * 12 + b"\xff", None)[1] if not subject else ""
    facts = message_rules.MessageFacts(encoding=encoding, people=People(alice, alice))
    return message_rules.judge(subject or "x", facts, MessagesPolicy(**policy), ABOUT)[0]  # type: ignore[arg-type]


def ref(name: str, old: str | None, new: str | None, *, rewinds: bool = False, tags: str = "signed") -> Finding:
    policy = Policy("p", "", tags=tags, refs=(RefPolicy(("refs/heads/*",)),))  # type: ignore[arg-type]
    return refs.judge(RefChange(RefUpdate(name, old, new), rewinds), policy)[0]


def manifest(container: str) -> Finding:
    found = extract("pod.yaml", f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - {container}\n".encode())
    return manifests.judge([found], ImagesPolicy())[0]


def not_covered() -> Finding:
    found = extract("pod.yaml", b"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: redis\n")
    (use,) = found.uses
    assert use.reference is not None
    return images.not_covered(use, use.reference)


def image(name: str = APP, *, signed: bool = True, wrong: bool = False, stanza: object = None) -> Finding:
    store = Store()
    digest, other = store.image(APP), store.image(APP, "other", "v2")
    if signed:
        body = payload(other if wrong else digest, name)
        store.legacy(APP, digest, (body, ALICE.sign(body)))
    return caught(lambda: verify(store, parse(f"{APP}@{digest}"), stanza or trust(ALICE)))  # type: ignore[arg-type]


def there(found: Finding | None) -> Finding:
    assert found is not None
    return found


TAG = Tag(OID, OID, "commit", b"v1", Ident(b"A", b"a@example.org", 1, b"+0000"), b"x\n", b"", None)

PRINTED: dict[str, Callable[[], Finding]] = {
    "verified": judged,
    "commit-unsigned": lambda: signatures.unsigned_commit(ABOUT),
    "commit-malformed": lambda: commit(message="a\0b"),
    "signature-ambiguous": lambda: commit("gpgsig-foo x\n"),
    "signature-format-not-allowed": lambda: caught(lambda: backends.verify(
        b"", b"-----BEGIN PGP SIGNATURE-----\n", backends.load(SigningMaterial()), Clock(claimed=1, now=1), SignatureOptions(),
        SSH)),
    "signer-expired": lambda: judged(valid_before=JANUARY),
    "signer-revoked": lambda: judged(compromised_at=JANUARY),
    "identity-mismatch": lambda: judged("Bob Example", "bob@example.org"),
    "signer-not-allowed": lambda: there(refs.refused_signer(ABOUT, "Bob Example", "refs/heads/main", frozenset())),
    "tag-unsigned": lambda: signatures.lightweight_tag("refs/tags/v1.0", OID, signatures.prepare(Policy("p", "d"))),
    "tag-name-mismatch": lambda: there(signatures.tag_name(TAG, "refs/tags/v2")),
    "message-ticket": lambda: message("fix the build", tickets=("JIRA",)),
    "message-pattern": lambda: message("Fix the build", pattern="^[a-z]+: .+"),
    "message-subject": lambda: message("x" * 91, subject_max=72),
    "message-body": lambda: message("x\n\n" + "y" * 133, body_line_max=100),
    "message-trailer": lambda: message("x", trailers=(TrailerPolicy("Reviewed-by", 1),)),
    "message-sign-off": lambda: message("x", sign_off="exact"),
    "message-characters": lambda: message("x \u202e y"),
    "message-encoding": lambda: message(""),
    "ref-delete": lambda: ref("refs/heads/main", OID, None),
    "ref-rewind": lambda: ref("refs/heads/main", OID, OTHER, rewinds=True),
    "tag-moved": lambda: ref("refs/tags/v1.0", OID, OTHER),
    "image-unresolved": lambda: manifest("image: app:${TAG}"),
    "image-not-pinned": lambda: manifest(f"image: {APP}:v1"),
    "manifest-unreadable": lambda: manifest("image: x\n---\n{"),
    "manifest-ambiguous": lambda: manifest("{image: x, image: y}"),
    "image-not-covered": not_covered,
    "image-unsigned": lambda: image(signed=False),
    "image-signature-bad": lambda: image(stanza=trust(ALICE, annotations=(("env", "prod"),))),
    "image-signer-not-trusted": lambda: image(stanza=trust(COSIGN)),
    "image-threshold-not-met": lambda: image(stanza=trust(ALICE, COSIGN, threshold=2)._replace(match=f"{TEAM}/**")),
    "image-digest-mismatch": lambda: image(wrong=True),
    "image-reference-mismatch": lambda: image("registry.example.org/test/app"),
}  # fmt: skip


@pytest.mark.parametrize("rule", PRINTED)
def test_the_example_is_what_is_printed(rule: str) -> None:
    found = PRINTED[rule]()
    assert found.rule == rule
    line = text.finding(found, text.Style())[0]
    wanted = re.escape(RULES[rule].example).replace(re.escape("..."), ".+")
    assert re.fullmatch(wanted, line), line


def test_examples_that_only_a_whole_run_prints_have_the_words_of_the_code() -> None:
    """What needs a repository, a registry or a server to be seen is at least in the source, word for word between the values."""
    from tests.rules.test_table import SOURCE

    source = "\n".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name != "table.py")
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    for rule in RULES.keys() - PRINTED.keys():
        _, _, said = RULES[rule].example.partition(": ")
        values = (
            r"[0-9a-f]{4}\.\.\.|SHA256:\.\.\.|SHA-1|(?:Bob|Alice) Example|registry\.example\.org|[0-9]{2,}|\.chainverify|: "
            r"| within "
        )
        for part in re.split(values, said):
            assert part.strip() in source, (rule, part)

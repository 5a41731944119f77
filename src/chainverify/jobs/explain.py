"""One commit or tag explained: what it says, what was checked, step by step, and what decided.

The verdict is that of `jobs.history`, not a second one: the steps are told from its findings, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chainverify.errors import ChainverifyError, PolicyError
from chainverify.formats import objects
from chainverify.git.objects import ObjectReader, RawObject
from chainverify.git.repository import Repository
from chainverify.jobs import history
from chainverify.jobs.claims import claims, issuer
from chainverify.jobs.keys import list_keys
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.propose import proposal
from chainverify.model.explanation import Explanation, Fact, Section, Step, StepStatus
from chainverify.model.gitobject import Commit, Ident, Tag
from chainverify.model.keys import KeyDescription, PersonDescription
from chainverify.model.report import PASS, SKIP, UNKNOWN, Finding, Report
from chainverify.output.moment import moment
from chainverify.policy.material import signing_material
from chainverify.rules import enforcement

STEPS: Final[dict[str, str]] = {
    "object": "the object can be read and follows git's format",
    "signature": "it carries a signature",
    "format": "the policy accepts this format of signatures",
    "structure": "the signature is one, whole, and made for git",
    "algorithms": "its algorithms and sizes are strong enough",
    "key": "its key belongs to a person of the policy",
    "cryptography": "the signature fits the signed bytes and the key",
    "time": "key and person were good at the time that is believed",
    "right": "the person may do this with this key",
    "identity": "the object names the person who signed it",
}
"""The steps of a verdict in order."""
_OF_CODE: Final = {
    "MALFORMED": "structure", "WRONG_NAMESPACE": "structure", "FUTURE": "time", "NO_KEY": "key", "NOT_BOUND": "right",
}  # fmt: skip
_OF_RULE: Final = {
    "commit-malformed": "object", "object-missing": "object", "deadline": "object", "commit-unsigned": "signature",
    "tag-unsigned": "signature", "signature-format-not-allowed": "format", "signature-ambiguous": "structure",
    "algorithm-forbidden": "algorithms", "signer-unknown": "key", "signature-bad": "cryptography", "signer-expired": "time",
    "signer-revoked": "time", "signer-not-allowed": "right", "identity-mismatch": "identity", "tag-name-mismatch": "identity",
    "internal": "cryptography",
}  # fmt: skip
_CLOCKS: Final = {
    "signature": "the time inside of the signature, a claim of whoever holds the key",
    "committer": "the signature holds no time, so the date of the object stands for it: a claim of whoever made it",
    "arrival": "when the server received it",
    "now": "the time of this check: it needs no claim, or [commits] key-validity asks for it",
    "log": "the time at which a transparency log entered it",
    "timestamp": "the time that a timestamp authority signed",
    "certificate": "the time of the certificate",
}


def explain(repo: Repository, oid: str, name: str, loaded: LoadedPolicy, now: int) -> Explanation:
    """Everything found out about the commit or tag `oid`; `name` is what it was called by.

    Raises `PolicyError` where the policy asks nothing of it, and `Unavailable` where the object cannot be read.
    """
    with ObjectReader(repo) as reader:
        raw = reader.read(oid)
    if raw.kind == "tag":
        return _tag(repo, raw, name, loaded, now)
    if raw.kind != "commit":
        raise PolicyError(f"{name} is a {raw.kind}, expected a commit or a tag", hint="only these are signed")
    return _commit(repo, raw, name, loaded, now)


def _commit(repo: Repository, raw: RawObject, name: str, loaded: LoadedPolicy, now: int) -> Explanation:
    policy = loaded.policy
    if policy.commits is None:
        raise PolicyError(
            "has no [commits] section, so it asks for no signature", source=policy.source,
            hint="add [commits] and [[signers]]: see chainverify policy schema, or run chainverify init",
        )
    selection = history.select(repo, (f"{raw.oid}^!",), policy)
    found = history.check_commits(repo, selection, policy, signing_material(policy, loaded.read), now, jobs=1)
    note = "" if selection.oids else "it is the introduction commit or came before it, so the policy does not ask"
    # a name that is a tag's would be read as the tag's verdict
    ref = _ref(repo, raw, name)
    loose = [Fact("ref", f"{ref} is a lightweight tag, which nobody can sign: what follows is about its commit")] if ref else []
    commit: Commit | None = None
    try:
        commit = objects.parse_commit(raw.oid, raw.data, repo.algorithm)
    except ChainverifyError as error:
        facts = [Fact("not readable", error.message)]
    else:
        facts = [*loose, Fact("tree", commit.tree), *(Fact("parent", parent) for parent in commit.parents)]
        facts += [_person("author", commit.author), _person("committer", commit.committer)]
        facts += [Fact("encoding", commit.encoding)] if commit.encoding else []
        facts += [Fact("notes", ", ".join(commit.notes))] if commit.notes else []
    return _explained(repo, raw, facts, commit, found, loaded, now, note)


def _tag(repo: Repository, raw: RawObject, name: str, loaded: LoadedPolicy, now: int) -> Explanation:
    policy = loaded.policy
    ref = _ref(repo, raw, name)
    note = "" if policy.tags != "off" else '[tags] require is "off", so the policy does not ask'
    found = history.check_tags(repo, [(ref or raw.oid, raw.oid)], policy, signing_material(policy, loaded.read), now)
    tag: Tag | None = None
    try:
        tag = objects.parse_tag(raw.oid, raw.data, repo.algorithm)
    except ChainverifyError as error:
        facts = [Fact("not readable", error.message)]
    else:
        facts = [Fact("names itself", tag.name[:200].decode("utf-8", "backslashreplace"), claim=True)]
        facts += [Fact("ref", ref)] if ref else []
        facts += [Fact("points at", f"{tag.target_type} {tag.target}")]
        facts += [_person("tagger", tag.tagger)] if tag.tagger else []
        facts += [Fact("notes", ", ".join(tag.notes))] if tag.notes else []
    return _explained(repo, raw, facts, tag, found, loaded, now, note)


def _ref(repo: Repository, raw: RawObject, name: str) -> str:
    """The tag's ref that an object was called by, empty where it was not."""
    names = (name, f"refs/{name}", f"refs/tags/{name}")
    return next((ref for ref, oid in repo.refs("refs/tags") if oid == raw.oid and ref in names), "")


def _explained(  # noqa: PLR0917
    repo: Repository, raw: RawObject, facts: list[Fact], parsed: Commit | Tag | None, found: history.Verdicts,
    loaded: LoadedPolicy, now: int, note: str,
) -> Explanation:  # fmt: skip
    same = objects.object_id(raw.kind, raw.data, repo.algorithm) == raw.oid
    recomputed = Fact("id", f"{raw.oid} ({'recomputed from the content' if same else 'NOT the id of its content'})")
    sections = [Section(raw.kind, (recomputed, *facts))]
    findings = [each for each in found.findings if each.subject.id == raw.oid]
    signature = parsed.signature if parsed is not None else None
    named = False
    if signature is not None:
        sections.append(Section("signature", claims(signature)))
        key = tuple(_key(findings, issuer(signature), loaded, now))
        named = any(fact.label == "named at" for fact in key)
        sections.append(Section("key in the policy", key))
    sections.append(Section("time", tuple(_times(findings))))
    sections.append(Section("proof", tuple(_proof(findings, parsed.notes if parsed is not None else ()))))
    lines: tuple[str, ...] = ()
    if parsed is not None and signature is not None and any(each.rule == "signer-unknown" for each in findings):
        ident = parsed.committer if isinstance(parsed, Commit) else parsed.tagger
        lines = proposal(parsed.payload, signature, ident, loaded.policy, signing_material(loaded.policy, loaded.read), now)
    elif parsed is not None and signature is None:
        lines = _how_to_sign(raw.kind)
    report = Report(loaded.ref, enforcement.apply(found.findings, loaded.policy), found.counts, reason=note)
    shown = tuple(each for each in sections if each.facts)
    return Explanation(raw.kind, raw.oid, shown, tuple(_steps(findings, named=named)), report, lines, note)


def _person(label: str, ident: Ident) -> Fact:
    name, email = (part[:200].decode("utf-8", "backslashreplace") for part in (ident.name, ident.email))
    return Fact(label, f"{name} <{email}>, {moment(ident.time)} ({ident.zone.decode('ascii', 'replace')})", claim=True)


def _key(findings: Sequence[Finding], named: str, loaded: LoadedPolicy, now: int) -> Iterator[Fact]:
    """The key as the policy has it: proved, or only named by the signature (`named`: of a certificate its authority)."""
    proof = next((each.evidence for each in findings if "signed_at" in each.evidence), {})
    marks = [mark for mark in (str(proof.get("fingerprint", "")), named) if mark]
    people = list_keys(loaded, now).people
    held = [(person, key) for person in people for key in person.keys if any(_is(key, mark) for mark in marks)]
    if proof:
        held = [(person, key) for person, key in held if person.name == proof["signer"]]
    for person, key in held:
        yield from _held(person, key, proved=bool(proof))
    if held:
        return
    if proof:
        named_by = "named by a file or an authority that the policy trusts"
        yield Fact("person", f"{proof['signer'] or 'nobody of the policy has the address'}, {named_by}")
        yield Fact("key", str(proof["fingerprint"]))
    else:
        unknown = any(_step(each) == "key" for each in findings) or not findings
        none = "no table of the policy names this key, and the proof ended before an authority could vouch for it"
        none = "nobody: no person of the policy has this key" if unknown else none
        yield Fact("person", none if marks else "the signature names no key")


def _is(key: KeyDescription, mark: str) -> bool:
    return bool(mark and key.fingerprint) and (key.fingerprint == mark or (len(mark) == 16 and key.fingerprint.endswith(mark)))


def _held(person: PersonDescription, key: KeyDescription, *, proved: bool) -> Iterator[Fact]:
    shown = f"{person.name} <{', '.join(person.emails)}>" if person.emails else person.name
    doubt = "" if proved else " (the signature names a key of theirs; that they made it is not proved)"
    yield Fact("person", shown + doubt, claim=not proved)
    if person.roles:
        yield Fact("roles", ", ".join(person.roles))
    if person.observed:
        yield Fact("observed", "this person is marked observed = true: nobody confirmed the keys")
    yield Fact("key", f"{key.fingerprint} ({key.algorithm})")
    if key.primary:
        yield Fact("subkey of", key.primary)
    yield Fact("named at", f"{key.path}, line {key.line}" + (f", file {key.file}" if key.file else ", inline"))
    yield Fact("valid", f"{moment(key.since) or 'always'} .. {moment(key.until) or 'open'}, today: {key.state}")


def _times(findings: Sequence[Finding]) -> Iterator[Fact]:
    for each in findings:
        source = each.evidence.get("time_source")
        if source:
            yield Fact("believed", f"{each.evidence['signed_at']} ({_CLOCKS.get(str(source), str(source))})")
            return


def _proof(findings: Sequence[Finding], known: Sequence[str]) -> Iterator[Fact]:
    """How much the signature proves, where that differs, and what its verifier noted beside what the object's reader did."""
    evidence = next((each.evidence for each in findings if "signed_at" in each.evidence), {})
    if evidence.get("level") is not None:
        yield Fact("level", f"{evidence['level']}, of 0 to 2")
    notes = evidence.get("notes")
    said = [str(each) for each in notes if each not in known] if isinstance(notes, list) else []
    if said:
        yield Fact("notes", ", ".join(said))


def _steps(findings: Sequence[Finding], *, named: bool) -> Iterator[Step]:
    """The steps with what the findings say of each. Rules that are judged after the proof may fail side by side.

    Whose a certificate is that no table names (`named`) its authority says, which is asked last.
    """
    if not findings:
        return
    failed = {_step(each): each for each in findings[::-1] if each.status not in (PASS, SKIP)}
    skipped = any(each.status == SKIP for each in findings)
    # what was proved stays so, whatever rule is broken after that
    proved = any("signed_at" in each.evidence for each in findings)
    late = "cryptography" in failed and not named and str(failed["cryptography"].evidence.get("format")) in ("x509", "gitsign")
    over = False
    for name, meaning in STEPS.items():
        status: StepStatus = "passed"
        detail = meaning
        if name in failed:
            finding = failed[name]
            status = "not decided" if finding.status == UNKNOWN else "failed"
            code = finding.evidence.get("code")
            detail = f"{finding.rule}{f' ({code})' if code else ''}: {finding.message}"
            over = not proved
        elif skipped and not failed:
            status, detail = "skipped", "the policy excuses it"
        elif over or (name == "key" and late):
            status = "not reached"
        yield Step(name, status, detail)


def _step(finding: Finding) -> str:
    code = str(finding.evidence.get("code", ""))
    return _OF_CODE.get(code) or _OF_RULE.get(finding.rule, "object")


def _how_to_sign(kind: str) -> tuple[str, ...]:
    again = "git commit --amend --no-edit -S" if kind == "commit" else 'git tag -s -f NAME "NAME^{}"'
    return (
        "# to sign from now on, with a key that you have, and see it proved: chainverify sign-setup",
        "# or by hand, with an SSH key:",
        "#   git config gpg.format ssh",
        "#   git config user.signingKey ~/.ssh/id_ed25519.pub",
        "#   git config commit.gpgSign true",
        "#   git config tag.gpgSign true",
        f"# then make it again, if it is yours: {again}",
    )

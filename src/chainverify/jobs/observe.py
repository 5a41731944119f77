"""What a repository shows of who signs it, how its messages look and what it runs: the facts that `init` starts from.

Everything here was only observed. A key is named where it is proved to have made a signature of the history, or where a
file of the tree holds it; neither says that the person is who the name says.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from chainverify.errors import ChainverifyError, PolicyError, SignatureError, UsageError
from chainverify.formats import allowed_signers, armor, message, objects, openpgp, openpgp_keys, sshcert, sshkey, sshsig
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.git.trees import REGULAR, files
from chainverify.jobs.crowd import Crowd, Person, address, key_line, of_line, plain_text
from chainverify.model.gitobject import Commit
from chainverify.model.signing import Clock, Evidence, Format, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.signatures import backends

COMMITS_MAX: Final = 500
"""The newest commits of HEAD that are looked at."""
KEY_BYTES_MAX: Final = 256 << 10
INLINE_BYTES_MAX: Final = 16 << 10
"""The largest armored key that is written into the policy itself."""
MANIFESTS_MAX: Final = 2000
MANIFEST_BYTES_MAX: Final = 1 << 20
TAGS_MAX: Final = 500
KEYLESS_MAX: Final = 20
"""OpenPGP signers without a key file, and authorities of SSH certificates, that are told of."""
TICKET_SHARE: Final = 0.8
"""The share of subjects that must start with a ticket before tickets are asked for."""

_ALLOWED_SIGNERS: Final = frozenset((
    ".git_allowed_signers", ".gitsigners", ".allowed_signers", "allowed_signers", "git_allowed_signers", "ssh_allowed_signers",
))
RARE_TICKET: Final = 0.05
"""A prefix with a smaller share of the subjects is no project (`UTF-8: ...`)."""
_TICKET: Final = re.compile(r"([A-Z][A-Z0-9_]+)-[0-9]+: \S")


_LATER: Final = 1 << 40
"""A `now` for which no signature is from the future; keys are judged at the claimed times."""


class Keyless(NamedTuple):
    """OpenPGP signatures by a key that no file of the tree holds: who the commits name, and the key's hexadecimal `mark`.

    `mark` is the fingerprint, or only the key id where the signature names no more; `commits` counts them.
    """

    name: str
    email: str
    mark: str
    commits: int


class Certified(NamedTuple):
    """SSH signatures by keys that one authority certified: its key `line` and `fingerprint`, and whom the certificates name.

    `commits` counts them. That the certificates are by this key is proved, not that anybody should believe it.
    """

    line: str
    fingerprint: str
    names: tuple[str, ...]
    commits: int = 1


class Observed(NamedTuple):
    """All facts. `head` is None without commits; `looked` of the commits were read, `whole` says that these were all.

    `kinds` counts commits by form of signature (`openpgp`, `ssh`, `x509`, `other`, `none`), `proved` those that the people's
    keys made with an address of theirs. `tickets` are project keys, `plain` counts subjects without one. `images` are globs.
    `keyless` are OpenPGP signers without a key file, `certified` the authorities of SSH certificates.
    """

    head: str | None = None
    looked: int = 0
    whole: bool = True
    kinds: dict[str, int] = {}  # noqa: RUF012 - a default, never changed
    proved: int = 0
    people: tuple[Person, ...] = ()
    tickets: tuple[str, ...] = ()
    plain: int = 0
    loose_tags: int = 0
    images: tuple[str, ...] = ()
    unpinned: int = 0
    image_keys: tuple[str, ...] = ()
    other_keys: tuple[str, ...] = ()
    keyless: tuple[Keyless, ...] = ()
    certified: tuple[Certified, ...] = ()


def observe(repo: Repository) -> Observed:
    """Look at the newest commits, the tags and the files of HEAD. Raises `Unavailable` where objects cannot be read."""
    head = _head(repo)
    if head is None:
        return Observed()
    oids = repo.run("rev-list", f"--max-count={COMMITS_MAX + 1}", head, "--").decode("ascii").split()
    crowd = Crowd()
    with ObjectReader(repo) as reader:
        commits = _commits(reader, oids[:COMMITS_MAX])
        for commit in commits:
            _own_key(commit, crowd)
        seen = _Tree()
        for path, data in _interesting(reader, head):
            seen.look(path, data, crowd)
        loose_tags = _loose_tags(repo, reader)
    everyone = crowd.people()
    makers = _makers(commits, everyone)
    people = tuple(each for each in everyone if each.named or each.name in makers)
    unused = [where for each in everyone if each not in people for where in each.where]
    subjects = [message.subject(message.decode(each.message, each.encoding)[0]) for each in commits if len(each.parents) < 2]
    found = [match[1] for subject in subjects if (match := _TICKET.match(subject))]
    projects = sorted({name for name in found if found.count(name) >= RARE_TICKET * len(subjects)})
    ticketed = sum(name in projects for name in found)
    asked = bool(projects) and ticketed >= TICKET_SHARE * len(subjects)
    return Observed(
        head=head,
        looked=len(oids[:COMMITS_MAX]),
        whole=len(oids) <= COMMITS_MAX and repo.incomplete() is None,
        kinds=_kinds(commits, len(oids[:COMMITS_MAX])),
        proved=sum(makers.values()),
        people=people,
        tickets=tuple(projects) if asked else (),
        plain=len(subjects) - ticketed,
        loose_tags=loose_tags,
        images=tuple(sorted(seen.images)),
        unpinned=seen.unpinned,
        image_keys=tuple(seen.image_keys),
        other_keys=tuple(dict.fromkeys((*unused, *seen.other_keys))),
        keyless=_keyless(commits, everyone),
        certified=_authorities(commits),
    )


def _head(repo: Repository) -> str | None:
    try:
        return repo.run("rev-parse", "--verify", "-q", "HEAD^{commit}").decode("ascii").strip() or None
    except UsageError:
        return None


def _commits(reader: ObjectReader, oids: list[str]) -> list[Commit]:
    """The commits that can be split; one that cannot is left out (and makes the past not pass)."""
    found: list[Commit] = []
    for raw in reader.read_many(oids):
        try:
            found.append(objects.parse_commit(raw.oid, raw.data, reader.repo.algorithm))
        except ChainverifyError:
            continue
    return found


def _kinds(commits: list[Commit], looked: int) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for commit in commits:
        kind = "none" if commit.signature is None else backends.detect(commit.signature) or "other"
        kinds[kind] = kinds.get(kind, 0) + 1
    if looked > len(commits):
        kinds["other"] = kinds.get("other", 0) + looked - len(commits)
    return kinds


def _committer(commit: Commit) -> str | None:
    return address(plain_text(commit.committer.email))


def _own_key(commit: Commit, crowd: Crowd) -> None:
    """An SSH signature carries its key: take it where it really made the signature."""
    line, email = proved_key(commit.payload, commit.signature or b"", commit.committer.time), _committer(commit)
    if line and email is not None:
        crowd.add(Person(plain_text(commit.committer.name), (email,), (line,), where=("signatures of the history",)))


def proved_key(payload: bytes, signature: bytes, time: int) -> str:
    """The key line of the SSH key that made a signature, which carries it; empty for any other, or one that does not fit.

    `time` is what the object claims, in seconds since the epoch.
    """
    formats: tuple[Format, ...] = ("ssh",)
    if backends.detect(signature) != "ssh":
        return ""
    try:
        line = key_line(sshkey.parse_blob(sshsig.parse(signature).public_key))
        rings = backends.load(SigningMaterial(ssh=(KeyMaterial("someone", line.encode("ascii"), "observed"),)))
        backends.verify(payload, signature, rings, Clock(time, _LATER), SignatureOptions(), formats)
    except ChainverifyError:
        return ""
    return line


def proved_authority(payload: bytes, signature: bytes, time: int) -> Certified | None:
    """The authority whose certificate came with an SSH signature, where both are good or were so once; None for any other.

    `time` is what the object claims, in seconds since the epoch. Certificates for hosts, and those that name nobody, are none.
    """
    formats: tuple[Format, ...] = ("ssh",)
    try:
        if backends.detect(signature) != "ssh" or not sshcert.is_certificate(blob := sshsig.parse(signature).public_key):
            return None
        authority = sshcert.parse(blob).authority
        line = key_line(authority)
        trusted = KeyMaterial("", f"* cert-authority {line}".encode("ascii"), "observed")
        rings = backends.load(SigningMaterial(allowed_signers=(trusted,)))
        proof = backends.verify(payload, signature, rings, Clock(time, _LATER), SignatureOptions(), formats)
    except SignatureError as error:
        if error.rule != "signer-expired" or not isinstance(error.proof, Evidence):
            return None
        proof = error.proof
    except ChainverifyError:
        return None
    return Certified(line, authority.fingerprint, proof.principals)


def _authorities(commits: list[Commit]) -> tuple[Certified, ...]:
    """The authorities of SSH certificates, most commits first."""
    found: dict[str, Certified] = {}
    for commit in commits:
        one = proved_authority(commit.payload, commit.signature or b"", commit.committer.time)
        if one is not None:
            before = found.get(one.line, one._replace(names=(), commits=0))
            names = tuple(dict.fromkeys((*before.names, *one.names)))
            found[one.line] = one._replace(names=names, commits=before.commits + 1)
    return tuple(sorted(found.values(), key=lambda each: -each.commits)[:KEYLESS_MAX])


def _verify(commit: Commit, rings: backends.Keyrings) -> str:
    """The person who made the signature. Raises as the backends do."""
    formats: tuple[Format, ...] = ("openpgp", "ssh")
    clock = Clock(claimed=commit.committer.time, now=_LATER)
    proof = backends.verify(commit.payload, commit.signature or b"", rings, clock, SignatureOptions(), formats)
    return proof.signer


def _makers(commits: list[Commit], people: tuple[Person, ...]) -> dict[str, int]:
    """How many commits a key of each person made, with a committer address of that person."""
    openpgp = [KeyMaterial(each.name, key.encode(), "observed") for each in people for key in each.openpgp]
    ssh = [KeyMaterial(each.name, key.encode(), "observed") for each in people for key in each.ssh]
    emails = {each.name: {email.casefold() for email in each.emails} for each in people}
    found: dict[str, int] = {}
    try:
        rings = backends.load(SigningMaterial(openpgp=tuple(openpgp), ssh=tuple(ssh)))
    except PolicyError:
        # two files claim one subkey for two people: nothing can be said
        return found
    for commit in commits:
        if commit.signature is None:
            continue
        try:
            signer = _verify(commit, rings)
        except ChainverifyError:
            continue
        if plain_text(commit.committer.email).casefold() in emails[signer]:
            found[signer] = found.get(signer, 0) + 1
    return found


def _keyless(commits: list[Commit], people: tuple[Person, ...]) -> tuple[Keyless, ...]:
    """The OpenPGP signers whose key is in no file that was read, most commits first."""
    known = _key_marks(people)
    counts: dict[tuple[str, str, str], int] = {}
    for commit in commits:
        if commit.signature is None or backends.detect(commit.signature) != "openpgp":
            continue
        try:
            signature = openpgp.parse_detached(commit.signature)
        except ChainverifyError:
            continue
        mark = (signature.fingerprint or signature.key_id or b"").hex().upper()
        email = _committer(commit)
        if not mark or email is None or any(each.endswith(mark) for each in known):
            continue
        who = (plain_text(commit.committer.name), email, mark)
        counts[who] = counts.get(who, 0) + 1
    found = [Keyless(*who, count) for who, count in counts.items()]
    return tuple(sorted(found, key=lambda each: -each.commits)[:KEYLESS_MAX])


def _key_marks(people: tuple[Person, ...]) -> tuple[str, ...]:
    """The fingerprints of all OpenPGP keys and subkeys of people."""
    marks: list[str] = []
    for person in people:
        for key in person.openpgp:
            with contextlib.suppress(ChainverifyError):  # then it made no commit either, and its owner is told of
                for certificate in openpgp_keys.parse_file(key.encode()).certificates:
                    keys = (certificate.primary, *(each.key for each in certificate.subkeys))
                    marks += [each.fingerprint.hex().upper() for each in keys]
    return tuple(marks)


def _loose_tags(repo: Repository, reader: ObjectReader) -> int:
    """How many tags are lightweight or not signed."""
    loose = 0
    for _, oid in repo.refs("refs/tags")[:TAGS_MAX]:
        raw = reader.read(oid)
        try:
            loose += raw.kind != "tag" or objects.parse_tag(oid, raw.data, repo.algorithm).signature is None
        except ChainverifyError:
            loose += 1
    return loose


def _interesting(reader: ObjectReader, head: str) -> Iterator[tuple[str, bytes]]:
    """The files of HEAD that may hold keys or manifests, as far as the budgets go."""
    from chainverify.manifests import filenames

    left = MANIFESTS_MAX
    for file in list(files(reader, head)):
        if file.mode not in REGULAR:
            continue
        base = file.path.rpartition("/")[2]
        key = base in _ALLOWED_SIGNERS or base.endswith((".asc", ".gpg", ".pub"))
        if not key:
            if left == 0 or not filenames.is_candidate(file.path):
                continue
            left -= 1
        raw = reader.read(file.oid)
        if len(raw.data) <= (KEY_BYTES_MAX if key else MANIFEST_BYTES_MAX):
            yield file.path, raw.data


class _Tree:
    """What the files of the tree show."""

    def __init__(self) -> None:
        self.images: set[str] = set()
        self.unpinned = 0
        self.image_keys: list[str] = []
        self.other_keys: list[str] = []

    def look(self, path: str, data: bytes, crowd: Crowd) -> None:
        """Take what `path` holds: people to `crowd`, the rest here. A file that holds nothing of use is left alone."""
        shown = "".join(c if c.isprintable() else "?" for c in path)
        base = path.rpartition("/")[2]
        if base in _ALLOWED_SIGNERS:
            for person in _allowed_signers(data, shown):
                if person is not None:
                    crowd.add(person)
                elif shown not in self.other_keys:
                    self.other_keys.append(shown)
        elif base.endswith((".asc", ".gpg")):
            self._openpgp(data, shown, crowd)
        elif data.lstrip().startswith(b"-----BEGIN PUBLIC KEY-----"):
            self.image_keys.append(shown)
        elif base.endswith(".pub"):
            _public_keys(data, shown, crowd)
        else:
            self._images(path, data)

    def _openpgp(self, data: bytes, shown: str, crowd: Crowd) -> None:
        try:
            certificates = openpgp_keys.parse_file(data).certificates
            backends.load(SigningMaterial(openpgp=(KeyMaterial("someone", data, "observed"),)))
        except ChainverifyError:
            return
        if len(certificates) != 1 or not armor.is_armored(data) or len(data) > INLINE_BYTES_MAX or b"'''" in data:
            self.other_keys.append(shown)
            return
        start = data.find(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
        text = data[max(start, 0):].decode("ascii", "replace").replace("\r\n", "\n")
        if start < 0 or any(not c.isprintable() and c != "\n" for c in text):
            self.other_keys.append(shown)
            return
        names = [user.data for user in certificates[0].user_ids if not user.attribute]
        emails = dict.fromkeys(email for name in names if (email := openpgp_keys.email(name)) and address(email))
        name = plain_text(names[0].partition(b"<")[0]) if names else shown
        mark = certificates[0].primary.fingerprint.hex()
        crowd.add(Person(name, tuple(emails), openpgp=(text,), where=(shown,), marks=(mark,)))

    def _images(self, path: str, data: bytes) -> None:
        from chainverify.manifests import extract

        for use in extract.extract(path, data).uses:
            if use.reference is None:
                continue
            self.unpinned += use.reference.digest is None
            first, slash, _ = use.reference.path.partition("/")
            self.images.add(f"{use.reference.domain}/{first}/**" if slash else use.reference.repository)


def _public_keys(data: bytes, shown: str, crowd: Crowd) -> None:
    """The keys of a .pub file; who they belong to is what their comments say."""
    try:
        lines = sshkey.parse_file(data)
        backends.load(SigningMaterial(ssh=(KeyMaterial("someone", data, "observed"),)))
    except ChainverifyError:
        return
    for line in lines:
        email = address(line.comment)
        name = plain_text(line.comment.encode()) or shown
        crowd.add(Person("" if email else name, (email,) if email else (), (key_line(line.key),), where=(shown,)))


def _allowed_signers(data: bytes, shown: str) -> Iterator[Person | None]:
    """Whom the lines of an allowed_signers file name, None for a line of which no more can be said here than where it stands:
    authorities, times, patterns. Lines that cannot be read are left alone, for the file is not yet anybody's policy."""
    for raw in data.split(b"\n"):
        try:
            (line,) = allowed_signers.parse(raw)
            backends.load(SigningMaterial(ssh=(KeyMaterial("someone", key_line(line.key).encode(), "observed"),)))
        except ChainverifyError:
            continue
        person, _ = of_line(line, shown)
        yield None if person is None or person.lines else person

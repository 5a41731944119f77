"""The policy that `chainverify init` writes: what the repository shows, as a text that a person goes on with.

What was only observed and would be trusted is marked `observed = true`; servers and CI refuse the policy until a person has
confirmed it and removed the mark. Sections of which nothing was observed stand there as comments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chainverify.errors import PolicyError
from chainverify.git.repository import Repository
from chainverify.jobs.crowd import Person, address
from chainverify.jobs.enrol import stem
from chainverify.jobs.observe import COMMITS_MAX, Certified, Keyless, Observed, observe
from chainverify.policy.globs import check_repository
from chainverify.policy.normal import basic_string

NAMES_MAX: Final = 20
"""How many names of one authority's certificates are written."""
_TITLES = {"openpgp": "OpenPGP", "ssh": "SSH", "x509": "X.509 or gitsign", "other": "unreadable", "none": "unsigned"}


def initial_policy(repo: Repository) -> str:
    """The text of a first policy for `repo`; `policy.load.parse` reads it. Raises `Unavailable` as `observe` does."""
    return render(observe(repo))


def render(seen: Observed) -> str:
    """The text for what was observed."""
    parts = (_start(seen), _commits(seen), _tags(seen), _signers(seen), _messages(seen), _refs(), _images(seen), _rules(seen))
    return "\n".join(line for part in parts for line in part) + "\n"


def _start(seen: Observed) -> Iterator[str]:
    yield "# The policy of this repository, written by chainverify init from what the repository shows."
    if seen.people or seen.images:
        yield "# Tables marked `observed = true` were seen, not confirmed: check each key with its owner over another channel,"
        yield "# then remove the mark. Servers and CI refuse this policy as long as one is left."
    yield "# `chainverify policy check` checks it, `chainverify policy show` prints it with all defaults."
    yield ""
    yield "version = 1"


def _commits(seen: Observed) -> Iterator[str]:
    yield ""
    yield "# --- who made this history: with [commits] every commit must carry a good signature by a person of [[signers]]"
    if seen.head is None:
        yield "# There are no commits yet."
    else:
        kinds = ", ".join(f"{count} {_TITLES.get(kind, kind)}" for kind, count in sorted(seen.kinds.items()))
        yield f"# Of the newest {seen.looked} commits (at most {COMMITS_MAX} are looked at): {kinds}."
    if not seen.proved or seen.head is None:
        yield "# No key was found that made one of them. With keys in [[signers]] below, take the # away:"
        yield "# [commits]"
        if seen.head is not None:
            yield f"# introduction = {basic_string(seen.head)}   # history after this commit must verify"
        return
    yield "[commits]"
    if seen.proved == seen.looked and seen.whole:
        yield "# The keys below made every commit of the history."
        return
    yield f"# The keys below made {seen.proved} of these commits. History is excused up to HEAD as it was when this was written;"
    yield "# that this past is what it should be is trust, too: choose an earlier commit if you can, then remove the mark."
    yield f"introduction = {basic_string(seen.head)}"
    yield "observed = true"


def _tags(seen: Observed) -> Iterator[str]:
    if not seen.proved or not seen.loose_tags:
        return
    yield ""
    yield f"# {seen.loose_tags} tags are lightweight or not signed: signed tags, the default beside [commits], are not asked for."
    yield "[tags]"
    yield 'require = "off"'


def _signers(seen: Observed) -> Iterator[str]:
    yield ""
    yield "# --- the people, one table each; a name, an address and a key belong to one person only"
    for person in seen.people:
        yield from _signer(person)
    if not seen.people:
        yield "# [[signers]]"
        yield '# name = "Alice Example"'
        yield '# emails = ["alice@example.org"]'
        yield '# ssh = ["ssh-ed25519 AAAA..."]         # a key line, or a .pub file below .chainverify/'
        yield '# openpgp = ["keys/alice.asc"]          # a file below .chainverify/'
    for each in seen.keyless:
        yield from keyless(each)
    for authority in seen.certified:
        yield from certified(authority)
    count = seen.kinds.get("x509", 0)
    if count:
        yield ""
        yield f"# {count} of the commits looked at carry X.509 or gitsign signatures. `chainverify explain COMMIT` shows whose"
        yield "# certificate made one. Once you know them: pin a person's certificate, name the Sigstore identity, or trust a CA."
        yield '# x509 = ["keys/alice.pem"]             # in the [[signers]] table'
        yield '# gitsign = [{ identity = "alice@example.org", issuer = "https://accounts.example.org" }]'
        yield '# x509-roots = ["ca.pem"]               # in [commits]: everybody with an e-mail certificate of it'
    for path in seen.other_keys:
        yield f"# {path} holds keys, too, which made none of the commits, have limits, or are too large to stand here. If they"
        yield "# belong to one of your people: put them below .chainverify/ and name the file in that person's table."


def keyless(seen: Keyless) -> Iterator[str]:
    """What to do about a signer of whom only OpenPGP signatures were seen, which do not hold the key."""
    file = stem(seen.email.partition("@")[0])
    commits = "1 commit" if seen.commits == 1 else f"{seen.commits} commits"
    yield ""
    yield f"# {commits} by {seen.name} <{seen.email}> with the OpenPGP key {seen.mark}, which is in no file here."
    yield "# Get the key from its owner, check it over another channel, put it below .chainverify/, then take the # away:"
    yield f"#   gpg --armor --export {seen.mark} > .chainverify/keys/{file}.asc"
    yield "# [[signers]]"
    yield f"# name = {basic_string(seen.name)}"
    yield f"# emails = [{basic_string(seen.email)}]"
    yield f'# openpgp = ["keys/{file}.asc"]'


def certified(seen: Certified) -> Iterator[str]:
    """What to do about an authority whose SSH certificates were seen: the lines of a policy that would believe it."""
    addresses = [name for name in seen.names if address(name)]
    commits = "1 commit" if seen.commits == 1 else f"{seen.commits} commits"
    named = addresses or seen.names
    shown = ", ".join(named[:NAMES_MAX]) + (f" and {len(named) - NAMES_MAX} more" if len(named) > NAMES_MAX else "")
    yield ""
    yield f"# {commits} by keys that the SSH authority {seen.fingerprint} certified, for {shown}."
    yield "# Whoever has the authority's key can sign as everybody whose name stands before it: compare the fingerprint with"
    if addresses:
        yield "# those who run it. Then write this line into .chainverify/allowed_signers (*@example.org: all of a domain):"
        yield f'#   {",".join(addresses[:NAMES_MAX])} cert-authority,namespaces="git" {seen.line}'
        yield "# and name the file in [commits]; a person of [[signers]] with one of these addresses is the one who signed:"
        yield '# allowed-signers = ["allowed_signers"]'
    else:
        yield "# those who run it. These names are no addresses, so the policy must say whose they are: write this line, with"
        yield "# the names of one person each, into a file below .chainverify/,"
        yield f'#   {",".join(seen.names[:NAMES_MAX])} cert-authority,namespaces="git" {seen.line}'
        yield "# and name the file in that person's [[signers]] table:"
        yield '# allowed-signers = ["keys/alice.allowed_signers"]'


def _signer(person: Person) -> Iterator[str]:
    yield ""
    yield f"# seen in: {', '.join(person.where)}"
    yield "[[signers]]"
    yield f"name = {basic_string(person.name)}"
    if person.emails:
        yield f"emails = {_list(person.emails)}"
    else:
        yield "# emails = []   # no address was seen; without one no commit can be this person's"
    if person.ssh:
        yield f"ssh = {_list(person.ssh)}"
    if person.openpgp:
        yield "openpgp = [" + ", ".join(f"'''{key}'''" for key in person.openpgp) + "]"
    yield "observed = true"


def _messages(seen: Observed) -> Iterator[str]:
    yield ""
    yield "# --- why it was made: what a commit message must look like"
    if not seen.tickets:
        yield "# No ticket starts four of five subjects. To ask for one, or for a pattern:"
        yield "# [messages]"
        yield '# tickets = ["JIRA"]                    # JIRA-123: subject'
        yield "# pattern = '^[a-z]+: .+'"
        return
    yield "[messages]"
    yield f"tickets = {_list(seen.tickets)}"
    if seen.head is not None and (seen.plain or not seen.whole):
        yield f"# {seen.plain} subjects have none, or the history is longer than what was looked at: the past is excused."
        yield f"introduction = {basic_string(seen.head)}"


def _refs() -> Iterator[str]:
    yield ""
    yield "# --- what a push may do; a ref that no stanza matches may be created, rewound and deleted"
    yield "# [[refs]]"
    yield '# match = ["refs/heads/main"]'
    yield '# signers = ["role:maintainer"]         # roles = ["maintainer"] in a [[signers]] table'


def _images(seen: Observed) -> Iterator[str]:
    yield ""
    yield "# --- what it will run: with [images] every image must match a stanza and carry the signatures that it asks for"
    if seen.image_keys:
        yield f"# Public keys that may be Cosign's: {', '.join(seen.image_keys)}."
        yield "# Put them below .chainverify/ and name them in a stanza instead of unsafe-unsigned: keys = [\"keys/cosign.pub\"]."
    if not seen.images:
        yield "# No image references were found."
        yield "# [images]"
        yield "# [[images.trust]]"
        yield '# match = "registry.example.org/team/**"'
        yield '# keys = ["keys/cosign.pub"]'
        return
    yield "[images]"
    for match in seen.images:
        try:
            check_repository(match, "images.trust")
        except PolicyError:
            yield f"# {match} was seen, too, and cannot be written as a glob."
            continue
        yield ""
        yield "[[images.trust]]"
        yield f"match = {basic_string(match)}"
        yield 'unsafe-unsigned = "seen by init; nobody has said who signs these images"'
        yield "observed = true"


def _rules(seen: Observed) -> Iterator[str]:
    if not seen.unpinned:
        return
    yield ""
    yield f"# {seen.unpinned} references name no digest. Pin them, then make this \"enforce\"."
    yield "[rules]"
    yield 'image-not-pinned = "advise"'


def _list(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(basic_string(value) for value in values) + "]"

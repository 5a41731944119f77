"""People found in key files, for `keys import`: who each key says it belongs to, and the keys made ready for a policy.

What a key says of its owner is a claim. Of an OpenPGP certificate only user ids count that its own key signed and that are valid
today; of an SSH key there is a comment, and in allowed_signers what its writer says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import PolicyError
from chainverify.formats import allowed_signers, armor, openpgp_keys, sshkey
from chainverify.jobs import keyfiles
from chainverify.jobs.crowd import Crowd, Person, address, key_line, of_line, plain_text
from chainverify.jobs.enrol import KeyFile, Newcomer
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.signatures import backends

MAX_SOURCE_BYTES: Final = 8 << 20
"""The largest file that people are imported from: a keyring of many certificates."""


class Gathered(NamedTuple):
    """The people found, in the order of the sources, and lines about what was left out."""

    people: tuple[Newcomer, ...]
    skipped: tuple[str, ...]


class GnuPg(NamedTuple):
    """Keys of a GnuPG home (None: the user's own): all that it has, or those with these fingerprints."""

    home: Path | None
    fingerprints: tuple[str, ...] = ()


def gather(
    sources: Sequence[Path], allowed: Sequence[Path], gnupg: GnuPg | None, now: int, *, observed: bool
) -> Gathered:
    """People from key files, allowed_signers files and a GnuPG home; whoever shares an address is one person.

    Raises `UsageError` for a file that is none, is damaged, or holds a private key, and `Unavailable` where gpg does not run.
    """
    crowd = Crowd()
    skipped: list[str] = []
    if gnupg is not None:
        from chainverify.signatures.gnupg import export_keys

        for key in export_keys(gnupg.home, gnupg.fingerprints or None):
            for person in certificates(key.armored.encode(), "GnuPG", now, skipped):
                crowd.add(person)
    for path in sources:
        for person in _keys(path, now, skipped):
            crowd.add(person)
    for path in allowed:
        for person in _allowed_signers(keyfiles.read(path), path.name, skipped):
            crowd.add(person)
    return Gathered(tuple(_newcomer(person, observed=observed) for person in crowd.people()), tuple(skipped))


def certificates(data: bytes, shown: str, now: int, skipped: list[str]) -> Iterator[Person]:
    """The certificates of an OpenPGP file, each as an armored file of its own. Raises `UsageError`."""
    with keyfiles.reading(shown):
        openpgp_keys.parse_file(data)
        blocks = armor.key_blocks(data) if armor.is_armored(data) else (data,)
        parts = [openpgp_keys.without_others(part) for block in blocks for part in openpgp_keys.split(block)]
    for part in parts:
        text = armor.public_key(part)
        try:
            ring = backends.load(SigningMaterial(openpgp=(KeyMaterial("someone", text, "import"),))).openpgp
        except PolicyError as error:
            skipped.append(f"{shown}: {error.message}")
            continue
        for certificate in ring.certificates if ring is not None else ():
            today = certificate.standing(0, now, "backfill")
            emails = tuple(dict.fromkeys(email for each in today.emails if (email := address(each))))
            name = plain_text(today.user_ids[0].partition(b"<")[0]) if today.user_ids else ""
            if not any(certificate.lifetime(number, now).signs for number in range(len(certificate.keys))):
                skipped.append(f"{shown}: OpenPGP certificate {certificate.fingerprint} has no key for signing")
            elif not emails:
                skipped.append(f"{shown}: OpenPGP certificate {certificate.fingerprint} has no valid user id with an address")
            else:
                yield Person(name, emails, openpgp=(text.decode("ascii"),), where=(shown,), marks=(certificate.fingerprint,))


def _keys(path: Path, now: int, skipped: list[str]) -> Iterator[Person]:
    data = keyfiles.read(path, MAX_SOURCE_BYTES)
    if not armor.is_armored(data) or b"-----BEGIN PGP" in data:
        yield from certificates(data, path.name, now, skipped)
        return
    with keyfiles.reading(str(path)):
        lines = sshkey.parse_file(data)
    for line in lines:
        email = address(line.comment)
        # GitHub's and Gitea's NAME.keys have no comments: the file's name is the account's
        name = plain_text((line.comment if not email and line.comment else path.stem).encode())
        if not email:
            skipped.append(f"no address for {line.key.fingerprint}: {name} gets the key, and needs one (keys add NAME --email)")
        yield Person("" if email else name, (email,) if email else (), (key_line(line.key),), where=(path.name,))


def _allowed_signers(data: bytes, shown: str, skipped: list[str]) -> Iterator[Person]:
    """The lines of an allowed_signers file, a person for the addresses of each line: a key belongs to one person."""
    with keyfiles.reading(shown):
        lines = allowed_signers.parse(data)
    for line in lines:
        person, left_out = of_line(line, shown)
        skipped += [f"{shown}, line {line.number}: {why}" for why in left_out]
        if person is not None:
            yield person


def _newcomer(person: Person, *, observed: bool) -> Newcomer:
    """What the policy gets for a person, key files included."""
    files = [KeyFile("openpgp", ".asc", key.encode("ascii")) for key in person.openpgp]
    if person.lines:
        files.append(KeyFile("allowed-signers", ".allowed_signers", "".join(f"{line}\n" for line in person.lines).encode()))
    seen = (f"imported from {', '.join(person.where)}",)
    return Newcomer(person.name, person.emails, (), person.ssh, tuple(files), observed=observed, imported=True, seen=seen)

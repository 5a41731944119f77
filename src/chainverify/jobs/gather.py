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
from chainverify.jobs.enrol import KeyFile, Newcomer
from chainverify.jobs.observe import address, distinct, key_line, plain_text
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.signatures import backends

MAX_SOURCE_BYTES: Final = 8 << 20
"""The largest file that people are imported from: a keyring of many certificates."""


class Gathered(NamedTuple):
    """The people found, in the order of the sources, and lines about what was left out."""

    people: tuple[Newcomer, ...]
    skipped: tuple[str, ...]


class _Found(NamedTuple):
    """One key: a name and addresses as it claims, and the line or file for the policy; `where` it was seen."""

    name: str
    emails: tuple[str, ...]
    where: str
    ssh: str = ""
    file: KeyFile | None = None


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
    found: list[_Found] = []
    skipped: list[str] = []
    if gnupg is not None:
        from chainverify.signatures.gnupg import export_keys

        for key in export_keys(gnupg.home, gnupg.fingerprints or None):
            found += certificates(key.armored.encode(), "GnuPG", now, skipped)
    for path in sources:
        found += _keys(path, now, skipped)
    for path in allowed:
        found += _allowed_signers(keyfiles.read(path), path.name, skipped)
    return Gathered(tuple(_people(found, observed)), tuple(skipped))


def certificates(data: bytes, shown: str, now: int, skipped: list[str]) -> Iterator[_Found]:
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
                yield _Found(name, emails, shown, file=KeyFile("openpgp", ".asc", text))


def _keys(path: Path, now: int, skipped: list[str]) -> Iterator[_Found]:
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
        yield _Found("" if email else name, (email,) if email else (), path.name, key_line(line.key))


def _allowed_signers(data: bytes, shown: str, skipped: list[str]) -> Iterator[_Found]:
    """The lines of an allowed_signers file, a person for the addresses of each line: a key belongs to one person.

    Lines with nothing but a key go into the policy. All others keep their options (windows, namespaces, authorities) in a file of
    the person's own, which the verifier reads as it would the whole one.
    """
    with keyfiles.reading(shown):
        lines = allowed_signers.parse(data)
    for line in lines:
        emails: list[str] = []
        for principal in line.principals.split(","):
            email = address(principal)
            if email is None or any(c in principal for c in "*?!"):
                skipped.append(f"{shown}, line {line.number}: {principal!r} is no address, so it names nobody")
            elif not allowed_signers.matches(line.principals, email):
                skipped.append(f"{shown}, line {line.number}: {principal!r} is excluded by another principal of the line")
            else:
                emails.append(email)
        options = ["cert-authority"] if line.cert_authority else []
        options += [f'namespaces="{line.namespaces}"'] if line.namespaces is not None else []
        for name, time in (("valid-after", line.valid_after), ("valid-before", line.valid_before)):
            options += [f'{name}="{allowed_signers.format_time(time)}"'] if time is not None else []
        if not emails:
            continue
        if not options:
            yield _Found("", tuple(emails), shown, key_line(line.key))
        else:
            text = f"{','.join(emails)} {','.join(options)} {key_line(line.key)}\n"
            yield _Found("", tuple(emails), shown, file=KeyFile("allowed-signers", ".allowed_signers", text.encode()))


def _people(found: list[_Found], observed: bool) -> Iterator[Newcomer]:
    """Keys brought together by address and by SSH key, by name where there is no address."""
    groups: list[list[_Found]] = []
    for each in found:
        marks = _marks(each)
        same = [group for group in groups if any(marks & _marks(other) for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append([*(other for group in same for other in group), each])
    for group, name in zip(groups, distinct(map(_name, groups)), strict=True):
        emails = _emails(group)
        ssh = dict.fromkeys(each.ssh for each in group if each.ssh)
        files = [each.file for each in group if each.file and each.file.key != "allowed-signers"]
        lines = b"".join(each.file.data for each in group if each.file and each.file.key == "allowed-signers")
        if lines:
            files.append(KeyFile("allowed-signers", ".allowed_signers", lines))
        seen = ", ".join(dict.fromkeys(each.where for each in group))
        comment = (f"imported from {seen}",)
        keys = tuple(dict.fromkeys(files))
        yield Newcomer(name, emails, (), tuple(ssh), keys, observed=observed, imported=True, seen=comment)


def _emails(group: list[_Found]) -> tuple[str, ...]:
    """All addresses in order, each as it was first written."""
    return tuple({email.casefold(): email for each in group[::-1] for email in each.emails[::-1]}.values())[::-1]


def _name(group: list[_Found]) -> str:
    named = (each.name for each in group if each.name and not each.name.startswith("role:"))
    return next(named, next(iter(_emails(group)), "someone"))


def _marks(each: _Found) -> frozenset[str]:
    who = [email.casefold() for email in each.emails] or [f"name {each.name}"]
    return frozenset((*who, each.ssh)) if each.ssh else frozenset(who)

"""What gpg and gpgsm print with `--with-colons`: secret keys and certificates as records (doc/DETAILS of GnuPG).

The text comes from the user's own program, but user ids and subjects in it are anybody's: fields are escaped, and what is read
here stays a claim.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from chainverify.errors import Malformed

BYTES_MAX: Final = 4 << 20
"""The longest listing that is read."""
KEYS_MAX: Final = 1000
"""The most keys and subkeys of one listing."""
_is_fingerprint: Final = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}").fullmatch
_ESCAPED: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
_KINDS: Final = {"sec": "key", "ssb": "subkey", "crs": "certificate"}


class SecretKey(NamedTuple):
    """One secret key of a listing: a primary `key` (`sec`), a `subkey` (`ssb`) or a `certificate` with its key (`crs`).

    `validity` is one letter: `e` expired, `r` revoked, `d` disabled, `i` invalid, anything else no objection. `can` are the
    letters of what this very key may do (`s` for signing). `held` is `+` where the secret is here, `#` where it is not, else the
    serial number of the card that holds it; empty where the program does not say. `sha256` is set for certificates alone.
    `since` and `until` are seconds since the epoch, None for none.
    """

    kind: str
    validity: str
    bits: int
    since: int | None
    until: int | None
    can: str
    held: str
    curve: str
    fingerprint: str = ""
    sha256: str = ""
    user_ids: tuple[str, ...] = ()
    subkeys: tuple[SecretKey, ...] = ()


def parse(data: bytes) -> tuple[SecretKey, ...]:
    """The keys of a listing, subkeys below their primary key. Raises `Malformed` for one that is too long or out of order."""
    if len(data) > BYTES_MAX:
        raise Malformed(f"listing has {len(data)} bytes, at most {BYTES_MAX} are read", rule="signature-bad")
    found: list[SecretKey] = []
    below = False
    count = 0
    for line in data.decode("utf-8", "backslashreplace").split("\n"):
        fields = line.rstrip("\r").split(":")
        kind = _KINDS.get(fields[0])
        if kind is not None:
            count += 1
            if count > KEYS_MAX:
                raise Malformed(f"listing has more than {KEYS_MAX} keys", rule="signature-bad")
            key = _key(kind, fields)
            below = kind == "subkey"
            if not below:
                found.append(key)
            elif found:
                found[-1] = found[-1]._replace(subkeys=(*found[-1].subkeys, key))
            else:
                raise Malformed("listing has a subkey before any key", rule="signature-bad")
        elif found and fields[0] in {"fpr", "fp2", "uid"}:
            found[-1] = _below(found[-1], fields) if below else _more(found[-1], fields)
    return tuple(key for key in found if key.fingerprint)


def _key(kind: str, fields: list[str]) -> SecretKey:
    """A record's own fields, which are counted from 1 in the manual."""
    padded = [*fields, *[""] * 20]
    bits = padded[2]
    return SecretKey(
        kind, padded[1][:1], int(bits) if bits.isascii() and bits.isdigit() and len(bits) < 7 else 0, _time(padded[5]),
        _time(padded[6]), "".join(c for c in padded[11] if c.islower()), padded[14], padded[16],
    )  # fmt: skip


def _below(key: SecretKey, fields: list[str]) -> SecretKey:
    return key._replace(subkeys=(*key.subkeys[:-1], _more(key.subkeys[-1], fields)))


def _more(key: SecretKey, fields: list[str]) -> SecretKey:
    """A key with what the record after it says; the first fingerprint is the key's own."""
    value = fields[9] if len(fields) > 9 else ""
    if fields[0] == "uid":
        return key._replace(user_ids=(*key.user_ids, unescape(value)))
    if _is_fingerprint(value) is None:
        return key
    if fields[0] == "fp2":
        return key._replace(sha256=key.sha256 or value)
    return key._replace(fingerprint=key.fingerprint or value)


def unescape(field: str) -> str:
    """A field without its escapes (`\\x3a` is a colon), read as UTF-8. Controls come back by it: escape it for a terminal."""
    plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)) if int(match[1], 16) < 0x80 else match[0], field)
    return plain[:1000]


def _time(field: str) -> int | None:
    """Seconds since the epoch, or a date and time of ISO 8601 as gpgsm has it; None for anything else."""
    if field.isascii() and field.isdigit() and len(field) < 15:
        return int(field)
    if re.fullmatch(r"[0-9]{8}T[0-9]{6}", field):
        try:
            return int(datetime.strptime(field, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp())
        except ValueError:
            return None
    return None

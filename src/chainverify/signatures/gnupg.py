"""GnuPG beside our own verifier: keys taken out of a user's home, and a second opinion on single signatures.

Neither decides a verdict by itself. Keys come out of the user's home through python-gnupg, as bytes that our own reader then
takes apart. Signatures are put before gpg by a fixed command line and its status lines are read here, because python-gnupg
mixes them with the messages for people on one stream, splits that at characters which a user id may hold (U+0085 among them)
and lets the last line win: a user id could forge a status line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from chainverify.errors import Malformed, SignatureError, Unavailable, UsageError
from chainverify.formats import armor, openpgp_keys
from chainverify.model.signing import Evidence, KeyMaterial
from chainverify.output.moment import moment

MAX_SECONDS: Final = 60
"""How long one gpg process may take."""
MAX_STATUS_BYTES: Final = 1 << 20
"""The most status lines of one signature that are read."""

_is_fingerprint: Final = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}").fullmatch
_VALID: Final = frozenset(("GOODSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"))
_VERDICTS: Final = _VALID | {"BADSIG", "ERRSIG"}
_SPOILT: Final = frozenset(("NODATA", "UNEXPECTED", "BADARMOR", "ERROR"))
_OPTIONS: Final = (
    "--batch", "--no-tty", "--no-options", "--no-auto-key-retrieve", "--no-auto-key-locate", "--disable-dirmngr",
    "--no-autostart", "--no-auto-check-trustdb", "--trust-model", "always", "--status-fd", "1",
)  # fmt: skip
_READING: Final = (
    "--no-auto-key-retrieve", "--no-auto-key-locate", "--disable-dirmngr", "--no-autostart", "--no-auto-check-trustdb",
    "--trust-model", "always",
)  # fmt: skip


class ExportedKey(NamedTuple):
    """A certificate from a GnuPG home: `fingerprint` of its primary key, `user_ids` as they are in it (hostile text), and
    `armored`, the certificate without other people's certifications."""

    fingerprint: str
    user_ids: tuple[str, ...]
    armored: str


def export_keys(home: Path | None, fingerprints: Sequence[str] | None = None) -> tuple[ExportedKey, ...]:
    """The public keys of a GnuPG home (None: the user's own), in its order; all of them, or those named.

    A name is a full fingerprint, of a primary key or subkey, in hexadecimal; spaces in it are ignored. Nothing else is handed
    to gpg, and nothing in the home is changed: no trust is read, computed or written. All self-signatures are kept, where
    gpg's own minimal export keeps only the newest: what a key was worth earlier is known by the earlier ones. Among all keys
    those that cannot be read (of another version, damaged) are left out.

    Raises `UsageError` for a name that is no fingerprint or has no key, `Malformed` for a named key that cannot be read,
    `Unavailable` where gpg is missing or does not run.
    """
    names = ["".join(name.split()).upper() for name in fingerprints or ()]
    for name, given in zip(names, fingerprints or (), strict=True):
        if _is_fingerprint(name) is None:
            raise UsageError(
                f"expected an OpenPGP fingerprint of 40 or 64 hex digits, got {given[:80]!r}",
                hint="gpg --list-keys --fingerprint prints them",
            )
    if fingerprints is not None and not names:
        return ()
    found: list[ExportedKey] = []
    known: set[str] = set()
    for part in openpgp_keys.split(_exported(home, names)):
        try:
            data = openpgp_keys.without_others(part)
            (certificate,) = openpgp_keys.parse_file(data).certificates
        except Malformed:
            if names:
                raise
            continue
        known.update(key.fingerprint.hex().upper() for key in (certificate.primary, *(sub.key for sub in certificate.subkeys)))
        found.append(
            ExportedKey(
                certificate.primary.fingerprint.hex().upper(),
                tuple(user.data.decode("utf-8", "backslashreplace") for user in certificate.user_ids if not user.attribute),
                armor.public_key(data).decode("ascii"),
            )
        )
    for name in names:
        if name not in known:
            raise UsageError(f"the GnuPG home has no public key {name}", hint="gpg --list-keys prints those it has")
    return tuple(found)


class Opinion(NamedTuple):
    """What gpg says of one signature.

    `word` is GOODSIG, EXPSIG, EXPKEYSIG, REVKEYSIG, BADSIG or ERRSIG; empty where gpg gave no verdict that may be believed, and
    `why` says so. A key that is both expired and revoked is REVKEYSIG here where gpg tells of both (KEYREVOKED); where all
    keys are trusted it tells of the expiry alone, so EXPKEYSIG never means that a key was not revoked. `fingerprint` (of the
    signing key), `primary`, `made` (seconds since the epoch) and `kind` (the signature's type) are those of VALIDSIG; empty, 0
    and -1 without one.
    """

    word: str
    fingerprint: str = ""
    primary: str = ""
    made: int = 0
    kind: int = -1
    why: str = ""


class SecondOpinion:
    """A private GnuPG home that holds the certificates of a policy and nothing else, for as long as it is open.

        with gnupg.open(material.openpgp) as second:
            evidence = backends.verify(payload, armored, ...)
            opinion = second.confirm(payload, armored, evidence)

    Every question is a process of its own, some 10 ms: for audits, not for hooks.
    """

    def __init__(self, materials: Sequence[KeyMaterial], now: int | None = None) -> None:
        """`now` is the time that gpg believes, in seconds since the epoch; None: the computer's.

        Raises `Unavailable` where gpg is missing, `Malformed` for a key file that `openpgp.load` refuses too.
        """
        program = shutil.which("gpg")
        if program is None:
            raise Unavailable("gpg is not installed, so it has no second opinion", rule="internal", hint="install GnuPG")
        self._directory = tempfile.TemporaryDirectory(prefix="chainverify-gnupg-")
        self._home = Path(self._directory.name)
        clock = [f"--faked-system-time={now}!"] if now is not None else []
        self._command = [program, "--homedir", self._directory.name, *_OPTIONS, *clock]
        try:
            # certificates before revocations that stand alone, which need them
            for material in sorted(materials, key=lambda each: not openpgp_keys.parse_file(each.data).certificates):
                self._run("--import", stdin=material.data)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SecondOpinion:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the home."""
        self._directory.cleanup()

    def ask(self, payload: bytes, armored: bytes) -> Opinion:
        """What gpg says of a detached signature over `payload`. Raises `Unavailable` where gpg does not run in time."""
        signature = self._home / "signature.asc"
        signature.write_bytes(armored)
        return read_status(self._run("--verify", "--", str(signature), "-", stdin=payload))

    def confirm(self, payload: bytes, armored: bytes, evidence: Evidence) -> Opinion:
        """What gpg says of a signature that we found good, where that agrees with us.

        It does where gpg, too, has the signature of a binary document by that very key of that very certificate, made at that
        time, valid in itself (VALIDSIG). Whether the key has expired is no matter for dispute: gpg asks about today and we
        about the time of the signature. A revocation that gpg sees and we did not note is one.

        Raises `SignatureError` (DISPUTED, rule `signature-ambiguous`) where gpg contradicts: one object, two readings, and
        whoever relies on the other tool is told something else. Raises `Unavailable` where gpg could not say (no key, an
        algorithm or version that it does not know, no verdict): two opinions were asked for and one is missing, which is no
        pass and no proof of anything bad.
        """
        found = self.ask(payload, armored)
        if found.word in ("", "ERRSIG"):
            raise Unavailable(
                f"gpg has no opinion on the signature by {evidence.fingerprint}: {found.why}",
                rule="internal",
                hint="gpg 2.2 knows neither version 6 keys nor certificates without a user id; leave the second opinion out",
                evidence={"gnupg": found.word},
            )
        why = ""
        if found.word == "BADSIG":
            why = "gpg says that it does not fit the signed bytes"
        elif (found.fingerprint, found.primary) != (evidence.fingerprint, evidence.primary):
            why = f"gpg says that it is by {found.fingerprint} of {found.primary}"
        elif found.kind != 0:
            why = f"gpg says that it has the type 0x{found.kind:02x}"
        elif evidence.time_source == "signature" and found.made != evidence.signed_at:
            why = f"gpg says that it was made at {moment(found.made)}, and not at {moment(evidence.signed_at)}"
        elif found.word == "REVKEYSIG" and not any("revoked" in note for note in evidence.notes):
            why = "gpg says that the key is revoked"
        if why:
            raise SignatureError(
                f"OpenPGP signature by {evidence.fingerprint} is good for us and disputed by gpg: {why}",
                code="DISPUTED",
                rule="signature-ambiguous",
                hint="please report this, with the object; until it is explained nobody should rely on either",
                evidence={"format": "openpgp", "fingerprint": evidence.fingerprint, "gnupg": found.word},
            )
        return found

    def _run(self, *arguments: str, stdin: bytes) -> bytes:
        """The status lines of one gpg process; its exit status and its messages for people are not looked at."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": self._directory.name, "LC_ALL": "C", "TZ": "UTC"}
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command line, the data comes on stdin
                [*self._command, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                timeout=MAX_SECONDS, env=environment, cwd=self._directory.name,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"gpg did not run to its end: {error}", rule="internal") from error
        return done.stdout


def open(materials: Sequence[KeyMaterial], now: int | None = None) -> SecondOpinion:
    """A second opinion over the certificates of a policy, for a `with`. Raises as `SecondOpinion` does."""
    return SecondOpinion(materials, now)


def read_status(data: bytes) -> Opinion:
    """The verdict in the status lines of one `gpg --verify`.

    It counts only where there is exactly one signature (NEWSIG), exactly one verdict on it, with a good verdict exactly one
    VALIDSIG of the full form and with a bad one none. What follows a keyword is looked at in VALIDSIG alone: in the others it
    holds a user id, which is anybody's text.
    """
    if len(data) > MAX_STATUS_BYTES:
        return Opinion("", why=f"it wrote {len(data)} bytes, at most {MAX_STATUS_BYTES} are read")
    valid: list[list[bytes]] = []
    counts: Counter[str] = Counter()
    # by bytes and at LF alone: gpg escapes that in user ids, and no other line end
    for line in data.removesuffix(b"\n").split(b"\n") if data else ():
        if not line.startswith(b"[GNUPG:] "):
            return Opinion("", why=f"it wrote {line[:40]!r} where a status line is expected")
        keyword, _, rest = line[9:].partition(b" ")
        counts[keyword.decode("ascii", "backslashreplace")] += 1
        if keyword == b"VALIDSIG":
            valid.append(rest.split(b" "))
    verdicts = [word for word in sorted(_VERDICTS) for _ in range(counts[word])]
    if counts["NEWSIG"] != 1 or len(verdicts) != 1:
        return Opinion("", why=f"it saw {counts['NEWSIG']} signatures and gave the verdicts {verdicts}, expected one of each")
    (word,) = verdicts
    if len(valid) != (word in _VALID) or (word in _VALID and not _SPOILT.isdisjoint(counts)):
        return Opinion("", why=f"it said {word} and {len(valid)} times VALIDSIG, with {sorted(counts)}")
    if word not in _VALID:
        return Opinion(word, why="it could not check it" if word == "ERRSIG" else "")
    if word == "EXPKEYSIG" and counts["KEYREVOKED"]:
        word = "REVKEYSIG"
    return _validsig(word, [field.decode("ascii", "replace") for field in valid[0]])


def _validsig(word: str, fields: list[str]) -> Opinion:
    """The fields of VALIDSIG: 1 the signing key, 3 the time, 9 the type, 10 the primary key (doc/DETAILS of GnuPG)."""
    if len(fields) < 10:
        return Opinion("", why=f"its VALIDSIG has {len(fields)} fields, expected 10")
    key, made, kind, primary = fields[0], fields[2], fields[8], fields[9]
    plain = made.isascii() and made.isdigit() and re.fullmatch("[0-9a-fA-F]{2}", kind)
    if not plain or _is_fingerprint(key) is None or _is_fingerprint(primary) is None:
        return Opinion("", why=f"its VALIDSIG reads {' '.join(fields)[:200]!r}")
    return Opinion(word, key, primary, int(made), int(kind, 16))


def _exported(home: Path | None, names: list[str]) -> bytes:
    """gpg's export of public keys, binary. Raises `Unavailable`."""
    import gnupg

    try:
        gpg = gnupg.GPG(gnupghome=str(home) if home is not None else None, options=list(_READING))
        data = gpg.export_keys(names, secret=False, armor=False, minimal=False)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"gpg does not read its home: {error}", rule="internal", hint="is GnuPG installed, and the directory right?"
        ) from error
    return bytes(data)

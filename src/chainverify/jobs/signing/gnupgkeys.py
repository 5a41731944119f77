"""The keys that GnuPG and its kin hold: OpenPGP certificates, X.509 certificates of gpgsm and smimesign, and gitsign.

The programs are those that git would call. All that is read of them is their listings; no key is exported here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from typing import Final

from chainverify.errors import ChainverifyError
from chainverify.formats import colons
from chainverify.formats.colons import SecretKey
from chainverify.git import config
from chainverify.git.config import Setting
from chainverify.jobs.signing import programs
from chainverify.model.localkeys import LocalKey

_OBJECTIONS: Final = {
    "e": ("it has expired", "gpg --quick-set-expire {fpr} 2y extends it"),
    "r": ("it is revoked", "choose another key"),
    "d": ("it is disabled in GnuPG", "gpg --edit-key {fpr} enable"),
    "i": ("GnuPG calls it invalid", "gpg --check-signatures {fpr} tells why"),
}
"""What a letter of validity means, and what to do."""
_ALGORITHMS: Final = {"cv25519": "curve25519"}
_SMIMESIGN_ID: Final = re.compile(rb"^ *ID: ([0-9a-f]{40})\r?$", re.MULTILINE)


def program(settings: Iterable[Setting], form: str) -> str:
    """The program that git calls for a format: what is configured, else its default."""
    if form == "x509":
        return config.value(settings, "gpg.x509.program") or "gpgsm"
    # two names for one setting, of which git reads the last
    named = [each for each in settings if each.name in {"gpg.program", "gpg.openpgp.program"}]
    return named[-1].value if named else "gpg"


def openpgp(settings: Iterable[Setting], now: int) -> tuple[LocalKey, ...]:
    """A key for each certificate, and one for each of its signing keys where it has several that can be used."""
    name = program(settings, "openpgp")
    other = "" if shutil.which(name) is not None else "gpg2"
    listed = _listing([other or name, "--batch", "--no-tty", "--fixed-list-mode", "--list-secret-keys", "--with-colons",
                       "--with-subkey-fingerprint"])  # fmt: skip
    return tuple(key for each in listed for key in _certificate(each, other, now))


def x509(settings: Iterable[Setting], now: int) -> tuple[LocalKey, ...]:
    """The certificates of gpgsm whose keys it has, and those of smimesign."""
    used = program(settings, "x509")
    found = []
    for each in _listing(["gpgsm", "--batch", "--no-tty", "--list-secret-keys", "--with-colons"]):
        chosen = "" if used == "gpgsm" else "gpgsm"
        found.append(_x509(each, now)._replace(program=chosen))
    return (*found, *_smimesign(used))


def gitsign(settings: Iterable[Setting]) -> tuple[LocalKey, ...]:
    """gitsign, where it is installed: its keys live for minutes, so there is nothing to list."""
    if shutil.which("gitsign") is None:
        return ()
    chosen = "" if program(settings, "x509") == "gitsign" else "gitsign"
    return (
        LocalKey(
            "gitsign", "identity", "", "", "gitsign", "keyless", "your account at an identity provider, asked at each signature",
            program=chosen,
        ),
    )  # fmt: skip


def _listing(command: list[str]) -> tuple[SecretKey, ...]:
    """What a program lists; nothing where it is missing or does not answer."""
    if shutil.which(command[0]) is None:
        return ()
    try:
        return colons.parse(programs.run(command, programs.LISTING_SECONDS).out)
    except ChainverifyError:
        return ()


def _certificate(each: SecretKey, other: str, now: int) -> Iterator[LocalKey]:
    """An OpenPGP certificate. gpg takes the newest signing key of it that it can use."""
    marks = (each.fingerprint, *(sub.fingerprint for sub in each.subkeys))
    signing = [key for key in (each, *each.subkeys) if "s" in key.can and key.fingerprint]
    usable = [key for key in signing if not _objection(key, now)]
    whole = LocalKey(
        "openpgp", "key", each.fingerprint, each.fingerprint, "GnuPG", _algorithm(each),
        each.user_ids[0] if each.user_ids else "", each.since, each.until, program=other, marks=marks,
    )  # fmt: skip
    problem = _objection(each, now, secret=False)
    if problem:
        yield _refused(whole, *problem)
        return
    if not usable:
        yield _without_key(whole, signing, now)
        return
    newest = max(usable, key=lambda key: key.since or 0)
    ends = [time for time in (each.until, newest.until) if time is not None]
    yield whole._replace(until=min(ends, default=None), where=_place(newest), card=_on_card(newest), algorithm=_algorithm(newest))
    if len(usable) > 1:
        for key in usable:
            yield whole._replace(
                kind="key" if key is each else "subkey", fingerprint=key.fingerprint, value=f"{key.fingerprint}!",
                algorithm=_algorithm(key), until=key.until, where=_place(key), card=_on_card(key),
                comment=f"this very key of {whole.comment}",
            )  # fmt: skip


def _without_key(whole: LocalKey, signing: list[SecretKey], now: int) -> LocalKey:
    """A certificate that is good and has no key that can sign: what is wrong with the newest."""
    another = f"gpg --quick-add-key {whole.fingerprint} ed25519 sign 2y adds one"
    if not signing:
        return whole._replace(problem="it has no key for signing", remedy=another)
    last = max(signing, key=lambda key: key.since or 0)
    problem, remedy = _objection(last, now) or ("", "")
    if last.fingerprint == whole.fingerprint:
        return _refused(whole, problem, remedy)
    if last.validity == "e" or "expired" in problem:
        remedy = f"gpg --quick-set-expire {whole.fingerprint} 2y {last.fingerprint} extends it, or {another}"
    return whole._replace(problem=problem.replace("it ", "its signing subkey ", 1), remedy=remedy)


def _objection(key: SecretKey, now: int, *, secret: bool = True) -> tuple[str, str] | None:
    """Why a key cannot be used, and what to do; None where nothing speaks against it."""
    if key.validity in _OBJECTIONS:
        return _OBJECTIONS[key.validity]
    if key.until is not None and key.until <= now:
        return _OBJECTIONS["e"]
    if secret and key.held == "#":
        return "it is here only as a stub, its secret is elsewhere", "use the machine or card that has it, or import its secret"
    return None


def _refused(key: LocalKey, problem: str, remedy: str) -> LocalKey:
    return key._replace(problem=problem, remedy=remedy.format(fpr=key.fingerprint))


def _on_card(key: SecretKey) -> bool:
    return key.held not in {"", "+", "#"}


def _place(key: SecretKey) -> str:
    return f"card {key.held[:64]}" if _on_card(key) else "GnuPG"


def _algorithm(key: SecretKey) -> str:
    return _ALGORITHMS.get(key.curve, key.curve) or (f"rsa{key.bits}" if key.bits else "")


def _x509(each: SecretKey, now: int) -> LocalKey:
    mark = f"SHA256:{each.sha256}" if each.sha256 else each.fingerprint
    key = LocalKey(
        "x509", "certificate", mark, each.fingerprint, _place(each).replace("GnuPG", "gpgsm"), f"{each.bits} bits",
        "; ".join(each.user_ids), each.since, each.until, marks=(mark, each.fingerprint), card=_on_card(each),
    )  # fmt: skip
    problem = _objection(each, now)
    if problem:
        return _refused(key, problem[0], "get a new certificate from your authority" if "expired" in problem[0] else "")
    if "s" not in each.can:
        return _refused(key, "its certificate is not for signing", "ask your authority for one with digitalSignature")
    return key


def _smimesign(used: str) -> Iterator[LocalKey]:
    """The certificates that smimesign offers, by the SHA-1 fingerprint that it prints and takes."""
    if shutil.which("smimesign") is None:
        return
    try:
        done = programs.run(["smimesign", "--list-keys"], programs.LISTING_SECONDS)
    except ChainverifyError:
        return
    for found in dict.fromkeys(_SMIMESIGN_ID.findall(done.out)):
        mark = found.decode("ascii").upper()
        chosen = "" if used == "smimesign" else "smimesign"
        yield LocalKey("x509", "certificate", mark, mark, "smimesign", program=chosen, marks=(mark,))



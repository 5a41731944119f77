"""X.509 for tests: certificates minted with any defect, CMS signatures by the real openssl and gpgsm, tokens by `openssl ts`.

    root = mint("Root", authority=True)
    alice = mint("Alice", root, emails=["alice@example.org"])
    armor = openssl_sign(tmp_path, alice, payload)           # what git would get from a signer, by the real openssl
    armor = forge(alice, payload, when=START)                # the same by hand, with any signing time or defect
    with GpgsmHome.create([alice], [root]) as home:          # the real gpgsm, for git itself and as an oracle
        armor = home.sign(payload)

Keys are P-256 unless told otherwise. Certificates are valid a month before and a year after `START`.
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from chainverify.formats import cms, der, tsp
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.transparency import chains
from tests.world.repository import START

DAY: Final = 86_400
SINCE: Final = START - 30 * DAY
UNTIL: Final = START + 365 * DAY
SHA256: Final = "2.16.840.1.101.3.4.2.1"


class Identity(NamedTuple):
    """A certificate with its private key and those of its issuers, nearest first."""

    key: Any
    certificate: x509.Certificate
    issuers: tuple[Identity, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def private(self) -> bytes:
        """The private key in PEM, without passphrase."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def fingerprint(self) -> str:
        return "SHA256:" + hashlib.sha256(self.der).hexdigest().upper()


def moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


@functools.cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """An RSA key, made once: they take long."""
    return rsa.generate_private_key(65537, bits)


def new_key(kind: str = "p256") -> Any:
    if kind.startswith("rsa"):
        return rsa_key(int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1, "k256": ec.SECP256K1}
    return ec.generate_private_key(curves[kind]())


def name(common: str, **more: str) -> x509.Name:
    """A distinguished name: `organization` and `email` beside the common name."""
    kinds = {"organization": NameOID.ORGANIZATION_NAME, "email": NameOID.EMAIL_ADDRESS, "country": NameOID.COUNTRY_NAME}
    return x509.Name(
        [x509.NameAttribute(kinds[kind], value) for kind, value in more.items()]
        + [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
        "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{each: each in names for each in every})


def mint(
    subject: str | x509.Name,
    issuer: Identity | None = None,
    *,
    key: Any = "p256",
    authority: bool | None = False,
    path_length: int | None = None,
    usages: Sequence[str] | None = ("default",),
    purposes: Sequence[str] | None = (chains.EMAIL_PROTECTION,),
    purposes_critical: bool = False,
    emails: Sequence[str] = (),
    names: Sequence[x509.GeneralName] = (),
    constraints: x509.NameConstraints | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    since: int = SINCE,
    until: int = UNTIL,
    serial: int | None = None,
    hashing: hashes.HashAlgorithm | None = None,
    pss: bool = False,
    signing_key: Any = None,
    key_id: bool = True,
) -> Identity:
    """A certificate by `issuer`, by itself without one. `authority` None leaves the basic constraints out; `signing_key` signs in
    place of the issuer's key."""
    private = new_key(key) if isinstance(key, str) else key
    own = subject if isinstance(subject, x509.Name) else name(subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(issuer.certificate.subject if issuer else own)
        .public_key(private.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(moment(since))
        .not_valid_after(moment(until))
    )
    if key_id:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    if authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
    if usages == ("default",):
        usages = ("key_cert_sign", "crl_sign") if authority else ("digital_signature",)
    if usages is not None:
        builder = builder.add_extension(usage(*usages), critical=True)
    if purposes is not None and not (authority and purposes == (chains.EMAIL_PROTECTION,)):
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.ObjectIdentifier(each) for each in purposes]), critical=purposes_critical
        )
    alternative = [*(x509.RFC822Name(email) for email in emails), *names]
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signer = signing_key or (issuer.key if issuer else private)
    chosen = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashing or hashes.SHA256()
    scheme = padding.PSS(padding.MGF1(chosen), 32) if pss and chosen else None
    certificate = builder.sign(signer, chosen, rsa_padding=scheme)
    return Identity(private, certificate, (issuer, *issuer.issuers) if issuer else ())


def crl(
    issuer: Identity,
    *revoked: tuple[Identity, int, x509.ReasonFlags | None],
    updated: int = START,
    next_update: int = START + 30 * DAY,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    entry_extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    signing_key: Any = None,
    pem: bool = True,
) -> bytes:
    """A revocation list: certificates with the time and the reason."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(moment(updated))
        .next_update(moment(next_update))
    )
    for identity, since, reason in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(identity.certificate.serial_number)
            .revocation_date(moment(since))
        )
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        for extension, critical in entry_extensions:
            entry = entry.add_extension(extension, critical=critical)
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    made = builder.sign(signing_key or issuer.key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM if pem else serialization.Encoding.DER)


# --- materials of a policy

def material(data: bytes, signer: str = "", key: str = "commits.x509-roots[0]") -> KeyMaterial:
    return KeyMaterial(signer, data, key, "policy.toml", 7, "file.pem")


def trust(
    *roots: Identity,
    pinned: Sequence[tuple[str, Identity]] = (),
    crls: Sequence[bytes] = (),
    timestamps: Sequence[Identity] = (),
) -> SigningMaterial:
    """What a policy with these roots, pinned certificates, revocation lists and timestamp roots says."""
    return SigningMaterial(
        x509=tuple(material(each.pem, signer, "signers[0].x509[0]") for signer, each in pinned),
        x509_roots=tuple(material(each.pem) for each in roots),
        crls=tuple(material(each, key="commits.crls[0]") for each in crls),
        timestamp_roots=tuple(material(each.pem, key="commits.timestamp-roots[0]") for each in timestamps),
    )


# --- CMS by hand



@functools.cache
def oid(dotted: str) -> bytes:
    """The DER of an object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(arc & 0x7F | 0x80)
        out += bytes(reversed(digits))
    return der.encode(der.OID, bytes(out))


def sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, b"".join(parts))


def set_of(*parts: bytes, sort: bool = True) -> bytes:
    return der.encode(der.SET, b"".join(sorted(parts) if sort else parts))


def integer(value: int) -> bytes:
    return der.encode(der.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes) -> bytes:
    return der.encode(der.OCTET_STRING, value)


def attribute(kind: str, *values: bytes) -> bytes:
    return sequence(oid(kind), set_of(*values, sort=False))


def utc_time(seconds: int) -> bytes:
    return der.encode(der.UTC_TIME, moment(seconds).strftime("%y%m%d%H%M%SZ").encode())


def generalized_time(seconds: int) -> bytes:
    return der.encode(der.GENERALIZED_TIME, moment(seconds).strftime("%Y%m%d%H%M%SZ").encode())


HASHES: Final[dict[str, tuple[str, hashes.HashAlgorithm]]] = {
    "sha1": ("1.3.14.3.2.26", hashes.SHA1()),
    "md5": ("1.2.840.113549.2.5", hashes.MD5()),
    "sha224": ("2.16.840.1.101.3.4.2.4", hashes.SHA224()),
    "sha256": (SHA256, hashes.SHA256()),
    "sha384": ("2.16.840.1.101.3.4.2.2", hashes.SHA384()),
    "sha512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512()),
    "sha3": ("2.16.840.1.101.3.4.2.8", hashes.SHA3_256()),
}
NULL: Final = b"\x05\x00"


def pss_parameters(digest: str = "sha256", *, mask: str | None = None, salt: int = 32, tail: bytes = b"") -> bytes:
    def algorithm(which: str) -> bytes:
        return sequence(oid(HASHES[which][0]), NULL)

    return sequence(
        der.encode(der.context(0), algorithm(digest)),
        der.encode(der.context(1), sequence(oid("1.2.840.113549.1.1.8"), algorithm(mask or digest))),
        der.encode(der.context(2), integer(salt)),
        tail,
    )


def default_algorithm(key: Any, digest: str) -> bytes:
    """The AlgorithmIdentifier of a plain signature."""
    if isinstance(key, rsa.RSAPrivateKey):
        return sequence(oid("1.2.840.113549.1.1.1"), NULL)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return sequence(oid("1.3.101.112"))
    number = {"sha1": "1", "sha224": "3.1", "sha256": "3.2", "sha384": "3.3", "sha512": "3.4"}.get(digest, "3.2")
    return sequence(oid(f"1.2.840.10045.4.{number}"))


def plain_signature(key: Any, data: bytes, digest: str, scheme: Any = None) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        made: bytes = key.sign(data, scheme or padding.PKCS1v15(), HASHES[digest][1])
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        made = key.sign(data)
    else:
        made = key.sign(data, ec.ECDSA(HASHES[digest][1]))
    return made


def forge(
    signer: Identity,
    payload: bytes,
    *,
    when: int | None = START,
    digest: str = "sha256",
    algorithm: bytes | None = None,
    scheme: Any = None,
    certificates: Collection[bytes] | None = None,
    attributes: Sequence[bytes] | None = None,
    extra: Sequence[bytes] = (),
    sort: bool = True,
    unsigned: Sequence[bytes] = (),
    stamp: Any = None,
    by_key_id: bool = False,
    content: bytes | None = None,
    content_type: str = cms.DATA,
    listed: Sequence[str] | None = None,
    signers: int = 1,
    version: int = 1,
    signing_key: Any = None,
    crls: bytes = b"",
    armored: bool = True,
) -> bytes:
    """A CMS signature with anything in its fields. `attributes` () leaves signed attributes out; `extra` are added to the usual
    ones; `stamp` makes a timestamp token of the signature value."""
    key = signing_key or signer.key
    hashing = hashlib.new({"sha3": "sha3_256"}.get(digest, digest), payload).digest()
    if attributes is None:
        attributes = (
            attribute(cms.CONTENT_TYPE, oid(content_type)), attribute(cms.MESSAGE_DIGEST, octets(hashing)),
            *([attribute(cms.SIGNING_TIME, utc_time(when))] if when is not None else []), *extra,
        )  # fmt: skip
    signed = set_of(*attributes, sort=sort)
    value = plain_signature(key, signed if attributes else payload, digest, scheme)
    if stamp is not None:
        unsigned = (*unsigned, attribute(tsp.TIMESTAMP, stamp(value)))
    digest_algorithm = sequence(oid(HASHES[digest][0]), NULL)
    if by_key_id:
        found = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        sid = der.encode(der.context(0, constructed=False), found)
    else:
        sid = sequence(signer.certificate.issuer.public_bytes(), integer(signer.certificate.serial_number))
    info = sequence(
        integer(3 if by_key_id else 1),
        sid,
        digest_algorithm,
        der.encode(der.context(0), signed[der_header(signed):]) if attributes else b"",
        algorithm or default_algorithm(key, digest),
        octets(value),
        der.encode(der.context(1), b"".join(unsigned)) if unsigned else b"",
    )
    if certificates is None:
        certificates = [signer.der, *(each.der for each in signer.issuers[:-1])]
    body = sequence(
        oid(cms.SIGNED_DATA),
        der.encode(der.context(0), sequence(
            integer(version),
            set_of(*(sequence(oid(HASHES[each][0]), NULL) for each in (listed if listed is not None else [digest]))),
            sequence(oid(content_type), der.encode(der.context(0), octets(content)) if content is not None else b""),
            der.encode(der.context(0), b"".join(certificates)) if certificates else b"",
            der.encode(der.context(1), crls) if crls else b"",
            set_of(*[info] * signers, sort=False),
        )),
    )  # fmt: skip
    return armor(body) if armored else body


def der_header(value: bytes) -> int:
    """How many bytes tag and length of a value have."""
    return 2 if value[1] < 0x80 else 2 + value[1] - 0x80


def armor(body: bytes) -> bytes:
    text = base64.b64encode(body)
    return b"\n".join([cms.BEGIN, *(text[at : at + 64] for at in range(0, len(text), 64)), cms.END])


# --- timestamps

def token(
    authority: Identity,
    signed: bytes,
    *,
    when: int = START,
    digest: str = "sha256",
    imprint: bytes | None = None,
    bound: bytes | None = None,
    info_tail: bytes = b"",
    version: int = 1,
    content_type: str = tsp.TST_INFO,
    extra: Sequence[bytes] | None = None,
    **more: Any,
) -> bytes:
    """A timestamp token by hand, with anything in its fields; `bound` is the certificate that its attribute names."""
    info = sequence(
        integer(version), oid("1.2.3.4"),
        sequence(
            sequence(oid(HASHES[digest][0]), NULL),
            octets(imprint if imprint is not None else hashlib.new(digest, signed).digest()),
        ),
        integer(1), generalized_time(when), info_tail,
    )  # fmt: skip
    if extra is None:
        entry = sequence(octets(hashlib.sha256(bound if bound is not None else authority.der).digest()))
        extra = [attribute(tsp.SIGNING_CERTIFICATE_V2, sequence(sequence(entry)))]
    return forge(
        authority, info, when=when, content=info, content_type=content_type, extra=extra, version=3, armored=False, **more
    )


def mint_stamper(issuer: Identity, **more: Any) -> Identity:
    """A certificate for timestamps."""
    defaults: dict[str, Any] = {"purposes": (chains.TIME_STAMPING,), "purposes_critical": True}
    return mint("Stamper", issuer, **{**defaults, **more})


def openssl_token(directory: Path, authority: Identity, signed: bytes, *options: str) -> bytes:
    """A token by the real `openssl ts`, of now."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tsa.pem").write_bytes(authority.pem)
    (directory / "tsa.key").write_bytes(authority.private)
    (directory / "serial").write_text("01\n")
    (directory / "signed").write_bytes(signed)
    (directory / "ts.cnf").write_text(
        f"[tsa]\ndefault_tsa = one\n[one]\nserial = {directory}/serial\nsigner_cert = {directory}/tsa.pem\n"
        f"signer_key = {directory}/tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\n"
        "digests = sha256,sha512\nordering = yes\naccuracy = secs:1\ness_cert_id_alg = sha256\n"
    )
    run("openssl", "ts", "-query", "-data", "signed", "-sha256", "-out", "query", *options, cwd=directory)
    run("openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query", "-token_out", "-out", "token", cwd=directory)
    return (directory / "token").read_bytes()


# --- the real tools

def run(*command: str, cwd: Path, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(list(command), cwd=cwd, input=stdin, capture_output=True, check=False, timeout=120)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return done


def openssl_sign(directory: Path, signer: Identity, payload: bytes, *options: str) -> bytes:
    """A detached CMS signature by the real openssl, of now, in the armor of git."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "signer.pem").write_bytes(signer.pem)
    (directory / "signer.key").write_bytes(signer.private)
    (directory / "others.pem").write_bytes(b"".join(each.pem for each in signer.issuers[:-1]))
    others = ["-certfile", "others.pem"] if signer.issuers[:-1] else []
    done = run(
        "openssl", "cms", "-sign", "-binary", "-signer", "signer.pem", "-inkey", "signer.key", *others, "-outform", "DER",
        "-md", "sha256", *options, cwd=directory, stdin=payload,
    )
    return armor(done.stdout)


def openssl_verifies(
    directory: Path, root: Identity, payload: bytes, signature: bytes, *, when: int | None = None, options: Sequence[str] = ()
) -> bool:
    """What `openssl cms -verify` says of a signature, at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "root.pem").write_bytes(root.pem)
    (directory / "payload").write_bytes(payload)
    body = base64.b64decode(b"".join(signature.splitlines()[1:-1]))
    at = ["-attime", str(when)] if when is not None else []
    done = run(
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-content", "payload", "-CAfile", "root.pem", "-purpose",
        "smimesign", *at, *options, cwd=directory, stdin=body, check=False,
    )
    return done.returncode == 0


class GpgsmHome:
    """A GNUPGHOME at `path` for gpgsm; short, because the agent's socket lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, people: Sequence[Identity], roots: Sequence[Identity]) -> GpgsmHome:
        """A home with the keys of `people` (RSA: gpgsm 2.2.40 crashes on importing others), that trusts `roots` and asks nobody
        about revocation."""
        path = Path(tempfile.mkdtemp(prefix="cv-gpgsm-"))
        path.chmod(0o700)
        home = cls(path)
        (path / "gpgsm.conf").write_text("disable-crl-checks\ndisable-dirmngr\nauto-issuer-key-retrieve\n")
        (path / "gpg-agent.conf").write_text("allow-loopback-pinentry\n")
        marks = [f"{each.certificate.fingerprint(hashes.SHA1()).hex().upper()} S relax\n" for each in roots]
        (path / "trustlist.txt").write_text("".join(marks))
        for root in roots:
            home.run("--import", stdin=root.pem)
        for person in people:
            for issuer in person.issuers:
                home.run("--import", stdin=issuer.pem)
            (path / "key.pem").write_bytes(person.private)
            (path / "cert.pem").write_bytes(person.pem)
            # the encryption is gpgsm's: 2.2 reads no other
            run(
                "openssl", "pkcs12", "-export", "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1",
                "-inkey", "key.pem", "-in", "cert.pem", "-out", "key.p12", "-passout", "pass:", cwd=path,
            )
            home.run("--pinentry-mode", "loopback", "--passphrase-fd", "0", "--import", str(path / "key.p12"), stdin=b"\n")
        return home

    def __enter__(self) -> GpgsmHome:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        subprocess.run(["gpgconf", "--homedir", self.path, "--kill", "all"], check=False, capture_output=True, timeout=60)
        shutil.rmtree(self.path, ignore_errors=True)

    def set_clock(self, when: int) -> None:
        """The time that gpgsm believes to be now, also when git calls it."""
        conf = self.path / "gpgsm.conf"
        kept = [line for line in conf.read_text().splitlines() if not line.startswith("faked")]
        conf.write_text("\n".join([*kept, f"faked-system-time {moment(when).strftime('%Y%m%dT%H%M%S')}"]) + "\n")

    def run(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            ["gpgsm", "--homedir", str(self.path), "--batch", "--no-tty", "--yes", "-q", *arguments],
            input=stdin, capture_output=True, check=False, timeout=120,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.path)},
        )
        if check and done.returncode:
            raise RuntimeError(f"gpgsm {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done

    def sign(self, user: str, payload: bytes, *options: str) -> bytes:
        """A detached signature as git asks for it, without a final LF."""
        done = self.run("--status-fd", "2", *options, "-bsau", user, stdin=payload)
        return done.stdout.removesuffix(b"\n")

    def verifies(self, payload: bytes, signature: bytes) -> bool:
        """Whether gpgsm says GOODSIG of a detached signature, as git would ask it."""
        with tempfile.NamedTemporaryFile(dir=self.path) as file:
            file.write(signature + b"\n")
            file.flush()
            done = self.run("--status-fd", "1", "--verify", file.name, "-", stdin=payload, check=False)
        return b"[GNUPG:] GOODSIG" in done.stdout

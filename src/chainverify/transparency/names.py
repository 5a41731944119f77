"""Name constraints of certificate authorities (RFC 5280 section 4.2.1.10): which names an authority may certify."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from chainverify.transparency.certificates import Certificate

MAX_NAMES: Final = 256
"""The most names of one certificate that are compared with constraints."""
MAX_CONSTRAINTS: Final = 1024
"""The most constraints of one authority."""

Forms: TypeAlias = dict[type[x509.GeneralName], Callable[[x509.GeneralName, x509.GeneralName, bool], bool]]


def violation(constraints: x509.NameConstraints, certificate: Certificate) -> str | None:
    """What of `constraints` a certificate breaks, for people; None where it keeps them.

    A name of a form that a constraint is about must be inside of one that permits, and outside of all that exclude. A form whose
    comparison is not implemented (IP addresses, other names) cannot be judged: a name of such a form breaks any constraint on it.
    Comparing is generous where it excludes and strict where it permits. Addresses in the subject's name count as names here.
    """
    permitted = tuple(constraints.permitted_subtrees or ())
    excluded = tuple(constraints.excluded_subtrees or ())
    names = _names(certificate)
    if len(names) > MAX_NAMES or len(permitted) + len(excluded) > MAX_CONSTRAINTS:
        return "more names or constraints than are compared"
    for name in names:
        form = type(name)
        allowed = [each for each in permitted if type(each) is form]
        denied = [each for each in excluded if type(each) is form]
        if not allowed and not denied:
            continue
        within = _FORMS.get(form)
        if within is None:
            return f"a constraint on names of the form {form.__name__}, which are not compared"
        shown = repr(str(name.value))[:100]
        if allowed and not any(within(name, each, False) for each in allowed):
            return f"the name {shown}, which it may not certify"
        if any(within(name, each, True) for each in denied):
            return f"the name {shown}, which is excluded"
    return None


def _names(certificate: Certificate) -> list[x509.GeneralName]:
    """All names that constraints apply to (section 4.2.1.10: the subject too, and its e-mail addresses)."""
    names = list(certificate.names)
    if list(certificate.subject):
        names.append(x509.DirectoryName(certificate.subject))
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        try:
            names.append(x509.RFC822Name(str(attribute.value)))
        except ValueError:
            # what the library takes for no address is one for a constraint: it lies in no domain that is permitted, and in
            # all that are excluded
            names.append(x509.RFC822Name("unreadable"))
    return names


def _mailbox(name: x509.GeneralName, constraint: x509.GeneralName, excluding: bool) -> bool:
    local, sign, host = str(name.value).rpartition("@")
    wanted = str(constraint.value)
    if not sign or not host or not wanted:
        return excluding
    if excluding:
        host = host.rstrip(".")
    if "@" not in wanted:
        return _host(host, wanted)
    wanted_local, _, wanted_host = wanted.rpartition("@")
    if host.lower() != wanted_host.lower():
        return False
    return local.lower() == wanted_local.lower() if excluding else local == wanted_local


def _host(host: str, constraint: str) -> bool:
    """A host that is the constraint's or, where that starts with a dot, below it."""
    host, constraint = host.lower(), constraint.lower()
    return host.endswith(constraint) and host != constraint if constraint.startswith(".") else host == constraint


def _domain(name: x509.GeneralName, constraint: x509.GeneralName, excluding: bool) -> bool:
    domain, wanted = str(name.value).lower().rstrip("."), str(constraint.value).lower().rstrip(".")
    if not wanted:
        return True
    bare = wanted.removeprefix(".")
    if domain.endswith("." + bare):
        return True
    if excluding and domain.startswith("*.") and ("." + bare).endswith(domain[1:]):
        return True  # the wildcard has names that are excluded
    return domain == bare and (excluding or bare == wanted)


def _uri(name: x509.GeneralName, constraint: x509.GeneralName, excluding: bool) -> bool:
    """A URI by its host; one without a host name is within whatever excludes, and nothing that permits."""
    try:
        host = urlsplit(str(name.value)).hostname or ""
    except ValueError:
        host = ""
    if not host or not constraint.value or ":" in host or host.rpartition(".")[2].isdigit():
        return excluding
    return _host(host.rstrip("."), str(constraint.value))


def _directory(name: x509.GeneralName, constraint: x509.GeneralName, excluding: bool) -> bool:
    del excluding  # compared alike for both, as section 7.1 says
    found, wanted = _canonical(name.value), _canonical(constraint.value)
    return found[: len(wanted)] == wanted


def _canonical(name: x509.Name) -> Sequence[frozenset[tuple[str, str | bytes]]]:
    return [
        frozenset((attribute.oid.dotted_string, _folded(attribute.value)) for attribute in relative)
        for relative in name.rdns
    ]


def _folded(value: str | bytes) -> str | bytes:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split()) if isinstance(value, str) else value


_FORMS: Final[Forms] = {
    x509.RFC822Name: _mailbox,
    x509.DNSName: _domain,
    x509.UniformResourceIdentifier: _uri,
    x509.DirectoryName: _directory,
}

"""git's mailmap: which names and addresses are one person's. Source: git's `mailmap.c`; case of ASCII letters does not count.

Read without `re`: the commit-msg hook reads it under a policy that names one.
"""

from __future__ import annotations

from chainverify.formats.characters import ascii_folded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_BLANK: Final = " \t\n\r"


class Mailmap:
    """Identities and what they lead to; `add` files in their order, of two entries for one identity the last counts."""

    __slots__ = ("_addresses", "_names", "_same")

    def __init__(self) -> None:
        self._same: dict[str, str] = {}
        self._addresses: dict[str, tuple[str, str]] = {}
        self._names: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, data: bytes) -> None:
        """The entries of a mailmap file; as in git, lines that are none are passed over."""
        for line in data.decode("utf-8", "replace").split("\n"):
            if line.startswith("#"):
                continue
            first = _identity(line, empty=False)
            if first is None:
                continue
            second = _identity(line[first[2] :], empty=True)
            if second is None:
                # one address alone: the name for it
                self.entry(first[0], "", "", first[1])
            else:
                self.entry(first[0], first[1], second[0], second[1])

    def entry(self, name: str, address: str, old_name: str, old_address: str) -> None:
        """The identity with `old_address` (and `old_name`, where it is not empty) has this name and address; "" leaves it."""
        old_address, old_name = ascii_folded(old_address), ascii_folded(old_name)
        if old_name:
            self._names[old_address, old_name] = (name, address)
        else:
            before = self._addresses.get(old_address, ("", ""))
            self._addresses[old_address] = (name or before[0], address or before[1])

    def person(self, addresses: Sequence[str]) -> None:
        """Say that the addresses, and all that lead to them, are one person's, whatever the entries so far say of them."""
        for address in addresses:
            _, known = self.mapped("", address)
            self._same[ascii_folded(known)] = self._same[ascii_folded(address)] = addresses[0]

    def mapped(self, name: str, address: str) -> tuple[str, str]:
        """Name and address that stand for an identity."""
        key = ascii_folded(address)
        found = self._names.get((key, ascii_folded(name))) or self._addresses.get(key) or ("", "")
        address = found[1] or address
        return found[0] or name, self._same.get(ascii_folded(address), address)


def _identity(text: str, *, empty: bool) -> tuple[str, str, int] | None:
    """Name and address at the start of a text and where they end, None where there is no address; it may be `empty`."""
    left = text.find("<")
    right = text.find(">", left + 1)
    if left < 0 or right < 0 or (not empty and right == left + 1):
        return None
    return text[:left].strip(_BLANK), text[left + 1 : right], right + 1

"""The people and keys of a policy as an aligned table, and as records for JSON. All text may be hostile and is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chainverify.model.keys import KeyDescription, KeyList, PersonDescription
from chainverify.output.escape import escape
from chainverify.output.moment import moment

_COLOURS = {"good": "32", "not yet": "33", "not read": "33"}


def render(listed: KeyList, *, colour: bool = False) -> str:
    """A block per person, a line per key: format, state, fingerprint, algorithm, validity, place."""
    rows = [_row(each) for each in (*(key for person in listed.people for key in person.keys), *listed.shared)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(len(rows[0]))] if rows else []
    lines: list[str] = []
    for person in listed.people:
        lines += [_bold(_title(person), colour), *_lines(person.keys, widths, colour), ""]
        if not person.keys:
            lines[-1:] = ["  no keys", ""]
    if listed.shared:
        lines += [_bold("shared by everybody", colour), *_lines(listed.shared, widths, colour), ""]
    return "\n".join(lines[:-1]) + "\n" if lines else ""


def records(listed: KeyList) -> dict[str, object]:
    """The same for JSON; times are RFC 3339 text in UTC."""
    people = [
        {
            **person._asdict(),
            "valid_after": moment(person.valid_after),
            "valid_before": moment(person.valid_before),
            "compromised_at": moment(person.compromised_at),
            "keys": [record(each) for each in person.keys],
        }
        for person in listed.people
    ]
    return {"people": people, "shared": [record(each) for each in listed.shared]}


def day(seconds: int | None) -> str:
    """A moment for a table: its day where it is a day's start, empty for None."""
    text = moment(seconds) or ""
    return text.removesuffix("T00:00:00Z")


def record(each: KeyDescription) -> dict[str, object]:
    """One key for JSON."""
    return {**each._asdict(), "since": moment(each.since), "until": moment(each.until)}


def _title(person: PersonDescription) -> str:
    parts = [escape(person.name)]
    parts += [f"<{escape(email)}>" for email in person.emails]
    about = [f"roles: {', '.join(map(escape, person.roles))}"] if person.roles else []
    about += [f"limit: {person.limit}"] if person.limit else []
    if person.valid_after is not None or person.valid_before is not None:
        about.append(f"valid {day(person.valid_after)}..{day(person.valid_before)}")
    about += [f"compromised since {day(person.compromised_at)}"] if person.compromised_at is not None else []
    about += ["observed, not confirmed"] if person.observed else []
    return " ".join(parts) + (f"  ({'; '.join(about)})" if about else "")


def _row(each: KeyDescription) -> tuple[str, ...]:
    place = escape(each.file) if each.file else "inline"
    place += f", line {each.line}" if each.line else ""
    name = each.format if each.kind == "key" else f"{each.format} {each.kind}"
    shown = escape(each.fingerprint or each.comment)
    window = f"{day(each.since) or 'always'} .. {day(each.until) or 'open'}"
    # a person has a name; of an authority the fingerprint alone says little
    named = (each.comment,) if each.kind == "authority" and each.comment and each.fingerprint else ()
    notes = "".join(f"; {escape(note)}" for note in (*named, *each.notes))
    return name, each.state, shown, escape(each.algorithm), window, place + notes


def _lines(keys: Iterable[KeyDescription], widths: list[int], colour: bool) -> Iterator[str]:
    for each in keys:
        row = _row(each)
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if colour:
            cells[1] = f"\x1b[{_COLOURS.get(each.state, '31')}m{cells[1]}\x1b[0m"
        yield ("  " + "  ".join(cells)).rstrip()


def _bold(text: str, colour: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colour else text

"""What is printed of a session."""

import sys
from collections import Counter

from minirnn.testing.session import NOT_COMPARED, Session


def print_session(session: Session, replay: str, alone=False) -> None:
    """Print the table, the differences with their scripts, and how long it took.

    Parameters
    ----------
    session : Session
    replay : str
        The command that runs a case again, without its number.
    alone : bool
        Whether there is one case, which is shown whatever was found.
    """
    _print_table("layer", session.by_kind, session.statuses)
    _print_table("option", session.by_option, session.statuses)
    for title, count in session.known.most_common():
        print(f"known: {count} x {title} (docs/differences.md)")
    if session.unasked:
        shown = ", ".join(map(str, session.unasked[:10]))
        print(f"refused by both though nothing was made wrong: case {shown}")
    if alone and session.last:
        print(*session.last, sep="\n")
    for failure in session.failures:
        if not alone:
            print(f"\ncase {failure.number} differs; {replay} --case {failure.number} runs it again.")
        if failure.smallest_report:
            print("The smallest case like it:")
        if failure.smallest_report or not alone:
            print(failure.smallest_report or failure.report)
    counts = ", ".join(f"{session.counts[status]} {status}" for status in session.statuses)
    each = 1000 * session.seconds / max(1, session.cases)
    versions = "".join(f", {name} {version}" for name, version in session.versions.items())
    print(f"\n{session.candidate} and {session.reference}{versions}")
    print(f"{counted(session.cases, 'case')}: {counts}; {session.seconds:.1f} s, {each:.0f} ms a case")
    if session.relative:
        print(f"largest difference among those that agree: {max(session.relative):.1e} relative")
    if session.cases and session.counts[NOT_COMPARED] == session.cases:
        print("No case was compared: --kinds names layers that the function has.")


def counted(number: int, what: str) -> str:
    """Return "1 case" or "2 cases"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def table_rows(counters: dict[str, Counter], statuses) -> list[list[str]]:
    """Return a row for each name, with its counts of all statuses; those that differ first."""
    rows = sorted(counters.items(), key=lambda item: (-item[1]["differed"], item[0]))
    return [[name, *(str(counter[status] or "–") for status in statuses)] for name, counter in rows]


def _print_table(title, counters, statuses) -> None:
    rows = table_rows(counters, statuses)
    if not sys.stdout.isatty():
        print(f"| {title} | {' | '.join(statuses)} |")
        print(f"| --- |{' ---: |' * len(statuses)}")
        for row in rows:
            print(f"| {' | '.join(row)} |")
        print()
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title)
    for status in statuses:
        table.add_column(status, justify="right")
    for name, *numbers in rows:
        style = "bold red" if numbers[statuses.index("differed")] != "–" else ""
        table.add_row(*(Text(cell, style=style) for cell in (name, *numbers)))
    Console(highlight=False).print(table)

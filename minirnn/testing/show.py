"""What is printed of a session, and the page that ``--report`` writes."""

import html
import math
import sys
from collections import Counter

from minirnn.testing.session import STATUSES, Session

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { border-bottom: 1px solid #ddd; padding: .25em .8em; text-align: left }
td + td, th + th { text-align: right }
.bad { color: #b00020; font-weight: 600 }
pre { background: #f5f5f5; padding: .8em; overflow-x: auto; white-space: pre-wrap }
svg text { font-size: 11px; fill: #555 }
"""


def print_session(session: Session, replay: str) -> None:
    """Print the table, the differences with their scripts, and how long it took.

    Parameters
    ----------
    session : Session
    replay : str
        The command that runs a case again, without its number.
    """
    _print_table("layer", session.by_kind)
    _print_table("option", session.by_option)
    for title, count in session.known.most_common():
        print(f"known: {count} x {title} (docs/differences.md)")
    if session.unasked:
        shown = ", ".join(map(str, session.unasked[:10]))
        print(f"refused by both though nothing was made wrong: case {shown}")
    for failure in session.failures:
        report = failure.smallest_report or failure.report
        print(f"\ncase {failure.number} differs; {replay} --case {failure.number} runs it again.")
        if failure.smallest_report:
            print("The smallest case like it:")
        print(report)
    counts = ", ".join(f"{session.counts[status]} {status}" for status in STATUSES)
    each = 1000 * session.seconds / max(1, session.cases)
    versions = "".join(f", {name} {version}" for name, version in session.versions.items())
    print(f"\n{session.candidate} and {session.reference}{versions}")
    print(f"{session.cases} cases: {counts}; {session.seconds:.1f} s, {each:.0f} ms a case")
    if session.relative:
        print(f"largest difference among those that agree: {max(session.relative):.1e} relative")


def _rows(counters: dict[str, Counter]) -> list[list[str]]:
    rows = sorted(counters.items(), key=lambda item: (-item[1]["differed"], item[0]))
    return [[name, *(str(counter[status] or "–") for status in STATUSES)] for name, counter in rows]


def _print_table(title, counters) -> None:
    rows = _rows(counters)
    if not sys.stdout.isatty():
        print(f"| {title} | {' | '.join(STATUSES)} |")
        print(f"| --- |{' ---: |' * len(STATUSES)}")
        for row in rows:
            print(f"| {' | '.join(row)} |")
        print()
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title)
    for status in STATUSES:
        table.add_column(status, justify="right")
    for name, *numbers in rows:
        style = "bold red" if numbers[STATUSES.index("differed")] != "–" else ""
        table.add_row(*(Text(cell, style=style) for cell in (name, *numbers)))
    Console(highlight=False).print(table)


def page(session: Session, replay: str) -> str:
    """Return one page of HTML that needs nothing else: tables, histograms, failing cases with scripts."""
    title = f"{session.candidate} and {session.reference}"
    counts = ", ".join(f"{session.counts[status]} {status}" for status in STATUSES)
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{_text(title)}</h1>",
        f"<p>{session.cases} cases of seed {session.seed} in {session.seconds:.1f} s: {counts}.</p>",
        f"<p>{_text(', '.join(f'{k} {v}' for k, v in session.versions.items()))}</p>",
        _table("layer", session.by_kind),
        _table("option", session.by_option),
    ]
    if session.known:
        items = "".join(f"<li>{n} × {_text(t)}</li>" for t, n in session.known.most_common())
        parts.append(
            f"<h2>Known differences</h2><p>Each has its heading in docs/differences.md.</p><ul>{items}</ul>"
        )
    parts.append("<h2>The largest difference of each case that agrees</h2>")
    parts.append(histogram(session.relative, "relative to the largest entry"))
    parts.append(histogram(session.ulps, "units in the last place of the number itself"))
    parts.append(f"<h2>Cases that differ</h2>{'' if session.failures else '<p>None.</p>'}")
    for failure in session.failures:
        report = failure.smallest_report or failure.report
        lines = str(report).split("This shows it:")[0]
        parts.append(
            f'<h3 class="bad">Case {failure.number}</h3><p>Again: <code>{_text(replay)} --case '
            f"{failure.number}</code></p><pre>{_text(lines)}</pre><pre>{_text(report.script)}</pre>"
        )
    return "\n".join([*parts, "</body></html>\n"])


def _text(value) -> str:
    return html.escape(str(value))


def _table(title, counters) -> str:
    head = "".join(f"<th>{name}</th>" for name in (title, *STATUSES))
    rows = []
    for row in _rows(counters):
        style = ' class="bad"' if row[1 + STATUSES.index("differed")] != "–" else ""
        rows.append(f"<tr{style}>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def histogram(values: list[float], caption: str) -> str:
    """Return a histogram of positive numbers by powers of ten, as an SVG; those that are 0 have a bar too."""
    if not values:
        return f"<p>{_text(caption)}: nothing to show.</p>"
    zeros = sum(1 for v in values if v == 0)
    numbers = Counter(math.floor(math.log10(v)) for v in values if v > 0 and math.isfinite(v))
    powers = range(min(numbers), max(numbers) + 1) if numbers else []
    bars = [("0", zeros)] * bool(zeros) + [(f"1e{power}", numbers[power]) for power in powers]
    most, width = max(n for _, n in bars), 52
    shapes = []
    for i, (label, n) in enumerate(bars):
        height, x = 100 * n / most, i * width + 4
        shapes.append(
            f'<rect x="{x}" y="{120 - height:.1f}" width="{width - 8}" height="{height:.1f}" fill="#4878a8"/>'
            f'<text x="{x + 2}" y="{115 - height:.1f}">{n}</text><text x="{x + 2}" y="136">{label}</text>'
        )
    size = f'width="{len(bars) * width}" height="142" role="img"'
    return f"<figure><svg {size}>{''.join(shapes)}</svg><figcaption>{_text(caption)}</figcaption></figure>"

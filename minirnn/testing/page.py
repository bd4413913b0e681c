"""The page that ``python -m minirnn compare --report`` writes: one file of HTML that needs nothing else."""

import html
import math
from collections import Counter

from minirnn.testing.difference import TOLERANCES, Report
from minirnn.testing.session import Failure, Session
from minirnn.testing.show import counted, table_rows

_STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --back: #fff; --panel: #f6f6f4;
  --bad: #b00020; --good: #4878a8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --soft: #999; --line: #444; --back: #1c1c1c; --panel: #282828;
    --bad: #ff6b7a; --good: #7aa7d8 }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 68em; padding: 0 1em;
  color: var(--ink); background: var(--back) }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em } h3 { font-size: 1em }
.counts { display: flex; flex-wrap: wrap; gap: .8em; padding: 0; list-style: none }
.counts li { background: var(--panel); padding: .5em 1.2em; border-radius: .4em; color: var(--soft) }
.counts b { display: block; font-size: 1.6em; color: var(--ink) }
.tables { display: flex; flex-wrap: wrap; gap: 0 3em; align-items: flex-start }
.table { max-width: 100%; overflow-x: auto }
table { border-collapse: collapse; margin: .5em 0 }
th, td { border-bottom: 1px solid var(--line); padding: .15em .7em; text-align: left; vertical-align: top }
th { font-weight: 600; color: var(--soft) }
td + td, th + th { text-align: right; font-variant-numeric: tabular-nums }
.bad, .counts .bad b { color: var(--bad); font-weight: 600 }
details { border-top: 1px solid var(--line); padding: .6em 0 }
summary { cursor: pointer; font-weight: 600 }
pre { background: var(--panel); padding: .8em; overflow-x: auto; white-space: pre-wrap; border-radius: .4em }
pre, code { overflow-wrap: anywhere }
figure { margin: 1em 0; overflow-x: auto } figcaption { color: var(--soft) }
svg text { font-size: 11px; fill: var(--soft) }
"""
_SHOWN = 20  # rows of what differs in a case
_NONE, _INFINITE = -1000, 1000  # bins for what has no power of ten


def page(session: Session, replay: str) -> str:
    """Return the page: counts, tables by layer and option, histograms, each failing case with its script.

    Parameters
    ----------
    session : Session
    replay : str
        The command that runs a case again, without its number.
    """
    title = f"{session.candidate} and {session.reference}"
    versions = "".join(f", {name} {version}" for name, version in session.versions.items())
    took = f"{counted(session.cases, 'case')} of seed {session.seed} in {session.seconds:.1f} s{versions}."
    tables = "".join(
        _table(title, counters, session.statuses)
        for title, counters in (("layer", session.by_kind), ("option", session.by_option))
    )
    cards = "".join(_card(status, session.counts[status]) for status in session.statuses)
    cases = "".join(_case(failure, replay, session) for failure in session.failures)
    return "\n".join(
        [
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>',
            '<meta name="viewport" content="width=device-width">',
            f"<style>{_STYLE}</style></head><body><h1>{_text(title)}</h1>",
            f"<p>{_text(took)}</p>",
            f'<ul class="counts">{cards}</ul>',
            f"<h2>Cases that differ</h2>{cases or '<p>None.</p>'}",
            _unasked(session, replay),
            "<h2>By layer and option</h2><p>A case counts once for each layer and option that is in it.</p>",
            f'<div class="tables">{tables}</div>',
            _known(session),
            "<h2>The largest difference of each case</h2>",
            _histograms(session),
            "</body></html>\n",
        ]
    )


def _text(value) -> str:
    return html.escape(str(value))


def _card(status: str, count: int) -> str:
    bad = ' class="bad"' if status == "differed" and count else ""
    return f"<li{bad}><b>{count}</b>{status}</li>"


def _table(title, counters: dict[str, Counter], statuses) -> str:
    head = "".join(f"<th>{name}</th>" for name in (title, *statuses))
    rows = []
    for row in table_rows(counters, statuses):
        style = ' class="bad"' if row[1 + statuses.index("differed")] != "–" else ""
        rows.append(f"<tr{style}>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>")
    return _framed(head, rows)


def _framed(head: str, rows) -> str:
    """Return a table that scrolls for itself where it is wider than the page."""
    head = head and f"<thead><tr>{head}</tr></thead>"
    return f'<div class="table"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _known(session: Session) -> str:
    if not session.known:
        return ""
    rows = [f"<tr><td>{_text(t)}</td><td>{n}</td></tr>" for t, n in session.known.most_common()]
    return (
        "<h2>Known differences</h2>"
        "<p>Each has its heading in docs/differences.md. A case may have several.</p>"
        f"{_framed('', rows)}"
    )


def _unasked(session: Session, replay: str) -> str:
    if not session.unasked:
        return ""
    shown = ", ".join(map(str, session.unasked))
    return (
        "<h2>Refused by both, though nothing was made wrong</h2>"
        f"<p>Cases {shown}; <code>{_text(replay)} --case N</code> shows both errors.</p>"
    )


def _histograms(session: Session) -> str:
    beyond = [d for failure in session.failures if (d := _largest(failure.report)) is not None]
    limits = ", ".join(f"{limit:g} in {dtype}" for dtype, limit in TOLERANCES.items())
    return histogram(
        session.relative,
        [d.relative for d in beyond],
        f"Relative to the largest entry of the array, or to 1. Beyond {limits} a case differs.",
    ) + histogram(session.ulps, [d.ulps for d in beyond], "In units in the last place of the number itself.")


def _largest(report: Report):
    """Return the largest difference that has numbers."""
    return next((d for d in report.failures if not d.words), None)


def _case(failure: Failure, replay: str, session: Session) -> str:
    report = failure.smallest_report or failure.report
    smaller = (
        f"<p>As it was drawn: <code>{_text(failure.case)}</code></p>"
        "<p>The smallest case that fails like it:</p>"
        if failure.smallest_report
        else ""
    )
    refusals = "".join(
        f"<p>{_text(name)} refused: <code>{_text(words)}</code></p>"
        for name, words in zip((report.candidate, report.reference), report.refusals)
        if words is not None
    )
    kind = failure.case.layer["class"]
    return (
        f'<details open><summary>Case {failure.number}: <span class="bad">{_text(kind)}</span></summary>'
        f"<p>Again: <code>{_text(replay)} --case {failure.number}</code></p>{smaller}{refusals}"
        f"{_differences(report, session)}<pre>{_text(report.script)}</pre></details>"
    )


def _differences(report: Report, session: Session) -> str:
    if not report.failures:
        return ""
    names = ("what differs", session.candidate, session.reference, "where", "relative", "ulps")
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    rows = []
    for d in report.failures[:_SHOWN]:
        if d.words:
            rows.append(f'<tr><td>{_text(d.name)}</td><td colspan="5">{_text(d.words)}</td></tr>')
            continue
        cells = (d.name, f"{d.candidate:.9g}", f"{d.reference:.9g}", list(d.where) or "")
        cells += (f"{d.relative:.2g}", f"{d.ulps:.3g}")
        rows.append(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>")
    rest = len(report.failures) - _SHOWN
    more = f"<p>And {rest} more.</p>" if rest > 0 else ""
    return f"{_framed(head, rows)}{more}"


def histogram(agreed: list[float], differed: list[float], caption: str) -> str:
    """Return a histogram by powers of ten, as an SVG; differences of 0, and infinite ones, have bars too.

    Parameters
    ----------
    agreed, differed : list of float
        Bars of the first stand below those of the second.
    caption : str
    """
    counters = Counter(map(_bin, agreed)), Counter(map(_bin, differed))
    found = sorted({*counters[0], *counters[1]})
    if not found:
        return f"<p>{_text(caption)} There is nothing to show.</p>"
    powers = [b for b in found if b not in (_NONE, _INFINITE)]
    between = range(min(powers), max(powers) + 1) if powers else []
    bins = [*(b for b in found if b == _NONE), *between, *(b for b in found if b == _INFINITE)]
    most, width = max(counters[0][b] + counters[1][b] for b in bins), 52
    shapes = []
    for i, b in enumerate(bins):
        x, top = i * width + 4, 120.0
        for counter, colour in zip(counters, ("good", "bad")):
            height = 100 * counter[b] / most
            top -= height
            if height:
                shapes.append(
                    f'<rect x="{x}" y="{top:.1f}" width="{width - 8}" height="{height:.1f}" '
                    f'style="fill: var(--{colour})"/>'
                )
        label = {_NONE: "0", _INFINITE: "inf"}.get(b, f"1e{b}")
        count = " + ".join(str(counter[b]) for counter in counters if counter[b]) or "0"
        shapes.append(f'<text x="{x}" y="{top - 4:.1f}">{count}</text><text x="{x}" y="136">{label}</text>')
    size = f'width="{len(bins) * width}" height="142" role="img"'
    legend = " Those of cases that differ are on top, in red." if differed else ""
    caption = f"<figcaption>{_text(caption)}{legend}</figcaption>"
    return f"<figure><svg {size}>{''.join(shapes)}</svg>{caption}</figure>"


def _bin(value: float) -> int:
    """Return the power of ten of a difference."""
    if value == 0 or not math.isfinite(value):
        return _NONE if value == 0 else _INFINITE
    return math.floor(math.log10(value))

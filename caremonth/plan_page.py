"""A replay plan as one page of HTML: no script, nothing from a network, dark or light as the reader's system is, fit to be printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final

from caremonth.cli_output import Columns, clean
from caremonth.cli_table import RIGHT
from caremonth.plan_charts import chart
from caremonth.plan_text import GROUPS, LARGEST_COLUMNS, RULES, about, deciding, largest_heading, summary, title

Row = dict[str, Any]

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--page:#fff;--rule:#d0d7de;
--warn:#fff4d6;--back:#b3261e;--gain:#1a7f37;--open:#6e7781}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--page:#0d1117;--rule:#30363d;
--warn:#3a2d06;--back:#ff8a80;--gain:#57d27c;--open:#8b949e}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2.2rem}
p.about,footer,figcaption{color:var(--soft)}p.warning{background:var(--warn);padding:.6rem .9rem;border-left:.3rem solid var(--back)}
div.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--rule);vertical-align:top;overflow-wrap:anywhere}
th.n,td.n{text-align:right;white-space:nowrap}figure{margin:1rem 0}svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}.axis{stroke:var(--soft)}
.back{fill:var(--back)}.gain{fill:var(--gain)}.open{fill:none;stroke:var(--open);stroke-width:1.5}
@media print{body{margin:0;max-width:none;font-size:11pt}h2{break-after:avoid}table,figure{break-inside:avoid}p.warning{border:1px solid}}
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(shown: Row) -> str:
    """The page of a plan's figures; the same figures give the same text."""
    heading = escape(clean(title(shown)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="robots" content="noindex">'
        f"<title>{heading}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(_body(shown, heading))
        + "\n</main></body></html>\n"
    )


def _body(shown: Row, heading: str) -> Iterator[str]:
    yield f'<h1>{heading}</h1><p class="about">{escape(clean(about(shown)))}</p>'
    yield from (f'<p class="warning"><strong>Note:</strong> {escape(clean(warning))}</p>' for warning in shown["warnings"])
    yield "<h2>What changes</h2>"
    yield from (f"<p>{escape(clean(line.strip()))}</p>" for line in summary(shown))
    yield "<h2>What the rules say otherwise</h2>"
    values = deciding(shown["rule_changes"])
    yield _table("Values that differ", values, RULES) if values else "<p>No value that decides anything.</p>"
    if shown["by_code"]:
        for name, (what, columns) in GROUPS.items():
            yield from _group(name, what, columns, shown[name])
        yield f"<h2>{largest_heading(shown)}</h2>"
        yield _table(largest_heading(shown), shown["largest"], LARGEST_COLUMNS)
    origin = f"Plan {shown['digest']}, made on history {shown['history']}. The plan's own file lists each line."
    yield f"<footer><p>{escape(origin)}</p></footer>"


def _group(name: str, what: str, columns: Columns, rows: Sequence[Row]) -> Iterator[str]:
    keys = [heading for heading in columns if heading in ("program", "code", "tenant", "site", "month")]
    labels = [clean(" ".join(str(columns[key](row)) for key in _telling(keys, columns, rows))) for row in rows]
    yield f"<h2>{what}</h2>"
    yield chart(name, f"Dollars {what[:1].lower()}{what[1:]}", labels, rows)
    yield _table(what, rows, columns)


def _telling(keys: Sequence[str], columns: Columns, rows: Sequence[Row]) -> list[str]:
    """The columns that tell rows apart: the last one, and others of more than one value."""
    return [key for key in keys if key == keys[-1] or len({columns[key](row) for row in rows}) > 1]


def _table(caption: str, rows: Iterable[Row], columns: Columns) -> str:
    head = "".join(f'<th scope="col"{_class(name)}>{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(_cell(name, cell(row)) for name, cell in columns.items())}</tr>" for row in rows)
    return f'<div class="wide"><table aria-label="{escape(caption)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(name: str, value: object) -> str:
    return f"<td{_class(name)}>{'' if value is None else escape(clean(value))}</td>"


def _class(name: str) -> str:
    return ' class="n"' if name in RIGHT else ""

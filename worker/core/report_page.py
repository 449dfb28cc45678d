"""The frame of the report: escaping, tables, the style sheet. Everything that is shown goes through `text`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--panel:#f5f7f9;--bar:#2f6fb2;
--other:#a9b4c0;--good:#1d7a46;--warn:#a35f00;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e6eaef;--soft:#9aa6b4;--line:#303841;--panel:#1c2229;
--bar:#6ea8e5;--other:#566270;--good:#63c58c;--warn:#e0a24a;--bad:#f08a83}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 4rem}h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;
overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2.4rem 0 .6rem;padding-top:1rem;border-top:1px solid var(--line)}
h3{font-size:.95rem;margin:1.2rem 0 .4rem}p{margin:.4rem 0}.soft{color:var(--soft)}
.note{color:var(--soft);font-size:.87rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;margin:1.25rem 0}
.tile{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}
.tile b{display:block;font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.3}
.tile span{color:var(--soft);font-size:.85rem}.wide{overflow-x:auto}.two{display:grid;gap:0 2rem;
grid-template-columns:repeat(auto-fit,minmax(19rem,1fr))}
table{border-collapse:collapse;width:100%;font-size:.9rem}th{text-align:left;font-weight:600;color:var(--soft);
font-size:.82rem}th{white-space:nowrap}th,td{padding:.32rem .75rem .32rem 0;
border-bottom:1px solid var(--line);vertical-align:top}
.number{text-align:right;padding-right:1.25rem;font-variant-numeric:tabular-nums;white-space:nowrap}
.any{overflow-wrap:anywhere}a{color:var(--bar)}.meter{width:40%}
.meter i{display:block;height:.7rem;margin-top:.35rem;border-radius:2px;background:var(--bar)}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.state{font-weight:600}
svg{display:block;width:100%;max-width:47.5rem;height:auto}svg text{fill:var(--soft);font-size:13px;font-family:inherit}
svg .background{fill:none}svg .axis .line{stroke:var(--line);stroke-width:1}svg .guides .line{stroke:var(--line);
stroke-width:1}svg .axis.x text{text-anchor:middle}svg .axis.y text{text-anchor:end}
svg .rect{fill:var(--bar);stroke:none}svg .no_data,svg .title{display:none}
.pair svg .serie-0 .rect{fill:var(--other)}.key{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;
margin:0 .3rem 0 .8rem;background:var(--bar);vertical-align:-1px}.key.other{background:var(--other)}
@media print{:root{color-scheme:light;--page:#fff;--ink:#000;--soft:#444;--line:#ccc;--panel:#fff;--bar:#2f6fb2;
--other:#a9b4c0}main{max-width:none;padding:0}h2{break-after:avoid}tr,svg,.tile{break-inside:avoid}
.rect,.meter i,.key{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def page(title: str, sections: Iterable[str]) -> bytes:
    """Return one file that loads nothing: its policy forbids scripts, requests and forms."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    ).encode(errors="replace")


def text(value: object) -> str:
    """Return any value as HTML text; also right inside an attribute in double quotes. Controls become spaces."""
    shown = "".join(one if one.isprintable() or one == "\n" else " " for one in str(value))
    return html.escape(shown, quote=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str]) -> str:
    """Return a table of cells that are HTML already; `classes` has one for each column, empty for none."""
    marks = [f' class="{name}"' if name else "" for name in classes]
    top = "".join(f"<th{mark}>{cell}</th>" for mark, cell in zip(marks, head, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{mark}>{cell}</td>" for mark, cell in zip(marks, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def section(title: str, *parts: str) -> str:
    """Return a titled section."""
    return f"<section>\n<h2>{text(title)}</h2>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def foreign(value: object) -> str:
    """Return a text of the upload: escaped, and kept apart from its neighbours' writing direction."""
    return f"<bdi>{text(value)}</bdi>"


def meter(share: float) -> str:
    """Return a bar for a share of 0..1."""
    return f'<i style="width:{100 * max(0.0, min(1.0, share)):.1f}%"></i>'

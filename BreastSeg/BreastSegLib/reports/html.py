"""A report as one self-contained HTML page that also prints on A4."""

import base64
import re
from html import escape

from ..files import whole_file
from .blocks import GAP_MM, Bullets, FigureRow, Paragraph, Table, rows_of

WIDTH_MM = 190.0  # A4 less its margins
# Nothing is loaded from anywhere, and nothing is run: a text that got in as markup could do neither.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light }
body { font: 13px/1.35 "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; color: #111; background: #fff;
  max-width: 190mm; margin: 8mm auto; padding: 0 4mm }
h1 { font-size: 1.5em; margin: 0 } h2 { font-size: 1.08em; margin: 1.1em 0 .3em; border-bottom: 1px solid #666;
  break-after: avoid }
p { margin: .25em 0 } .small { font-size: .88em; color: #333 } ul { margin: .2em 0; padding-left: 1.2em }
.notice { border: 1.5px solid #111; padding: .25em .6em; font-weight: bold; margin: .5em 0 }
.pair { display: grid; grid-template-columns: 1fr 1fr; column-gap: 6mm } section { min-width: 0 }
table { border-collapse: collapse; width: 100%; table-layout: fixed } thead { display: table-header-group }
th, td { text-align: left; vertical-align: top; padding: .12em .5em .12em 0; overflow-wrap: break-word }
th { vertical-align: bottom } thead th { border-bottom: 1px solid #111; font-size: .9em; line-height: 1.15;
  hyphens: auto }
tbody tr { border-bottom: 1px solid #ddd; break-inside: avoid } tbody th { font-weight: normal; color: #444;
  vertical-align: top }
.number { text-align: right; font-variant-numeric: tabular-nums }
.figures { display: flex; gap: 2.5mm; margin: .3em 0; break-inside: avoid } figure { margin: 0 }
figure img { display: block; width: 100%; height: auto }
figcaption { font-size: .82em; line-height: 1.2; color: #222; margin-top: .2em }
details { margin: 1em 0 } details pre { font-size: .8em; white-space: pre-wrap; overflow-wrap: anywhere }
.foot { font-size: .82em; color: #444; margin-top: 1.4em }
@media screen { table { table-layout: auto } section { overflow-x: auto } }
@media screen and (max-width: 700px) { .pair { display: block } }
@page { size: A4; margin: 11mm 10mm 14mm;
  @bottom-left { content: "@@FOOTER@@"; font: 7pt Arial, sans-serif; color: #333 }
  @bottom-right { content: "Page " counter(page) " of " counter(pages); font: 7pt Arial, sans-serif; color: #333 } }
@media print { body { font-size: 8.2pt; line-height: 1.25; margin: 0; padding: 0; max-width: none }
  h2 { margin-top: .75em } details, .foot { display: none }
  figure img { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
"""


def write_html(path, content, overwrite=False):
    """Write a report as one HTML file, whole or not at all.

    Parameters
    ----------
    path : str or Path
    content : report.Content
    overwrite : bool

    Raises
    ------
    BadInput
        If the file exists, or cannot be written.
    """
    text = html_text(content)
    with whole_file(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def html_text(content):
    """Return a report as the text of one HTML page: pictures inside, no script, nothing loaded from elsewhere."""
    style = STYLE.replace("@@FOOTER@@", re.sub(r"[^\w .,:;·+-]", " ", content.footer))  # inside a CSS text
    parts = [
        "<!DOCTYPE html>",
        "<html lang='en'><head><meta charset='utf-8'>",
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(content.title)}</title><style>{style}</style></head>",
        f"<body><header><h1>{escape(content.title)}</h1><p class='notice'>{escape(content.notice)}</p></header><main>",
    ]
    for row in rows_of(content.sections):
        sections = "".join(_section(section, WIDTH_MM / len(row)) for section in row)
        parts.append(f"<div class='pair'>{sections}</div>" if len(row) > 1 else sections)
    parts.append("</main>")
    if content.record_text:
        parts.append(
            f"<details><summary>The whole run record</summary><pre>{escape(content.record_text)}</pre></details>"
        )
    parts.append(f"<p class='foot'>{escape(content.footer)}</p></body></html>")
    return "\n".join(parts) + "\n"


def _section(section, width_mm):
    blocks = "".join(_block(block, width_mm) for block in section.blocks)
    return f"<section><h2>{escape(section.heading)}</h2>{blocks}</section>"


def _block(block, width_mm):
    if isinstance(block, Paragraph):
        return f"<p{f' class={chr(39)}{block.style}{chr(39)}' if block.style else ''}>{escape(block.text)}</p>"
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in block.texts) + "</ul>"
    return _figures(block, width_mm) if isinstance(block, FigureRow) else _table(block)


def _figures(row, width_mm):
    shares = [100 * width / width_mm for width in row.widths(width_mm - GAP_MM)]
    return f"<div class='figures'>{''.join(map(_figure, row.figures, shares))}</div>"


def _figure(figure, share):
    data, caption = base64.b64encode(figure.data).decode("ascii"), escape(figure.caption)
    return (
        f"<figure style='width:{share:.2f}%'><img alt='{caption}' width='{figure.size[0]}' height='{figure.size[1]}' "
        f"src='data:image/{figure.kind};base64,{data}'><figcaption>{caption}</figcaption></figure>"
    )


def _table(table: Table):
    columns = "".join(f"<col style='width:{100 * share:.2f}%'>" for share in table.shares)
    head = ""
    if table.header:
        cells = "".join(
            f"<th scope='col'{_kind(table, i)}{_meaning(table, i)}>{escape(text)}</th>"
            for i, text in enumerate(table.header)
        )
        head = f"<thead><tr>{cells}</tr></thead>"
    lines = "".join(f"<tr>{''.join(_cell(table, i, text) for i, text in enumerate(row))}</tr>" for row in table.rows)
    return f"<table><colgroup>{columns}</colgroup>{head}<tbody>{lines}</tbody></table>"


def _cell(table, column, text):
    if column == 0 and not table.header:
        return f"<th scope='row'>{escape(text)}</th>"
    return f"<td{_kind(table, column)}>{escape(text)}</td>"


def _kind(table, column):
    return " class='number'" if column in table.numeric else ""


def _meaning(table, column):
    text = table.meanings[column] if column < len(table.meanings) else ""
    return f" title='{escape(text)}'" if text else ""

"""Self-contained HTML pages of plain paragraphs and tables. The report of an exam is written by `html`."""

from html import escape

STYLE = """
body { font: 15px/1.45 sans-serif; color: #222; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; border-bottom: 1px solid #ccc }
table { border-collapse: collapse } th, td { text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: top }
td.number { text-align: right }
figure { display: inline-block; margin: .3rem .6rem .3rem 0 } figcaption { font-size: .85rem; color: #555 }
img { max-width: 100%; height: auto } .notice { border: 1px solid #999; padding: .4rem .7rem; font-weight: bold }
details pre { font-size: .75rem; white-space: pre-wrap; overflow-wrap: anywhere }
@media print { details { display: none } body { margin: 0 } }
"""


def html_document(title, parts):
    """Return a self-contained HTML page of parts that are HTML already."""
    body = "\n".join(parts)
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head>\n<body>\n{body}\n</body></html>\n"


def html_table(header, rows):
    """Return a table of plain texts as HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    lines = ("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"

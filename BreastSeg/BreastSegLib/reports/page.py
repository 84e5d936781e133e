"""One self-contained HTML page about a run."""

import base64
import json
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


def report_page(record, lesions, notes, pictures, title="Breast lesion segmentation"):
    """Return the HTML text.

    Parameters
    ----------
    record : dict
        The run record; it holds nothing that identifies the patient.
    lesions : sequence of dict
        Rows with ``side`` and ``volume_mm3``, largest first.
    notes : sequence of str
        Sentences worth reading.
    pictures : sequence of (str, bytes)
        Caption and PNG of each picture.
    title : str
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        "<p class='notice'>For research use only. Not a medical device, not for diagnosis or treatment.</p>",
        "<h2>Lesions</h2>",
        _lesions(lesions),
    ]
    if notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>")
    parts.append("<h2>Pictures</h2>")
    parts += [
        f"<figure><img alt='{escape(caption)}' src='data:image/png;base64,{base64.b64encode(png).decode('ascii')}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, png in pictures
    ]
    parts += [
        "<h2>Phases</h2>",
        _phases(record["phases"]),
        "<h2>Run</h2>",
        _run(record),
        "<details><summary>Run record</summary>"
        f"<pre>{escape(json.dumps(record, indent=1, ensure_ascii=False))}</pre></details>",
    ]
    return html_document(title, parts)


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


def _lesions(lesions):
    if not lesions:
        return "<p>No lesion was found.</p>"
    rows = [
        (number, row.get("side") or "unknown", f"{row['volume_mm3'] / 1000:.2f}")
        for number, row in enumerate(lesions, 1)
    ]
    return html_table(("Lesion", "Breast", "Volume (cm³)"), rows)


def _phases(phases):
    rows = [
        (
            "Pre" if row["role"] == "pre" else f"Post {row['number']}",
            "unknown" if row["time_s"] is None else f"{row['time_s']:+.0f}",
            row["evidence"],
        )
        for row in phases
    ]
    return html_table(("Phase", "Time (s)", "Decided by"), rows)


def _run(record):
    seconds = ", ".join(f"{stage.lower()} {value:.1f} s" for stage, value in record["seconds"].items())
    rows = [
        ("Model", f"{record['model']['name']} (folds {', '.join(map(str, record['model']['folds']))})"),
        ("Recipe", record["recipe"]["name"]),
        ("Device", record["device_name"]),
        ("Time", seconds),
        ("Started", record["started"]),
        ("Run", record["id"]),
    ]
    return html_table(("", ""), rows)

"""What a report says in tables: exam, phases or views, lesions, model, run. Nothing here identifies the patient."""

from datetime import datetime
from itertools import zip_longest

from ..measures.quantities import NONE, quantities
from .blocks import Paragraph, Table, shortened

MOST_PHASES, COLUMN = 14, 6  # rows; of more phases the first and the last are listed; phases below each other
CURVE_KEYS = ("curve_type", "persistent_pct", "plateau_pct", "washout_pct", "ftv_mm3")
LONG = 420  # characters of descriptions of a model


def exam_table(exam, measures, record):
    """Return what was acquired, as names and values."""
    if measures.get("kind") == "mammograms":
        rows = [("Exam", f"Mammograms, {_count(len(exam.views), 'view')}")]
    else:
        rows = [("Exam", f"DCE-MRI, {_count(len(exam.phases), 'phase')}"), *_grid_rows(exam, measures)]
    total = measures.get("total") or {}
    lesions = measures.get("lesions") or []
    counted = " (each view counted for itself)" if lesions and measures.get("kind") == "mammograms" else ""
    rows.append(("Lesions", f"{len(lesions)}{counted}" if lesions else "none found"))
    if lesions and total.get("volume_mm3") is not None:
        rows.append(("Lesion volume", f"{total['volume_mm3'] / 1000:.2f} cm³ in all"))
    model = _inner(record, "model", "name")
    rows.append(
        (
            "Outlines",
            f"by the model {shortened(model, 64)}; may have been edited since"
            if model
            else "a mask given by the user",
        )
    )
    return _names_and_values(rows, 0.27)


def _grid_rows(exam, measures):
    shape, spacing = exam.geometry.shape[::-1], exam.geometry.spacing
    rows = [("Grid", " × ".join(map(str, shape)) + " voxels")]
    known = measures.get("spacing_known", exam.spacing_known)
    size = " × ".join(f"{s:.3g}" for s in spacing) + " mm" if known else "unknown: no lengths or volumes are given"
    rows.append(("Voxel size", size))
    if exam.motion:
        rows.append(("Motion", "phases were moved onto the first post-contrast phase"))
    return rows


def phase_blocks(phases):
    """Return name, time and evidence of each phase; of very many only the first and last.

    Returns
    -------
    tuple of Table or Paragraph
        The evidence is told once where it is the same for all.
    """
    rows = [
        (
            "Pre" if phase.role == "pre" else f"{phase.role.capitalize()} {phase.number}",
            "unknown" if phase.time_s is None else signed(phase.time_s),
            shortened(phase.evidence, 120) or NONE,
        )
        for phase in phases
    ]
    evidence = {row[2] for row in rows}
    if len(evidence) > 1:
        header = ("Phase", "Time (s)", "Decided by")
        return (Table(tuple(_first_and_last(rows, MOST_PHASES)), header, (1,), (0.2, 0.2, 0.6)),)
    rows = [row[:2] for row in _first_and_last(rows, 2 * MOST_PHASES)]
    half = -(-len(rows) // 2) if len(rows) > COLUMN else len(rows)
    lines = [(*row, "", *beside) for row, beside in zip_longest(rows[:half], rows[half:], fillvalue=("", ""))]
    header = ("Phase", "Time (s)", "", *(("Phase", "Time (s)") if half < len(rows) else ("", "")))
    table = Table(tuple(lines), header, (1, 4), (0.24, 0.2, 0.1, 0.24, 0.22))
    return table, Paragraph(f"Decided by {evidence.pop()}.", "small")


def _first_and_last(rows, most):
    """Return rows, of more than `most` the first ones, how many are left out, and the last."""
    if len(rows) <= most:
        return rows
    return [*rows[: most - 2], (f"{len(rows) - most + 1} more", "…", "…"), rows[-1]]


def signed(seconds):
    """Return seconds with their sign, such as ``+90``, ``0`` or ``−60``."""
    return "0" if round(seconds) == 0 else f"{seconds:+.0f}".replace("-", "−")


def phase_title(phase):
    """Return a phase's name and time for captions, such as ``Post 1 (+90 s)``; the time stays on one line."""
    name = "Pre" if phase.role == "pre" else f"{phase.role.capitalize()}\u00a0{phase.number}"
    return name if phase.time_s is None else f"{name} ({signed(phase.time_s)}\u00a0s)"


def view_table(views, rows):
    """Return name, pixel size and number of lesions of each mammogram."""
    lines = [
        (
            view.name,
            view.title,
            " × ".join(f"{s:.3g}" for s in view.spacing) + " mm" if view.spacing else "unknown",
            str(sum(row.get("view_index") == index for row in rows)),
        )
        for index, view in enumerate(views)
    ]
    return Table(tuple(lines), ("View", "Shows", "Pixel size", "Lesions"), (3,), (0.2, 0.3, 0.32, 0.18))


def lesion_table(measures):
    """Return the basic quantities of all lesions; None without lesions."""
    return _quantity_table(measures, [q for q in quantities(measures["kind"]) if q.basic])


def further_table(measures):
    """Return the other quantities of all lesions, without those of the curves; None without lesions."""
    wanted = [q for q in quantities(measures["kind"]) if not q.basic and q.key not in CURVE_KEYS]
    return _quantity_table(measures, wanted, named=False)


def curve_table(measures):
    """Return type and shares of the curves and the functional tumour volume of all lesions."""
    by_key = {q.key: q for q in quantities("dce")}
    return _quantity_table(measures, [by_key[key] for key in CURVE_KEYS], named=False)


def threshold_paragraph(measures):
    """Return the sentence about the functional tumour volume in all and its thresholds; None where it is unknown."""
    settings, total = measures.get("settings") or {}, (measures.get("total") or {}).get("ftv_mm3")
    names = ("pe_threshold_pct", "early_s", "background_fraction", "background_percentile", "min_neighbours")
    names = (*names, "ser_min", "region_margin_mm")
    if total is None or any(not isinstance(settings.get(name), (int, float)) for name in names):
        return None
    text = (
        "Functional tumour volume in all: {:.2f} cm³. It counts voxels that enhance by {:g} % or more at the early "
        "phase (wished at {:g} s), have at least {:g} % of the {:g}th percentile of the signal before contrast, {:g} "
        "or more neighbours of that kind, and a signal enhancement ratio of {:g} or more, up to {:g} mm beyond each "
        "lesion's box."
    )
    values = (settings[name] * (100 if name == "background_fraction" else 1) for name in names)
    return Paragraph(text.format(total / 1000, *values), "small")


def model_table(card):
    """Return what the model's card says; None without a card."""
    if not card:
        return None
    rows = [
        ("Model", _text(card.get("title")) or _text(card.get("name"))),
        ("Name", _text(card.get("name"))),
        ("About", _text(card.get("description"))),
        ("Training", training_summary(card.get("training"))),
        ("Members", ", ".join(_text(m.get("model")) for m in card.get("members", ()) if isinstance(m, dict))),
        ("Licence", _text(card.get("licence"))),
        ("Citation", _text(card.get("citation"))),
    ]
    return _names_and_values([(name, shortened(text, LONG)) for name, text in rows if text], 0.2)


def training_summary(training):
    """Return the card's training summary as one text."""
    if isinstance(training, str):
        return training
    if not isinstance(training, dict):
        return ""
    plain = {k: v for k, v in training.items() if isinstance(v, (str, int, float)) and v != ""}
    return "; ".join(f"{key.replace('_', ' ')}: {value}" for key, value in plain.items())


def run_table(record):
    """Return how the run was made, as names and values; None without a record."""
    if not record:
        return None
    folds = _inner(record, "model", "folds")
    folds = f", folds {', '.join(map(str, folds))}" if isinstance(folds, list) and folds else ""
    seconds = record.get("seconds")
    numbers = [s for s in seconds.values() if isinstance(s, (int, float))] if isinstance(seconds, dict) else []
    rows = [
        ("Run", record.get("id")),
        ("Started", _moment(str(record.get("started", "")))),
        ("Model", f"{_inner(record, 'model', 'name') or NONE}{folds}"),
        ("Files", str(_inner(record, "model", "hash") or "")[:16]),
        ("Recipe", _inner(record, "recipe", "name")),
        ("Device", record.get("device_name")),
        ("Options", _options(record)),
        ("Time", f"{sum(numbers):.0f} s" if numbers else ""),
        ("BreastSeg", record.get("extension")),
    ]
    return _names_and_values([(name, shortened(text, 200)) for name, text in rows if text], 0.24)


def lesion_name(row):
    """Return what a lesion is called in tables and captions: its number, of mammograms after its view."""
    return f"{row['view']} {row['label']}" if row.get("view") else str(row["label"])


def _options(record):
    words = {"tta": ("one pass", "mirrored passes averaged"), "cleanup": ("mask as predicted", "mask cleaned up")}
    return ", ".join(texts[bool(record[key])] for key, texts in words.items() if key in record)


def _moment(text):
    """Return a moment without seconds, such as ``2026-11-29 08:00 UTC``; other texts as they are."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".strip()


def _quantity_table(measures, wanted, named=True):
    """Return a table of quantities, lesions as rows; columns in which nothing is known are left out."""
    rows = measures.get("lesions") or []
    wanted = [q for q in wanted if any(q.text(row.get(q.key)) != NONE for row in rows)]
    if not rows or not wanted:
        return None
    names = named and any(row.get("name") for row in rows)
    header = ["Lesion", *(["Name"] if names else []), *(q.heading for q in wanted)]
    lines = []
    for row in rows:
        texts = [q.text(row.get(q.key)) for q in wanted]
        name = [shortened(row.get("name") or NONE, 60)] if names else []
        number = f"{row['label']}" if any(q.key == "view" for q in wanted) else lesion_name(row)
        lines.append((number, *name, *(shortened(text, 60) for text in texts)))
    skipped = 2 if names else 1
    numeric = tuple(i + skipped for i, q in enumerate(wanted) if q.is_number)
    widths = [_room(column) for column in zip(header, *lines)]
    meanings = ("", *([""] if names else []), *(q.meaning for q in wanted))
    return Table(tuple(lines), tuple(header), numeric, tuple(w / sum(widths) for w in widths), meanings)


def _room(texts):
    """Return how much room a column needs: for the longest word of its heading, which is bold, and its values."""
    heading, *values = texts
    words = max(1.25 * len(word) for word in heading.split())
    return max(words, *(1.35 * min(len(value), 14) for value in values)) + 4


def _names_and_values(rows, share):
    return Table(tuple((name, str(text)) for name, text in rows), shares=(share, 1 - share))


def _inner(record, *keys):
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def _text(value):
    return value if isinstance(value, str) else ""


def _count(number, noun):
    return f"{number} {noun}{'s' if number != 1 else ''}"

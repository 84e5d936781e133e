"""The evaluation as one HTML page: what was compared with what, numbers, figures, worst cases."""

import base64
from html import escape

from BreastSegLib.reports.page import html_document

from .caserecord import STAGES, counted, image_class_of
from .figures import group_figure
from .figurestyle import DPI
from .groups import title
from .pictures import DPI as PICTURE_DPI
from .stats import mean

NOTICE = "<p class='notice'>For research use only. Not a medical device, not for diagnosis or treatment.</p>"
STYLE = """<style>
body { max-width: 62rem } h3 { font-size: 1rem; margin: 1rem 0 .2rem }
th { font-weight: 600; border-bottom: 1px solid #999 } td.number, th.number { text-align: right; white-space: nowrap }
table.facts th { border: 0 } tr.strong td { font-weight: 600; border-top: 1px solid #999 }
figure { break-inside: avoid } figcaption { max-width: 44rem } ul { padding-left: 1.2rem }
</style>"""
MOST_IN_GROUPS = 5  # measures in the tables of groups and folds; summary.csv has all
STAGE_TEXTS = {"raw": "Raw", "cleaned": "Cleaned"}
GRIDS = {"prepared": "the prepared grid (that of the network's input)", "exam": "the exam's own grid"}
CAPTIONS = {
    "distribution": "Each dot is a case, the bar the median.",
    "confusion": "Voxels of all cases together, each row adds up to 1 (M4); images by the classes of M5.",
    "froc": "Sensitivity for lesions over false lesions per image, for every threshold.",
    "bands": "Cases in each band of the Jaccard index (M3).",
    "sizes": "Left: the dashed line is equality. Right: dots above 0 are lesions drawn too large; the solid line is "
    "the mean difference, the dotted lines are the limits of agreement (mean ± 1.96 SD).",
}
LEVEL_TEXT = (
    "True positive: Dice above 0.4. True negative: both masks empty. False negative: lesion in the truth, prediction "
    "empty. False positive: everything else, also a lesion that was missed while something else was marked (M5)."
)


def evaluation_page(evaluation, figures, pictures=()):
    """Return the page as HTML text.

    Parameters
    ----------
    evaluation : dict
        Content of ``evaluation.json``.
    figures : dict of str to bytes
        PNG by name.
    pictures : sequence of (str, bytes)
        Caption and PNG of the worst cases.
    """
    shown = shown_measures(evaluation)
    parts = [
        f"<h1>Evaluation: {escape(evaluation['name'])}</h1>",
        STYLE,
        NOTICE,
        _facts(evaluation),
        "<h2>All cases</h2>",
        _summary(evaluation, shown),
        _notes(evaluation["notes"]),
        _figure(figures, "distribution"),
        *_section("Folds", _folds(evaluation, shown)),
        *_section("Lesions found", _detection(evaluation) + _figure(figures, "froc")),
        *_section("Voxels and images", _image_level(evaluation) + _figure(figures, "confusion")),
        *_section("Bands", _figure(figures, "bands")),
        *_section("Lesion sizes", _figure(figures, "sizes")),
        *_section("Groups", _groups(evaluation, figures, shown)),
        *_section("Fairness", _fairness(evaluation)),
        *_section("Worst cases", _pictures(evaluation, pictures)),
        *_section("Every case", _cases(evaluation, shown)),
        *_section("How the measures are defined", _definitions(evaluation, shown)),
    ]
    return html_document(f"Evaluation: {evaluation['name']}", parts)


def shown_measures(evaluation):
    """Return the measures that tables show: the wanted ones first, else all of which is known what is better."""
    described = evaluation["measures"]
    wanted = [name for name in evaluation.get("shown", ()) if name in described]
    return wanted or [name for name, measure in described.items() if measure.get("better")]


def number(value, measure=None):
    """Return a number as tables show it: shares with three decimals, others with three figures."""
    if value is None:
        return "–"
    digits = 3 if not (measure and measure.get("unit")) else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text  # there is no minus nothing


def title_with_unit(measure):
    """Return the title of a measure with its unit."""
    return measure["title"] + (f" ({measure['unit']})" if measure.get("unit") else "")


def heading(measure):
    """Return the title of a measure with its unit and which way is better."""
    return title_with_unit(measure) + {"higher": " ↑", "lower": " ↓"}.get(measure.get("better"), "")


def mean_text(found, measure):
    """Return mean ± SD of a summary."""
    if not found or not found["n"]:
        return "–"
    spread = "" if found["sd"] is None else f" ± {number(found['sd'], measure)}"
    return number(found["mean"], measure) + spread


def table(header, rows):
    """Return a table as HTML: the first column is text, the others are numbers."""
    first, *others = (escape(cell) for cell in header)
    head = f"<th>{first}</th>" + "".join(f"<th class='number'>{cell}</th>" for cell in others)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td class='number'>{escape(str(cell))}</td>" for cell in others)
        lines.append(f"<tr><td>{escape(str(first))}</td>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def image(png, caption, text="", dpi=DPI):
    """Return a figure with the PNG in it, which was drawn with so many dots per inch."""
    data = base64.b64encode(png).decode("ascii")
    width = round(int.from_bytes(png[16:20]) * 96 / dpi)  # as wide as it was drawn
    below = f"<figcaption>{escape(text or caption)}</figcaption>"
    source = f"src='data:image/png;base64,{data}' width='{width}'"
    return f"<figure><img alt='{escape(caption, quote=True)}' {source}>{below}</figure>"


def _facts(evaluation):
    rows = [
        *((("Dataset", evaluation["dataset"]),) if evaluation.get("dataset") else ()),
        ("Truth", evaluation["truth"]),
        ("Prediction", evaluation["prediction"]),
        ("Measured on", GRIDS.get(evaluation["grid"], evaluation["grid"])),
        ("Cases", str(len(evaluation["cases"]))),
        ("Clean-up", _cleanup_text(evaluation)),
        ("Judged", f"{STAGE_TEXTS[evaluation['stage']].lower()} masks, where only one is told"),
        ("Made", evaluation["created"][:16].replace("T", " ") + " UTC"),
    ]
    tolerance = evaluation["options"].get("tolerance_mm")
    if tolerance and "nsd" in evaluation["measures"]:
        rows.insert(-3, ("Tolerance of Surface Dice", f"{tolerance:g} mm"))
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(text))}</td></tr>" for name, text in rows)
    return f"<table class='facts'>{lines}</table>"


def _cleanup_text(evaluation):
    text = evaluation["options"].get("cleanup")
    return "none" if text in (None, "none", False) else str(text)


def _summary(evaluation, shown):
    rows = []
    stages = [stage for stage in STAGES if evaluation["summary"].get(stage)]
    for name in shown:
        measure = evaluation["measures"][name]
        for stage in stages:
            found = evaluation["summary"][stage][name]
            label = heading(measure) + (f", {stage}" if len(stages) > 1 else "")
            interval = f"{number(found['ci_low'], measure)} to {number(found['ci_high'], measure)}"
            span = f"{number(found['min'], measure)} to {number(found['max'], measure)}"
            cells = (mean_text(found, measure), interval, number(found["median"], measure), span)
            cells = cells if found["n"] > 1 else (cells[0], "–", *cells[2:])
            rows.append((label, *cells, found["n"]))
    return table(("Measure", "Mean ± SD", "95 % interval of the mean", "Median", "Lowest to highest", "n"), rows)


def _notes(notes):
    return "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>" if notes else ""


def _folds(evaluation, shown):
    folds = evaluation.get("folds") or {}
    if len(folds) < 2:
        return ""
    described, shown = evaluation["measures"], shown[:MOST_IN_GROUPS]
    rows = [
        (f"Fold {fold}", *(mean_text(found[name], described[name]) for name in shown), _most(found, shown))
        for fold, found in folds.items()
    ]
    means = [number(mean([found[name]["mean"] for found in folds.values()]), described[name]) for name in shown]
    rows.append(("Mean of folds", *means, ""))
    return table(("", *(heading(described[name]) for name in shown), "n"), rows) + "<p>Mean ± SD of the cases.</p>"


def _most(found, shown):
    return max((found[name]["n"] for name in shown), default=0)


def _detection(evaluation):
    rows = []
    for stage, field in (("Raw", "detection"), ("Cleaned", "cleaned_detection")):
        found = evaluation.get(field)
        if found and found.get("images"):
            counts = (found["truth"], found["found"], number(found["sensitivity"]))
            rows.append((stage, *counts, found["false"], number(found["false_per_image"]), found["images"]))
    header = ("", "Lesions", "Found", "Sensitivity", "False lesions", "False per image", "Images")
    return table(header, rows) if rows else ""


def _image_level(evaluation):
    found = evaluation.get("image_level")
    if not found:
        return ""
    counts = [found[name] for name in ("TP", "TN", "FP", "FN")]
    shares = [number(found[name]) for name in ("accuracy", "sensitivity", "specificity", "f1")]
    header = ("Images", "TP", "TN", "FP", "FN", "Accuracy", "Sensitivity", "Specificity", "F1")
    return table(header, [(sum(counts), *counts, *shares)]) + f"<p>{escape(LEVEL_TEXT)}</p>"


def _groups(evaluation, figures, shown):
    parts = []
    shown = shown[:MOST_IN_GROUPS]
    for column, groups in evaluation["groups"].items():
        if not groups:
            continue
        rows = [
            (name, *(mean_text(found[m], evaluation["measures"][m]) for m in shown), _most(found, shown))
            for name, found in groups.items()
        ]
        header = (title(column), *(heading(evaluation["measures"][name]) for name in shown), "n")
        parts += [f"<h3>{escape(title(column))}</h3>", table(header, rows), _figure(figures, group_figure(column))]
    return "".join(parts)


def _fairness(evaluation):
    found = evaluation.get("fairness") or {}
    parts = []
    if found.get("parity"):
        rows = [
            (title(column), number(p["difference"]), _group_text(p, p["best"]), _group_text(p, p["worst"]))
            for column, p in found["parity"].items()
        ]
        parts.append(table(("Between groups of", "Difference of mean Dice", "Best", "Worst"), rows))
        parts.append(f"<p>{escape(found['definition'])}</p>")
    score = found.get("challenge")
    if score:
        rows = [("Performance", number(score["performance"]), "", "")]
        rows += [
            (f"Fairness: {title(c)}", number(v["fairness"]), number(v["delta_dice"]), number(v["delta_norm_hd"]))
            for c, v in score["variables"].items()
        ]
        rows += [("Fairness", number(score["fairness"]), "", ""), ("Total", number(score["total"]), "", "")]
        parts.append("<h3>Challenge score (M6)</h3>")
        parts.append(table(("", "Score", "ΔDice", "ΔNormHD"), rows))
        lost = f" Without two groups to compare: {', '.join(score['left_out'])}." if score["left_out"] else ""
        parts.append(f"<p>{escape(score['definition'] + lost)}</p>")
    return "".join(parts)


def _group_text(found, group):
    return f"{group}: {found['means'][group]:.3f} (n = {found['n'][group]})"


def _pictures(evaluation, pictures):
    if not pictures:
        return ""
    stage = STAGE_TEXTS[evaluation["stage"]].lower()
    text = (
        f"The cases with the lowest Dice of the {stage} masks. Above each whole slice, below the part in the frame. "
        "Yellow: truth (dotted in the pictures of predictions); blue: prediction."
    )
    text += " Pictures are on the prepared grid." if evaluation["grid"] == "exam" else ""
    return f"<p>{escape(text)}</p>" + "".join(image(png, caption, dpi=PICTURE_DPI) for caption, png in pictures)


def _cases(evaluation, shown):
    stage, described = evaluation["stage"], evaluation["measures"]
    rows = []
    for record in sorted(evaluation["cases"], key=_by_dice(stage)):
        values = (number((record.get(stage) or {}).get(name), described[name]) for name in shown)
        fold = "–" if record.get("fold") is None else record["fold"]
        rows.append((record["case"], fold, *values, image_class_of(record, stage) or "–"))
    header = ("Case", "Fold", *(heading(described[name]) for name in shown), "Image class")
    text = f"{counted(len(rows), 'case')}, the lowest Dice first"
    return f"<details><summary>{text}</summary>{table(header, rows)}</details>"


def _by_dice(stage):
    def key(record):
        value = (record.get(stage) or {}).get("dice")
        return (value is None, value if value is not None else 0, record["case"])

    return key


def _definitions(evaluation, shown):
    rows = []
    for name in shown:
        measure = evaluation["measures"][name]
        texts = (measure.get("definition", ""), measure.get("empty", ""), measure.get("source", ""))
        rows.append("".join(f"<td>{escape(text)}</td>" for text in (heading(measure), *texts)))
    head = "".join(f"<th>{text}</th>" for text in ("Measure", "Definition", "Empty masks", "Source"))
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _figure(figures, name):
    if name not in figures:
        return ""
    text = CAPTIONS.get(name, "Dice of each group. Each dot is a case, the bar the median.")
    return image(figures[name], name.replace("_", " "), text)


def _section(text, body):
    return (f"<h2>{escape(text)}</h2>", body) if body else ()

"""The summary of a table: numbers as NumPy and pandas count them, and nothing that tells who somebody is."""

import csv
import re
import xml.etree.ElementTree as xml

import numpy as np
import pandas as pd
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.cases import Case, CaseTable
from BreastSegTrainingLib.dataset.names import KeyRow, write_key
from BreastSegTrainingLib.dataset.summary import figures_of, flow_of, summarise, summary_page, write_summary
from BreastSegTrainingLib.dataset.svg import histogram_svg, nice_edges, plain_number
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    cases = []
    for k in range(200):
        values = {
            "case": f"MEIER_{k}",
            "patient": f"MEIER {k // 2}",
            "exam": f"/home/anna/{k}",
            "centre": ["DUKE", "NACT", "<b>&"][k % 3],
            "age": f"{rng.normal(52, 9):.1f}".replace(".", ","),
            "volume_mm3": f"{rng.lognormal(7, 1):.1f}" if k % 4 else "",
            "density": ["1", "b", "C", "", "iv"][k % 5],
            "status": "ok",
        }
        if k % 10 == 0:
            values |= {"status": "refused", "findings": f"mask-empty: the mask of MEIER {k} is empty; mask-grid: x"}
        elif k % 10 == 1:
            values |= {"selected": "no", "reason": f"rule: motion of MEIER {k} is 2.{k} mm"}
        elif k % 10 == 2:
            values |= {"selected": "no", "reason": "Frau Meier moved"}
        cases.append(Case(values))
    return CaseTable(cases)


def frame(table):
    """The used cases as pandas sees them."""
    data = pd.DataFrame([case.values for case in table])
    data = data[(data.status == "ok") & (data.get("selected").isna())]
    for name in ("age", "volume_mm3"):
        data[name] = pd.to_numeric(data[name].str.replace(",", "."), errors="coerce")
    return data


def row(found, label):
    return dict(zip(found["centres"], next(row for row in found["rows"] if row[0] == label)[1:]))


def test_numbers_are_those_of_pandas(table):
    found, data = summarise(table), frame(table)
    assert found["centres"] == ["<b>&", "DUKE", "NACT", "All"]
    cases, patients, ages = (row(found, label) for label in ("Cases", "Patients", "Age (years)"))
    volumes = row(found, "Lesion (mm³)")
    for centre, own in [*data.groupby("centre"), ("All", data)]:
        assert (int(cases[centre]), int(patients[centre])) == (len(own), own.patient.nunique())
        low, middle, high = own.age.quantile([0.25, 0.5, 0.75])
        numbers = [float(text) for text in re.findall(r"[0-9.]+", ages[centre])]
        assert numbers == pytest.approx([middle, low, high, own.age.min(), own.age.max()], rel=1e-3)
        known = own.volume_mm3.dropna()
        assert float(volumes[centre].split()[0].replace(",", "")) == pytest.approx(known.median(), rel=1e-3)
        assert volumes[centre].endswith(f", of {len(known)}") == (len(known) < len(own))


def test_spellings_count_as_one_category(table):
    found = summarise(table)
    counts = {label: row(found, f"Density: {label}")["All"] for label in ("a", "b", "c", "d", "unknown")}
    data = frame(table).density.map({"1": "a", "b": "b", "C": "c", "iv": "d"}).fillna("unknown")
    assert {label: int(text.split()[0]) for label, text in counts.items()} == data.value_counts().to_dict()


def test_the_flow_accounts_for_every_case(table):
    flow = flow_of(table)
    texts = [text for text, _, _ in flow]
    assert texts == [
        "In the table",
        "Refused by the check: empty mask",
        "Left out: by the selection rules",
        "Left out: by hand",
        "Used",
    ]
    counts = [cases for _, cases, _ in flow]
    assert counts[0] == sum(counts[1:]) == 200 and counts[1:4] == [20, 20, 20]


def test_nothing_tells_who_somebody_is(table):
    page = summary_page(table)
    assert not any(word in page for word in ("MEIER", "Meier", "/home", "anna"))
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page


def test_what_a_person_wrote_is_not_a_check():
    cases = [
        Case({"case": "c", "patient": "p", "exam": "e", "status": "refused", "findings": text})
        for text in ("Frau Meier moved", "Meier: wrong side", "export: the disk", "mask-empty: of Meier")
    ]
    texts = [text for text, _, _ in flow_of(CaseTable(cases))]
    assert sorted(texts[1:-1]) == [
        "Could not be exported",
        "Refused by the check: empty mask",
        "Refused by the check: not told",
    ]


def test_figures_hold_every_known_value(table):
    figures = figures_of(table)
    assert list(figures) == ["Lesion size (mm³)", "Age (years)"]
    data = frame(table)
    for svg, count in zip(figures.values(), (data.volume_mm3.count(), data.age.count())):
        tree = xml.fromstring(svg)
        titles = [title.text for title in tree.iter("{http://www.w3.org/2000/svg}title")]
        assert sum(int(text.rpartition(": ")[2]) for text in titles) == count


def test_a_histogram_is_drawn_to_scale():
    tree = xml.fromstring(histogram_svg({"a": [1, 1, 1, 3], "b": [1]}, [0, 2, 4], "t", "x"))
    bars = [r for r in tree.iter("{http://www.w3.org/2000/svg}rect") if len(r)]
    heights = [float(bar.get("height")) for bar in bars]
    assert len(bars) == 3 and heights[0] == pytest.approx(3 * heights[1], abs=0.2)
    assert float(bars[2].get("y")) == pytest.approx(float(bars[0].get("y")) - heights[2], abs=0.2)  # stacked


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=30), st.booleans())
def test_edges_are_round_and_hold_everything(values, log):
    edges = nice_edges(np.array(values), log)
    assert edges[0] <= min(values) * (1 + 1e-9) and max(values) <= edges[-1] * (1 + 1e-9)
    assert np.all(np.diff(edges) > 0) and 2 <= len(edges) <= 40


@pytest.mark.parametrize(
    "value, text",
    [(0, "0"), (91070.4, "91,070"), (3.14159, "3.142"), (0.00123456, "0.001235"), (50, "50"), (1e6, "1,000,000")],
)
def test_numbers_for_people(value, text):
    assert plain_number(value) == text


def test_few_and_strange_values():
    for ages in ([], ["51"], ["51", "51"], ["x", "50", "60"]):
        cases = [Case({"case": f"c{k}", "patient": "p", "exam": "e", "age": age}) for k, age in enumerate(ages)]
        assert "not checked" in summary_page(CaseTable(cases)) or not ages


def test_the_verb_writes_page_and_numbers(table, tmp_path, capsys):
    table.write(tmp_path / "t.csv")
    rows = [KeyRow(f"P{k:03d}_1", f"MEIER_{k}", "x", "test" if k < 60 else "train") for k in range(200)]
    write_key(tmp_path / "key.csv", rows)
    command = ["summary", str(tmp_path / "t.csv"), "--key", str(tmp_path / "key.csv"), "--output"]
    assert main([*command, str(tmp_path / "s.html")]) == 0
    assert "Used: 140 cases" in capsys.readouterr().out
    assert "<svg" in (tmp_path / "s.html").read_text(encoding="utf-8")
    assert main([*command, str(tmp_path / "s.csv")]) == 0
    with open(tmp_path / "s.csv", encoding="utf-8-sig", newline="") as stream:
        found = list(csv.reader(stream))
    assert next(r for r in found if r[0] == "Test cases")[-1] == "42"
    assert main([*command, str(tmp_path / "s.csv")]) == 2  # not replaced unasked
    assert "exists" in capsys.readouterr().err


def test_a_summary_that_is_there_is_kept(table, tmp_path):
    (tmp_path / "s.html").write_text("mine")
    with pytest.raises(BadInput, match="exists"):
        write_summary(tmp_path / "s.html", table)
    assert (tmp_path / "s.html").read_text() == "mine"

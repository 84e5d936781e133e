"""Packages that Slicer does not bring are asked for before the command that needs them begins."""

import importlib.util

import pytest
from BreastSegLib.errors import BadInput
from training_fixtures import asked, panel, table, told, training, widget  # noqa: F401


@pytest.mark.parametrize(
    "arguments, outlines, expected",
    [
        (["cases", "--layout", "mama-mia", "x", "--output", "y"], False, ("openpyxl",)),
        (["cases", "--layout", "inbreast", "x", "--output", "y"], False, ("skimage", "xlrd")),
        (["cases", "--layout", "folder", "x", "--output", "y"], False, ()),
        (["check", "t.csv", "--recipe", "inbreast-ffdm"], True, ("skimage",)),
        (["quality", "t.csv"], False, ()),
        (["export", "t.csv", "--recipe", "phase-aware-0000-0002"], False, ("sklearn",)),
        (["export", "t.csv", "--recipe", "phase-aware-clahe"], True, ("sklearn", "skimage")),
        (["export", "t.csv", "--recipe", "no-such-recipe"], False, ("sklearn",)),
        (["select", "t.csv", "--rule", "age > 3"], True, ()),
    ],
)
def test_what_a_command_needs(training, arguments, outlines, expected):  # noqa: F811
    from BreastSegTrainingLib.panel import needs

    assert needs.neededFor(arguments, outlines) == expected


def test_every_need_is_pinned_in_the_requirements(training):  # noqa: F811
    from BreastSegTrainingLib.panel import needs

    lines = needs.REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    listed = {line.split(">=")[0] for line in lines if line and not line.startswith("#")}
    assert set(needs.DISTRIBUTIONS.values()) == listed


def test_nothing_starts_without_its_packages(panel, table, told, monkeypatch):  # noqa: F811
    import slicer.packaging

    requests = []

    def decline(requirements, requester=None, **_):
        requests.append((requirements, requester))
        raise RuntimeError("declined")

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "openpyxl" else find(name, *a))
    monkeypatch.setattr(slicer.packaging, "pip_ensure", decline)
    panel.open(table)
    panel.run(["cases", "--layout", "mama-mia", "/data", "--output", str(table)], lambda event: None)
    assert told == [] and not panel.working
    assert requests == [(["openpyxl>=3.1"], "BreastSeg")]
    assert "openpyxl" in panel.ui.statusLabel.text and isinstance(panel.error, (BadInput, Exception))
    panel.run(["quality", str(table)], lambda event: None)
    assert len(told) == 1

"""The sentences that say what is missing, and the phase table's rules. Needs no host."""

import sys
from dataclasses import replace

import pytest
from BreastSegLib.exam.dce import Phase, number_phases
from BreastSegLib.panel import phaserows, state

READY = state.PanelState(source="folder", chosen=1, phases=3, models=1, model="Demo")

MISSING = [
    ({"phases": 0, "chosen": 0}, "Choose an exam folder first."),
    ({"phases": 0, "chosen": 0, "source": "files"}, "Choose the image files first."),
    ({"phases": 0, "chosen": 0, "source": "nodes"}, "Tick the volumes of the exam first."),
    ({"phases": 0, "source": "files"}, "Say first what the files are."),
    ({"phases": 0}, "Press “Load exam”."),
    ({"question": "clock"}, "Answer the question under “Load exam” first."),
    ({"phases": 0, "views": 4, "model": ""}, "Choose a model first."),
    ({"volumesGone": True, "phases": 0}, "Volumes of the exam were removed from the scene. Load the exam again."),
    ({"phaseProblem": "Every phase is left out."}, "Every phase is left out."),
    ({"models": 0, "model": ""}, "No model is installed."),
    ({"model": ""}, "Choose a model first."),
    ({"modelProblem": "The model wants post2."}, "The model wants post2."),
    ({"working": "loading"}, "The exam is being loaded."),
    ({"working": "segmenting"}, "The segmentation is running."),
]


def test_panel_state_needs_no_qt():
    for name in ("BreastSegLib.panel.state", "BreastSegLib.panel.phaserows"):
        module = sys.modules[name]
        assert not {"qt", "ctk", "slicer", "vtk"} & set(vars(module))


@pytest.mark.parametrize("change, sentence", MISSING)
def test_each_missing_thing_has_its_sentence(change, sentence):
    now = replace(READY, **change)
    assert state.whatIsMissing(now) == sentence
    assert not state.canSegment(now)


@pytest.mark.parametrize(
    "names, meaning",
    [
        (["pre.nii.gz", "post1.nii.gz"], "phases"),
        (["case_0000.nii.gz", "case_0001.nii.gz"], ""),
        (["A_0000.NRRD"], ""),
        (["LCC.dcm", "RCC.png"], "mammograms"),
        (["LCC.png", "pre.nii"], ""),
        (["IM00001"], ""),
        ([], ""),
    ],
)
def test_what_files_are_is_preset_only_where_their_names_tell_it(names, meaning):
    assert state.meaningOf(names) == meaning


def test_details_of_a_phase_are_listed(rows):
    phase = Phase("post", 1, 0.0, "tag", (), 80.0, 21.4, ("Trigger Time says post 2",))
    assert phaserows.detailsOf(phase, "2.1 → 0.4 mm").split("\n") == [
        "Since the injection: 21 s",
        "Temporal resolution: 80 s",
        "Motion correction: 2.1 → 0.4 mm",
        "Contradiction: Trigger Time says post 2",
    ]
    assert phaserows.rowsOf([phase], ["A"])[0].contradicted and not rows[0].contradicted


def test_kept_rows_come_back(rows):
    changed = phaserows.setRole(phaserows.setTime(phaserows.move(rows, 2, 1), 1, "7"), 2, "unused")
    assert phaserows.restored(rows, phaserows.keptRows(changed)) == changed


def test_nothing_missing():
    assert state.whatIsMissing(READY) == ""
    assert state.canSegment(READY) and state.canLoad(READY)


def test_loading_needs_a_choice_and_rest():
    assert state.whatIsMissingToLoad(replace(READY, chosen=0)) == "Choose an exam folder first."
    assert not state.canLoad(replace(READY, working="segmenting"))


def test_sentences_are_translated():
    assert state.whatIsMissing(replace(READY, models=0), str.upper) == "NO MODEL IS INSTALLED."


@pytest.mark.parametrize(
    "seconds, text", [(None, ""), (-1, ""), (1, "almost done"), (12.4, "about 12 s left"), (200, "about 3 min left")]
)
def test_time_left(seconds, text):
    assert state.timeLeft(seconds) == text


@pytest.fixture
def rows():
    phases = number_phases(
        [("pre", -90, "tag", ()), ("post", 0, "tag", ()), ("post", 60, "tag", ()), ("post", 120, "tag", ())]
    )
    return phaserows.rowsOf(phases, ["A", "B", "C", "D"])


def test_moving_keeps_roles_in_place_and_times_with_volumes(rows):
    moved = phaserows.move(rows, 1, -1)
    assert [row.volume for row in moved] == ["B", "A", "C", "D"]
    assert [row.role for row in moved] == ["pre", "post", "post", "post"]
    assert [row.time for row in moved] == [0, -90, 60, 120]
    assert phaserows.move(rows, 0, -1) == rows and phaserows.move(rows, 3, 1) == rows


def test_calling_another_phase_pre_moves_it_to_the_top(rows):
    changed = phaserows.setRole(rows, 2, "pre")
    assert [(row.volume, row.role) for row in changed] == [("C", "pre"), ("A", "post"), ("B", "post"), ("D", "post")]


def test_leaving_out_and_numbers(rows):
    changed = phaserows.setRole(rows, 1, "unused")
    assert phaserows.usedRows(changed) == [(0, "pre", -90), (2, "post", 60), (3, "post", 120)]
    assert phaserows.numbers(changed) == [0, 1, 1, 2]
    assert phaserows.setRole(changed, 1, "post") == rows


def test_times_are_typed_as_people_write_them(rows):
    assert phaserows.setTime(rows, 1, " 12,5 s")[1].time == 12.5
    assert phaserows.setTime(rows, 1, "")[1].time is None
    for text in ("soon", "nan", "1e9"):
        with pytest.raises(ValueError):
            phaserows.setTime(rows, 1, text)


def test_names_are_sorted_as_people_count():
    names = ["phase 10", "Phase 2", "phase 1", "pre"]
    assert sorted(names, key=phaserows.naturalKey) == ["phase 1", "Phase 2", "phase 10", "pre"]

"""What a run can be asked for beyond a mask: shortcuts, maps, ensembles; in this process, without a worker."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.store import save_exam
from BreastSegLib.inference.networks.engine import Engine
from BreastSegLib.models import open_model
from BreastSegLib.models.ensemble import combine
from BreastSegLib.pipeline import make_ready, segment_exam
from BreastSegLib.pipeline.averaging import entropy
from BreastSegLib.samples.dce import make_dce_exam
from tiny_model import make_tiny_model

LARGE = (80, 80, 96)  # tiles, so that there are few


def silent(*_):
    """A report that nobody reads."""


@pytest.fixture(scope="module")
def engine():
    return Engine()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A model library of this test's own."""
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.setenv("BREASTSEG_MODELS", str(folder))
    return folder


def run(engine, store, model, output, **changes):
    """Return the result of a run with its arrays in memory."""
    request = {"source": {"store": str(store)}, "model": str(model), "device": "cpu", "folds": None, "tta": False}
    request |= {"cleanup": False, "output": str(output), **changes}
    result = segment_exam(request, engine, silent, ready=make_ready(request, silent))
    for kind in ("mask", "raw", "probabilities", "disagreement", "entropy"):
        if kind in result:
            result[kind] = np.load(result[kind])
    return result


def test_maps_are_written_only_when_they_are_asked_for(engine, exam_store, tiny_model, tmp_path):
    plain = run(engine, exam_store, tiny_model, tmp_path / "plain")
    assert not {"probabilities", "disagreement", "entropy"} & set(plain)
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == ["mask.npy", "raw.npy"]
    maps = dict(probabilities=True, disagreement=True, entropy=True)
    full = run(engine, exam_store, tiny_model, tmp_path / "full", **maps)
    assert np.array_equal(full["raw"], plain["raw"])
    for kind, most in (("probabilities", 1), ("disagreement", 0.5), ("entropy", 1)):
        assert full[kind].dtype == np.float32 and full[kind].shape == full["mask"].shape
        assert 0 <= full[kind].min() and 0.01 < full[kind].max() <= most + 1e-6
    p = full["probabilities"].astype(float).clip(1e-9, 1 - 1e-9)
    expected = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    assert np.abs(full["entropy"] - expected)[p > 1e-6].max() < 1e-4


def test_disagreement_is_the_deviation_of_the_folds(engine, tiny_model, tmp_path):
    """On an exam that lies on the recipe's grid already, so that nothing is interpolated."""
    sample = make_dce_exam(7, shape=(80, 116, 192), spacing=(1.0, 1.0, 1.0), posts=2)
    store = save_exam(sample.exam, tmp_path / "exam")
    alone = [
        run(engine, store, tiny_model, tmp_path / fold, folds=[fold], probabilities=True, shortcuts=False)
        for fold in "01"
    ]
    both = run(engine, store, tiny_model, tmp_path / "both", disagreement=True, shortcuts=False)
    expected = np.abs(alone[0]["probabilities"] - alone[1]["probabilities"]) / 2
    assert expected.max() > 0.05 and np.abs(both["disagreement"] - expected).max() < 1e-3


def test_disagreement_of_one_fold_is_refused(engine, exam_store, tiny_model, tmp_path):
    with pytest.raises(BadInput, match="at least two folds or models"):
        run(engine, exam_store, tiny_model, tmp_path / "out", folds=["0"], disagreement=True)


def test_entropy_of_certainty_is_none_and_of_an_even_chance_one():
    assert np.array_equal(entropy(np.array([0, 0.5, 1], np.float32)), np.array([0, 1, 0], np.float32))


def test_shortcuts_leave_out_tiles_and_say_so(engine, tmp_path):
    """Two small masses, far from many tiles."""
    sample = make_dce_exam(303, posts=2, masses=2, radius_mm=(2.5, 6))
    store = save_exam(sample.exam, tmp_path / "exam")
    short = run(engine, store, "demo-dce", tmp_path / "short")
    exact = run(engine, store, "demo-dce", tmp_path / "exact", shortcuts=False)
    work, full = short["record"]["work"], exact["record"]["work"]
    assert short["record"]["shortcuts"] and not exact["record"]["shortcuts"]
    assert work["tiles_done"] < work["tiles"] == full["tiles_done"] == full["passes_done"]
    a, b = short["mask"] > 0, exact["mask"] > 0
    assert a.any() and 2 * (a & b).sum() / (a.sum() + b.sum()) >= 0.999


def test_an_ensemble_of_one_recipe_is_the_mean_of_its_models(engine, exam_store, library, tmp_path):
    make_tiny_model(library / "m3", seed=3, name="m3", patch=LARGE)
    make_tiny_model(library / "m4", seed=4, name="m4", patch=(128, 192), configuration="2d")
    combine("both", [("m3", None), ("m4", None)])
    options = dict(probabilities=True, shortcuts=False)
    alone = [run(engine, exam_store, name, tmp_path / name, **options)["probabilities"] for name in ("m3", "m4")]
    both = run(engine, exam_store, "both", tmp_path / "both", disagreement=True, **options)
    difference = np.abs(both["probabilities"] - (alone[0] + alone[1]) / 2)
    assert difference.max() < 0.15 and np.median(difference) < 1e-4  # each alone is clipped at edges before the mean
    assert both["disagreement"].max() > 0.01
    members = both["record"]["model"]["members"]
    assert [(row["name"], row["folds"]) for row in members] == [("m3", ["0"]), ("m4", ["0"])]
    assert both["record"]["model"]["hash"] == open_model(library / "both").hash
    assert isinstance(both["record"]["preparation"], dict), "models of one recipe share the preparation"


def test_an_ensemble_of_two_recipes_meets_on_the_exams_own_grid(engine, exam_store, library, tmp_path):
    make_tiny_model(library / "m3", seed=3, name="m3", patch=LARGE)
    make_tiny_model(library / "m5", seed=5, name="m5", patch=LARGE, recipe="single-phase-0002")
    combine("mixed", [("m3", None), ("m5", None)])
    options = dict(probabilities=True, shortcuts=False)
    alone = [run(engine, exam_store, name, tmp_path / name, **options)["probabilities"] for name in ("m3", "m5")]
    mixed = run(engine, exam_store, "mixed", tmp_path / "mixed", disagreement=True, **options)
    assert np.abs(mixed["probabilities"] - (alone[0] + alone[1]) / 2).max() < 1e-5
    assert np.abs(mixed["disagreement"] - np.abs(alone[0] - alone[1]) / 2).max() < 0.02
    assert [record["recipe"] for record in mixed["record"]["preparation"]] == [
        "phase-aware-0000-0002",
        "single-phase-0002",
    ]


def test_folds_of_an_ensemble_cannot_be_chosen(engine, exam_store, library, tmp_path):
    for seed in (3, 4):
        make_tiny_model(library / f"m{seed}", seed=seed, name=f"m{seed}", patch=LARGE)
    combine("both", [("m3", None), ("m4", None)])
    with pytest.raises(BadInput, match="Combine the models again"):
        run(engine, exam_store, "both", tmp_path / "out", folds=["0"])


def test_a_models_own_recipe_is_used(engine, exam_store, library, tmp_path):
    import json

    from BreastSegLib.models.card import read_card, write_card
    from BreastSegLib.recipe import load_recipe
    from BreastSegLib.recipe.recipe import FOLDER

    folder = make_tiny_model(library / "own", seed=3, name="own", patch=LARGE)
    own = json.loads((FOLDER / "phase-aware-0000-0002.json").read_text())
    own |= {"name": "coarse", "grid": {**own["grid"], "spacing": [2.0, 2.0, 2.0]}}
    (folder / "recipe.json").write_text(json.dumps(own))
    recipe = load_recipe(folder / "recipe.json")
    write_card(folder, {**read_card(folder), "recipe": "coarse", "recipe_hash": recipe.hash})
    result = run(engine, exam_store, "own", tmp_path / "out")
    assert result["record"]["recipe"] == {"name": "coarse", "hash": recipe.hash}
    assert result["record"]["preparation"]["prepared_geometry"]["spacing"] == [2.0, 2.0, 2.0]
    own["grid"]["spacing"] = [3.0, 3.0, 3.0]
    (folder / "recipe.json").write_text(json.dumps(own))
    write_card(folder, {**read_card(folder), "recipe_hash": recipe.hash})
    with pytest.raises(BadInput, match="has changed since the model was trained"):
        run(engine, exam_store, "own", tmp_path / "again")

"""The engine: memory that runs short, models kept and dropped, checkpoints that are not what they seem."""

import fractions
import hashlib
import io
import json
import os
import pickle

import numpy as np
import pytest
import torch
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.inference.networks import engine as engine_module
from BreastSegLib.inference.networks import passes as passes_module
from BreastSegLib.inference.networks.checkpoints import read_checkpoint
from BreastSegLib.inference.networks.engine import Engine, OutOfMemory
from BreastSegLib.inference.networks.network import builds_from_plans
from BreastSegLib.inference.networks.window import Memory
from BreastSegLib.models import open_model, trust
from tiny_model import make_tiny_model

SPACING = (1.0, 1.0, 1.0)


def silent(*_):
    """A report that nobody reads."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return open_model(make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", folds=("0", "1"), seed=3))


@pytest.fixture(scope="module")
def channels():
    return np.random.default_rng(0).normal(size=(3, 24, 48, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(model, channels):
    return predict(Engine(), model, channels)


def predict(engine, model, channels, report=silent, folds=("0", "1"), **options):
    return engine.predict(model, folds, channels, SPACING, report, "cpu", **{"tta": True, **options})


@pytest.mark.parametrize("batch", [2, 3, 8])
def test_several_tiles_at_once_give_the_same(batch, model, channels, expected, monkeypatch):
    monkeypatch.setattr(engine_module, "first_plan", lambda *_: Memory(True, batch))
    found = predict(Engine(), model, channels)
    assert np.abs(found.chances - expected.chances).max() < 1e-5 and found.work == expected.work
    spread = predict(Engine(), model, channels, spread=True, sparing=True)
    assert np.abs(spread.chances - expected.chances).max() < 1e-5, "a network that sees something everywhere"


def out_of_memory(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_short_memory_is_met_by_summing_elsewhere_and_then_by_smaller_batches(model, channels, expected, monkeypatch):
    """The allocator refuses sums on the device, and then more than two tiles at once."""
    monkeypatch.setattr(engine_module, "first_plan", lambda *_: Memory(True, 8))
    zeros, forward, tried = torch.zeros, passes_module.logits_of, []

    def stub_zeros(*size, **options):
        tried.append("zeros")
        return out_of_memory() if len(tried) == 1 else zeros(*size, **options)

    def stub_forward(network, patches):
        tried.append(len(patches))
        return out_of_memory() if len(patches) > 2 else forward(network, patches)

    monkeypatch.setattr(torch, "zeros", stub_zeros)
    monkeypatch.setattr(passes_module, "logits_of", stub_forward)
    done = []
    found = predict(Engine(), model, channels, lambda stage, now, total: done.append((now, total)))
    assert np.abs(found.chances - expected.chances).max() < 1e-5
    assert found.notes == ("GPU memory was short: the result was summed in main memory, which is slower.",)
    assert [size for size in tried if size != "zeros"][:2] == [8, 4] and done[-1][0] == done[-1][1]
    assert found.work == expected.work, "what was tried in vain is not counted"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_is_said_in_one_sentence_and_the_engine_goes_on(
    error, model, channels, expected, monkeypatch
):
    engine = Engine()
    with monkeypatch.context() as patch:
        patch.setattr(passes_module, "logits_of", lambda *_: (_ for _ in ()).throw(error))
        with pytest.raises(OutOfMemory, match="too little memory for this exam.*--device cpu"):
            predict(engine, model, channels)
    assert np.array_equal(predict(engine, model, channels).chances, expected.chances)


def test_other_failures_are_not_called_memory(model, channels, monkeypatch):
    monkeypatch.setattr(passes_module, "logits_of", lambda *_: (_ for _ in ()).throw(RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        predict(Engine(), model, channels)


def test_values_that_are_not_numbers_are_refused(model, channels):
    broken = channels.copy()
    broken[0, 3, 3, 3] = np.inf
    with pytest.raises(BadInput, match="not numbers"), np.errstate(all="ignore"):
        predict(Engine(), model, broken)


def test_progress_counts_every_pass_and_a_cancel_is_heard_inside_a_tile(model, channels, expected):
    seen = []
    predict(Engine(), model, channels, lambda stage, done, total: seen.append((stage, done, total)))
    window = [row for row in seen if row[2] > 1]
    assert {row[2] for row in window} == {expected.work["passes"]} and window[-1][1] == expected.work["passes"]
    assert [row[1] for row in window] == sorted(row[1] for row in window)
    tiles = expected.work["tiles"]
    assert len(window) > 10 * tiles, "it is asked between the layers of the network, not only between tiles"
    engine, calls = Engine(), []

    def report(stage, done, total):
        calls.append(done)
        if len(calls) == 25:
            raise Cancelled()

    with pytest.raises(Cancelled):
        predict(engine, model, channels, report)
    assert np.array_equal(predict(engine, model, channels).chances, expected.chances)


def test_models_stay_loaded_and_the_one_not_used_for_longest_is_dropped(tmp_path, channels, monkeypatch):
    models = [open_model(make_tiny_model(tmp_path / f"m{i}", seed=i, name=f"m{i}")) for i in range(3)]
    engine, loads = Engine(), []
    real = engine_module.load_networks
    monkeypatch.setattr(
        engine_module, "load_networks", lambda model, *rest: loads.append(model.name) or real(model, *rest)
    )
    for model in (*models, *models):
        predict(engine, model, channels, folds=("0",))
    assert loads == ["m0", "m1", "m2"] and all(engine.holds(m.folder, m.hash) for m in models)
    size = next(iter(engine._models.values())).bytes
    assert size > 1000
    monkeypatch.setattr(engine_module, "SHARE_OF_MEMORY", 1.0)
    monkeypatch.setattr(engine_module, "main_memory", lambda: (2.5 * size, None))
    predict(engine, models[0], channels, folds=("0",))
    assert [engine.holds(m.folder, m.hash) for m in models] == [True, False, True]


def test_a_changed_model_is_loaded_again(tmp_path, channels):
    engine = Engine()
    first = open_model(make_tiny_model(tmp_path / "m", seed=1))
    before = predict(engine, first, channels, folds=("0",)).chances
    second = open_model(make_tiny_model(tmp_path / "m", seed=2))
    assert not engine.holds(second.folder, second.hash)
    assert not np.array_equal(predict(engine, second, channels, folds=("0",)).chances, before)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"echo ran > '{self.mark}'",)


def good_content(model):
    return torch.load(model.folder / "fold_0" / model.checkpoint, weights_only=True)


def test_a_checkpoint_that_would_run_code_is_refused_by_name_and_not_run(tmp_path, model):
    mark, path = tmp_path / "mark", tmp_path / "checkpoint_final.pth"
    torch.save({**good_content(model), "logging": Evil(mark)}, path)
    with pytest.raises(BadInput, match=r"(posix|nt|os)\.system.*run code.*do not use it"):
        read_checkpoint(path)
    assert not mark.exists()


def test_a_checkpoint_of_the_old_format_that_would_run_code_is_refused_too(tmp_path, model):
    mark, path = tmp_path / "mark", tmp_path / "checkpoint_final.pth"
    torch.save({**good_content(model), "logging": Evil(mark)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(BadInput, match=r"\.system.*run code"):
        read_checkpoint(path)
    assert not mark.exists()


def test_only_the_very_file_that_was_trusted_is_opened_like_a_program(tmp_path, model, monkeypatch):
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "library"))
    path = tmp_path / "checkpoint_final.pth"
    torch.save({**good_content(model), "logging": fractions.Fraction(1, 2)}, path)
    with pytest.raises(BadInput, match=r"fractions\.Fraction"):
        read_checkpoint(path)
    trust.trust(path, ("fractions.Fraction",))
    assert trust.is_trusted(hashlib.sha256(path.read_bytes()).hexdigest())
    assert read_checkpoint(path)["logging"] == fractions.Fraction(1, 2)
    torch.save({**good_content(model), "logging": fractions.Fraction(1, 3)}, path)
    with pytest.raises(BadInput, match=r"fractions\.Fraction"):
        read_checkpoint(path)


def test_what_nnunet_writes_beside_the_weights_is_accepted(tmp_path, model):
    content = good_content(model)
    content["logging"] = {
        "mean_fg_dice": [np.float64(0.5), np.float32(0.25)],
        "ema_fg_dice": [np.float64(0.1)],
        "epoch_start_timestamps": [1.0],
    }
    content |= {"_best_ema": np.float64(0.7), "grad_scaler_state": {"scale": 65536.0}, "current_epoch": 3}
    content["optimizer_state"] = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], 0.1, 0.9).state_dict()
    content["init_args"]["device"] = torch.device("cuda")
    path = tmp_path / "checkpoint_final.pth"
    for new_format in (True, False):
        torch.save(content, path, _use_new_zipfile_serialization=new_format)
        assert read_checkpoint(path)["current_epoch"] == 3


def damaged(content):
    """Return files that are no checkpoints, by what is wrong with them."""
    whole = io.BytesIO()
    torch.save(content, whole)
    whole = whole.getvalue()
    weights = io.BytesIO()
    torch.save({**content, "network_weights": {"a": "text"}}, weights)
    other = io.BytesIO()
    torch.save({"state_dict": {}}, other)
    return {
        "empty": b"",
        "cut short": whole[: len(whole) // 2],
        "first half only": whole[:100],
        "rubbish": b"\x80\x02rubbish",
        "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a pickle of a number": pickle.dumps(3),
        "no weights": weights.getvalue(),
        "another program's": other.getvalue(),
    }


def test_damaged_checkpoints_are_refused_in_one_line(tmp_path, model):
    path = tmp_path / "fold_0" / "checkpoint_final.pth"
    path.parent.mkdir()
    for kind, content in damaged(good_content(model)).items():
        path.write_bytes(content)
        with pytest.raises(BadInput) as caught:
            read_checkpoint(path)
        assert "\n" not in caught.value.line and "fold_0/checkpoint_final.pth" in caught.value.line, kind


def test_weights_of_another_network_and_unknown_trainers_are_refused(tmp_path, model, channels):
    folder = make_tiny_model(tmp_path / "m", seed=1)
    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    weights = content["network_weights"]
    for change, message in (
        ({"network_weights": {}}, "do not fit"),
        ({"trainer_name": "nnUNetTrainerOfNobody"}, "nnUNet_extTrainer"),
        ({"trainer_name": "../evil"}, "names no trainer"),
        ({"trainer_name": "A" * 5000}, "names no trainer"),
        ({"network_weights": {1: torch.zeros(2)}}, "no network weights"),
        ({"network_weights": {f"module.{k}": v for k, v in weights.items()}}, "do not fit.*Missing key"),
        ({"network_weights": {k: v * float("nan") for k, v in weights.items()}}, "are no numbers"),
        ({"inference_allowed_mirroring_axes": (0, 5)}, "mirror axes"),
        ({"inference_allowed_mirroring_axes": (0, 1, 2) * 9}, "mirror axes"),
        ({"inference_allowed_mirroring_axes": ("x",)}, "mirror axes"),
        ({"inference_allowed_mirroring_axes": torch.zeros(3)}, "mirror axes"),
        ({"inference_allowed_mirroring_axes": 3}, "mirror axes"),
        ({"init_args": {"configuration": "3d_lowres"}}, "3d_lowres"),
    ):
        torch.save({**content, **change}, path)
        with pytest.raises(BadInput, match=message):
            predict(Engine(), open_model(folder, verify=False), channels, folds=("0",))


def test_folds_of_two_configurations_are_refused(tmp_path, channels):
    folder = make_tiny_model(tmp_path / "m", folds=("0", "1"))
    plans = json.loads((folder / "plans.json").read_text())
    plans["configurations"]["3d_lowres"] = plans["configurations"]["3d_fullres"]
    (folder / "plans.json").write_text(json.dumps(plans))
    path = folder / "fold_1" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "init_args": {"configuration": "3d_lowres"}}, path)
    with pytest.raises(BadInput, match="different configurations: 3d_fullres and 3d_lowres.*fold 1"):
        predict(Engine(), open_model(folder, verify=False), channels, folds=("0", "1"))


def test_which_trainers_build_from_plans_is_told_as_their_classes_tell(monkeypatch):
    """Against the imported classes: whoever does not override the method builds from the plans."""
    import importlib
    import inspect
    import pkgutil

    import nnunetv2.training.nnUNetTrainer as package
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    told = {}
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(kind) and issubclass(kind, nnUNetTrainer):
                same = kind.build_network_architecture is nnUNetTrainer.build_network_architecture
                told[name] = (same, builds_from_plans(name))
    assert len(told) > 20 and {row[0] for row in told.values()} == {True, False}
    assert all(not ours or truth for truth, ours in told.values())
    agree = [truth == ours for truth, ours in told.values()]
    assert sum(agree) >= len(agree) - 3, "classes with two bases go the slow way, which is never wrong"

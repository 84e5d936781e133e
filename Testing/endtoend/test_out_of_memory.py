"""Short of memory: the engine tries with less and less of it before it says so. The allocator is a stub."""

import numpy as np
import pytest
from BreastSegLib.models import find_model
from worker_cases import small_model

torch = pytest.importorskip("torch")

from BreastSegLib.inference.networks import engine as engine_module  # noqa: E402
from BreastSegLib.inference.networks import passes as passes_module  # noqa: E402
from BreastSegLib.inference.networks.engine import Engine, OutOfMemory  # noqa: E402
from BreastSegLib.inference.networks.window import Memory  # noqa: E402

SHORT = "CUDA out of memory. Tried to allocate 4.00 GiB."
MAIN_SHORT = "[enforce fail at alloc_cpu.cpp:125] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Keep threads of torch from waiting for each other on processors that other tests use too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return find_model(small_model(tmp_path_factory.mktemp("small-model") / "small"))


@pytest.fixture(scope="module")
def channels(model):
    return np.random.default_rng(5).random((len(model.channel_names), 24, 40, 40), np.float32)


def predict(engine, model, channels):
    return engine.predict(model, model.folds, channels, (2.0, 2.0, 2.0), lambda *_: None, "cpu")


class Allocator:
    """Refuses the first allocations of the sums of a case, `times` times; notes the plan of each attempt."""

    def __init__(self, monkeypatch, times, error=None):
        self.left, self.plans = times, []
        self._error = error or torch.OutOfMemoryError(SHORT)
        logits = engine_module.Window.logits

        def watched(window, memory):
            self.plans.append((memory.on_device, memory.batch))
            return logits(window, memory)

        whole = torch.zeros

        def zeros(*sizes, **options):
            if self.left:
                self.left -= 1
                raise self._error
            return whole(*sizes, **options)

        monkeypatch.setattr(engine_module.Window, "logits", watched)
        monkeypatch.setattr(torch, "zeros", zeros)
        # A plan as for a GPU, which has further to go down.
        monkeypatch.setattr(engine_module, "first_plan", lambda *_: Memory(True, 4))


LADDER = [(True, 4), (False, 4), (False, 2), (False, 1)]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_less_memory_gives_the_same_result_and_is_said(monkeypatch, model, channels, times):
    engine = Engine()
    expected = predict(engine, model, channels)
    assert expected.notes == ()
    with monkeypatch.context() as patch:
        allocator = Allocator(patch, times)
        prediction = predict(engine, model, channels)
        assert allocator.plans == LADDER[: times + 1]
    assert np.abs(prediction.chances - expected.chances).max() < 1e-5
    (note,) = prediction.notes
    assert "memory was short" in note and "slower" in note


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(SHORT), MemoryError(), RuntimeError(MAIN_SHORT)])
def test_too_little_memory_is_a_sentence_and_the_engine_still_works(monkeypatch, model, channels, error):
    engine = Engine()
    with monkeypatch.context() as patch:
        Allocator(patch, 1000, error)
        with pytest.raises(OutOfMemory, match="too little memory.*CPU.*Close other programs") as caught:
            predict(engine, model, channels)
        assert "\n" not in caught.value.line
    assert predict(engine, model, channels).notes == ()


def test_other_errors_of_torch_are_not_taken_for_it(monkeypatch, model, channels):
    with monkeypatch.context() as patch:
        Allocator(patch, 1, RuntimeError("shapes do not fit"))
        with pytest.raises(RuntimeError, match="shapes do not fit"):
            predict(Engine(), model, channels)


def test_memory_that_is_short_in_the_middle_of_a_case_begins_the_progress_anew(monkeypatch, model, channels):
    """Half of the tiles were summed already: nothing of them may be counted twice."""
    engine, seen = Engine(), []
    expected = predict(engine, model, channels)
    forward, calls = passes_module.logits_of, []

    def failing(network, patches):
        calls.append(len(patches))
        if len(calls) == 3:
            raise torch.OutOfMemoryError(SHORT)
        return forward(network, patches)

    with monkeypatch.context() as patch:
        patch.setattr(passes_module, "logits_of", failing)
        report = lambda stage, done, total: seen.append((done, total))  # noqa: E731
        prediction = engine.predict(model, model.folds, channels, (2.0, 2.0, 2.0), report, "cpu")
    assert np.array_equal(prediction.chances, expected.chances)
    done = [row[0] for row in seen if row[1] == seen[-1][1]]
    assert any(b < a for a, b in zip(done, done[1:])) and done[-1] == seen[-1][1]


def test_a_model_that_does_not_fit_beside_the_others_takes_their_place(monkeypatch, model, channels):
    engine = Engine()
    predict(engine, model, channels)
    load, turns = engine_module.load_networks, []

    def tight(*arguments):
        turns.append(len(engine._models))
        if len(turns) == 1:
            raise torch.OutOfMemoryError(SHORT)
        return load(*arguments)

    monkeypatch.setattr(engine_module, "load_networks", tight)
    engine.load(model, model.folds[:1], "cpu", lambda *_: None)
    assert turns == [1, 0], "the others were dropped before the second attempt"


def test_a_model_that_does_not_fit_at_all_is_a_sentence(monkeypatch, model):
    def tight(*_):
        raise torch.OutOfMemoryError(SHORT)

    monkeypatch.setattr(engine_module, "load_networks", tight)
    with pytest.raises(OutOfMemory, match="too little memory for this model.*fewer folds") as caught:
        Engine().load(model, model.folds, "cpu", lambda *_: None)
    assert "\n" not in caught.value.line

"""The time left is honest: simulated clocks, no real time."""

import random

import pytest
from BreastSegLib.errors import Cancelled
from BreastSegLib.inference.reporter import Reporter
from BreastSegLib.inference.timeleft import TimeLeft


def run(seconds, restart=None):
    """Return (true time left, estimate) after every step; `seconds` says how long each step takes."""
    left, now, rows, total = TimeLeft(), 100.0, [], len(seconds)
    left.update(now, 0, total)
    for done, duration in enumerate(seconds, 1):
        now += duration
        rows.append((sum(seconds[done:]), left.update(now, done, total)))
    return rows


def test_nothing_is_said_before_two_steps_are_done():
    rows = run([1.0] * 5)
    assert rows[0][1] is None
    assert rows[1][1] == pytest.approx(3.0)


@pytest.mark.parametrize("warm_up", [0.0, 1.0, 30.0, 300.0])
def test_the_warm_up_does_not_spoil_the_estimate(warm_up):
    rows = run([warm_up, *[0.5] * 40])
    assert all(estimate == pytest.approx(true, abs=1e-9) for true, estimate in rows[1:])


def test_the_rate_is_that_of_the_last_steps():
    """Another program took half of the computer in the middle: soon the estimate is right again."""
    rows = run([1.0] * 50 + [3.0] * 50)
    true, estimate = rows[62]
    assert estimate == pytest.approx(true, rel=0.05)


def test_steps_of_uneven_length_are_estimated_within_a_third():
    chance = random.Random(3)
    rows = run([5.0, *[chance.uniform(0.5, 1.5) for _ in range(100)]])
    assert all(abs(estimate - true) <= max(0.34 * true, 2.0) for true, estimate in rows[8:])


def test_very_short_steps_do_not_make_it_jump():
    chance = random.Random(4)
    rows = run([0.2, *[chance.choice([0.0005, 0.01]) for _ in range(5000)]])
    assert all(abs(estimate - true) <= max(0.2 * true, 0.5) for true, estimate in rows[200:])


def test_time_passes_within_a_step_but_never_below_what_comes_after_it():
    left = TimeLeft()
    for done in range(4):
        left.update(10.0 * done, done, 10)
    assert left.update(30.0, 3, 10) == pytest.approx(70.0)
    assert left.update(34.0, 3, 10) == pytest.approx(66.0)
    assert left.update(95.0, 3, 10) == pytest.approx(60.0)


def test_work_that_has_to_be_done_again_starts_the_estimate_anew():
    left = TimeLeft()
    for done in range(6):
        left.update(float(done), done, 10)
    assert left.update(5.0, 0, 10) is None
    left.update(9.0, 1, 10)
    assert left.update(13.0, 2, 10) == pytest.approx(32.0)


def test_the_end_is_the_end():
    assert run([1.0])[0] == (0, 0.0)
    assert TimeLeft().update(5.0, 0, 0) == 0.0


def test_steps_in_batches_count_as_many():
    left = TimeLeft()
    for now, done in ((0, 0), (9, 8), (13, 16), (17, 24)):
        estimate = left.update(float(now), done, 64)
    assert estimate == pytest.approx(20.0)


# --- the reporter ----------------------------------------------------------------------------------------------------


class Listener:
    def __init__(self):
        self.events, self.now, self.cancelled = [], 50.0, False
        self.report = Reporter(self.send, 7, lambda number: self.cancelled and number == 7, lambda: self.now)

    def send(self, **event):
        self.events.append(event)


def test_progress_events_say_all():
    one = Listener()
    one.report("Reading", 0, 3)
    assert one.events == [{"event": "progress", "id": 7, "stage": "Reading", "done": 0, "total": 3, "eta_s": None}]
    for done in (1, 2):
        one.now += 2.04
        one.report("Reading", done, 3)
    assert one.events[-1]["eta_s"] == 2.0


def test_events_are_few_but_first_and_last_of_each_stage_come():
    one = Listener()
    for stage in ("Reading", "Segmenting"):
        for done in range(1001):
            one.now += 0.001
            one.report(stage, done, 1000)
            one.report(stage, done, 1000)  # polled in between
    for stage in ("Reading", "Segmenting"):
        rows = [event["done"] for event in one.events if event["stage"] == stage]
        assert rows[0] == 0 and rows[-1] == 1000 and len(rows) < 30
        assert rows == sorted(set(rows))


def test_every_stage_has_an_estimate_of_its_own():
    one = Listener()
    for stage, step in (("Reading", 10.0), ("Segmenting", 1.0)):
        one.report(stage, 0, 5)
        for done in range(1, 4):
            one.now += step
            one.report(stage, done, 5)
        assert one.events[-1]["eta_s"] == 2 * step


def test_a_cancel_takes_effect_at_every_call():
    one = Listener()
    one.report("Reading", 0, 3)
    one.cancelled = True
    with pytest.raises(Cancelled):
        one.report("Reading", 0, 3)

"""An evaluation as its file tells: what its tables show. No Qt."""

from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.scene.texts import _

from ..evaluation.page import heading, number, shown_measures
from ..evaluation.write import read_evaluation
from . import counted

RAW, CLEANED = STAGES = ("raw", "cleaned")
MEAN, MEDIAN, INTERVAL = STATISTICS = ("mean", "median", "interval")


@dataclass(frozen=True)
class Evaluation:
    """Content of ``evaluation.json``.

    Parameters
    ----------
    path : Path
    record : dict
    """

    path: Path
    record: dict

    @classmethod
    def read(cls, path):
        """Return the evaluation of a file.

        Raises
        ------
        BadInput
            If it is none.
        """
        return cls(Path(path), read_evaluation(path))

    @property
    def name(self):
        """str: what was evaluated."""
        return str(self.record.get("name") or self.path.parent.name)

    @property
    def stages(self):
        """tuple of str: ``raw``, and ``cleaned`` when there was a clean-up."""
        return tuple(stage for stage in STAGES if self.record["summary"].get(stage))

    @property
    def stage(self):
        """str: the masks that are judged where only one is told."""
        stage = self.record.get("stage")
        return stage if stage in self.stages else self.stages[-1] if self.stages else RAW

    @property
    def measures(self):
        """tuple of str: those that the tables show."""
        return tuple(shown_measures({"shown": (), **self.record}))

    def title(self, measure):
        """Return the heading of a measure."""
        return heading(self.record["measures"][measure])

    def help(self, measure):
        """Return how a measure is defined."""
        found = self.record["measures"][measure]
        return "\n".join(str(found[name]) for name in ("definition", "empty", "source") if found.get(name))

    def statistic(self, stage, measure, kind):
        """Return a figure of all cases, as the table shows it."""
        found = (self.record["summary"].get(stage) or {}).get(measure)
        if not found or not found.get("n"):
            return "–"
        described = self.record["measures"][measure]

        def text(name):
            return number(found.get(name), described)

        if kind == MEDIAN:
            return f"{text('median')} ({text('min')} – {text('max')})"
        if kind == INTERVAL:
            return f"{text('mean')} ({text('ci_low')} – {text('ci_high')})"
        return text("mean") + ("" if found.get("sd") is None else f" ± {text('sd')}")

    def sentence(self, stage, measure):
        """Return all figures of a measure as a sentence."""
        found = (self.record["summary"].get(stage) or {}).get(measure) or {}
        count = found.get("n") or 0
        return _("{stage}: mean {mean}, median {median}, 95 % interval of the mean {interval}; {cases}.").format(
            stage=stageTitle(stage),
            mean=self.statistic(stage, measure, MEAN),
            median=self.statistic(stage, measure, MEDIAN),
            interval=self.statistic(stage, measure, INTERVAL).partition(" ")[2] or "–",
            cases=counted.cases(count),
        )

    def value(self, row, stage, measure):
        """Return a case's number; None where it has none."""
        return (row.get(stage) or {}).get(measure)

    def text(self, row, stage, measure):
        """Return a case's number as the table shows it."""
        return number(self.value(row, stage, measure), self.record["measures"][measure])

    def order(self, column, descending, measure):
        """Return the cases in an order; those without a value come last, whichever way.

        Parameters
        ----------
        column : {'case', 'raw', 'cleaned', 'found', 'false'}
        descending : bool
        measure : str
        """

        def key(row):
            if column in STAGES:
                return self.value(row, column, measure)
            if column in ("found", "false"):
                return (row.get("detection") or {}).get(column)
            value = row.get(column)
            return None if value is None else str(value)

        cases = self.record["cases"]
        known = [row for row in cases if key(row) is not None]
        known.sort(key=lambda row: (key(row), str(row.get("case"))), reverse=descending)
        return [*known, *(row for row in cases if key(row) is None)]

    def isWorseHigh(self, measure):
        """Return whether high values of a measure are bad."""
        return self.record["measures"][measure].get("better") == "lower"

    def inWords(self):
        """Return a sentence about the whole evaluation."""
        words = [_("{name}: {cases}.").format(name=self.name, cases=counted.cases(len(self.record["cases"])))]
        found = self.record.get("detection") or {}
        if found.get("truth"):
            false = found.get("false_per_image")
            words.append(
                _("Lesions found: {found} of {truth}; false ones per image: {false}.").format(
                    found=found.get("found"), truth=found["truth"], false="–" if false is None else f"{false:.2f}"
                )
            )
        words += [str(note) for note in self.record.get("notes") or ()][:3]
        return " ".join(words)


def detectionText(row):
    """Return how many of a case's lesions were found, such as ``2 of 3``."""
    found = row.get("detection") or {}
    if not isinstance(found.get("truth"), int):
        return ""
    return _("{found} of {truth}").format(found=found.get("found", 0), truth=found["truth"])


def stageTitle(stage):
    """Return what people call the masks of a stage."""
    return {RAW: _("As predicted"), CLEANED: _("Cleaned up")}[stage]

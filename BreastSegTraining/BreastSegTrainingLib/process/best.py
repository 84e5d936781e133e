"""nnU-Net's choice of the best configuration, or pair of them, and of the post-processing, on the cross-validation.

It is what ``nnUNetv2_find_best_configuration`` does, by the same functions, but in a folder of its own: nothing is
written into the trainings.
"""

import math
import os
import sys
from itertools import combinations
from pathlib import Path

from BreastSegLib.errors import BadInput

from .answering import answer

LARGEST = "remove_all_but_largest_component_from_segmentation"


def find_best(request, report):
    """Compare trainings, and pairs of them, on the cases that each fold validated.

    Parameters
    ----------
    request : dict
        ``models``: {name of the training: its model folder}; ``folds``; ``truth``: folder of the reference masks;
        ``room``: an empty folder for what is made on the way; ``ensembles``: whether pairs take part; ``processes``.
    report : callable

    Returns
    -------
    dict
        ``candidates`` (``trainings``, ``dice``, ``cases``), ``best`` (``trainings``, ``dice``, ``dice_cleaned``,
        ``largest_component``, ``postprocessing``).

    Raises
    ------
    BadInput
        If a fold was not validated, or the chances that a pair needs are missing.
    """
    models = {name: Path(folder) for name, folder in request["models"].items()}
    folds = [fold if fold == "all" else int(fold) for fold in request["folds"]]
    room, truth, processes = Path(request["room"]), request["truth"], request["processes"]
    sets = [(name,) for name in models]
    sets += list(combinations(models, 2)) if request["ensembles"] else []
    candidates = []
    for done, names in enumerate(sets):
        report("Comparing", done, len(sets) + 1)
        folder = room / str(done)
        _gather([models[name] for name in names], folder, folds, processes)
        mean, cases = _measure(folder, truth, processes)
        candidates.append({"trainings": list(names), "dice": mean, "cases": cases, "folder": folder})
    _check(candidates)
    # Of equals the first: the simpler one, as pairs come last.
    best = max(candidates, key=lambda row: row["dice"])
    report("Choosing the post-processing", len(sets), len(sets) + 1)
    chosen = {**_shown(best), **_postprocessing(best["folder"], truth, processes)}
    return {"candidates": [_shown(row) for row in candidates], "best": chosen}


def _shown(row):
    return {key: value for key, value in row.items() if key != "folder"}


def _gather(folders, target, folds, processes):
    """Bring the validated cases of all folds into one folder: of one training as they are, of two averaged."""
    from nnunetv2.ensembling.ensemble import ensemble_crossvalidations
    from nnunetv2.evaluation.accumulate_cv_results import accumulate_cv_results

    try:
        if len(folders) == 1:
            accumulate_cv_results(str(folders[0]), str(target), folds, processes)
        else:
            ensemble_crossvalidations([str(folder) for folder in folders], str(target), folds, processes)
    except (RuntimeError, AssertionError, OSError, ValueError) as error:
        names = " and ".join(folder.name for folder in folders)
        raise BadInput(f"The cross-validations cannot be put together: {error}", names) from error


def _parts(folder):
    """Return what nnU-Net needs to read and judge the predictions in a folder."""
    from batchgenerators.utilities.file_and_folder_operations import load_json
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager, description = PlansManager(str(folder / "plans.json")), load_json(str(folder / "dataset.json"))
    return manager.image_reader_writer_class(), description, manager.get_label_manager(description)


def _measure(folder, truth, processes):
    """Return the mean Dice of the foreground, and the number of cases."""
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder, load_summary_json

    reader, description, labels = _parts(folder)
    summary = folder / "summary.json"
    if not summary.is_file():
        regions = labels.foreground_regions if labels.has_regions else labels.foreground_labels
        ending = description["file_ending"]
        compute_metrics_on_folder(
            truth, str(folder), str(summary), reader, ending, regions, labels.ignore_label, processes
        )
    content = load_summary_json(str(summary))
    return float(content["foreground_mean"]["Dice"]), len(content["metric_per_case"])


def _check(candidates):
    if not all(math.isfinite(row["dice"]) for row in candidates):
        raise BadInput("There is no Dice to compare by: all masks are empty", candidates[0]["trainings"][0])
    counts = {row["cases"] for row in candidates}
    if len(counts) > 1:
        raise BadInput(
            f"The trainings validated different numbers of cases: {', '.join(map(str, sorted(counts)))}",
            "",
            "Compare trainings with the same folds of the same dataset",
        )


def _postprocessing(folder, truth, processes):
    """Return whether keeping the largest component only makes the result better, by nnU-Net's rule."""
    from nnunetv2.evaluation.evaluate_predictions import load_summary_json
    from nnunetv2.postprocessing.remove_connected_components import determine_postprocessing

    functions, arguments = determine_postprocessing(
        str(folder),
        truth,
        plans_file_or_dict=str(folder / "plans.json"),
        dataset_json_file_or_dict=str(folder / "dataset.json"),
        num_processes=processes,
        keep_postprocessed_files=True,
    )
    cleaned = load_summary_json(os.path.join(folder, "postprocessed", "summary.json"))
    steps = [
        {"function": function.__name__, "labels": _plain(options.get("labels_or_regions"))}
        for function, options in zip(functions, arguments)
    ]
    return {
        "dice_cleaned": float(cleaned["foreground_mean"]["Dice"]),
        "largest_component": any(step["function"] == LARGEST for step in steps),
        "postprocessing": steps,
    }


def _plain(labels):
    """Return labels as JSON has them."""
    if isinstance(labels, list | tuple):
        return [_plain(label) for label in labels]
    return int(labels) if labels is not None else None


if __name__ == "__main__":
    sys.exit(answer(find_best))

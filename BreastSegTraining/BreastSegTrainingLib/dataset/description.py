"""What stands in dataset.json and beside it: nothing in it tells who a patient is."""

from collections import Counter

from BreastSegLib import __version__

from .layout import ENDING

BACKGROUND, LESION = "background", "lesion"


def describe_dataset(name, recipe, channels, training, options):
    """Return the content of nnU-Net's ``dataset.json``.

    Parameters
    ----------
    name : str
        ``Dataset101_Name``.
    recipe : Recipe
    channels : sequence of str
        Channel names in network order.
    training : int
        Number of training samples.
    options : ExportOptions

    Notes
    -----
    nnU-Net ignores the fields that it does not know. The recipe and its hash go from here into the model's card, so
    that inference prepares exams in the same way.
    """
    return {
        "channel_names": {str(index): channel for index, channel in enumerate(channels)},
        "labels": {BACKGROUND: 0, LESION: 1},
        "numTraining": training,
        "file_ending": ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
        "name": name,
        "description": options.description or f"Breast lesions, prepared by the recipe {recipe.name}",
        "reference": options.reference,
        "licence": options.licence,
        "recipe": recipe.name,
        "recipe_hash": recipe.hash,
        "recipe_source": recipe.source,
        "extension": __version__,
    }


def describe_split(samples, split, options):
    """Return the record of a split: how it was made, and how alike its parts are.

    Parameters
    ----------
    samples : sequence of (sequence of str)
        Of each case.
    split : Split
    options : SplitOptions
    """
    test = sorted(name for names, part in zip(samples, split.parts) if part == "test" for name in names)
    counts = {}
    for part, fold, stratum in zip(split.parts, split.folds, split.strata):
        key = "test" if part == "test" else "train" if fold is None else f"fold {fold}"
        counts.setdefault(key, Counter())[stratum] += 1
    return {
        "format": "breastseg-split-1",
        **options.to_json(),
        "test_samples": test,
        "cases": {key: dict(sorted(counter.items())) for key, counter in sorted(counts.items())},
    }

"""Train the demo model for mammograms, ``demo-mass-region``, on synthetic mammograms; or ``demo-mammogram``.

The latter, for whole mammograms, does not ship: after 27 epochs it found 7 of 14 unseen masses, none below 12 mm, and
marked dense tissue in most images. It needs several times as many.

Rerun it with ``python3 Testing/run.py python Testing/Models/train_demo_mammogram.py MODEL WORK``. WORK is a folder for
about a GB of intermediate files; both models share the sample mammograms in it. The result is a small 2D nnU-Net v2
model folder, by default in the extension's Resources; nothing is downloaded. Seeds from 10000 on are used for training
only; tests and the demo use seeds below 10000.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from training import MODELS, TRAINING_SEED, Demo, is_planned, plan, publish, set_up, train, write_case, write_dataset

SIZES = ((1664, 1280), (1248, 960), (2496, 1920))
BOXES, POINT_SIZE_MM = 3, 40.0
COUNTS = {"demo-mass-region": 100, "demo-mammogram": 150}
EPOCHS = {"demo-mass-region": 26, "demo-mammogram": 27}
WARNING = "It knows nothing of real patients: do not use its results."
DEMOS = {
    "demo-mass-region": Demo(
        name="demo-mass-region",
        title="Demo model for a box around a mass (synthetic data, for trying out only)",
        description="A small 2D nnU-Net trained on regions of synthetic mammograms. " + WARNING,
        dataset="Dataset910_SampleMassRegion",
        data=f"four regions around the mass of each of {{count}} synthetic mammograms, seeds from {TRAINING_SEED}",
        recipe="mass-region-224",
        configuration="2d",
        patch=(224, 224),
        features=(8, 16, 32, 64, 64),
        batch_size=6,
    ),
    "demo-mammogram": Demo(
        name="demo-mammogram",
        title="Demo model for whole mammograms (synthetic data, for trying out only)",
        description="A small 2D nnU-Net trained shortly on synthetic mammograms, a third of them without a mass. It "
        "misses small masses and marks dense tissue in most mammograms. " + WARNING,
        dataset="Dataset911_SampleMammogram",
        data=f"{{count}} synthetic mammograms, a third of them without a mass, seeds from {TRAINING_SEED}",
        recipe="ffdm-512",
        configuration="2d",
        patch=(256, 256),
        features=(8, 16, 32, 64, 64, 64),
        batch_size=6,
    ),
}


def sample_arguments(seed):
    """Return the varied arguments of training mammogram `seed`; every third one has no mass."""
    rng = np.random.default_rng(seed)
    return {
        "laterality": str(rng.choice(["L", "R"])),
        "view": str(rng.choice(["CC", "MLO"])),
        "density": str(rng.choice(list("abcd"), p=[0.15, 0.4, 0.3, 0.15])),
        "size": SIZES[rng.choice(len(SIZES), p=[0.72, 0.2, 0.08])],
        "polarity": str(rng.choice(["MONOCHROME1", "MONOCHROME2"])),
        "padding": str(rng.choice(["border", "air", "none"])),
        "markers": bool(rng.random() < 0.8),
        "mass": seed % 3 != 0,
    }


def training_exams(work, count, masses_only):
    """Give seed, exam (one view) and truth (uint8, y, x) of `count` training mammograms, read from DICOM files.

    The files stay in `work`, because making one takes seconds. Masses that do not fit their breast are skipped.
    """
    from BreastSegLib.errors import BadInput
    from BreastSegLib.exam.source import read
    from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
    from BreastSegLib.samples.mammogram import make_mammogram

    folder = work / "mammograms"
    folder.mkdir(exist_ok=True)
    given, seed = 0, TRAINING_SEED - 1
    while given < count:
        seed += 1
        arguments = sample_arguments(seed)
        image, truth = folder / f"{seed}.dcm", folder / f"{seed}.npz"
        if masses_only and not arguments["mass"]:
            continue
        if not truth.is_file():
            try:
                sample = make_mammogram(seed, **arguments)
            except BadInput:
                continue
            write_mammogram_dicom(sample, image)
            np.savez_compressed(truth, truth=sample.truth)
        given += 1
        yield seed, read({"views": [str(image)]}), np.load(truth)["truth"]
        print(f"\rmammogram {given} of {count}", end="", flush=True)
    print()


def drawn_regions(truth, spacing_mm, seed):
    """Return regions around the mass in `truth` as a user gives them: boxes around it, not quite centred, and a point.

    The boxes are up to 60 % larger than the mass and may miss a little of its edge.
    """
    from BreastSegLib.recipe import regions_of_mask

    rng = np.random.default_rng((seed, 1))
    boxes = [region.box for region in regions_of_mask(truth)]
    x0, y0, x1, y1 = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    regions = []
    for _ in range(BOXES):
        box = []
        for low, high in ((x0, x1), (y0, y1)):
            edge = high - low
            spare = edge * rng.uniform(0, 0.6)
            shift = rng.uniform(-0.5, 0.5) * spare + rng.uniform(-0.04, 0.04) * edge
            middle = (low + high) / 2 + shift
            box.append((int(round(middle - (edge + spare) / 2)), int(round(middle + (edge + spare) / 2))))
        regions.append({"box": [box[0][0], box[1][0], box[0][1], box[1][1]]})
    shift = rng.uniform(-4, 4, 2) / spacing_mm
    middle = [(x0 + x1 - 1) / 2 + shift[0], (y0 + y1 - 1) / 2 + shift[1]]
    return [*regions, {"point": middle, "size_mm": POINT_SIZE_MM}]


def write_raw(demo, work, count):
    """Write the prepared cases of `count` mammograms as an nnU-Net raw dataset."""
    from BreastSegLib.recipe import load_recipe, prepare_cases, prepare_mask
    from BreastSegLib.volume import Geometry, Volume

    recipe = load_recipe(demo.recipe)
    for seed, exam, truth in training_exams(work, count, recipe.needs_region):
        spacing = exam.views[0].spacing[0]
        regions = drawn_regions(truth, spacing, seed) if recipe.needs_region else ()
        for index, case in enumerate(prepare_cases(recipe, exam, regions)):
            mask = prepare_mask(case.record, Volume(truth[None], exam.images[0].geometry)).array
            # The recipe fixes the number of pixels, so their size means nothing to the network.
            write_case(demo, f"sample_{seed}_{index}", case.channels, mask, Geometry(case.geometry.shape))
    write_dataset(demo)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(DEMOS))
    parser.add_argument("work", type=Path, help="folder for intermediate files")
    parser.add_argument("--mammograms", type=int, help="how many to train on (100 with masses, or 150)")
    parser.add_argument("--epochs", type=int, help="26, or 27 for whole mammograms")
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--stage", choices=("data", "all", "publish"), default="all", help="do only a part of it")
    parser.add_argument("--checkpoint", default="checkpoint_final.pth", help="which one to publish")
    parser.add_argument("--target", type=Path, help="model folder to write")
    arguments = parser.parse_args()
    demo, start = DEMOS[arguments.model], time.time()
    count, epochs = arguments.mammograms or COUNTS[demo.name], arguments.epochs or EPOCHS[demo.name]
    demo = replace(demo, data=demo.data.format(count=count))
    set_up(arguments.work)
    if not (demo.raw / "dataset.json").is_file():
        write_raw(demo, arguments.work, count)
    if not is_planned(demo):
        plan(demo)
    if arguments.stage == "data":
        return
    if arguments.stage == "all":
        train(demo, epochs, arguments.iterations, arguments.device)
    target = arguments.target or MODELS / demo.name
    publish(demo, target, epochs, arguments.iterations, arguments.checkpoint)
    print(f"{demo.name} written to {target} after {(time.time() - start) / 60:.0f} min")


if __name__ == "__main__":
    main()

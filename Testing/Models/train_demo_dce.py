"""Train the demo model ``demo-dce`` on synthetic exams.

Rerun it with ``python3 Testing/run.py python Testing/Models/train_demo_dce.py WORK``. WORK is a folder for a few GB of
intermediate files. The result is a small nnU-Net v2 model folder, by default in the extension's Resources. About an
hour on two cores; nothing is downloaded. Seeds from 10000 on are used for training only; tests and the demo use seeds
below 10000.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from training import MODELS, TRAINING_SEED, Demo, is_planned, plan, publish, set_up, train, write_case, write_dataset

DEMO = Demo(
    name="demo-dce",
    title="Demo model for DCE-MRI (synthetic data, for trying out only)",
    description="A small 3D nnU-Net trained on synthetic exams. It knows nothing of real patients: "
    "do not use its results.",
    dataset="Dataset900_SampleDCE",
    data="synthetic exams",
    recipe="phase-aware-0000-0002",
    configuration="3d_fullres",
    patch=(64, 64, 64),
    features=(12, 24, 48, 64),
)


def sample_arguments(seed):
    """Return the varied arguments of training exam `seed`: spacing, size, obliquity, motion, noise, masses."""
    rng = np.random.default_rng(seed)
    in_plane, slices = rng.uniform(0.9, 1.4), rng.uniform(1.4, 2.6)
    extent = np.array([rng.uniform(175, 210), rng.uniform(105, 125), rng.uniform(72, 90)])
    shape = tuple(int(round(e / s)) for e, s in zip(extent[::-1], (slices, in_plane, in_plane)))
    return {
        "shape": shape,
        "spacing": (in_plane, in_plane, slices),
        "posts": int(rng.integers(2, 4)),
        "masses": int(rng.choice([1, 1, 1, 2])),
        "oblique_degrees": float(rng.uniform(-12, 12)),
        "motion_mm": float(rng.uniform(0, 0.9)),
        "noise": float(rng.uniform(4, 16)),
        "bias": float(rng.uniform(0.05, 0.22)),
        "radius_mm": (4.0, 15.0),
    }


def write_raw(demo, count):
    """Write `count` prepared sample exams as an nnU-Net raw dataset."""
    from BreastSegLib.errors import BadInput
    from BreastSegLib.recipe import load_recipe, prepare, prepare_mask
    from BreastSegLib.samples.dce import make_dce_exam

    recipe = load_recipe(demo.recipe)
    written, seed = 0, TRAINING_SEED
    while written < count:
        try:
            sample = make_dce_exam(seed, **sample_arguments(seed))
        except BadInput:  # a mass that does not fit: the next seed
            seed += 1
            continue
        prepared = prepare(recipe, sample.exam)
        mask = prepare_mask(prepared.record, sample.truth).array
        write_case(demo, f"sample_{written:03d}", prepared.channels, mask, prepared.geometry)
        written, seed = written + 1, seed + 1
        print(f"\rsample exam {written} of {count}", end="", flush=True)
    print()
    write_dataset(demo)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for intermediate files")
    parser.add_argument("--exams", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=34)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--publish-from", help="only publish this checkpoint of an earlier training, such as checkpoint_latest.pth"
    )
    parser.add_argument("--target", type=Path, default=MODELS / DEMO.name)
    arguments = parser.parse_args()
    demo, start = replace(DEMO, data=f"{arguments.exams} synthetic exams, seeds from {TRAINING_SEED}"), time.time()
    set_up(arguments.work)
    if arguments.publish_from:
        publish(demo, arguments.target, arguments.epochs, arguments.iterations, arguments.publish_from)
        return
    if not (demo.raw / "dataset.json").is_file():
        write_raw(demo, arguments.exams)
    if not is_planned(demo):
        plan(demo)
    train(demo, arguments.epochs, arguments.iterations, arguments.device)
    publish(demo, arguments.target, arguments.epochs, arguments.iterations)
    print(f"demo-dce trained in {(time.time() - start) / 60:.0f} min and written to {arguments.target}")


if __name__ == "__main__":
    main()

"""How well the quality measures rank sample exams against the truth, and how long they take.

``python3 Testing/run.py bench quality [--seeds N] [--small]``

ranking  Spearman's rank correlation between the truth that was put into sample exams and what is measured, over
         anatomies (seeds), three voxel sizes each, and levels (`quality_truth`); and how far the measure of the same
         exam moves from voxel size to voxel size, in percent of its range over the levels.
others   how much a measure moves when something else than it measures is changed.
seconds  one exam of three phases of 320 × 320 × 160 voxels with its lesion mask, on one core; each measure by itself
         on another view of it, with all that it needs.
"""

import argparse
import time

import numpy as np
from Benchmarks import quality_truth as truth

BIG, SPACING = (160, 320, 320), (0.6, 0.6, 0.6)
KINDS = {"artefact": list(truth.ARTEFACTS), "coverage": ["0", "1", "2"]}
AXES = {"0": "upper or lower end", "1": "front", "2": "both sides"}


def functions():
    """Return the functions that measure a `DceView`, by column."""
    from BreastSegTrainingLib.quality import artefact, bias, contrast, coverage, motion, sharpness

    return {
        "snr": contrast.signal_to_noise,
        "cnr": contrast.contrast_to_noise,
        "sharpness_mm": sharpness.skin_width,
        "motion_mm": motion.largest_motion,
        "bias": bias.bias_strength,
        "coverage": coverage.breast_coverage,
        "artefact": artefact.artefact_score,
    }


def value(column, exam, lesion=None):
    """Return one measure of an exam."""
    from BreastSegTrainingLib.quality.dceview import DceView

    found = functions()[column](DceView(exam, lesion))
    return found[0] if isinstance(found, tuple) else found


def ranking(seeds):
    """Print the correlations."""
    from scipy.stats import spearmanr

    print(f"{'measure':32s} {'Spearman':>9s} {'exams':>6s} {'size / range':>13s}   expected: >= 0.9, small")
    for column in functions():
        for kind in KINDS.get(column, [""]):
            wanted, found = [], []
            for seed in range(seeds):
                for size in range(len(truth.SIZES)):
                    rows = list(truth.worse(column, seed, size, kind))
                    wanted.append([true for _, true, _ in rows])
                    found.append([value(column, exam, lesion) for exam, _, lesion in rows])
            rho = spearmanr(np.ravel(wanted), np.ravel(found)).statistic
            blocks = np.array(found).reshape(seeds, len(truth.SIZES), -1)
            # Noise of twice the size halves the ratio: there the steps are equal in the logarithm.
            blocks = np.log(blocks) if column in ("snr", "cnr") else blocks
            moves = np.ptp(blocks, axis=1).mean() / np.ptp(blocks)
            name = f"{column} {AXES.get(kind, kind)}"
            print(f"{name:32s} {rho:9.3f} {np.size(found):6d} {100 * moves:11.1f} %", flush=True)


def others(seeds):
    """Print how measures move with what they do not measure."""
    rng = np.random.default_rng(0)
    quiet, usual, loud = (lambda exam, sigma=sigma: truth.noisy(exam, sigma, rng) for sigma in (2, 9, 25))
    rows = {
        "edge (mm), noise 2 → 25": ("sharpness_mm", quiet, loud),
        "SNR, blur 0 → 1 mm after noise": ("snr", usual, lambda exam: smooth(exam, rng)),
        "motion (mm), without → with contrast": ("motion_mm", lambda exam: still(exam, rng), usual),
        "bias, noise 2 → 25": ("bias", quiet, loud),
        "artefact, noise 2 → 25": ("artefact", quiet, loud),
    }
    for name, (column, before, after) in rows.items():
        found = [
            [value(column, change(truth.clean(seed, posts=2).exam)[0]) for change in (before, after)]
            for seed in range(seeds)
        ]
        first, second = np.mean(found, axis=0)
        print(f"{name:38s} {first:8.2f} → {second:8.2f}")


def smooth(exam, rng):
    """Return the exam with noise of 9, then smoothed by 1 mm."""
    from scipy import ndimage

    exam = truth.noisy(exam, 9, rng)[0]
    spacing = np.array(exam.geometry.spacing[::-1])
    return truth.with_arrays(exam, [ndimage.gaussian_filter(v.array, 1.0 / spacing) for v in exam.volumes]), 0


def still(exam, rng):
    """Return the exam with every phase as the first one, and noise of 9."""
    return truth.noisy(truth.with_arrays(exam, [exam.volumes[0].array] * len(exam.volumes)), 9, rng)


def timing(scale):
    """Print the seconds of a large exam."""
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegTrainingLib.quality import measure_dce

    shape = tuple(int(n * scale) for n in BIG)
    sample = make_dce_exam(1, shape=shape, spacing=tuple(s / scale for s in SPACING), posts=2)
    size = " × ".join(map(str, shape[::-1]))
    start = time.process_time(), time.perf_counter()
    measure_dce(sample.exam, sample.truth.array)
    processor, clock = time.process_time() - start[0], time.perf_counter() - start[1]
    print(f"three phases of {size}: {clock:.1f} s, processor {processor:.1f} s")
    for column in functions():
        begin = time.perf_counter()
        value(column, sample.exam, sample.truth.array)
        print(f"  {column:14s} {time.perf_counter() - begin:5.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument(
        "--small", action="store_true", help="two anatomies and half the edges: to try the benchmark out"
    )
    options = parser.parse_args()
    seeds = 2 if options.small else options.seeds
    ranking(seeds)
    others(seeds)
    timing(0.5 if options.small else 1.0)


if __name__ == "__main__":
    main()

"""Arguments that say how a training is done, and what the launch makes of them."""

import os
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.executors import NAMES

from ..launch import Wish

MOST_WORKERS = 12


def add_choice(parser):
    """Add what is trained."""
    parser.add_argument("dataset", metavar="DATASET_FOLDER", help="nnU-Net raw dataset, made by export")
    parser.add_argument("--work", required=True, metavar="DIR", help="folder of the trainings")
    parser.add_argument("--preset", metavar="P", help="name or file of a preset")
    parser.add_argument("--trainer", metavar="T", help="trainer class (default: that of the preset)")
    parser.add_argument("--configuration", metavar="C", help="2d, 3d_fullres or 3d_lowres")
    parser.add_argument("--name", help="name of the training (default: that of the preset)")
    parser.add_argument("--folds", nargs="+", metavar="N", help="folds 0 1 …, or all (default: every fold)")
    parser.add_argument("--pretrained", metavar="MODEL", help="begin with the weights of a model (fine-tuning)")
    parser.add_argument(
        "--encoder-weights", metavar="FILE", help="of the encoder: a file, imagenet (from the hub) or none"
    )


def add_changes(parser):
    """Add what is changed in plans and settings."""
    group = parser.add_argument_group("changes to the method")
    group.add_argument("--epochs", type=int, metavar="N")
    group.add_argument("--iterations", type=int, metavar="N", help="training steps in each epoch")
    group.add_argument("--batch", type=int, metavar="N", help="samples in each step")
    group.add_argument("--patch", type=int, nargs="+", metavar="N", help="size of a sample: Z Y X, or Y X")
    group.add_argument("--seed", type=int, metavar="N", help="makes a training repeatable")
    group.add_argument(
        "--checkpoint-every", type=int, metavar="N", help="epochs between checkpoints: what a power failure may cost"
    )
    group.add_argument("--probabilities", action="store_true", help="keep the chances of the validation cases")
    group.add_argument(
        "--retry-memory",
        action="store_true",
        default=True,
        help="start again with half the batch when the memory was short (default)",
    )
    group.add_argument("--no-retry-memory", dest="retry_memory", action="store_false", help="fail instead")


def add_place(parser):
    """Add where it runs."""
    group = parser.add_argument_group("where it runs")
    group.add_argument("--device", choices=("auto", "cuda", "cpu"), help="auto: the GPU (default)")
    group.add_argument("--devices", type=int, nargs="+", metavar="N", help="numbers of the GPUs, one fold on each")
    group.add_argument("--workers", type=int, metavar="N", help="processes that prepare samples; 0: none of their own")
    group.add_argument("--executor", choices=NAMES, default="local", help="this computer, or a cluster")
    group.add_argument("--partition", metavar="NAME", help="of the cluster")
    group.add_argument("--hours", type=float, metavar="N", help="time limit of a fold on the cluster")
    group.add_argument("--memory", type=float, metavar="GB", help="main memory of a fold on the cluster")
    group.add_argument("--cpus", type=int, metavar="N", help="processors of a fold on the cluster")
    group.add_argument("--gpus", type=int, metavar="N", help="GPUs of a fold on the cluster (default: 1)")
    group.add_argument(
        "--cluster-option", action="append", default=[], metavar="KEY=VALUE", help="more options of sbatch"
    )


def wish_of(options):
    """Return the `Wish` of a command line.

    Raises
    ------
    BadInput
        If a number cannot be meant.
    """
    _check_numbers(options)
    settings = {
        "epochs": options.epochs,
        "iterations": options.iterations,
        "checkpoint_every": options.checkpoint_every,
        "seed": options.seed,
    }
    plan = {"batch_size": options.batch, "patch_size": options.patch}
    return Wish(
        raw=options.dataset,
        work=options.work,
        preset=options.preset or "",
        trainer=options.trainer or "",
        configuration=options.configuration or "",
        name=options.name or "",
        folds=tuple(options.folds or ()),
        plan=_given(plan),
        settings={**_given(settings), **_encoder_weights(options.encoder_weights)},
        pretrained=options.pretrained or "",
        values={
            "device": options.device or "auto",
            "devices": tuple(options.devices or ()),
            "workers": default_workers() if options.workers is None else options.workers,
            "executor": options.executor,
            "resources": _resources(options),
            "retry_memory": options.retry_memory,
            "probabilities": options.probabilities,
        },
    )


def default_workers():
    """Return how many processes prepare samples when nobody says: all processors but one, at most twelve."""
    return min(MOST_WORKERS, max(0, (os.cpu_count() or 1) - 1))


def _resources(options):
    names = {"partition": "partition", "hours": "hours", "memory": "memory_gb", "cpus": "cpus", "gpus": "gpus"}
    found = _given({target: getattr(options, name) for name, target in names.items()})
    more = dict(text.partition("=")[::2] for text in options.cluster_option)
    if more:
        found["options"] = more
    if found and options.executor == "local":
        raise BadInput(f"{', '.join(found)} are of a cluster", "--executor local", "Add --executor slurm")
    return found


def _check_numbers(options):
    for name, least in (
        *(("epochs", 1), ("iterations", 1), ("batch", 1), ("checkpoint_every", 1), ("seed", 0), ("workers", 0)),
    ):
        value = getattr(options, name)
        if value is not None and value < least:
            raise BadInput(f"The number is not {least} or more", f"--{name.replace('_', '-')} {value}")
    if options.patch and (len(options.patch) not in (2, 3) or min(options.patch) < 1):
        raise BadInput("A patch has two or three sides", f"--patch {' '.join(map(str, options.patch))}")


def _encoder_weights(word):
    """Return the setting that a file or a word means; none where nothing was said."""
    if word is None:
        return {}
    if word in ("imagenet", "none"):
        return {"encoder_weights": word if word == "imagenet" else None}
    if not Path(word).is_file():
        raise BadInput("There is no such file", f"--encoder-weights {word}", "Give a file, imagenet or none")
    return {"encoder_weights": str(Path(word).resolve())}


def _given(table):
    return {key: value for key, value in table.items() if value is not None}

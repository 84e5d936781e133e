"""The options of ``batch`` that give the work to a cluster."""

import argparse

from ..errors import BadInput
from ..executors import NAMES, make, resources_of
from ..pipeline.batch_cluster import ClusterBatch

HERE = NAMES[0]
# Option → entry of `Resources`.
_WANTED = {"gpus": "gpus", "cpus": "cpus", "memory": "memory_gb", "hours": "hours", "partition": "partition"}
_CPUS = 4  # reading and preparing goes on beside the network


def add_cluster_options(parser):
    """Add where the batch runs and what its jobs need."""
    group = parser.add_argument_group("where it runs")
    group.add_argument("--executor", choices=NAMES, default=HERE, help="this computer (default), or a SLURM cluster")
    group.add_argument("--jobs", type=_count, metavar="N", help="cluster: divide the cases among N jobs (default 1)")
    group.add_argument(
        "--detach",
        action="store_true",
        help="cluster: end when the jobs are in the queue; the same command later collects the results",
    )
    group.add_argument("--partition", metavar="NAME", help="cluster: partition of the jobs")
    group.add_argument("--hours", type=float, metavar="N", help="cluster: time limit of a job (default 24)")
    group.add_argument("--memory", type=float, metavar="GB", help="cluster: main memory of a job")
    group.add_argument("--cpus", type=int, metavar="N", help=f"cluster: processors of a job (default {_CPUS})")
    group.add_argument("--gpus", type=int, metavar="N", help="cluster: GPUs of a job (default 1; 0 with --device cpu)")
    group.add_argument(
        "--cluster-option", action="append", default=[], metavar="KEY=VALUE", help="cluster: more options of sbatch"
    )


def on_cluster(options):
    """Return whether the work goes to a cluster, after checking that the options fit together.

    Raises
    ------
    BadInput
        If they do not.
    """
    names = [name for name in (*_WANTED, "jobs") if getattr(options, name) is not None]
    names += ["detach"] * options.detach + ["cluster-option"] * bool(options.cluster_option)
    if options.executor == HERE:
        if names:
            what = ", ".join(f"--{name}" for name in names)
            raise BadInput(
                f"{what} are of a cluster" if len(names) > 1 else f"{what} is of a cluster", "", "Add --executor slurm"
            )
        return False
    if options.stop_after is not None:
        raise BadInput("--stop-after is for batches on this computer", "", "Leave it out")
    return True


def cluster_batch(options, cases, model, settings):
    """Return the `ClusterBatch` of a command line.

    Parameters
    ----------
    options : argparse.Namespace
    cases, model
        As for `Batch`.
    settings : BatchOptions
    """
    found = {entry: getattr(options, name) for name, entry in _WANTED.items() if getattr(options, name) is not None}
    found = {"cpus": _CPUS, "gpus": 0 if options.device == "cpu" else 1, **found}
    found["options"] = dict(text.partition("=")[::2] for text in options.cluster_option)
    return ClusterBatch(
        cases,
        model,
        options.output,
        settings,
        options.overwrite,
        executor=make(options.executor),
        arguments=_arguments(model, settings),
        resources=resources_of(found),
        jobs=options.jobs or 1,
        detach=options.detach,
    )


def _arguments(model, settings):
    """Return the arguments of ``batch`` on a node."""
    arguments = ["--model", str(model.folder), "--device", settings.device, "--format", settings.format]
    arguments += ["--motion", settings.motion]
    for option, given in (
        ("--tta", settings.tta),
        ("--exact", not settings.shortcuts),
        ("--no-cleanup", not settings.cleanup),
    ):
        arguments += [option] if given else []
    for option, values in (("--folds", settings.folds), ("--maps", settings.maps)):
        arguments += [option, *values] if values else []
    return arguments


def _count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return value

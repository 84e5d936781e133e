"""``experiment``: a table of a paper, made from one case table."""

import sys

from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput
from BreastSegLib.executors import NAMES
from BreastSegLib.files import read_json

from ..experiments import ExperimentOptions, experiment_names, load_experiment, run_experiment
from ..experiments.outcome import DONE
from ..experiments.results import HTML
from .training_arguments import default_workers

RESOURCES = {"partition": "partition", "hours": "hours", "memory": "memory_gb", "cpus": "cpus", "gpus": "gpus"}


def add_arguments(verbs):
    """Add the verb to the parser."""
    names = ", ".join(experiment_names())
    parser = verbs.add_parser(
        "experiment",
        help="make the table of a paper from a case table",
        description=f"Selects, checks, exports, trains and evaluates each row of a paper's table ({names}) and writes "
        "the table with the published figures beside yours. The same command goes on where it ended; a row that fails "
        "does not stop the others.",
    )
    parser.add_argument("experiment", metavar="NAME_OR_FILE", help=f"{names}, or a file of your own")
    parser.add_argument("--cases", metavar="TABLE.csv", help="case table; nothing is written into it")
    parser.add_argument("--work", metavar="DIR", help="folder of the trainings and of the results")
    parser.add_argument("--only", type=int, nargs="+", default=[], metavar="N", help="these rows (default: all)")
    parser.add_argument("--list", action="store_true", help="say what the rows are, and begin nothing")
    _add_changes(parser)
    _add_place(parser)
    add_events(parser)
    parser.set_defaults(function=run)


def _add_changes(parser):
    group = parser.add_argument_group("changes to the method, the same for all rows")
    group.add_argument("--epochs", type=int, metavar="N")
    group.add_argument("--iterations", type=int, metavar="N", help="training steps in each epoch")
    group.add_argument("--folds", type=int, metavar="N", help="of the cross-validation")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the division into folds (default: 0)")
    group.add_argument("--plan", metavar="FILE.json", help="changes of nnU-Net's plans, such as a smaller patch")
    group.add_argument("--settings", metavar="FILE.json", help="changes of the trainers' settings")


def _add_place(parser):
    group = parser.add_argument_group("where it runs")
    group.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="auto: the GPU (default)")
    group.add_argument("--devices", type=int, nargs="+", default=[], metavar="N", help="GPUs, one fold on each")
    group.add_argument("--workers", type=int, metavar="N", help="processes that prepare cases and samples")
    group.add_argument("--executor", choices=NAMES, default="local", help="this computer, or a cluster")
    group.add_argument("--partition", metavar="NAME", help="of the cluster")
    group.add_argument("--hours", type=float, metavar="N", help="time limit of a fold on the cluster")
    group.add_argument("--memory", type=float, metavar="GB", help="main memory of a fold on the cluster")
    group.add_argument("--cpus", type=int, metavar="N", help="processors of a fold on the cluster")
    group.add_argument("--gpus", type=int, metavar="N", help="GPUs of a fold on the cluster (default: 1)")


def run(options):
    """Run the experiment; 1 when a row has failed."""
    experiment = load_experiment(options.experiment)
    if options.list:
        _list(experiment)
        return 0
    missing = next((name for name in ("cases", "work") if not getattr(options, name)), None)
    if missing:
        raise BadInput(f"--{missing} is missing", "experiment", "Or give --list to see the rows")
    wanted = options_of(options)
    failed = []

    def work(report):
        record = run_experiment(experiment, wanted, report)
        chosen = {row.number for row in experiment.chosen(wanted.only)}
        rows = [row for row in record["rows"] if row["number"] in chosen]
        failed.extend(row for row in rows if row["state"] != DONE)
        folder = wanted.folder(experiment.name)
        return {"experiment": experiment.name, "folder": str(folder), "page": str(folder / HTML), "rows": rows}

    carry_out(options, work, show)
    return 1 if failed else 0


def options_of(options):
    """Return the `ExperimentOptions` of a command line."""
    resources = {name: getattr(options, key) for key, name in RESOURCES.items() if getattr(options, key) is not None}
    if resources and options.executor == "local":
        raise BadInput(f"{', '.join(resources)} are of a cluster", "--executor local", "Add --executor slurm")
    return ExperimentOptions(
        table=options.cases,
        work=options.work,
        only=tuple(options.only),
        device=options.device,
        devices=tuple(options.devices),
        epochs=options.epochs,
        iterations=options.iterations,
        folds=options.folds,
        seed=options.seed,
        executor=options.executor,
        resources=resources,
        workers=default_workers() if options.workers is None else options.workers,
        plan=_table(options.plan, "--plan"),
        settings=_table(options.settings, "--settings"),
    )


def show(result):
    """Tell people how the rows ended."""
    lines = []
    for row in result["rows"]:
        figures = [
            f"{name} {value['mean']:.3f}"
            for name, value in row["values"].items()
            if value and value.get("mean") is not None
        ]
        published = [f"{name} {value:g}" for name, value in row["published"].items()]
        told = ", ".join(figures) + (f" (published: {', '.join(published)})" if published else "")
        lines.append(f"{row['number']} {row['title']}: {told if row['state'] == DONE else row['message']}")
    lines.append(f"Written: {result['page']}")
    sys.stdout.write("\n".join(lines) + "\n")


def _list(experiment):
    lines = [f"{experiment.title}. {experiment.source}"]
    for row in experiment.rows:
        lines.append(f"{row.number} {row.title}: {row.preset.name}, {row.preset.recipe}, {row.part}")
    sys.stdout.write("\n".join(lines) + "\n")


def _table(path, argument):
    if not path:
        return {}
    record = read_json(path)
    if not isinstance(record, dict):
        raise BadInput("The file holds no table", f"{argument} {path}")
    return record

"""Experiments: the tables of the papers, each made from one case table by one command, and resumed by the same."""

from .experiment import Experiment, Row, experiment_names, load_experiment
from .flow import run_experiment
from .options import ExperimentOptions

__all__ = ["Experiment", "ExperimentOptions", "Row", "experiment_names", "load_experiment", "run_experiment"]

#!/usr/bin/env python3
"""Set-up, demo, tests, host and benchmarks of SlicerBreastSeg, by one command that needs only Python itself.

On first use it makes the project's own Python environment (.venv) with pinned packages. Nothing outside the project
folder changes, except that under root on Debian missing system packages are installed (not with --no-system-check).
"""

import argparse
import signal
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 10):
    sys.exit(
        f"run.py needs Python 3.10 or newer, and this is {sys.version.split()[0]}. Try: python3.12 Testing/run.py"
    )

sys.path.insert(0, str(Path(__file__).resolve().parent))

from setup_tools import ROOT, SetupError, system  # noqa: E402
from setup_tools.environment import Environment  # noqa: E402
from setup_tools.groups import benchmarks, plan, run_tests  # noqa: E402
from setup_tools.interpreter import choose  # noqa: E402

VERBS = """\
what to run:
  demo            Try it out: a synthetic breast MRI exam goes through the whole chain in the BreastSeg panel.
                  Segmentation, report and screenshots are left in demo-output/.
  test [ARGS]     All tests. ARGS go to pytest: "test -k phases", "test Testing/unit/test_table.py".
  slicer ARGS     The module in the stand-in for 3D Slicer:
                  "slicer --module BreastSeg --screenshot panel.png [--script script.py]".
  python ARGS     The environment's Python with the paths set: "python -m BreastSegLib phases EXAM".
  bench [NAME]    One benchmark, or all of them: "bench inference".
  setup [--rebuild]
                  Only make the environment ready; with --rebuild from nothing.

Every one of them makes the environment first when it is not there (several GB of packages, some minutes, once).
"""


def parser():
    """Return the parser of the options before the verb."""
    result = argparse.ArgumentParser(
        prog="run.py",
        description=__doc__.split("\n\n")[0],
        epilog=VERBS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="python3 Testing/run.py [options] VERB [ARGS …]",
    )
    result.add_argument("--python", metavar="PATH", help="make the environment with this Python (3.11 or 3.12)")
    result.add_argument("--no-system-check", action="store_true", help="do not look for (or install) system packages")
    result.add_argument(
        "verb",
        choices=["demo", "test", "slicer", "python", "bench", "setup"],
        metavar="VERB",
        help="demo, test, slicer, python, bench or setup (see below)",
    )
    result.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="go to what is run")
    return result


def set_up(options):
    """Make the system packages and the environment ready and return the Environment."""
    environment = Environment(say=say)
    found = []

    def interpreter():
        if not found:
            found.append(choose(options.python))
        return found[0]

    if options.verb == "setup" and options.rebuild:
        environment.forget()
    if not options.no_system_check:
        needs_building = environment.state() not in ("ready", "outdated")
        system.check(interpreter() if needs_building else None, say, log=ROOT / ".venv-system.log")
        if options.verb == "test" and any(group[0] == "endtoend" for group, _ in plan(options.arguments, ROOT)[0]):
            system.check_tests(say, log=ROOT / ".venv-system.log")
    environment.ensure(interpreter, wanted=bool(options.python))
    return environment


def run(options):
    """Do what the command line says and return the exit status."""
    arguments = options.arguments
    if options.verb == "bench":
        names = benchmarks(ROOT)
        chosen = arguments[:1] or list(names)
        if not names or not set(chosen) <= set(names):
            raise SetupError(f"There is no benchmark {' '.join(chosen)}. There are: {', '.join(names) or 'none yet'}.")
    environment = set_up(options)
    variables = environment.child_environment()
    python = str(environment.python)

    def child(*command):
        return subprocess.run([python, *map(str, command)], env=variables).returncode

    if options.verb == "setup":
        say(f"Ready: {environment.folder}")
        return 0
    if options.verb == "test":
        return run_tests(environment.python, arguments, ROOT, variables, say=say)
    if options.verb == "demo":
        return child(ROOT / "Testing" / "demo.py", "--output", ROOT / "demo-output", *arguments)
    if options.verb == "slicer":
        return child("-m", "Host", *arguments)
    if options.verb == "python":
        return child(*arguments)
    return run_benchmarks(names, chosen, arguments[1:], child)


def run_benchmarks(names, chosen, arguments, child):
    """Run the chosen benchmarks in turn; the status of the first that failed counts."""
    say(f"Benchmarks: {', '.join(names)}")
    status = 0
    for name in chosen:
        say(f"\n== {name} ==")
        status = child(names[name], *arguments) or status
    return status


def say(line):
    """Show a line at once, also when the output goes to a file."""
    print(line, flush=True)


def main(argv=None):
    """Run the command line; return the status of what ran, 1 for a failed set-up, 2 for a wrong command."""
    options = parser().parse_args(argv)
    options.rebuild = options.verb == "setup" and options.arguments == ["--rebuild"]
    if options.verb == "setup" and options.arguments and not options.rebuild:
        parser().error(f"setup takes only --rebuild, not {' '.join(options.arguments)}")
    if options.verb in ("demo", "test", "bench") and options.arguments[:1] in (["-h"], ["--help"]):
        parser().print_help()
        return 0
    # A terminated set-up ends pip too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(options)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command continues from here.", file=sys.stderr, flush=True)
        return 130


if __name__ == "__main__":
    sys.exit(main())

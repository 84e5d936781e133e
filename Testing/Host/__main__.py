"""The host as a command: open modules, run a script or the self tests, save a picture."""

import argparse
import logging
import pathlib
import sys
import unittest


def parseArguments(arguments) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="Host", description="Stand-in for 3D Slicer: runs scripted modules.")
    parser.add_argument("--module", help="module to open")
    parser.add_argument("--module-paths", nargs="+", default=[], metavar="DIR", help="folders with modules")
    parser.add_argument("--screenshot", metavar="F.png", help="save a picture of the window before ending")
    parser.add_argument("--script", metavar="S.py", help="Python script to run in the application")
    parser.add_argument("--testing", action="store_true", help="no questions, end after the script")
    parser.add_argument(
        "--self-test", action="store_true", help="run the module's self test; exit code 1 when it fails"
    )
    parser.add_argument("--no-main-window", action="store_true", help="without main window and views")
    parser.add_argument("script_arguments", nargs="*", help="arguments for the script (after --)")
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Run the command and return its exit code."""
    options = parseArguments(arguments)
    logging.basicConfig(level=logging.INFO, format="[%(levelname)s] %(message)s")
    from . import application, screenshots

    paths = options.module_paths or defaultPaths(options.module)
    try:
        host = application.start(
            paths, testing=options.testing or options.self_test, mainWindow=not options.no_main_window
        )
    except FileNotFoundError as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    except Exception:
        logging.exception("A module cannot be loaded")
        return 1
    code = 0
    if options.module:
        if host.moduleManager.module(options.module) is None:
            sys.stderr.write(
                f"No module {options.module}: loaded are "
                f"{', '.join(module.objectName() for module in host.moduleManager.scripted())}\n"
            )
            return 2
        code = openModule(host, options.module)
    if code == 0 and options.self_test:
        code = runSelfTest(options.module)
    if code == 0 and options.script:
        code = application.runScript(pathlib.Path(options.script), options.script_arguments)
    if options.screenshot:
        screenshots.layoutScreenshot(options.screenshot)
    if not (options.testing or options.self_test or options.script or options.screenshot):
        code = host.app.exec()
    application.stop()
    return code


def defaultPaths(name) -> list:
    """Return the project's module folders; only that of the module asked for when it is one of them."""
    project = pathlib.Path(__file__).resolve().parents[2]
    folders = [project / "BreastSeg", project / "BreastSegTraining"]
    folders = [folder for folder in folders if (folder / f"{folder.name}.py").exists()]
    named = [folder for folder in folders if folder.name == name]
    return named or folders


def openModule(host, name) -> int:
    """Show a module's panel; exit code 1 when it cannot be built."""
    try:
        if host.mainWindow is not None:
            host.moduleManager.selectModule(name)
        else:
            host.moduleManager.module(name).widgetRepresentation()
        host.app.processEvents()
    except Exception:
        logging.exception("The panel of %s cannot be built", name)
        return 1
    return 0


def runSelfTest(name) -> int:
    """Run a module's self test as its developer button does; exit code 1 when it fails or when a slot raised."""
    import slicer

    from .pythonqt import slotErrors

    before = len(slotErrors)
    try:
        slicer.selfTests[name](msec=0)
    except (Exception, unittest.SkipTest):
        logging.exception("Self test of %s failed", name)
        return 1
    if len(slotErrors) > before:
        logging.error("Self test of %s: %d errors in slots", name, len(slotErrors) - before)
        return 1
    logging.info("Self test of %s passed", name)
    return 0


if __name__ == "__main__":
    sys.exit(main())

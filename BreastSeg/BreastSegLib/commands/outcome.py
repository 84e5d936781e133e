"""How every command ends: an exit code, and for an error one line on standard error."""

import sys
import traceback

from ..errors import BreastSegError, Cancelled

EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_CANCELLED = 0, 1, 2, 130


def exit_code_of(work, debug, cancelled, answer=lambda _error: ""):
    """Do the work of a command and return its exit code.

    Parameters
    ----------
    work : callable
        Returns an exit code, or nothing when all is done.
    debug : bool
        Show the traceback of an error.
    cancelled : str
        What is said after a cancel.
    answer : callable, optional
        ``answer(error)`` returns the part of a command line that answers a question, or "".
    """
    try:
        return work() or EXIT_DONE  # most verbs know nothing between done and an error
    except (Cancelled, KeyboardInterrupt):
        sys.stderr.write(f"{cancelled}\n")
        return EXIT_CANCELLED
    except BreastSegError as error:
        if debug:
            traceback.print_exc()
            sys.stderr.write(getattr(error, "log", "") + "\n")
        told = answer(error)
        sys.stderr.write(f"Error: {error.line}" + (f" Answer with {told}.\n" if told else "\n"))
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        return EXIT_FAILED
    except OSError as error:  # such as a name that is too long for the system
        if debug:
            raise
        sys.stderr.write(f"Error: A file or folder cannot be used: {error.strerror or type(error).__name__}.\n")
        return EXIT_BAD_INPUT
    except Exception as error:
        if debug:
            raise
        what = " ".join(str(error).split())[:300]
        sys.stderr.write(f"Error: {type(error).__name__}: {what}. Run again with --debug and report it.\n")
        return EXIT_FAILED

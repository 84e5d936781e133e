"""Why pip failed, in plain sentences."""

import re

_NETWORK = (
    r"Temporary failure in name resolution|Name or service not known|nodename nor servname|getaddrinfo failed"
    r"|Failed to establish a new connection|NewConnectionError|Network is unreachable|ConnectTimeoutError"
    r"|ReadTimeoutError"
    r"|Max retries exceeded|Connection (?:refused|reset|aborted|broken)|ProxyError|NameResolutionError"
    r"|No route to host"
)
_REASONS = (
    (
        r"No space left on device|Errno 28|WinError 112|Disk quota exceeded|Errno 122",
        "The disk is full. Free about {space} GB (torch alone takes several) and run the same command again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError",
        "The package server's certificate was not accepted. Behind a company network, point pip at its certificate "
        "(pip config set global.cert FILE) and run the same command again.",
    ),
    (
        _NETWORK,
        "The package server could not be reached. Check the network connection (and pip's proxy setting), then run "
        "the same command again; what is downloaded already is kept.",
    ),
    (
        r"(?:No matching distribution found for|Could not find a version that satisfies the requirement) ([^\s(]+)",
        "There is no package {0} for Python {python} on this system. Use another Python "
        "(python3 Testing/run.py --python /path/to/python3.12 setup), or a package index that has it.",
    ),
    (
        # pip calls a pinned package that it cannot find a conflict with its own constraint.
        r"The user requested \(constraint\) (\S+)",
        "The package server offers no {0} for Python {python} on this system. Check the network; if it works, "
        "use another Python (python3 Testing/run.py --python /path/to/python3.12 setup).",
    ),
    (
        r"DO NOT MATCH THE HASHES|Hash mismatch|BadZipFile|not a zip file",
        "A downloaded package arrived damaged. Run the same command again; if it happens again, empty pip's cache "
        "(python3 -m pip cache purge).",
    ),
    (
        r"Permission denied|WinError 5\b|Errno 13",
        "A file could not be written. Check that you own the project folder.",
    ),
    (
        r"error: command '?\S+'? failed|Microsoft Visual C\+\+|Failed building wheel for|subprocess-exited-with-error",
        "A package had to be built from source and that failed; usually there is no ready-made wheel for Python "
        "{python} on this system. Use Python 3.11 or 3.12 for a 64-bit system.",
    ),
    (
        r"MemoryError|Cannot allocate memory",
        "The memory ran out. Close other programs and run the same command again.",
    ),
)


def explain(log_text, code, python, space):
    """Return a sentence or two for the user.

    Parameters
    ----------
    log_text : str
        What pip wrote.
    code : int
        Its exit status.
    python : str
        Version of the environment's Python.
    space : int
        Free space in GB that an installation wants.

    Returns
    -------
    str
        The reason and what to do, followed by pip's last error line.
    """
    sentence = ""
    for pattern, reason in _REASONS:
        match = re.search(pattern, log_text, re.IGNORECASE)
        if match:
            sentence = reason.format(*(group or "" for group in match.groups()), python=python, space=space)
            break
    if not sentence and code in (-9, 137):
        sentence = "The installation was killed, most likely because the memory ran out. Close other programs."
    lines = [line.strip() for line in log_text.splitlines() if line.strip()]
    errors = [line for line in lines if line.upper().startswith(("ERROR", "OSERROR"))]
    last = (errors or lines or ["it wrote nothing"])[-1]
    return (sentence or "The packages could not be installed.") + f"\npip's last word: {last[:300]}"

"""The packages that talk to archives, imported when they are needed and kept from logging what they transfer."""

import logging

from ..errors import BadInput


def pynetdicom():
    """Return the package pynetdicom.

    Raises
    ------
    BadInput
        If it is not installed.
    """
    try:
        import pynetdicom
        from pynetdicom import _config
    except ImportError as error:
        raise _missing("pynetdicom", "pynetdicom>=3.0") from error
    # Identifiers hold names of patients.
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
    _silence("pynetdicom")
    return pynetdicom


def dicomweb():
    """Return the class ``DICOMwebClient`` and the package requests.

    Raises
    ------
    BadInput
        If one is not installed.
    """
    try:
        import requests
        from dicomweb_client.web import DICOMwebClient
    except ImportError as error:
        raise _missing("dicomweb-client", "dicomweb-client>=0.60") from error
    for name in ("dicomweb_client", "urllib3", "requests", "retrying"):  # addresses hold what was searched for
        _silence(name)
    return DICOMwebClient, requests


def _missing(package, requirement):
    return BadInput(
        f"The package {package} is not installed, and talking to this archive needs it",
        hint=f'Install it: pip install "{requirement}"',
    )


def _silence(name):
    logger = logging.getLogger(name)
    logger.setLevel(logging.CRITICAL + 1)
    # Loggers below it have levels of their own, or are made only now.
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())

"""DICOM dates and times as numbers."""

import re
from datetime import date


def seconds_of_day(text):
    """Return the seconds since midnight of a DICOM time (``HHMM`` or ``HHMMSS.FFFFFF``, also with colons), or None."""
    match = re.match(r"(\d\d):?(\d\d)(?::?(\d\d(?:\.\d*)?))?", text.strip())
    if not match:
        return None
    hours, minutes, seconds = int(match[1]), int(match[2]), float(match[3] or 0)
    return hours * 3600 + minutes * 60 + seconds if hours < 24 and minutes < 60 and seconds < 61 else None


def day_number(text):
    """Return the day number of a DICOM date (``YYYYMMDD``), or None."""
    match = re.fullmatch(r"(\d{4})\.?(\d\d)\.?(\d\d)", text.strip())
    try:
        return date(*map(int, match.groups())).toordinal() if match else None
    except ValueError:
        return None


def moment(day, time):
    """Return (day number or None, seconds of the day) of a date and a time, or None without a time."""
    seconds = seconds_of_day(time)
    return None if seconds is None else (day_number(day), seconds)


def moment_of_stamp(text):
    """Return the moment of a DICOM date and time in one (``YYYYMMDDHHMMSS.FFFFFF``), or None."""
    return moment(text[:8], text[8:])

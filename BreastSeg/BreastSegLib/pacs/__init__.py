"""Archives (PACS): finding, getting and sending images and results, and watching for exams that arrive.

Runs on the command line and in child processes; pynetdicom and dicomweb-client are imported when they are needed.
"""

from .archive import archive_of
from .peer import Credentials, Peer, Tls, credentials_from_environment, read_peer
from .query import Query

__all__ = ["Credentials", "Peer", "Query", "Tls", "archive_of", "credentials_from_environment", "read_peer"]

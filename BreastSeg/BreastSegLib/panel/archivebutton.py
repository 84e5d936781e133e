"""The button "From archive…" of step 1, and the window that it and "Send to archive…" open."""

import slicer

from ..scene.texts import _
from .archivewindow import ArchiveWindow


class ArchiveButton:
    """Makes the window when it is first wanted.

    Parameters
    ----------
    ui : object
        The widgets of BreastSeg.ui, by name.
    session : scene.session.Session
    onGot : callable
        Called with the folder of a study that was got: it is loaded.
    working : callable
        Returns whether the panel is at work: no study can be loaded then.
    log : callable
        ``log(text)``: adds a line to the log of the panel.
    """

    def __init__(self, ui, session, onGot, working, log):
        self._session, self._onGot, self._working, self._log = session, onGot, working, log
        self.window = None
        ui.archiveButton.connect("clicked()", self.open)

    def open(self):
        """Open the window to find and get a study."""
        self._made().open()

    def send(self, files):
        """Open the window to send DICOM files.

        Parameters
        ----------
        files : sequence of str
        """
        self._made().send(files)

    def refresh(self):
        """The panel has begun or ended some work."""
        if self.window is not None:
            self.window.refresh()

    def close(self):
        """Close the window and end what it is doing."""
        if self.window is not None:
            self.window.close()
        self.window = None

    def _made(self):
        if self.window is None:
            self.window = ArchiveWindow(slicer.util.mainWindow(), self._session, self._onGot, self._whyNot, self._log)
        return self.window

    def _whyNot(self):
        return _("Wait until the present work has ended, or cancel it.") if self._working() else ""

"""A question that the files leave open, with its possible answers, inside the panel."""


class QuestionBox:
    """The framed area under the load button.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onAnswer : callable
        ``onAnswer(name, value)``: called when the user presses "Continue".
    """

    def __init__(self, ui, onAnswer):
        self._ui, self._onAnswer = ui, onAnswer
        self._name, self._values = "", ()
        ui.questionButton.connect("clicked()", self._answer)
        self.hide()

    @property
    def asking(self):
        """str: what is asked, such as ``clock``; '' when nothing is."""
        return self._name

    def ask(self, question):
        """Show the sentence and the choices of an `Undecided`."""
        self._name = question.name
        self._values = tuple(value for value, text in question.choices)
        self._ui.questionLabel.text = question.line
        self._ui.questionBox.clear()
        for _value, text in question.choices:
            self._ui.questionBox.addItem(text)
        self._ui.questionFrame.setVisible(True)

    def hide(self):
        """Nothing is asked."""
        self._name, self._values = "", ()
        self._ui.questionFrame.setVisible(False)

    def setEnabled(self, enabled):
        """Let the user answer, or not."""
        self._ui.questionFrame.setEnabled(enabled)

    def _answer(self):
        index = self._ui.questionBox.currentIndex
        if self._name and 0 <= index < len(self._values):
            name, value = self._name, self._values[index]
            self.hide()
            self._onAnswer(name, value)

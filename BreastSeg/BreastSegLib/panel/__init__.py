"""Qt: what the user sees. Three steps - Exam, Model, Segment - and one primary button."""

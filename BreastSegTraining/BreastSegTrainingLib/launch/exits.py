"""What the process that trains tells by its exit code to the one that sees to it."""

TOLD = 2  # failed, and has written down why
ENDED = 3  # stopped as it was asked
SHORT_OF_MEMORY = 4
NO_COMPILER = 5

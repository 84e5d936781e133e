"""How the threads of one computation wait for each other; torch reads it once, when it is imported."""

# Threads that wait busily, as they do unasked, gain some percent on an idle computer, but where one other program
# runs on two cores a training takes 1.7 times as long, and small networks have been tens of times slower. A thousand
# looks before a thread sleeps keep most of what busy waiting gains (GNU's library; others only know the policy).
SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}


def set_waiting(environment):
    """Let threads sleep while they wait, unless the user has set how they wait.

    Parameters
    ----------
    environment : dict or os.environ
        Environment variables, changed in place.
    """
    if not any(name in environment for name in SETTINGS):
        environment.update(SETTINGS)

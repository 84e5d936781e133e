"""Waiting for the worker without waiting: a generator that ends when the answer is there."""

from ..inference.messages import to_exception


def answerTo(client, requestId, report):
    """Poll `client` once a turn until the request `requestId` is answered. A generator.

    Parameters
    ----------
    client : WorkerClient
    requestId : int
        What `client.send` returned.
    report : callable
        ``report(stage, done, total, eta_s)``: called for each progress event.

    Yields
    ------
    None

    Returns
    -------
    dict
        The result event.

    Raises
    ------
    BreastSegError
        What the error event says.
    """
    while True:
        for event in client.poll():
            if event.get("id") != requestId:
                continue
            if event["event"] == "progress":
                report(event["stage"], event["done"], event["total"], event.get("eta_s"))
            elif event["event"] == "result":
                return event
            elif event["event"] == "error":
                raise to_exception(event)
        yield

"""From a finished training to the model library and to a zip, with a card that says what a user has to know."""

from .publish import Published, PublishOptions, publish

__all__ = ["PublishOptions", "Published", "publish"]

"""Errors of a server, and what happens to it and its file."""

from __future__ import annotations


class BadServerError(Exception):
    """The server is left out, and its file goes to the others; the message says why."""


class GoneError(BadServerError):
    """It does not answer any more, or not in time."""


class BadAnswerError(BadServerError):
    """It answers, but not as a ComfyUI server does."""


class RefusedError(BadServerError):
    """It lacks something that the workflow needs; it will not run the other files either."""


class ForgottenError(Exception):
    """It does not know the prompt any more: it was restarted, or its queue was emptied."""

"""Queues an API-format workflow on ComfyUI servers: `rife-video queue WORKFLOW.api.json FILES`.

Each file becomes one prompt. Files are spread over the servers; one that dies or talks
nonsense is left out, and its file is queued elsewhere. A server's history is the truth
about a prompt; its websocket only tells how far it is and when to look.
"""

from __future__ import annotations

from .command import add_arguments, run
from .spread import LOCAL, PATIENCE, Outcome, queue_workflow

__all__ = ["LOCAL", "PATIENCE", "Outcome", "add_arguments", "queue_workflow", "run"]

"""The subcommands of `rife-video` that run workflows."""

from ..rife_core.cli import Command

COMMANDS = {
    "run": Command("run a saved workflow without a server", f"{__package__}.local", True),
    "convert": Command(
        "bring a workflow of other frame interpolation nodes over", f"{__package__}.convert"
    ),
    "queue": Command("run a saved workflow on ComfyUI servers", f"{__package__}.client"),
}

"""The subcommands of `rife-video`, one file each."""

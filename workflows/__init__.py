"""Example workflows, and what runs a workflow without a server."""

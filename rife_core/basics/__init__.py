"""Foundations for everything else: checked arguments, complete files."""

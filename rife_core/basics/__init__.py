"""Foundations for everything else: checked arguments, files that are whole."""

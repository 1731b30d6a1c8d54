"""What everything may build on: arguments of the declared types, files that are whole."""

"""The API as data: the compiled schema, the registry of kinds, and the values and rules they share."""

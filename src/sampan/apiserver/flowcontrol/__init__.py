"""Priority and fairness: the configuration that every server keeps (KEP-1040). Requests do not yet wait their turn."""

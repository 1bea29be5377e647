"""Disruptions: budgets (`decide` is pure, `controller` acts) and the condition of pods that have to go (`target`)."""

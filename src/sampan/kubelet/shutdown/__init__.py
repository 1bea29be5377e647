"""Graceful node shutdown (KEP-2000, by priority KEP-2712): pods end in their order before the machine does."""

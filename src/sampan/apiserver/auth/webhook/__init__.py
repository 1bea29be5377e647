"""Asking another program who somebody is, and what they may."""

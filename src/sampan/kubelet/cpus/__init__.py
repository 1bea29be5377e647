"""Processors for containers alone: the static CPU manager ("Control CPU Management Policies on the Node")."""

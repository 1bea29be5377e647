"""Wiring: certificates, bring-up, supervision, tear-down. The only place that puts components together."""

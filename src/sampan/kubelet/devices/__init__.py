"""Devices that plugins bring to the node: registered, given to containers, remembered (Device Plugins, v1beta1)."""

"""Streams of clients that speak what kubelets do not: WebSockets in front, SPDY/3.1 behind.

Kubelets and runtimes know SPDY, and WebSockets only in versions that cannot end a command's input (before
`v5.channel.k8s.io`). What comes as one of those is translated here (KEP-4006); all else is passed on as it is.
"""

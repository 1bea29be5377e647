"""Credentials for image pulls that programs give: cloud registries' tokens, mostly (KEP-2133, KEP-4412)."""

"""Kubernetes' own functions for expressions, beside the language's: one file a library, all of one shape.

Each has its `FUNCTIONS`. Values are protobuf messages whose packages and names are upstream's (`net.IP`,
`kubernetes.Quantity`), and are kept in their canonical text, so that what is the same is equal.
https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries
"""

from __future__ import annotations

from sampan.codec.cel.library import addresses, formats, lists, maps, quantities, regexes, semver, urls
from sampan.codec.cel.library.function import Function

FUNCTIONS: tuple[Function, ...] = (
    *addresses.FUNCTIONS,
    *formats.FUNCTIONS,
    *lists.FUNCTIONS,
    *maps.FUNCTIONS,
    *quantities.FUNCTIONS,
    *regexes.FUNCTIONS,
    *semver.FUNCTIONS,
    *urls.FUNCTIONS,
)
COMMUNITY = ("sets", "lists", "two-var-comprehensions")
"""Libraries that come with the language's implementation, by its names for them."""
UNFINISHED = "cel.@mapInsert"
UNFINISHED_OVERLOADS = ("@mapInsert_map_key_value", "@mapInsert_map_map")
"""What these declare and cannot evaluate, which `maps` can."""

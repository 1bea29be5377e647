"""CEL, the Common Expression Language: the one place that knows which library evaluates it.

The library is Google's own C++ implementation (`cel-expr-python`): it checks types when an expression is compiled, as
upstream does, evaluates in about 5 µs, matches regular expressions in linear time (RE2), and bounds comprehensions by
10,000 iterations and nesting by 32 levels; what one may cost at all is reckoned before (`cost`). It takes 23 MB of
memory, so it is imported by the first `Environment`.
docs/decisions/cel.md compares it with the others.
"""

"""The stores that can be hurt, one module each, and how."""

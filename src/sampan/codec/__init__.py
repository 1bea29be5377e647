"""Values in, values out: JSON, YAML, patches, server-side apply and Tables. No I/O, no clock."""

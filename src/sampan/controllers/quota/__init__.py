"""ResourceQuota: what a namespace uses of what it may. `usage` and `scopes` are pure, `controller` recounts."""

"""What resource quotas count, for those who count (the quota controller) and who refuse (the API server). Pure."""

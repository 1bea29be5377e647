"""What lets machines join by token: the signed word of where the cluster is, and the end of tokens."""

"""What is given out once only: cluster addresses and node ports."""

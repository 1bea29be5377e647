"""Role-based access control: who is bound to which role, and what a role allows."""

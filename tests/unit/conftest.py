"""No deadline for generated examples: machines may be slow, and tests fail by what is wrong."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

"""No deadline for generated examples: machines may be slow, and tests fail by what is wrong. Whoever changes what is
shared is told.
"""

from hypothesis import settings

from sampan.api import bycontent

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
bycontent.checking = True

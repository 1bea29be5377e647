"""Storage that is in use is not deleted from under its users.

Admission gives each claim, volume and class of volume attributes a finalizer; here it is taken away once the object is
being deleted and nobody uses it. `finalizer` is what the three controllers share, `uses` says who uses what (pure).
"""

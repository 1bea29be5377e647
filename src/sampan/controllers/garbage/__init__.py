"""The garbage collector: what is owned goes with its owners, over all kinds the server has.

`facts` reads an object's metadata, `graph` knows who depends on whom, `decide` says what follows for one object (all
pure); `monitors` watches every kind and `controller` acts. Three ways of deleting an owner (API reference,
DeleteOptions.propagationPolicy): in the background it goes and its dependents follow; in the foreground it waits,
marked `foregroundDeletion`, until those of its dependents that block it are gone; orphaning cuts its dependents loose
first.
"""

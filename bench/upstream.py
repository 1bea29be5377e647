"""The fewest writes with which kube-controller-manager v1.36 can do the work that `bench/controllers.py` gives.

Its algorithms are carried out on paper in the kindest way that can be thought of: nothing fails or is retried, no sync
sees half of a change where it might have seen all, and all pods of a step become ready, or are gone, between two syncs.
With real pods it writes a status each time a sync sees another count, which is many times more; those writes depend
on the machine and are not held against it. What is counted, events included:

* A ReplicaSet makes or deletes at most 500 pods a sync, and each sync ends with a status if that says something new (it
  does: the generation that was seen, then the pods of the burst before). So a change of its size by c pods takes
  `bursts(c)` statuses and one at the end.
* Each pod that is made or deleted is told of by an event, of which the recorder lets 25 about one object through and
  then one in five minutes. A ReplicaSet whose creation has used them up has none left for the rollout that follows.
* A Deployment's sync ends with a status if there is news. It writes a first one with the revision and the condition
  NewReplicaSetCreated when it makes a ReplicaSet, and another with what it saw in that sync. A change of a ReplicaSet's
  size is a write and an event.
* A rollout with maxSurge and maxUnavailable of a quarter: the new set is made with the surge; the old one gives up what
  may be unavailable, whose room the new one takes; whenever those are ready, the old one gives up as many, and so on,
  until the old one is empty and that has been seen. `rollout` does the arithmetic.
* A Job: a create and the removal of the finalizer for each pod; 25 events and the one at the end; a status when it is
  seen, one for each 500 pods ended and one when it is complete.
* A namespace: one deletecollection for each of about 45 namespaced kinds, the condition's and the phase's status, the
  finalizer.
"""

from __future__ import annotations

import math

BURST = 500
EVENTS = 25


def bursts(pods: int) -> int:
    return -(-pods // BURST)


def statuses(change: int) -> int:
    """Of a ReplicaSet whose size changes by so many pods."""
    return bursts(change) + 1 if change else 0


def created(pods: int) -> int:
    """A Deployment: pods and their events; the set and its event; the set's statuses; the Deployment's first two and
    last."""
    return pods + min(pods, EVENTS) + 2 + statuses(pods) + 3


def rolled(pods: int) -> int:
    """Its rollout, soon after it was made."""
    resizes, changes, rounds = rollout(pods)
    events = min(pods, EVENTS) + min(pods, EVENTS - min(pods, EVENTS))
    told = sum(map(statuses, changes)) + 2 + rounds
    return 2 * pods + events + 2 * resizes + told


def rollout(pods: int) -> tuple[int, list[int], int]:
    """How often a set's size is written; by how many pods a set changes each time its controller looks; how often the
    Deployment sees other counts."""
    surge, spare = math.ceil(pods / 4), pods // 4
    new, old, ready = surge, pods, 0
    resizes, changes, rounds = 1, [], 0
    seen_new, seen_old = 0, pods
    while seen_new < pods or seen_old:
        while True:
            gone = min(old, max(0, ready + old - (pods - spare)))
            room = max(0, min(pods - new, pods + surge - new - (old - gone)))
            if not gone and not room:
                break
            resizes += bool(gone) + bool(room)
            old, new = old - gone, new + room
        changes += [seen_old - old, new - seen_new]
        rounds += 1
        seen_new, seen_old, ready = new, old, new
    return resizes, changes, rounds


def job(pods: int) -> int:
    return 2 * pods + min(pods, EVENTS) + 1 + 2 + bursts(pods)


def namespace() -> int:
    return 48

"""`sampan network check`: who reaches whom in a cluster, and what is in the way where somebody does not.

On every node a pod that answers; then on every node two that ask, one in the pod network and one in the node's own. Who
asks prints a line for each answer, and facts about its node; `plan` says what is asked and reads the lines, `judge`
finds what is wrong and what to do, `page` shows it to a person, `runner` brings it about through the API alone.
"""

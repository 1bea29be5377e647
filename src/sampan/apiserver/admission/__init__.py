"""Admission plugins: one file each, one shape, and their order in one list (`chain.PLUGINS`).

A plugin is a module-level class with a `name` (upstream's), `on_by_default`, and `mutate` and/or `validate`, each
taking the `Write`. It says no by raising an `ApiError`. It reads the cluster's state from the watch cache, so it
neither waits nor decodes more than it needs. A plugin that upstream's AdmissionConfiguration can tell something takes
it in `configure`, and says in `require` what it cannot do without.
"""

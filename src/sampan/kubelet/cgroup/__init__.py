"""The cgroups of pods and of what is above them: their names, what is set on them, the files, and reading usage."""

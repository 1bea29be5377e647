"""Keeping processes alive: who runs, who watches whom, who is started again."""

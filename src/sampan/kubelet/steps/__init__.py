"""How each action of a plan is carried out, with the events that go with it; `table` says who does what."""

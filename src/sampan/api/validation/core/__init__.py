"""Rules of the core group, by kind; each module judges one noun."""

from __future__ import annotations

from sampan.api.validation.core import pods
from sampan.api.validation.rule import Rule

GROUP = ""

RULES: dict[str, Rule] = {
    "Pod": Rule(create=pods.create),
    "PodTemplate": Rule(create=pods.create_template, update=pods.update_template),
}

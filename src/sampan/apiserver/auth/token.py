"""Static bearer tokens from a file: `token,user,uid,"group1,group2"`, one a line.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
"""

from __future__ import annotations

import csv
from pathlib import Path

from sampan.apiserver.auth.bearer import Audiences, Known, Plain
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User


class StaticTokens(Plain):
    """Looks tokens up in a table that is read once, at start; as upstream, a change needs a restart."""

    def __init__(self, users: dict[bytes, User], implicit: Audiences) -> None:
        super().__init__(implicit)
        self._known = {token: Known(user, implicit) for token, user in users.items()}

    def know(self, token: bytes, wanted: Audiences) -> Known | None:
        known = self._known.get(token)
        if known is None or wanted is known.audiences:
            return known
        meant = self.meant(wanted)
        return Known(known.user, meant) if meant else None


def read_tokens(path: Path) -> dict[bytes, User]:
    """Token to user.

    Raises OSError when the file cannot be read and ValueError, naming the line, when it is malformed.
    """
    users: dict[bytes, User] = {}
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            fields = [field.strip() for field in row]
            if not any(fields):
                continue
            if len(fields) < 3 or not fields[0] or not fields[1]:
                raise ValueError(f'{path}: line {number}: want token,user,uid[,"groups"]')
            groups = tuple(group.strip() for group in fields[3].split(",") if group.strip()) if len(fields) > 3 else ()
            users[fields[0].encode()] = User(fields[1], uid=fields[2], groups=(*groups, AUTHENTICATED_GROUP))
    return users

"""Static bearer tokens from a file: `token,user,uid,"group1,group2"`, one a line.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
"""

from __future__ import annotations

import csv
from pathlib import Path

from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User
from sampan.apiserver.http.exchange import Exchange

SCHEME = b"bearer "


class TokenAuthenticator:
    """Looks bearer tokens up in a table that is read once, at start; as upstream, a change needs a restart."""

    def __init__(self, users: dict[bytes, User]) -> None:
        self._users = users

    def authenticate(self, exchange: Exchange) -> User | None:
        value = exchange.headers.get(b"authorization")
        if value is None or value[:7].lower() != SCHEME:
            return None
        user = self._users.get(value[7:].strip())
        if user is None:
            raise Rejected("unknown bearer token")
        return user


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

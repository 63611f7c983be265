"""Administration of a secured server: users, groups, permissions, sessions, tokens.

    async with happn.connect(port=55000, username="_ADMIN", password="...") as admin:
        await admin.security.upsert_user({"username": "ann", "password": "hers"})

`Service.security` is the same for the host of a service, who needs no login. Everything takes and gives what docs/security.md says; what the
server refuses is raised with its message (AccessDenied, NotFound, Conflict, InvalidArgument)."""

from __future__ import annotations

from typing import Any, Awaitable, Callable


def _named(thing: Any, name: str) -> Any:
    """Users and groups are given by their name, or as they were got."""
    return thing[name] if isinstance(thing, dict) else thing


class Security:
    """The administrator's verbs."""

    def __init__(self, ask: Callable[[str, dict[str, Any]], Awaitable[Any]]):
        self._ask = ask

    async def call(self, verb: str, **arguments: Any) -> Any:
        """Any verb of docs/security.md by its own name: `call("listUsers", name="a*")`."""
        return await self._ask(verb, {key: value for key, value in arguments.items() if value is not None})

    # --- users

    async def upsert_user(self, user: dict[str, Any], *, overwrite: bool | None = None) -> dict[str, Any]:
        """Makes a user ({"username", "password", "publicKey", "custom_data", "permissions"}), or changes the members that are given."""
        return await self.call("upsertUser", user=user, overwrite=overwrite)

    async def delete_user(self, user: Any) -> Any:
        return await self.call("deleteUser", username=_named(user, "username"))

    async def get_user(self, username: str, *, include_groups: bool | None = None) -> dict[str, Any] | None:
        return await self.call("getUser", username=username, includeGroups=include_groups)

    async def list_users(self, name: str = "*", **search: Any) -> Any:
        """Users whose name begins so. Search: criteria, sort, skip, limit, count."""
        return await self.call("listUsers", name=name, **search)

    async def list_users_by_group(self, group: Any, **search: Any) -> Any:
        return await self.call("listUsersByGroup", group=_named(group, "name"), **search)

    async def list_user_names_by_group(self, group: Any) -> list[str]:
        return await self.call("listUserNamesByGroup", group=_named(group, "name"))

    async def get_group_memberships(self, user: Any) -> list[dict[str, Any]]:
        return await self.call("getGroupMemberships", username=_named(user, "username"))

    async def user_belongs_to_groups(self, user: Any, groups: list[str]) -> bool:
        return await self.call("userBelongsToGroups", username=_named(user, "username"), groups=groups)

    async def reset_password(self, user: Any, password: str, *, end_sessions: bool | None = None) -> Any:
        return await self.call("resetPassword", username=_named(user, "username"), password=password, endSessions=end_sessions)

    # --- groups

    async def upsert_group(self, group: dict[str, Any], *, parent: Any = None, overwrite: bool | None = None) -> dict[str, Any]:
        """Makes a group ({"name", "custom_data", "permissions"}), or replaces its record; permissions are added to those it has."""
        return await self.call("upsertGroup", group=group, parent=parent, overwrite=overwrite)

    async def delete_group(self, group: Any) -> Any:
        return await self.call("deleteGroup", name=_named(group, "name"))

    async def get_group(self, name: str) -> dict[str, Any] | None:
        return await self.call("getGroup", name=name)

    async def list_groups(self, name: str = "*", **search: Any) -> Any:
        return await self.call("listGroups", name=name, **search)

    async def link_group(self, group: Any, user: Any, data: dict[str, Any] | None = None) -> Any:
        """Puts the user into the group."""
        return await self.call("linkGroup", group=_named(group, "name"), username=_named(user, "username"), data=data)

    async def unlink_group(self, group: Any, user: Any) -> Any:
        return await self.call("unlinkGroup", group=_named(group, "name"), username=_named(user, "username"))

    # --- permissions: of a group or of a user

    async def upsert_permission(self, path: str, action: str, *, group: Any = None, user: Any = None, authorized: bool | None = None) -> Any:
        """Allows an action at a path, or with authorized=False prohibits it."""
        return await self.call("upsertPermission", path=path, action=action, group=_named(group, "name"), username=_named(user, "username"),
                               authorized=authorized)

    async def remove_permission(self, path: str, action: str, *, group: Any = None, user: Any = None) -> Any:
        return await self.call("removePermission", path=path, action=action, group=_named(group, "name"), username=_named(user, "username"))

    async def list_permissions(self, *, group: Any = None, user: Any = None) -> list[dict[str, Any]]:
        return await self.call("listPermissions", group=_named(group, "name"), username=_named(user, "username"))

    # --- lookup tables

    async def upsert_lookup_table(self, table: dict[str, Any]) -> Any:
        """{"name", "paths"}: adds the paths."""
        return await self.call("upsertLookupTable", table=table)

    async def delete_lookup_table(self, name: str) -> Any:
        return await self.call("deleteLookupTable", name=name)

    async def fetch_lookup_table(self, name: str) -> dict[str, Any]:
        return await self.call("fetchLookupTable", name=name)

    async def insert_path(self, table: str, path: str) -> Any:
        return await self.call("insertPath", table=table, path=path)

    async def remove_path(self, table: str, path: str) -> Any:
        return await self.call("removePath", table=table, path=path)

    async def upsert_lookup_permission(self, group: Any, permission: dict[str, Any]) -> Any:
        """{"regex", "actions", "table", "path"}."""
        return await self.call("upsertLookupPermission", group=_named(group, "name"), permission=permission)

    async def remove_lookup_permission(self, group: Any, permission: dict[str, Any]) -> Any:
        return await self.call("removeLookupPermission", group=_named(group, "name"), permission=permission)

    async def remove_all_table_permission(self, group: Any, table: str) -> Any:
        return await self.call("removeAllTablePermission", group=_named(group, "name"), table=table)

    async def fetch_lookup_permissions(self, group: Any) -> Any:
        return await self.call("fetchLookupPermissions", group=_named(group, "name"))

    # --- sessions and tokens

    async def list_active_sessions(self, **search: Any) -> Any:
        """Who is connected and logged in."""
        return await self.call("listActiveSessions", **search)

    async def disconnect_session(self, session_id: str, reason: str | None = None) -> Any:
        """Ends one connection; its token stays good."""
        return await self.call("disconnectSession", id=session_id, reason=reason)

    async def revoke_session(self, session_id: str, reason: str | None = None) -> Any:
        """Ends a session and its token, at once and for good."""
        return await self.call("revokeSession", id=session_id, reason=reason)

    async def revoke_token(self, token: str, reason: str | None = None) -> Any:
        """Ends a token and every session that was opened with it."""
        return await self.call("revokeToken", token=token, reason=reason)

    async def restore_token(self, token: str | None = None, *, id: str | None = None) -> Any:
        """Takes a revocation back."""
        return await self.call("restoreToken", token=token, id=id)

    async def list_revoked_tokens(self, **search: Any) -> Any:
        return await self.call("listRevokedTokens", **search)

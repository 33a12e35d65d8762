"""The inventory of a fleet, as a collector's user would write it: version 1, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from collector.emulator.errors import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.emulator.scenario import ProjectSpec, Scenario

SignIn = Literal["token", "password", "aksk"]
TOKEN = "CLOUDDC_TOKEN"  # noqa: S105 - the name of a variable
PASSWORD = "CLOUDDC_PASSWORD"  # noqa: S105 - as above
AK = "HUAWEICLOUD_SDK_AK"
SK = "HUAWEICLOUD_SDK_SK"
SECURITY_TOKEN = "HUAWEICLOUD_SDK_SECURITY_TOKEN"  # noqa: S105 - as above


def inventory(
    scenario: Scenario, endpoint: str, *, sign_in: SignIn = "token", discover: bool = False
) -> dict[str, Any]:
    """The inventory that collects the whole fleet from `endpoint`.

    No secret is in it: `environment` returns the variables that it names.

    Args:
        scenario: The fleet, and who may collect from it.
        endpoint: The emulator's address.
        sign_in: By what: the first token, user or key of the scenario.
        discover: Whether projects name no servers, and the API is asked for them.

    Raises:
        ScenarioError: If nobody may sign in so.
    """
    environment(scenario, sign_in)
    return {
        "version": 1,
        "credentials": {"emulator": _credential(scenario, endpoint, sign_in)},
        "defaults": {"credentials": "emulator"},
        "projects": [
            {
                "id": project.id,
                "name": project.name or project.id,
                "endpoint": endpoint,
                **({"discover": {}} if discover else {"servers": _servers(project)}),
            }
            for project in scenario.projects
        ],
    }


def environment(scenario: Scenario, sign_in: SignIn) -> Mapping[str, str]:
    """Return the environment variables that an inventory's credential reads, and their values.

    Raises:
        ScenarioError: If nobody may sign in so.
    """
    match sign_in:
        case "token":
            return {TOKEN: scenario.tokens[0].value}
        case "password":
            require(bool(scenario.users), "users: nobody may sign in with a password")
            return {PASSWORD: scenario.users[0].password}
        case "aksk":
            require(bool(scenario.keys), "keys: there is none to sign with")
            key = scenario.keys[0]
            temporary = {} if key.security_token is None else {SECURITY_TOKEN: key.security_token}
            return {AK: key.ak, SK: key.sk, **temporary}


def _credential(scenario: Scenario, endpoint: str, sign_in: SignIn) -> dict[str, Any]:
    match sign_in:
        case "token":
            return {"kind": "token", "token_env": TOKEN}
        case "password":
            user = scenario.users[0]
            return {
                "kind": "password",
                "iam_endpoint": endpoint,
                "domain": user.domain,
                "user": user.name,
                "password_env": PASSWORD,
            }
        case "aksk":
            is_temporary = scenario.keys[0].security_token is not None
            temporary = {"security_token_env": SECURITY_TOKEN} if is_temporary else {}
            return {"kind": "aksk", "ak_env": AK, "sk_env": SK, **temporary}


def _servers(project: ProjectSpec) -> list[dict[str, Any]]:
    return [
        {"id": server.id, "name": server.name or server.id, "tags": dict(server.tags)}
        for server in project.servers
    ]

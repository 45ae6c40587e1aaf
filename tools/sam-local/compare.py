"""Says where two answers differ, leaving out what differs between any two calls."""

import json
import os
import re
from typing import Any, NamedTuple

# Ids and secrets that were made by the call, and times.
VOLATILE = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"bt_(prod|stg|dev)_[0-9A-Za-z]{16}_[0-9A-Za-z]+"), "SECRET"),
    (re.compile(r"bt_(prod|stg|dev)_[0-9A-Za-z]{16}_…\w+"), "HINT"),
    (re.compile(r'nonce="\w+"'), "NONCE"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\b(3600|35\d\d)\b"), "HOUR"),  # what is left of one that has just begun
]
ID = re.compile(r"\b[0-9A-Za-z]{16}\b")

# What is of one answer alone; and of a key's use, events say another address than the call, and what is counted comes later.
LEFT_OUT = {"requestId", "lastUsed"}

# What a client reads of the answer beside its body.
HEADERS = ("content-type", "content-encoding", "cache-control", "etag", "location", "retry-after", "ratelimit-policy", "ratelimit",
           "www-authenticate", "access-control-allow-origin", "access-control-expose-headers")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: Any  # decoded JSON, else text


def decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def steady(value: Any, known: dict[str, str]) -> Any:
    """Returns a value in which what differs between any two calls has one name. Known are the names of ids that both sides have."""
    if isinstance(value, dict):
        return {name: steady(member, known) for name, member in value.items() if name not in LEFT_OUT}
    if isinstance(value, list):
        return [steady(member, known) for member in value]
    if isinstance(value, str):
        for pattern, name in VOLATILE:
            value = pattern.sub(name, value)
        return ID.sub(lambda found: known.get(found[0], "ID"), value)
    return value


def shown(value: Any, other: Any) -> str:
    """Returns a value for people: of a long text, where it begins to be another than the other."""
    if value is None:
        return "nothing"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    begins = len(os.path.commonprefix([value, other])) - 20 if isinstance(other, str) and len(value) > 80 else 0
    text = "…" * (begins > 0) + value[max(begins, 0):][:80]
    return '""' if text == "" else " ".join(text.split())


def differences(sam: Answer, local: Answer, known: dict[str, str]) -> list[str]:
    """Lists what differs, with the value of sam local first. Of two statuses, the rest of the answers is not looked at."""
    if sam.status != local.status:
        return [f"status: {sam.status}, not {local.status}"]
    found: list[str] = []
    for name in HEADERS:
        walk(f"header {name}", steady(sam.headers.get(name), known), steady(local.headers.get(name), known), found)
    walk("body", steady(sam.body, known), steady(local.body, known), found)
    return found


def walk(where: str, sam: Any, local: Any, found: list[str]) -> None:
    if isinstance(sam, dict) and isinstance(local, dict):
        for name in sorted(sam.keys() | local.keys()):
            walk(f"{where}.{name}", sam.get(name), local.get(name), found)
    elif isinstance(sam, list) and isinstance(local, list) and len(sam) == len(local):
        for i, (a, b) in enumerate(zip(sam, local)):
            walk(f"{where}[{i}]", a, b, found)
    elif sam != local:
        found.append(f"{where}: {shown(sam, local)}, not {shown(local, sam)}")


def allows(policy: dict, arn: str) -> bool:
    """Reports whether a policy allows the call of an ARN: where a Deny matches, nothing does."""
    def matches(effect: str) -> bool:
        return any(
            re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), arn, re.DOTALL)
            for statement in policy["Statement"] if statement["Effect"] == effect
            for pattern in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]))

    return matches("Allow") and not matches("Deny")

"""Where a PostgreSQL store is: what its URL says, and nothing that the environment says instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from zlib import crc32

from events.errors import UsageError

SCHEMES: Final = ("postgresql", "postgres")
DEFAULT_SCHEMA: Final = "orchestrator"
DEFAULT_PORT: Final = "5432"

_PASSED_ON: Final = frozenset(
    {
        *("application_name", "channel_binding", "gssencmode", "krbsrvname", "passfile", "require_auth"),
        *("sslcert", "sslcrl", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert"),
        *("ssl_max_protocol_version", "ssl_min_protocol_version", "target_session_attrs"),
    }
)
"""What may stand behind the question mark and goes to the database's own library."""
_OURS: Final = frozenset({"schema", "host", "port"})
_SHOWN: Final = ("host", "port", "schema")
_SCHEMA_BYTES_MAX: Final = 63
_OWN_SCHEMAS: Final = ("pg_", "information_schema")


class Address(NamedTuple):
    """A database, the role to be there, and the schema in it that is the store."""

    hosts: tuple[tuple[str, str], ...]
    """Host names, addresses or folders of sockets, each with its port; tried in this order."""
    database: str
    user: str
    password: str | None
    schema: str
    more: Mapping[str, str]
    """What else the database's own library is told."""
    location: str
    """The URL without its password, for messages."""

    @property
    def key(self) -> int:
        """A number for the schema by which writers keep each other waiting; 32 bits with a sign."""
        number = crc32(self.schema.encode())
        return number - (1 << 32) if number >= 1 << 31 else number

    @property
    def channel(self) -> str:
        """The channel on which writers say that they have written."""
        return f"orchestrator_{crc32(self.schema.encode()):08x}"


def is_postgres(place: str) -> bool:
    """Whether a place is meant to be a PostgreSQL store."""
    return re.match(r"postgres(ql)?(\+\w+)?:", place) is not None


def without_password(place: str) -> str:
    """Return a place as it may be shown: a URL without the password in it, anything else as it is."""
    if not re.match(r"[A-Za-z][\w+.-]*://", place):
        return place
    head, mark, query = place.partition("?")
    head = re.sub(r"^([^/]*//)(?:([^/@:]*)(?::[^/]*)?@)", lambda found: f"{found[1]}{found[2]}@", head)
    kept = [part for part in query.split("&") if not re.match(r"\w*password\w*=", part)]
    return head + (mark + "&".join(kept) if any(kept) else "")


def parsed(place: str) -> Address:
    """Return the address that a URL names.

    `postgresql://user:password@host:port/database?schema=name&sslmode=verify-full`; `?host=/folder` for a socket.

    Raises:
        UsageError: it names none. The message does not show the password.
    """
    shown = without_password(place)
    try:
        url = urlsplit(place)
    except ValueError as error:
        raise UsageError(f"{shown}: not a URL ({error})") from None
    if url.scheme not in SCHEMES:
        raise UsageError(f"{shown}: write postgresql://user@host/database, without the name of a driver")
    more = _query(url.query, shown)
    schema = more.pop("schema", DEFAULT_SCHEMA)
    _check_schema(schema, shown)
    userinfo, _, network = url.netloc.rpartition("@")
    user, colon, password = userinfo.partition(":")
    database = unquote(url.path.removeprefix("/"))
    hosts = _hosts(network, more, shown)
    user = unquote(user)
    if len(hosts) > 1:  # what is read must come from where it is written
        more.setdefault("target_session_attrs", "read-write")
    if not user or not database or "/" in database or url.fragment:
        raise UsageError(f"{shown}: name the user and the database: postgresql://user@host/database")
    if any("\0" in text for text in (user, database, unquote(password), *more.values(), *(name for name, _ in hosts))):
        raise UsageError(f"{shown!r}: it contains a zero byte")
    location = _location(hosts, user, database, schema)
    return Address(hosts, database, user, unquote(password) if colon else None, schema, more, location)


def _query(text: str, shown: str) -> dict[str, str]:
    """Return what stands behind the question mark."""
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
    except ValueError as error:
        raise UsageError(f"{shown}: {error}") from None
    for name, value in pairs:
        if name not in _PASSED_ON | _OURS:
            known = ", ".join(sorted(_PASSED_ON | _OURS))
            raise UsageError(f"{shown}: {name} cannot be given there; {known} can")
        if name in found or not value:
            raise UsageError(f"{shown}: {name} is given {'twice' if name in found else 'without a value'}")
        found[name] = value
    return found


def _check_schema(schema: str, shown: str) -> None:
    if len(schema.encode()) > _SCHEMA_BYTES_MAX or not schema.isprintable() or schema.startswith(_OWN_SCHEMAS):
        raise UsageError(f"{shown}: {schema!r} cannot be the schema of a store; it has its own, of 63 bytes at most")


def _hosts(network: str, more: dict[str, str], shown: str) -> tuple[tuple[str, str], ...]:
    """Return hosts and ports, from before the path or from behind the question mark."""
    in_query = more.pop("host", None)
    port = more.pop("port", DEFAULT_PORT)
    if (in_query is None) == (not network):
        raise UsageError(f"{shown}: name the host: postgresql://user@host/database, or ?host=/folder/of/the/socket")
    names = [(name, port) for name in in_query.split(",")] if in_query else [_host(name) for name in network.split(",")]
    for name, number in names:
        if not name or not re.fullmatch(r"[0-9]{1,5}", number) or not 0 < int(number) < 1 << 16:
            raise UsageError(f"{shown}: {name or 'nothing'} at port {number} is no host")
    return tuple(names)


def _host(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"(?P<name>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?", text)
    if found is None:
        return "", text
    return unquote(found["name"]).strip("[]"), found["port"] or DEFAULT_PORT


def _location(hosts: tuple[tuple[str, str], ...], user: str, database: str, schema: str) -> str:
    """Return the URL by which a store is known in messages: always the same for the same store."""
    name, port = hosts[0]
    query = {} if schema == DEFAULT_SCHEMA else {"schema": schema}
    if name.startswith("/"):
        network, query = "", {"host": name} | ({} if port == DEFAULT_PORT else {"port": port}) | query
    else:
        network = ",".join(
            (f"[{host}]" if ":" in host else host) + ("" if number == DEFAULT_PORT else f":{number}")
            for host, number in hosts
        )
    rest = "&".join(f"{key}={quote(query[key], safe='/')}" for key in _SHOWN if key in query)
    return f"postgresql://{quote(user, safe='')}@{network}/{quote(database, safe='')}{'?' if rest else ''}{rest}"

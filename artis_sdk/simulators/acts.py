"""The acts that leave the process, by the audit event that announces each, and how it is judged."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from artis_sdk.errors import SimulationError
from artis_sdk.simulators.connections import IMPORT_FORKS

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Judge(Protocol):
    """The seal as an act needs it; see `artis_sdk.simulators.seal.Seal`."""

    tool: str
    owner: object | None
    environment: dict[str, str | None]

    @property
    def allowed(self) -> Callable[[str, str], bool]:
        """Whether an act on a target is allowed."""

    def writable(self, path: str) -> bool:
        """Whether a body may write at a real path."""

    def refuse(self, act: str, target: str, advice: str) -> SimulationError:
        """The error for an act, kept for the end of the call."""


Act = Callable[[Judge, str, tuple[Any, ...]], None]
"""Judges an event by seal, name and arguments; raises if the seal does not allow it."""

# --- files --------------------------------------------------------------------------------------


def _open(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
    path, _, flags = args
    if flags & _WRITING and not isinstance(path, int):  # a number is an open file
        _check_path(seal, event, _located(path, -1, follow=True))


def _path(*positions: tuple[int, int | None], follow: bool) -> Act:
    """An act on paths.

    Args:
        positions: positions of each path and of its `dir_fd` among the event's arguments.
        follow: whether the act reaches the target of a symbolic link, not the link.
    """

    def act(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
        for at, dir_at in positions:
            dir_fd = args[dir_at] if dir_at is not None and dir_at < len(args) else -1
            _check_path(seal, event, _located(args[at], dir_fd, follow=follow))

    return act


def _check_path(seal: Judge, event: str, path: str) -> None:
    if not seal.writable(path) and not seal.allowed(event, path):
        advice = (
            f"Give its object a fork of the folder: {_from_object(seal, path, 'forks.folder')}; or, if the "
            f"file is intended to be written, SandboxSimulator(allow=[{path!r}])"
        )
        raise seal.refuse(event, repr(path), advice)


def _located(path: Any, dir_fd: int, *, follow: bool) -> str:
    """The real path that an act reaches."""
    if isinstance(path, int):
        return _of_descriptor(path)
    text = os.fsdecode(path)
    if dir_fd != -1 and not os.path.isabs(text):
        text = os.path.join(_of_descriptor(dir_fd), text)
    parent, name = os.path.split(text.rstrip(os.sep) or text)
    if follow or name in ("", os.curdir, os.pardir):
        return os.path.realpath(text)
    return os.path.join(os.path.realpath(parent or os.curdir), name)


def _of_descriptor(number: int) -> str:
    """The path of an open file, if the system knows it."""
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return f"<descriptor {number}>"


def within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def is_bytecode(path: str) -> bool:
    """What an import writes beside its module."""
    parent, name = os.path.split(path)
    return name == "__pycache__" or (os.path.basename(parent) == "__pycache__" and ".pyc" in name)


# --- SQLite -------------------------------------------------------------------------------------


def _sqlite(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
    refusal = refused_database(seal, event, os.fsdecode(args[0]))
    if refusal is not None:
        raise refusal


def refused_database(seal: Judge, event: str, database: str) -> SimulationError | None:
    path = _database_path(database)
    if path is None or seal.writable(path) or seal.allowed(event, path):
        return None
    advice = (
        "It is the real database. Give its object a fork that copies the file: "
        f"{_from_object(seal, path, 'forks.sqlite')}; or, if it is intended, "
        f"SandboxSimulator(allow=[{path!r}])"
    )
    return seal.refuse(event, repr(path), advice)


def _database_path(database: str) -> str | None:
    """The file that a connection would write; None for one in memory and a read-only one."""
    if database in ("", ":memory:"):
        return None
    if not database.startswith("file:"):
        return os.path.realpath(database)
    parts = urlsplit(database)
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    in_memory = parts.path == ":memory:" or given.get("mode") == "memory"
    if in_memory and given.get("cache") != "shared":
        return None
    if given.get("mode") == "ro" or given.get("immutable") == "1":
        return None
    return database if in_memory else os.path.realpath(unquote(parts.path))


# --- the network, processes, and what holds for the whole process -----------------------------------


def _outside(stand_in: str, target: Callable[[tuple[Any, ...]], str]) -> Act:
    """An act beyond the objects that a sandbox forks; refused with the advice to put `stand_in` there."""

    def act(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
        what = target(args)
        if not seal.allowed(event, what):
            raise seal.refuse(
                event,
                what,
                f"Give {_owner(seal)} a __fork__ method, or Toolset.from_object(..., fork=...), that puts "
                f"{stand_in}; or, if it is intended, SandboxSimulator(allow=[{event!r}])",
            )

    return act


_network = partial(
    _outside,
    "a client in its place which answers from memory (for an SQLAlchemy engine, "
    "artis_sdk.simulators.forks.engine)",
)
_process = partial(_outside, "something in its place which does this in memory")


def _send(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
    """Data over a connection that was open before. Who allows to connect allows to send."""
    peer = args[1]
    if not seal.allowed("socket.connect", peer):
        _network(lambda _: peer)(seal, event, args)


def _dlsym(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
    import ctypes

    if not isinstance(args[0], ctypes.PyDLL):  # Python's own functions
        _process(lambda given: f"{given[1]!r}")(seal, event, args)


def _dlopen(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
    if args[0] is not None:  # which `import ctypes` opens
        _process(_first)(seal, event, args)


def _environment(seal: Judge, event: str, args: tuple[Any, ...]) -> None:
    """Importing a library may set a variable and unset it again, so this is judged after the call."""
    name = os.fsdecode(args[0])
    if not seal.allowed(event, name):
        seal.environment.setdefault(name, os.environ.get(name))


def _owner(seal: Judge) -> str:
    return "the function" if seal.owner is None else f"the {type(seal.owner).__name__}"


def _from_object(seal: Judge, path: str, fork: str) -> str:
    """The code that gives a fork to the attribute that holds a path."""
    if seal.owner is None:
        return f"make {seal.tool} a method of an object that holds the path, with fork={fork} {IMPORT_FORKS}"
    attribute = "ATTRIBUTE"
    for name, value in getattr(seal.owner, "__dict__", {}).items():
        if isinstance(value, str | os.PathLike) and value and within(path, os.path.realpath(value)):
            attribute = name
    kind = type(seal.owner).__name__.lower()
    return f"Toolset.from_object({kind}, fork=forks.of({attribute}={fork})) {IMPORT_FORKS}"


def _first(args: tuple[Any, ...]) -> str:
    return repr(args[0])


def _second(args: tuple[Any, ...]) -> str:
    return repr(args[1])


def _host(args: tuple[Any, ...]) -> str:
    return f"{args[0]!r}, port {args[1]!r}"


def _sent(args: tuple[Any, ...]) -> str:
    """The first line of the data sent over a connection, which may have been open before."""
    where, data = args[0], args[1]
    line = bytes(data[:200]).split(b"\r\n")[0].decode("latin-1") if isinstance(data, bytes) else str(data)
    return f"{line!r} to {getattr(where, 'host', '')}"


def _nothing(args: tuple[Any, ...]) -> str:
    return ""


ACTS: dict[str, Act] = {
    "open": _open,
    "os.truncate": _path((0, None), follow=True),
    "os.chmod": _path((0, 2), follow=True),
    "os.chown": _path((0, 3), follow=True),
    "os.utime": _path((0, 3), follow=True),
    "os.setxattr": _path((0, None), follow=True),
    "os.removexattr": _path((0, None), follow=True),
    "os.chflags": _path((0, None), follow=True),
    "os.remove": _path((0, 1), follow=False),
    "os.rmdir": _path((0, 1), follow=False),
    "os.mkdir": _path((0, 2), follow=False),
    "os.rename": _path((0, 2), (1, 3), follow=False),
    "os.link": _path((0, 2), (1, 3), follow=False),
    "os.symlink": _path((1, 2), follow=False),
    "sqlite3.connect": _sqlite,
    "sqlite3.load_extension": _process(_second),
    "urllib.Request": _network(_first),
    "http.client.connect": _network(lambda args: f"{args[1]!r}, port {args[2]!r}"),
    "http.client.send": _network(_sent),
    "socket.getaddrinfo": _network(_host),
    "socket.gethostbyname": _network(_first),
    "socket.gethostbyaddr": _network(_first),
    "socket.connect": _network(_second),
    "socket.bind": _network(_second),
    "socket.send": _send,  # told by `sends`
    "socket.sendto": _network(_second),
    "socket.sendmsg": _network(_second),
    "ftplib.connect": _network(_second),
    "ftplib.sendcmd": _network(_second),
    "imaplib.open": _network(_second),
    "imaplib.send": _network(_sent),
    "poplib.connect": _network(_second),
    "poplib.putline": _network(_second),
    "smtplib.connect": _network(_second),
    "smtplib.send": _network(_sent),
    "nntplib.connect": _network(_second),
    "nntplib.putline": _network(_second),
    "telnetlib.Telnet.open": _network(_second),
    "telnetlib.Telnet.write": _network(_sent),
    "syslog.openlog": _process(_nothing),
    "syslog.syslog": _process(_second),
    "subprocess.Popen": _process(_second),
    "os.system": _process(_first),
    "os.exec": _process(_second),
    "os.fork": _process(_nothing),
    "os.forkpty": _process(_nothing),
    "os.posix_spawn": _process(_second),
    "os.spawn": _process(_second),
    "os.startfile": _process(_first),
    "pty.spawn": _process(_first),
    "os.kill": _process(_first),
    "os.killpg": _process(_first),
    "signal.pthread_kill": _process(_first),
    "os.chdir": _process(_first),
    "os.putenv": _environment,
    "os.unsetenv": _environment,
    "ctypes.dlopen": _dlopen,
    "ctypes.dlsym": _dlsym,
    "ctypes.dlsym/handle": _process(_second),
    "ctypes.call_function": _process(_first),
}
"""The audit events that leave the process, or change it for all code in it."""

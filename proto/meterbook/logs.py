"""What a process tells of itself: one record a line on standard error, for people or for programs, on either side.

Modules log with the standard library's ``logging``, as the libraries do that they use; structlog renders all of it here, so that a
library's warning has the same form as ours. ``text`` is for a terminal: time, level, logger, message, ids in brackets; a trace is folded
into its line, since forty lines would be forty records to whatever collects them. ``json`` is an object a line with ``timestamp``
(ISO 8601, UTC), ``level``, ``logger``, ``message``, an ``exception`` where there is one, and the ids.

The ids say what a record is about: whoever begins with a request or a batch binds them (:func:`bound`, :func:`bind`), and every record of
that thread or task has them, also one that a library writes. Child processes are told by the environment how their parent logs.

What looks like a secret is masked, whoever logs it. That is the second line: nobody should log one.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO, TypeVar

import click

from meterbook.lean import without

with without("rich"):
    # Its console for developers would bring it, and ten megabytes that an agent has better uses for.
    import structlog

Function = TypeVar("Function", bound=Callable[..., None])

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_LEVEL, _FORMAT = "METERBOOK_LOG_LEVEL", "METERBOOK_LOG_FORMAT"
#: They log whole addresses, at any level below: a query may hold a secret.
_TALKATIVE = ("httpx", "httpcore")
_SHOWN_MAX = 200
_OWN = ("timestamp", "level", "logger", "message", "exception")
_SECRETS = (
    # What stands before the @ of an address.
    (re.compile(r"(?<=//)[^/@\s]+(?=@)"), "***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 ***"),
    # A credential's id is public: it says which one to revoke.
    (re.compile(r"\bmb_([a-z]+)_([A-Za-z0-9]{16})_[A-Za-z0-9]+"), r"mb_\1_\2_***"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), "whsec_***"),
    (re.compile(r"(?i)\b([\w-]*(?:password|passwd|secret|token|signature|api_?key))=[^\s&;,'\"]+"), r"\1=***"),
    (re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)", re.DOTALL), r"(\1) ***"),
)

_Fields = MutableMapping[str, Any]
_log = logging.getLogger(__name__)

bound = structlog.contextvars.bound_contextvars
bind = structlog.contextvars.bind_contextvars
unbind = structlog.contextvars.unbind_contextvars
#: What is bound just now, to be bound in another thread.
ids = structlog.contextvars.get_contextvars


def asks_how(function: Function) -> Function:
    """``--log-level`` and ``--log-format``; the command gets ``log_level`` and ``log_format`` for :func:`telling`."""
    function = click.option(
        "--log-format",
        type=click.Choice(FORMATS, case_sensitive=False),
        default=None,
        envvar=_FORMAT,
        help="How it is logged; by default text on a terminal, and JSON, an object a line, elsewhere.",
    )(function)
    return click.option(
        "--log-level",
        type=click.Choice(LEVELS, case_sensitive=False),
        default="info",
        envvar=_LEVEL,
        show_default=True,
        help="The least that is logged.",
    )(function)


@contextmanager
def telling(level: str, form: str | None) -> Iterator[None]:
    """Log everything from ``level`` on to standard error, what nobody caught and what ends the command included."""
    form = form or ("text" if sys.stderr.isatty() else "json")
    as_before = _as_it_is()
    _begin(level, form)
    try:
        yield
    except click.ClickException as error:
        if form == "text":
            raise
        _log.critical("%s", error.format_message())
        raise SystemExit(error.exit_code) from error
    finally:
        as_before()


def tell_as_parent() -> None:
    """Have a child process log as its parent does, until it ends. Does nothing where the parent did not say how."""
    if os.environ.get(_FORMAT) in FORMATS:
        _begin(os.environ.get(_LEVEL, "info"), os.environ[_FORMAT])


def _begin(level: str, form: str) -> None:
    root, handler = logging.getLogger(), _Lines()
    handler.setFormatter(formatter(form))
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook, threading.excepthook = _uncaught, _uncaught_in_thread
    os.environ |= {_LEVEL: level, _FORMAT: form}


class _Lines(logging.StreamHandler[TextIO]):
    """To standard error. A record that cannot be rendered is a line, too."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging names it
        error = sys.exc_info()[1]
        # Where nobody reads there is nobody to tell.
        if not isinstance(error, OSError):
            known = {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
            told = f"this could not be rendered ({type(error).__name__}): {str(record.msg)[:_SHOWN_MAX]}"
            self.emit(logging.makeLogRecord({**known, "msg": told}))


def formatter(form: str) -> logging.Formatter:
    """What makes lines of records, of the standard library's and of structlog's."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars],
        processors=[
            _described,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.StackInfoRenderer(),
            _masked,
            _line if form == "text" else structlog.processors.JSONRenderer(default=str),
        ],
    )


#: What else a record has when it is made; see :func:`also`.
_more: Callable[[], Mapping[str, str]] | None = None


def also(more: Callable[[], Mapping[str, str]] | None) -> None:
    """Ask this for further ids of every record, beside those that are bound; of nothing with None."""
    global _more
    _more = more


def _described(_: Any, __: str, fields: _Fields) -> _Fields:
    record: logging.LogRecord = fields["_record"]
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    own = {"timestamp": time, "level": record.levelname.lower(), "logger": record.name}
    own["message"] = str(fields.pop("event")).strip()
    # An id never takes the place of what every record has.
    about = fields if _more is None else {**_more(), **fields}
    return {**own, **{name: about[name] for name in sorted(about) if name not in _OWN}}


def masked(text: str) -> str:
    """The text without what looks like a secret."""
    for form, shown in _SECRETS:
        text = form.sub(shown, text)
    return text


def _masked(_: Any, __: str, fields: _Fields) -> _Fields:
    return {name: masked(value) if isinstance(value, str) else value for name, value in fields.items()}


def _line(_: Any, __: str, fields: _Fields) -> str:
    about = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _OWN)
    told = f"{fields['timestamp']} {fields['level'].upper()} {fields['logger']}: {fields['message']}"
    whole = "\n".join(filter(None, (told + (f" [{about}]" if about else ""), fields.get("exception", ""))))
    line = " | ".join(each for each in whole.splitlines() if each.strip())
    # What comes from elsewhere must not move the cursor of whoever reads it.
    return line if line.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def _as_it_is() -> Callable[[], None]:
    """What makes logging as it is now again, so that a command that ends leaves nothing behind."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    hooks = sys.excepthook, threading.excepthook
    variables = {name: os.environ.get(name) for name in (_LEVEL, _FORMAT)}

    def again() -> None:
        root.handlers = handlers
        root.setLevel(level)
        for name, each in levels.items():
            logging.getLogger(name).setLevel(each)
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook = hooks
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    return again


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("nobody caught %s", kind.__name__, exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        name = args.thread.name if args.thread else "a thread"
        _log.critical(
            "%s ended: nobody caught %s",
            name,
            args.exc_type.__name__,
            exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
        )

"""A server that speaks AWS's JSON and query protocols for services given as Python, after botocore's own models of them.

Requests are told apart by ``X-Amz-Target``, or by ``Action`` and the service in the credential scope of the signature; checked against the model of their
operation; and answered as botocore reads them (Smithy specifications, "AWS JSON 1.0 and 1.1 protocols" and "AWS query
protocol"). Signatures are not checked: whose key signed a request is remembered.

A service is a class with ``service``, the name that boto3 has for it, and a method for each operation by its name in Python:
``get_metric_data(self, parameters)``, from parameters as boto3 takes them to an answer as boto3 gives it. It raises AwsError.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore import xform_name
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

_SESSION = botocore.session.Session()


class AwsError(Exception):
    """What a service refuses; ``code`` and ``status`` as its API reference says."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


#: Errors that any service may answer ("Common Errors" in each API reference).
THROTTLING = AwsError("Throttling", "Rate exceeded")
DENIED = AwsError("AccessDenied", "User: arn:aws:iam::123456789012:user/agent is not authorized", 403)
EXPIRED = AwsError("ExpiredToken", "The security token included in the request is expired", 403)
BROKEN = AwsError("InternalFailure", "An internal error occurred", 500)


@dataclass(frozen=True)
class Request:
    """One that came, with its parameters as boto3 takes them, and the id of the key that signed it."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    key_id: str


class AwsServer:
    """Serves some services. The next requests get the errors in ``faults``, one each; None is none. All get ``always``, if it is set."""

    def __init__(self, services: Mapping[str, Any]) -> None:
        self.services = services
        self.requests: list[Request] = []
        self.faults: deque[AwsError | None] = deque()
        self.always: AwsError | None = None
        self._models = {name: _SESSION.get_service_model(name) for name in services}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._lock = threading.Lock()
        self.connections: list[socket.socket] = []

    def __repr__(self) -> str:
        return f"<AwsServer {', '.join(self.services)}>"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on; safe to call twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        for connection in self.connections:
            with suppress(OSError):  # closed by then, most likely
                connection.shutdown(socket.SHUT_RDWR)

    def reset(self, services: Mapping[str, Any]) -> None:
        """Serve others of the same names, as if nothing had been asked."""
        self.services, self.always = services, None
        self.requests.clear()
        self.faults.clear()

    def operations(self) -> list[str]:
        """The operations of all requests, in order."""
        return [request.operation for request in self.requests]

    def respond(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer."""
        target = headers.get("X-Amz-Target")
        form = {} if target else dict(parse_qsl(body.decode(), keep_blank_values=True))
        model, name = self._asked(headers, target, form)
        protocol: Any = _Json(model) if target else _Query(model)
        try:
            with self._lock:
                result = self._act(model, name, protocol.parameters(name, body, form), headers)
            return 200, protocol.content_type, protocol.answer(name, result)
        except AwsError as error:
            return error.status, protocol.content_type, protocol.error(error)

    def _asked(
        self, headers: Mapping[str, str], target: str | None, form: Mapping[str, str]
    ) -> tuple[ServiceModel, str]:
        if target:
            prefix, _, name = target.rpartition(".")
            return next(each for each in self._models.values() if each.metadata.get("targetPrefix") == prefix), name
        scope = headers.get("Authorization", "").partition("Credential=")[2].split(",")[0].split("/")
        return next(each for each in self._models.values() if each.signing_name == scope[3]), form["Action"]

    def _act(self, model: ServiceModel, name: str, parameters: dict[str, Any], headers: Mapping[str, str]) -> Any:
        key_id = headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        self.requests.append(Request(model.service_name, name, parameters, key_id))
        fault = self.faults.popleft() if self.faults else None
        if fault is not None or self.always is not None:
            raise fault or self.always or BROKEN
        shape = model.operation_model(name).input_shape
        report = ParamValidator().validate(parameters, shape) if shape is not None else None
        if report is not None and report.has_errors():
            raise AwsError("ValidationError", report.generate_report())
        return getattr(self.services[model.service_name], xform_name(name))(parameters)


@contextmanager
def aws_server(*services: Any) -> Iterator[AwsServer]:
    """A server that is up, and stopped at the end."""
    server = AwsServer({each.service: each for each in services})
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Json:
    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self.content_type = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.0')}"

    def parameters(self, name: str, body: bytes, form: Mapping[str, str]) -> dict[str, Any]:
        shape = self._model.operation_model(name).input_shape
        found: dict[str, Any] = _from_json(shape, json.loads(body or b"{}")) if shape is not None else {}
        return found

    def answer(self, name: str, result: Any) -> bytes:
        shape = self._model.operation_model(name).output_shape
        return json.dumps(_to_json(shape, result) if shape is not None else {}).encode()

    def error(self, error: AwsError) -> bytes:
        return json.dumps({"__type": error.code, "message": error.message}).encode()


class _Query:
    content_type = "text/xml"

    def __init__(self, model: ServiceModel) -> None:
        self._model = model

    def parameters(self, name: str, body: bytes, form: Mapping[str, str]) -> dict[str, Any]:
        shape = self._model.operation_model(name).input_shape
        found: dict[str, Any] = _from_form(shape, form, "") if shape is not None else {}
        return found

    def answer(self, name: str, result: Any) -> bytes:
        shape = self._model.operation_model(name).output_shape
        inner = "" if shape is None else _to_xml(shape, result)
        wrapper = shape.serialization.get("resultWrapper", f"{name}Result") if shape is not None else f"{name}Result"
        namespace = self._model.metadata.get("xmlNamespace", "")
        head = f'<{name}Response xmlns="{namespace}"><{wrapper}>{inner}</{wrapper}>'
        return f"{head}<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{name}Response>".encode()

    def error(self, error: AwsError) -> bytes:
        told = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        return (
            f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error><RequestId>1</RequestId></ErrorResponse>".encode()
        )


def _from_json(shape: Any, raw: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {name: _from_json(shape.members[name], each) for name, each in raw.items() if name in shape.members}
        case "list":
            return [_from_json(shape.member, each) for each in raw]
        case "map":
            return {name: _from_json(shape.value, each) for name, each in raw.items()}
        case "timestamp":
            return datetime.fromtimestamp(raw, UTC)
        case "blob":
            return base64.b64decode(raw)
    return raw


def _to_json(shape: Any, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {
                shape.members[name].serialization.get("name", name): _to_json(shape.members[name], each)
                for name, each in value.items()
                if each is not None
            }
        case "list":
            return [_to_json(shape.member, each) for each in value]
        case "map":
            return {name: _to_json(shape.value, each) for name, each in value.items()}
        case "timestamp":
            return value.timestamp()
        case "blob":
            return base64.b64encode(value).decode()
    return value


def _from_form(shape: Any, form: Mapping[str, str], prefix: str) -> Any:
    """Parameters such as ``MetricData.member.1.Value``; None where there is nothing below ``prefix``."""
    here = prefix.removesuffix(".")
    match shape.type_name:
        case "structure":
            found = {
                name: _from_form(member, form, f"{prefix}{_name(member, name)}.")
                for name, member in shape.members.items()
            }
            told = {name: each for name, each in found.items() if each is not None}
            return told or (None if prefix else {})
        case "list":
            inner = prefix if shape.serialization.get("flattened") else f"{prefix}{_name(shape.member, 'member')}."
            numbers = {int(each[1]) for key in form if (each := re.match(rf"{re.escape(inner)}(\d+)", key))}
            return [_from_form(shape.member, form, f"{inner}{number}.") for number in sorted(numbers)] or None
        case "timestamp":
            return datetime.fromisoformat(form[here].replace("Z", "+00:00")) if here in form else None
        case "integer" | "long":
            return int(form[here]) if here in form else None
        case "float" | "double":
            return float(form[here]) if here in form else None
        case "boolean":
            return form[here] == "true" if here in form else None
    return form.get(here)


def _to_xml(shape: Any, value: Any) -> str:
    match shape.type_name:
        case "structure":
            return "".join(
                _members(member, _name(member, name), value[name])
                for name, member in shape.members.items()
                if value.get(name) is not None
            )
        case "timestamp":
            return str(value.isoformat())
        case "boolean":
            return "true" if value else "false"
        case "blob":
            return base64.b64encode(value).decode()
    return escape(str(value))


def _members(shape: Any, name: str, value: Any) -> str:
    if shape.type_name != "list":
        return f"<{name}>{_to_xml(shape, value)}</{name}>"
    is_flat = shape.serialization.get("flattened")
    tag = name if is_flat else _name(shape.member, "member")
    inner = "".join(f"<{tag}>{_to_xml(shape.member, each)}</{tag}>" for each in value)
    return inner if is_flat else f"<{name}>{inner}</{name}>"


def _name(shape: Shape, name: str) -> str:
    return str(shape.serialization.get("name", name))


def _handler(server: AwsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or an answer in two writes waits for an acknowledgement

        def setup(self) -> None:
            server.connections.append(self.request)
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content_type, answer = server.respond(self.headers, body)  # type: ignore[arg-type]
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    return Handler

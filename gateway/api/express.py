"""The routes that are asked all the time, answered ahead of FastAPI's routing and dependency tree.

FastAPI documents them, and answers every request that is in any way unusual. A request whose path, method and media
type are as expected takes this way instead: it meets the same endpoint, with the same values from the same functions,
at a fifth of the cost. `tests/unit/api/test_express.py` holds the two ways to the same answers.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api import problems
from gateway.api.dependencies import (
    Authenticated,
    Came,
    Named,
    Referred,
    UseCases,
    authenticated,
    came_from,
    resource_name,
    the_broker,
    version_ref,
)
from gateway.errors import GatewayError
from gateway.model import ResourceKind

Endpoint = Callable[..., Awaitable[Response]]
_Read = Callable[[Request], Awaitable[object]]

_JSON = "application/json"


async def _caller(request: Request) -> object:
    return await authenticated(request, await the_broker(request), await came_from(request), None)


async def _name(request: Request) -> object:
    path = request.path_params
    return await resource_name(ResourceKind(path["kind"]), path["namespace"], path["name"])


async def _ref(request: Request) -> object:
    return await version_ref(request.path_params["ref"])


async def _request(request: Request) -> object:
    return request


_READERS: Mapping[object, _Read] = {
    UseCases: the_broker,
    Came: came_from,
    Authenticated: _caller,
    Named: _name,
    Referred: _ref,
    Request: _request,
}
"""How each thing that an endpoint may ask for is read: by the functions that FastAPI would call."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One endpoint, reached by one shape of path.

    Args:
        methods: Those that it answers.
        path: The paths, with a named group for each parameter. What FastAPI would refuse must not match.
        endpoint: The function, which FastAPI has as well.
    """

    methods: frozenset[str]
    path: re.Pattern[str]
    endpoint: Endpoint

    def takes(self, scope: Scope) -> Mapping[str, str] | None:
        """Return the path's parameters if the request is for this lane."""
        if scope["method"] not in self.methods:
            return None
        found = self.path.fullmatch(scope["path"])
        return found.groupdict() if found else None


class Express:
    """Answers what is in a lane, and hands on the rest.

    Args:
        app: FastAPI.
        lanes: What is answered here.
    """

    def __init__(self, app: ASGIApp, *, lanes: Sequence[Lane]) -> None:
        self._app = app
        self._lanes = [(lane, _arguments(lane.endpoint)) for lane in lanes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "http":
            for lane, arguments in self._lanes:
                parameters = lane.takes(scope)
                if parameters is not None and (arguments.body is None or _is_json(scope)):
                    scope["path_params"] = parameters
                    request = Request(scope, receive)
                    response = await _answer(request, lane.endpoint, arguments)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Arguments:
    """What an endpoint is called with, by name."""

    read: Sequence[tuple[str, _Read]]
    parameters: Sequence[str]
    """Those that are the path's text as it stands."""
    body: tuple[str, type[BaseModel]] | None


def _arguments(endpoint: Endpoint) -> _Arguments:
    """Look at the endpoint's signature once.

    Raises:
        TypeError: it asks for something that only FastAPI can give.
    """
    read, parameters, body = list[tuple[str, _Read]](), list[str](), None
    for name, parameter in signature(endpoint).parameters.items():
        wanted = parameter.annotation
        if wanted in _READERS:
            read.append((name, _READERS[wanted]))
        elif getattr(wanted, "__origin__", wanted) is str:
            parameters.append(name)
        elif isinstance(wanted, type) and issubclass(wanted, BaseModel) and body is None:
            body = (name, wanted)
        else:
            raise TypeError(f"{endpoint.__name__} asks for {name}, which the express lane cannot read.")
    return _Arguments(read, parameters, body)


async def _answer(request: Request, endpoint: Endpoint, arguments: _Arguments) -> Response:
    try:
        # In the endpoint's order, as FastAPI does: who is nobody learns nothing about the rest of their request.
        values = {name: await read(request) for name, read in arguments.read}
        values |= {name: request.path_params[name] for name in arguments.parameters}
        if arguments.body:
            name, model = arguments.body
            values[name] = _parsed(model, await request.body())
        return await endpoint(**values)
    except (GatewayError, RequestValidationError, HTTPException) as error:
        return await problems.answer_to(request, error)


def _parsed(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        read = from_json(body)
    except ValueError as error:
        fault = {"type": "json_invalid", "loc": ("body",), "msg": "JSON decode error", "input": {}}
        raise RequestValidationError([fault]) from error
    try:
        return model.model_validate(read, from_attributes=True)  # as FastAPI asks, whose words differ else
    except ValidationError as error:
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]) from error


def _is_json(scope: Scope) -> bool:
    return any(name == b"content-type" and value == _JSON.encode() for name, value in scope["headers"])

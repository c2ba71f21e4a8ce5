"""Errors as RFC 9457 problem details: the one table from an error's code to its HTTP status."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gateway import errors
from gateway.api.challenges import challenge

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_STATUS: Mapping[type[errors.GatewayError], HTTPStatus] = {
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.RangeNotSatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.LinkExpired: HTTPStatus.GONE,
    errors.AccessDenied: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.IntegrityError: HTTPStatus.BAD_GATEWAY,
}
"""The nearest class wins, so each row covers its subclasses. Anything else is a 500."""

_RETRY_AFTER_SECONDS = "2"


class Problem(BaseModel):
    """What every refusal and failure looks like."""

    type: str = "about:blank"
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: Annotated[str, Field(description="Stable; made for programs.")]
    hint: Annotated[str, Field(description="The next step, for people.")] = ""
    request_id: str = ""


RESPONSES: dict[int | str, dict[str, object]] = {
    status.value: {
        "description": status.phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
}
"""For OpenAPI: what any authenticated route may answer."""


def status_of(error: errors.GatewayError) -> HTTPStatus:
    """Return the HTTP status of an error.

    >>> status_of(errors.UnknownTag("no such tag"))
    <HTTPStatus.NOT_FOUND: 404>
    """
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


def install(app: FastAPI) -> None:
    """Make every foreseen error of the application answer as a problem."""
    for kind in (errors.GatewayError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer_to)


async def answer_to(request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a foreseen error: one of ours, an invalid request, or one that HTTP itself knows."""
    match error:
        case errors.GatewayError():
            return _gateway_error(request, error)
        case RequestValidationError():
            return _invalid_request(request, error)
        case HTTPException():
            return _http_error(request, error)
    return unexpected(request, error)


def _gateway_error(request: Request, error: errors.GatewayError) -> JSONResponse:
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(request, error)
    headers = challenge(request, error) if status is HTTPStatus.UNAUTHORIZED else _waiting_time(error)
    return answer(request, status, error.code, error.message, error.hint, headers=headers)


def _waiting_time(error: errors.GatewayError) -> dict[str, str]:
    """Return when to come again, where that is known, in whole seconds (RFC 9110 10.2.3)."""
    if not isinstance(error, errors.Unavailable) or error.retry_after is None:
        return {}
    return {"retry-after": str(max(1, math.ceil(error.retry_after.total_seconds())))}


def _invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    faults = error.errors()
    # Where and why, never the value: a caller may have put a token there. A name may be the caller's, and long.
    detail = "; ".join(f"{'.'.join(str(step)[:80] for step in f['loc'])}: {f['msg']}" for f in faults[:5])
    return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, errors.InvalidInput.code, detail)


def _http_error(request: Request, error: HTTPException) -> JSONResponse:
    status = HTTPStatus(error.status_code)
    code = (
        errors.TooLarge.code
        if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else status.phrase.lower().replace(" ", "-")
    )
    return answer(request, status, code, str(error.detail), headers=error.headers)


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a failure that nobody foresaw; what it was goes to the log alone."""
    log.error("unexpected failure in request %s", _request_id(request), exc_info=error)
    detail = "The gateway failed in a way it should not."
    hint = f"Report request {_request_id(request)}."
    return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, errors.GatewayError.code, detail, hint)


def answer(
    request: Request,
    status: HTTPStatus,
    code: str,
    detail: str,
    hint: str = "",
    *,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the problem as a response."""
    problem = Problem(
        title=status.phrase, status=status, detail=detail, code=code, hint=hint, request_id=_request_id(request)
    )
    extra = dict(headers or {})
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        extra.setdefault("retry-after", _RETRY_AFTER_SECONDS)
    return JSONResponse(problem.model_dump(), status, headers=extra, media_type=MEDIA_TYPE)


def _request_id(request: Request) -> str:
    return str(request.scope.get("request_id", ""))

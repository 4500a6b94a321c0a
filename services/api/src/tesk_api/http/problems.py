"""Renders errors as ``application/problem+json`` (RFC 9457).

TES specifies no error body. Clients read ``status`` and ``message``;
``errors`` lists every problem of a request by its path. ``STATUSES`` maps the kind of
an error to its HTTP status.
"""

import logging
import math
from http import HTTPStatus

import msgspec
from flask import Flask, Response, request
from msgspec import UNSET
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from tesk_api.http.request_ids import request_id
from tesk_api.http.responses import FieldProblem, Problem
from tesk_model.errors import (
    ErrorKind,
    InternalError,
    InvalidRequestError,
    RetryableError,
    TeskError,
    Violation,
)

MEDIA_TYPE = "application/problem+json"

STATUSES: dict[ErrorKind, HTTPStatus] = {
    ErrorKind.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorKind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_MESSAGES = {
    HTTPStatus.NOT_FOUND: "there is nothing at this path",
    HTTPStatus.METHOD_NOT_ALLOWED: "this path does not take that method",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is larger than this server accepts",
}


def problem_response(
    status: HTTPStatus, message: str, violations: tuple[Violation, ...] = ()
) -> Response:
    """Return the response for an error of the current request."""
    body = problem_document(status, message, request_id(request.environ), violations)
    return Response(body, status.value, mimetype=MEDIA_TYPE)


def problem_document(
    status: HTTPStatus,
    message: str,
    request_id: str,
    violations: tuple[Violation, ...] = (),
) -> bytes:
    """Return the JSON for an error of a request."""
    return msgspec.json.encode(_problem(status, message, request_id, violations))


def problem_of(error: TeskError, request_id: str) -> Problem:
    """Return what clients are told of an error in a part of a request."""
    return _problem(
        STATUSES[error.kind],
        _told(error).message,
        request_id,
        error.violations if isinstance(error, InvalidRequestError) else (),
    )


def _problem(
    status: HTTPStatus,
    message: str,
    request_id: str,
    violations: tuple[Violation, ...],
) -> Problem:
    errors = tuple(
        FieldProblem(path=violation.path, message=violation.message)
        for violation in violations
    )
    return Problem(
        type="about:blank",
        title=status.phrase,
        status=status.value,
        detail=message,
        message=message,
        request_id=request_id,
        errors=errors or UNSET,
    )


def _told(error: TeskError) -> TeskError:
    """Return the error that clients see: internals are for the log alone."""
    if error.kind is ErrorKind.INTERNAL:
        return InternalError("internal error")
    return error


def _response_of(error: TeskError) -> Response:
    violations = error.violations if isinstance(error, InvalidRequestError) else ()
    response = problem_response(STATUSES[error.kind], error.message, violations)
    if isinstance(error, RetryableError):
        delay = error.retry_after.total_seconds() if error.retry_after else 1.0
        response.headers["Retry-After"] = str(max(1, math.ceil(delay)))
    return response


def register_problems(app: Flask, *, challenge: str) -> None:
    """Render every error of ``app`` as a problem document.

    Args:
        app: The application.
        challenge: ``WWW-Authenticate`` of a 401.
    """
    logger = logging.getLogger(__name__)

    @app.errorhandler(TeskError)
    def on_tesk_error(error: TeskError) -> Response:
        if error.kind is ErrorKind.INTERNAL:
            logger.error(
                "internal error",
                exc_info=error,
                extra={"request_id": request_id(request.environ)},
            )
        response = _response_of(_told(error))
        if error.kind is ErrorKind.UNAUTHENTICATED:
            response.headers["WWW-Authenticate"] = challenge
        return response

    @app.errorhandler(HTTPException)
    def on_http_exception(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        message = _MESSAGES.get(status, error.description or status.phrase)
        response = problem_response(status, message[:1].lower() + message[1:])
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    def on_bug(error: Exception) -> Response:
        logger.error(
            "request failed",
            exc_info=error,
            extra={"request_id": request_id(request.environ)},
        )
        return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")

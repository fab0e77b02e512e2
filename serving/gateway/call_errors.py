"""What a failed call to the model server means for the caller."""

from typing import Final

import grpc

from sazon.schema import CONTEXTUAL_SIGNATURE, EXPLANATION_SIGNATURE
from serving.gateway.admission import RETRY_AFTER_S
from serving.gateway.errors import ApiError

MISSING_SIGNATURE: Final = 501
"""Status of an answer that the asked version has no signature for."""

_AWAY: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.CANCELLED,
    # Something else listens at that address.
    grpc.StatusCode.UNIMPLEMENTED,
)
_MISSING: Final = {
    EXPLANATION_SIGNATURE: (
        "explanation_unavailable",
        "the served version of the model cannot explain itself; export it again and roll it out",
    ),
    CONTEXTUAL_SIGNATURE: ("context_unavailable", "the served version of the model reads texts alone"),
}


class ModelError(ApiError):
    """A call failed; `outcome` is its gRPC status in lower case, as the metrics name it."""

    def __init__(
        self, status: int, code: str, message: str, outcome: str = "unavailable", retry_after_s: int | None = None
    ) -> None:
        super().__init__(status, code, message, retry_after_s)
        self.outcome = outcome

    @property
    def is_version_gone(self) -> bool:
        """Whether the server does not serve the version that was asked."""
        return self.outcome == grpc.StatusCode.NOT_FOUND.name.lower()


def as_model_error(error: grpc.RpcError) -> ModelError:
    """The answer to a request whose call failed; tells nothing of the server's insides."""
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    outcome = code.name.lower()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ModelError(504, "model_timeout", "the model server did not answer in time; try again", outcome)
    # Servers differ in the status of an unknown signature, not in these words.
    details = (error.details() or "") if isinstance(error, grpc.Call) else ""
    for signature, (name, message) in _MISSING.items():
        if f'"{signature}" not found' in details:
            return ModelError(MISSING_SIGNATURE, name, message, outcome)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return ModelError(429, "overloaded", "the model server is overloaded; try again soon", outcome, RETRY_AFTER_S)
    if code in _AWAY:
        message = "the model server cannot be reached or has no model; try again soon"
        return ModelError(503, "model_unavailable", message, outcome, RETRY_AFTER_S)
    return ModelError(500, "model_failed", "the model server failed on this request", outcome)

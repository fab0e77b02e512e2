"""The standard health service of gRPC (`grpc.health.v1.Health`).

Its two messages have one field each and are, on the wire, those of protobuf's wrapper types; the official package of
stubs asks for a newer protobuf than TensorFlow takes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

SERVICE: Final = "grpc.health.v1.Health"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3

_LOOK_S: Final = 0.5


def health_handler(services: Collection[str], is_serving: Callable[[], bool]) -> grpc.GenericRpcHandler:
    """Routes of the health service.

    Args:
        services: full names that a client may ask about, besides "" for the whole server.
        is_serving: whether they answer requests now.
    """

    def status(request: StringValue) -> int:
        if request.value and request.value not in services:
            return SERVICE_UNKNOWN
        return SERVING if is_serving() else NOT_SERVING

    async def check(data: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Int32Value:
        request = await _parse(data, context)
        found = status(request)
        if found == SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.value[:100]}")
        return Int32Value(value=found)

    async def watch(data: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Int32Value]:
        request, last = await _parse(data, context), None
        while True:
            found = status(request)
            if found != last:
                yield Int32Value(value=found)
            last = found
            await asyncio.sleep(_LOOK_S)

    methods = {
        "Check": grpc.unary_unary_rpc_method_handler(check, response_serializer=Int32Value.SerializeToString),
        "Watch": grpc.unary_stream_rpc_method_handler(watch, response_serializer=Int32Value.SerializeToString),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


async def _parse(data: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> StringValue:
    try:
        return StringValue.FromString(data)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The request is no grpc.health.v1.HealthCheckRequest")

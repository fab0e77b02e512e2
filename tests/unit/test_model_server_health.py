"""The health service: its answers are those of `grpc.health.v1`, read here from their bytes."""

import asyncio

import grpc
import pytest

from serving.model_server.health import health_handler
from serving.model_server.listeners import GrpcListener
from serving.model_server.options import ListenOptions

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"


def named(service: str) -> bytes:
    return b"\x0a" + bytes([len(service)]) + service.encode()


def ask(conversation, states=(True,)):
    """Runs a conversation with a server that serves, or not, as each look at it finds."""

    async def run():
        looks = iter(states)
        listener = GrpcListener([health_handler(("my.Service",), lambda: next(looks))], ListenOptions(grpc_port=0))
        await listener.start()
        try:
            async with grpc.aio.insecure_channel(listener.address) as channel:
                return await conversation(channel)
        finally:
            await listener.stop()

    return asyncio.run(run())


@pytest.mark.parametrize("service", [b"", named("my.Service")])
@pytest.mark.parametrize(("serves", "answer"), [(True, SERVING), (False, NOT_SERVING)])
def test_the_server_and_its_services(service, serves, answer):
    assert ask(lambda channel: channel.unary_unary(CHECK)(service, timeout=10), [serves]) == answer


@pytest.mark.parametrize(("request_", "code"), [(named("q"), "NOT_FOUND"), (b"\xff", "INVALID_ARGUMENT")])
def test_questions_without_an_answer(request_, code):
    with pytest.raises(grpc.RpcError) as caught:
        ask(lambda channel: channel.unary_unary(CHECK)(request_, timeout=10))
    assert caught.value.code().name == code


def test_watching_tells_each_change():
    async def watch(channel):
        call = channel.unary_stream(WATCH)(b"", timeout=10)
        return [await call.read() for _ in range(3)]

    assert ask(watch, [False, False, True, False]) == [NOT_SERVING, SERVING, NOT_SERVING]


def test_watching_a_service_that_does_not_exist():
    assert ask(lambda channel: channel.unary_stream(WATCH)(named("q"), timeout=10).read()) == SERVICE_UNKNOWN

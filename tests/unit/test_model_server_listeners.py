"""The gRPC port: plain, with TLS, and on a Unix socket."""

import asyncio
import shutil
import subprocess

import grpc
import pytest

from serving.model_server.config_files import TlsOptions
from serving.model_server.listeners import GrpcListener
from serving.model_server.options import ListenOptions

METHOD = "/test.Echo/Echo"


def echo_handler() -> grpc.GenericRpcHandler:
    async def answer(request: bytes, _) -> bytes:
        return request

    return grpc.method_handlers_generic_handler("test.Echo", {"Echo": grpc.unary_unary_rpc_method_handler(answer)})


async def ask(options: ListenOptions, open_channel) -> bytes:
    listener = GrpcListener([echo_handler()], options)
    await listener.start()
    try:
        async with open_channel(listener.address) as channel:
            return await channel.unary_unary(METHOD)(b"hola", timeout=10)
    finally:
        await listener.stop()


def test_plain():
    assert asyncio.run(ask(ListenOptions(grpc_port=0), grpc.aio.insecure_channel)) == b"hola"


def test_a_unix_socket(tmp_path):
    socket = tmp_path / "s"
    options = ListenOptions(grpc_port=0, grpc_socket=str(socket))
    assert asyncio.run(ask(options, lambda _: grpc.aio.insecure_channel(f"unix:{socket}"))) == b"hola"


def test_tls(tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = TlsOptions(key.read_bytes(), certificate.read_bytes(), None, False)
    trust = grpc.ssl_channel_credentials(certificate.read_bytes())
    options = ListenOptions(grpc_port=0, tls=tls)
    assert asyncio.run(ask(options, lambda address: grpc.aio.secure_channel(address, trust))) == b"hola"
    with pytest.raises(grpc.RpcError):
        asyncio.run(ask(options, grpc.aio.insecure_channel))

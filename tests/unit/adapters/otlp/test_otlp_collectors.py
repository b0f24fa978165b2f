"""`otlp` against collectors on real sockets, good ones and bad ones."""

import asyncio
import ssl
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from opentelemetry import _logs, metrics, trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from remixer.adapters.otlp import (
    INFO,
    Compression,
    Kind,
    MetricInfo,
    OtlpHandler,
    Params,
    Protocol,
    Tls,
    Trace,
)
from remixer.attributes.values import Duration, Timestamp
from remixer.drivers import otlp as otlp_driver
from remixer.templates.instances import Edge, LogEntry, Metric, TraceSpan
from remixer.testing.adapters import AdapterHarness

pytestmark = pytest.mark.usefixtures("patient_ends")

_MS = 1_000_000
_BRIEF_S = 10.0
"""More than an end may take, and less than a call that hangs would."""
_LOG = LogEntry("log", {"path": "/cart"}, Timestamp(5), "Warning")
_SPAN = TraceSpan("span", "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312")
_METRIC = Metric("hits", 3, {"user": "alice"})
_INSTANCES = (_METRIC, _LOG, _SPAN, Edge("edge", source_workload_name="web"))


def _params(collector: Any, **changes: Any) -> Params:
    params = Params(
        collector.endpoint,
        Protocol.HTTP_PROTOBUF if collector.over_http else Protocol.GRPC,
        export_interval=Duration(20 * _MS),
        batch_interval=Duration(5 * _MS),
        metrics=(MetricInfo("hits", kind=Kind.COUNTER),),
        trace=Trace(1.0),
    )
    return replace(params, **changes)


def _texts(attributes: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in attributes}


# ---------------------------------------------------------------- good collectors


@pytest.mark.parametrize("compression", list(Compression))
async def test_all_signals_arrive(collector: Any, compression: Compression) -> None:
    async with AdapterHarness() as harness:
        params = _params(
            collector, compression=compression, resource_attributes={"cluster": "east"}
        )
        handler = await harness.build(INFO, params)
        handler.report(_INSTANCES)
        (log,) = (await collector.next("logs")).resource_logs
        (span,) = (await collector.next("traces")).resource_spans
        (metric,) = (await collector.next("metrics")).resource_metrics
        (edge,) = (await collector.next("metrics")).resource_metrics
    for each in (log, span, metric, edge):
        assert _texts(each.resource.attributes) == {"cluster": "east"}
    assert metric.scope_metrics[0].metrics[0].sum.data_points[0].as_double == 3
    assert edge.scope_metrics[0].metrics[0].name == "istio.edge.calls"
    assert log.scope_logs[0].log_records[0].severity_text == "Warning"
    assert span.scope_spans[0].spans[0].trace_id.hex() == _SPAN.trace_id
    assert all(each == (compression is Compression.GZIP) for each in collector.compressed)


async def test_headers_are_sent_and_those_of_files_are_read_every_time(
    collector: Any, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("Bearer one\n")
    params = _params(
        collector, headers={"X-Tenant": "shop"}, header_files={"Authorization": str(token)}
    )
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, params)
        handler.report([_LOG])
        await collector.next("logs")
        token.write_text("Bearer two\n")
        handler.report([_LOG])
        await collector.next("logs")
    first, last = collector.headers[0], collector.headers[-1]
    assert (first["x-tenant"], first["authorization"]) == ("shop", "Bearer one")
    assert last["authorization"] == "Bearer two"


async def test_what_is_there_is_sent_at_the_end(collector: Any) -> None:
    hour = Duration(3_600_000 * _MS)
    async with AdapterHarness() as harness:
        params = _params(collector, export_interval=hour, batch_interval=hour)
        handler = await harness.build(INFO, params)
        handler.report(_INSTANCES)
        await harness.close(handler)
    assert [queue.qsize() for queue in collector.got.values()] == [2, 1, 1]


# ---------------------------------------------------------------- bad collectors


async def test_entries_refused_for_now_are_sent_again(collector: Any) -> None:
    calls = 0

    async def busy_once(call: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            return b""
        if isinstance(call, web.Request):
            return web.Response(status=503)
        return await call.abort(grpc.StatusCode.UNAVAILABLE, "draining")

    collector.manners = busy_once
    async with AdapterHarness() as harness:
        handler: OtlpHandler = await harness.build(INFO, _params(collector))
        handler.report([_LOG])
        assert await collector.next("logs") == await collector.next("logs")
        await harness.close(handler)
        assert (handler.log_outbox.sent, handler.log_outbox.dropped) == (1, 0)


async def test_entries_refused_for_good_are_dropped_and_counted(collector: Any) -> None:
    async def refuse(call: Any) -> Any:
        if isinstance(call, web.Request):
            return web.Response(status=400)
        return await call.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")

    collector.manners = refuse
    async with AdapterHarness() as harness:
        handler: OtlpHandler = await harness.build(INFO, _params(collector))
        handler.report([_LOG])
        await collector.next("logs")
        await harness.close(handler)
        assert (handler.log_outbox.sent, handler.log_outbox.dropped) == (0, 1)
    assert collector.got["logs"].empty()


async def test_entries_that_a_taken_request_did_not_bring_are_counted(collector: Any) -> None:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 2
    answer.partial_success.error_message = "too old"

    async def partly(_call: Any) -> bytes:
        return bytes(answer.SerializeToString())

    collector.manners = partly
    async with AdapterHarness() as harness:
        handler: OtlpHandler = await harness.build(INFO, _params(collector))
        handler.report([_LOG, _LOG, _LOG])
        await harness.close(handler)
        assert handler.log_outbox.dropped == 2


async def test_garbage_for_an_answer_ends_nothing(collector: Any) -> None:
    calls = 0

    async def garbage_once(_call: Any) -> bytes:
        nonlocal calls
        calls += 1
        return b"\xff\xff\xff" if calls == 1 else b""

    collector.manners = garbage_once
    async with AdapterHarness() as harness:
        handler: OtlpHandler = await harness.build(INFO, _params(collector))
        handler.report([_LOG])
        await collector.next("logs")
        handler.report([_LOG])
        await collector.next("logs")
        await harness.close(handler)
        assert (handler.log_outbox.sent, handler.log_outbox.dropped) == (1, 1)


@pytest.mark.usefixtures("brief_ends")
async def test_a_collector_that_hangs_holds_neither_the_loop_nor_the_end(collector: Any) -> None:
    async def hang(_call: Any) -> bytes:
        await asyncio.Event().wait()
        return b""

    collector.manners = hang
    threads = set(threading.enumerate())
    async with AdapterHarness() as harness:
        handler: OtlpHandler = await harness.build(INFO, _params(collector))
        handler.report(_INSTANCES)
        for signal in ("logs", "traces", "metrics"):
            await collector.next(signal)
        async with asyncio.timeout(_BRIEF_S):
            await harness.close(handler)
        assert (handler.log_outbox.dropped, handler.span_outbox.dropped) == (1, 1)
    left = {each for each in set(threading.enumerate()) - threads if not each.daemon}
    assert {each.name for each in left if not each.name.startswith("asyncio_")} == set()


async def test_a_call_that_hangs_ends_at_the_timeout_and_is_made_again(collector: Any) -> None:
    calls = 0

    async def hang_once(_call: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()
        return b""

    collector.manners = hang_once
    async with AdapterHarness() as harness:
        params = _params(collector, timeout=Duration(1_000 * _MS))
        handler: OtlpHandler = await harness.build(INFO, params)
        handler.report([_LOG])
        await collector.next("logs")
        await collector.next("logs")
        await harness.close(handler)
        assert handler.log_outbox.sent == 1


@pytest.mark.usefixtures("brief_ends")
@pytest.mark.parametrize("protocol", list(Protocol))
async def test_nobody_there_costs_the_entries_alone(protocol: Protocol) -> None:
    async with AdapterHarness() as harness:
        params = Params(
            "127.0.0.1:9" if protocol is Protocol.GRPC else "http://127.0.0.1:9",
            protocol,
            export_interval=Duration(5 * _MS),
            batch_interval=Duration(5 * _MS),
            trace=Trace(1.0),
        )
        handler: OtlpHandler = await harness.build(INFO, params)
        handler.report([_LOG, _SPAN, Edge("edge")])
        async with asyncio.timeout(_BRIEF_S):
            await harness.close(handler)
        assert (handler.log_outbox.dropped, handler.span_outbox.dropped) == (1, 1)
        assert handler.exports.failed > 0


async def test_a_token_that_cannot_be_read_or_sent_is_told_without_its_text(
    http_collector: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_bytes(b"s3cret\r\nx-evil: 1")
    params = _params(http_collector, header_files={"authorization": str(token)})
    with caplog.at_level("DEBUG", logger="remixer"):
        async with AdapterHarness() as harness:
            handler: OtlpHandler = await harness.build(INFO, params)
            handler.report([_LOG])
            await harness.close(handler)
            assert handler.log_outbox.dropped == 1
    told = " ".join(str(each.__dict__) for each in caplog.records)
    assert "does not hold one line of printable ASCII" in told
    assert "s3cret" not in told
    assert http_collector.got["logs"].empty()


# ---------------------------------------------------------------- TLS


def _server_credentials(certificate: str, key: str) -> grpc.ServerCredentials:
    pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
    return grpc.ssl_server_credentials([pair])


def _certificate(folder: Path) -> tuple[str, str]:
    certificate, key = str(folder / "c.pem"), str(folder / "k.pem")
    subprocess.run(  # noqa: S603 - fixed arguments
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",  # noqa: S607 - any openssl does
         "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


async def _log_over_tls(endpoint: str, protocol: Protocol, tls: Tls) -> OtlpHandler:
    async with AdapterHarness() as harness:
        params = Params(endpoint, protocol, tls=tls, batch_interval=Duration(5 * _MS))
        handler: OtlpHandler = await harness.build(INFO, params)
        handler.report([_LOG])
        await harness.close(handler)
        return handler


@pytest.mark.parametrize("trusts", [True, False])
async def test_https_collectors_must_be_vouched_for(tmp_path: Path, trusts: bool) -> None:  # noqa: FBT001 - a parameter of the test
    certificate, key = _certificate(tmp_path)

    async def take(_request: web.Request) -> web.Response:
        return web.Response()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_post("/v1/logs", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
    endpoint = f"https://localhost:{runner.addresses[0][1]}"
    tls = Tls(ca_certificates=certificate if trusts else "")
    handler = await _log_over_tls(endpoint, Protocol.HTTP_PROTOBUF, tls)
    await runner.cleanup()
    assert (handler.log_outbox.sent, handler.log_outbox.dropped) == ((1, 0) if trusts else (0, 1))


@pytest.mark.parametrize("trusts", [True, False])
async def test_grpc_collectors_must_be_vouched_for(tmp_path: Path, trusts: bool) -> None:  # noqa: FBT001 - a parameter of the test
    certificate, key = _certificate(tmp_path)

    async def take(_body: bytes, _call: Any) -> bytes:
        return b""

    server = grpc.aio.server()
    service = "opentelemetry.proto.collector.logs.v1.LogsService"
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(take)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_secure_port("localhost:0", _server_credentials(certificate, key))
    await server.start()
    tls = Tls(ca_certificates=certificate if trusts else "")
    handler = await _log_over_tls(f"localhost:{port}", Protocol.GRPC, tls)
    await server.stop(None)
    assert (handler.log_outbox.sent, handler.log_outbox.dropped) == ((1, 0) if trusts else (0, 1))


# ---------------------------------------------------------------- the SDK


async def test_variables_of_the_sdk_change_nothing(
    collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-leaked=1",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "x-leaked=1",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/missing.pem",
        "OTEL_RESOURCE_ATTRIBUTES": "leaked=1",
        "OTEL_SERVICE_NAME": "leaked",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "0",
        "http_proxy": "http://127.0.0.1:9",
        "grpc_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, text)
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(collector))
        handler.report(_INSTANCES)
        (log,) = (await collector.next("logs")).resource_logs
        await collector.next("traces")
        await collector.next("metrics")
    assert list(log.resource.attributes) == []
    assert _texts(log.scope_logs[0].log_records[0].attributes) == {"path": "/cart"}
    assert not [each for each in collector.headers if "x-leaked" in each]
    assert not any(collector.compressed)


async def test_nothing_global_of_the_sdk_is_made(collector: Any) -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(collector))
        handler.report(_INSTANCES)
        await collector.next("metrics")
    assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
    assert type(metrics.get_meter_provider()).__name__ == "_ProxyMeterProvider"
    assert type(_logs.get_logger_provider()).__name__ == "ProxyLoggerProvider"


async def test_a_missing_sdk_is_told_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp_driver, "_PACKAGES", ("no_such_package.sdk",))
    assert not otlp_driver.is_otlp_installed()
    with pytest.raises(otlp_driver.OtlpMissingError, match=r"pip install 'remixer\[otlp\]'"):
        await otlp_driver.open_otlp(otlp_driver.OtlpSettings("localhost:4317", over_http=False))


# ---------------------------------------------------------------- the client


async def test_an_http_collector_may_ask_for_a_pause(http_collector: Any) -> None:
    async def busy(_request: Any) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "7"})

    http_collector.manners = busy
    settings = otlp_driver.OtlpSettings(http_collector.endpoint, over_http=True)
    client = await otlp_driver.open_otlp(settings)
    with pytest.raises(otlp_driver.OtlpError, match="status 429") as caught:
        await client.send_logs([])
    await client.aclose()
    assert (caught.value.can_retry, caught.value.after_s) == (True, 7)


async def test_records_that_cannot_be_encoded_are_refused_for_good(collector: Any) -> None:
    settings = otlp_driver.OtlpSettings(collector.endpoint, over_http=collector.over_http)
    client = await otlp_driver.open_otlp(settings)
    broken: Any = [object()]
    with pytest.raises(otlp_driver.OtlpError, match="cannot be encoded") as caught:
        await client.send_spans(broken)
    await client.aclose()
    assert not caught.value.can_retry


async def test_a_header_file_that_is_missing_may_come_back(collector: Any) -> None:
    settings = otlp_driver.OtlpSettings(
        collector.endpoint, over_http=collector.over_http, header_files={"a": "/missing"}
    )
    client = await otlp_driver.open_otlp(settings)
    with pytest.raises(otlp_driver.OtlpError, match="No such file") as caught:
        await client.send_logs([])
    await client.aclose()
    assert caught.value.can_retry


async def test_a_closed_http_client_opens_no_connection(http_collector: Any) -> None:
    settings = otlp_driver.OtlpSettings(http_collector.endpoint, over_http=True)
    client = await otlp_driver.open_otlp(settings)
    await client.aclose()
    await client.aclose()
    with pytest.raises(otlp_driver.OtlpError, match="closed"):
        await client.send_logs([])


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_files_of_certificates_that_are_missing_fail_the_build(protocol: Protocol) -> None:
    params = Params(
        "https://localhost:1" if protocol is Protocol.HTTP_PROTOBUF else "localhost:1",
        protocol,
        tls=Tls(ca_certificates="/missing.pem"),
    )
    async with AdapterHarness() as harness:
        with pytest.raises(OSError, match="No such file"):
            await harness.build(INFO, params)


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)

    async def take(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/logs", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
    endpoint = f"https://localhost:{runner.addresses[0][1]}"
    for tls, sent in ((Tls(certificate, certificate, key), 1), (Tls(certificate), 0)):
        handler = await _log_over_tls(endpoint, Protocol.HTTP_PROTOBUF, tls)
        assert handler.log_outbox.sent == sent
    await runner.cleanup()

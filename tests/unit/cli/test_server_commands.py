"""`remixer check` and `remixer report` against a peer that answers what the test says."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
import pytest
from typer.testing import CliRunner

from remixer.attributes.values import Duration, Timestamp, Value
from remixer.cli.app import app
from remixer.cli.exits import ExitCode
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckRequest, CheckResponse
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.bag import CompressedBag
from remixer.wire.client_codec import CHECK_PATH, REPORT_PATH
from remixer.wire.dictionary import MessageWords
from remixer.wire.report import decode_report

ALLOWED = CheckResponse()
ALLOWED.precondition.valid_duration.seconds = 5
ALLOWED.precondition.valid_use_count = 10

DENIED = CheckResponse()
DENIED.precondition.status.code = 7
DENIED.precondition.status.message = "deny.shop: not today"
DENIED.precondition.valid_duration.seconds = 1


@dataclass(slots=True)
class Peer:
    """A gRPC server that keeps what it got and answers `answer`, or fails with `failure`."""

    port: int = 0
    answer: bytes = ALLOWED.SerializeToString()
    failure: tuple[grpc.StatusCode, str] | None = None
    checks: list[CheckRequest] = field(default_factory=list)
    reports: list[ReportRequest] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def service(
        self, call: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        handle = {CHECK_PATH: self._check, REPORT_PATH: self._report}.get(call.method)
        return handle and grpc.unary_unary_rpc_method_handler(handle)

    def _check(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.checks.append(CheckRequest.FromString(request))
        self._fail(context)
        return self.answer

    def _report(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.reports.append(ReportRequest.FromString(request))
        self._fail(context)
        return b""

    def _fail(self, context: grpc.ServicerContext) -> None:
        if self.failure is not None:
            context.abort(*self.failure)


@pytest.fixture
def peer() -> Iterator[Peer]:
    running = Peer()
    with ThreadPoolExecutor(max_workers=2) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((running,))  # type: ignore[arg-type]  # has `service`
        running.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield running
        server.stop(None).wait()


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def attributes_of(message: CompressedAttributes) -> dict[str, Value | None]:
    bag = CompressedBag(message, MessageWords(message.words))
    return {name: bag[name] for name in bag.names()}


def test_attributes_travel_with_their_types_and_without_global_words(peer: Peer) -> None:
    code, _, stderr = run(
        "check", "--address", peer.address,
        "-s", "source.uid=u1", "-i", "request.size=7", "-d", "load=0.5", "-b", "tls=true",
        "-t", "at=2021-06-01T06:00:00Z", "--duration-attributes", "took=1.5s",
        "--bytes-attributes", "raw=0a:ff", "--ip", "source.ip=10.0.0.1",
        "--string-map", "request.headers=:method:GET;x-user:al", "-a", "auto=12",
    )  # fmt: skip

    assert (code, stderr) == (ExitCode.DONE, "")
    [request] = peer.checks
    assert request.global_word_count == 0
    assert attributes_of(request.attributes) == {
        "source.uid": "u1",
        "request.size": 7,
        "load": 0.5,
        "tls": True,
        "at": Timestamp(1_622_527_200_000_000_000),
        "took": Duration(1_500_000_000),
        "raw": b"\x0a\xff",
        "source.ip": b"\x0a\x00\x00\x01",
        "request.headers": {":method": "GET", "x-user": "al"},
        "auto": 12,
    }


def test_the_spellings_of_mixc_are_understood(peer: Peer) -> None:
    code, _, stderr = run(
        "check", "--mixer", peer.address, "--attributes", "a=1", "--string_attributes", "b=1",
        "--int64_attributes", "c=1", "--double_attributes", "d=1", "--bool_attributes", "e=1",
        "--timestamp_attributes", "f=2021-06-01T06:00:00Z", "--duration_attributes", "g=1s",
        "--bytes_attributes", "h=01", "--stringmap_attributes", "i=k:v", "--quotas", "q=2",
    )  # fmt: skip

    assert (code, stderr) == (ExitCode.DONE, "")
    assert set(attributes_of(peer.checks[0].attributes)) == set("abcdefghi")
    assert list(peer.checks[0].quotas) == ["q"]


def test_quotas_are_asked_for_with_best_effort_and_a_number_as_id(peer: Peer) -> None:
    assert run("check", "-m", peer.address, "-q", "rate=5,cell=-1")[0] == ExitCode.DONE

    [request] = peer.checks
    assert {name: (each.amount, each.best_effort) for name, each in request.quotas.items()} == {
        "rate": (5, True),
        "cell": (-1, True),
    }
    assert request.deduplication_id.isdigit()


def test_an_answer_is_shown_to_people(peer: Peer) -> None:
    assert run("check", "-m", peer.address) == (
        ExitCode.DONE,
        "allowed  OK (0)\n  valid for 5s, 10 further uses\n",
        "",
    )


def test_an_answer_is_one_json_document_for_machines(peer: Peer) -> None:
    code, stdout, _ = run("check", "-m", peer.address, "--output", "json")

    document = json.loads(stdout)
    assert code == ExitCode.DONE
    assert (document["verdict"], document["valid_duration"], document["number"]) == (
        "allowed",
        "5s",
        0,
    )


def test_a_denial_is_an_answer_unless_the_exit_code_is_asked_for(peer: Peer) -> None:
    peer.answer = DENIED.SerializeToString()

    code, stdout, _ = run("check", "-m", peer.address)
    assert code == ExitCode.DONE
    assert stdout.startswith("denied  PERMISSION_DENIED (7)  deny.shop: not today\n")
    assert run("check", "-m", peer.address, "--exit-code")[0] == ExitCode.FAILED


def test_repeated_requests_are_separate_calls_to_quotas(peer: Peer) -> None:
    code, stdout, _ = run("check", "-m", peer.address, "--repeat", "5", "--concurrency", "2")

    assert code == ExitCode.DONE
    assert len({request.deduplication_id for request in peer.checks}) == 5
    *lines, summary = stdout.splitlines()
    assert lines == ["allowed  OK (0)  valid for 5s, 10 further uses"] * 5
    assert summary.startswith("5 answers: 5 OK; ")


def test_a_given_id_makes_repeated_requests_one_call_to_quotas(peer: Peer) -> None:
    run("check", "-m", peer.address, "--repeat", "2", "--deduplication-id", "same")

    assert [request.deduplication_id for request in peer.checks] == ["same", "same"]


def test_a_report_carries_the_attributes_and_is_acknowledged(peer: Peer) -> None:
    assert run("report", "-m", peer.address, "-s", "a=b") == (ExitCode.DONE, "accepted\n", "")

    [request] = peer.reports
    assert request.global_word_count == 0
    [bag] = decode_report(request).bags
    assert {name: bag[name] for name in bag.names()} == {"a": "b"}


def test_repeated_reports_end_with_a_summary_or_give_one_document_each(peer: Peer) -> None:
    _, text, _ = run("report", "-m", peer.address, "-r", "3")
    _, documents, _ = run("report", "-m", peer.address, "-r", "3", "-o", "json")

    assert text.startswith("3 answers: 3 accepted; ")
    assert [json.loads(line)["number"] for line in documents.splitlines()] == [0, 1, 2]
    assert len(peer.reports) == 6


@pytest.mark.parametrize("command", ["check", "report"])
def test_an_error_of_the_server_is_told_with_its_code(peer: Peer, command: str) -> None:
    peer.failure = (grpc.StatusCode.INTERNAL, "no adapter")

    assert run(command, "-m", peer.address) == (
        ExitCode.REFUSED,
        "",
        "error: the server answered with an error instead: INTERNAL: no adapter; "
        + f"{peer.address}; look at the server's log and metrics\n",
    )


def test_a_server_that_is_no_mixer_is_told(peer: Peer) -> None:
    peer.failure = (grpc.StatusCode.UNIMPLEMENTED, "unknown service")

    code, _, stderr = run("check", "-m", peer.address)

    assert code == ExitCode.REFUSED
    assert stderr.startswith("error: the server speaks gRPC, but not `istio.mixer.v1.Mixer`; 127.")


def test_an_answer_that_cannot_be_read_is_told(peer: Peer) -> None:
    peer.answer = b""

    code, _, stderr = run("check", "-m", peer.address)

    assert code == ExitCode.REFUSED
    assert stderr.startswith("error: the server's answer cannot be read: CheckResponse has no")


def test_a_server_that_takes_too_long_is_not_reached(peer: Peer) -> None:
    peer.failure = (grpc.StatusCode.DEADLINE_EXCEEDED, "")

    code, _, stderr = run("check", "-m", peer.address, "--timeout", "1.5")

    assert code == ExitCode.UNREACHABLE
    assert stderr.startswith(f"error: no answer within 1.5 s; {peer.address}; look at")


@pytest.mark.parametrize("command", ["check", "report"])
def test_no_server_is_told_with_the_way_to_start_one(command: str) -> None:
    with socket.socket() as bound:  # bound, but nobody listens
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        code, stdout, stderr = run(command, "-m", address)

    assert (code, stdout) == (ExitCode.UNREACHABLE, "")
    assert stderr.startswith("error: no Mixer is available: ")
    assert stderr.endswith(
        f"; {address}; start one with `remixer serve --address {address}`, "
        "or name another with --address\n"
    )


def test_a_malformed_address_is_a_usage_error() -> None:
    assert run("check", "-m", "nowhere") == (
        ExitCode.USAGE,
        "",
        "error: `nowhere` is not HOST:PORT or unix:PATH; --address; "
        + "write `--address localhost:9091` or `--address unix:/run/mixer.sock`\n",
    )


def test_a_malformed_attribute_is_a_usage_error_before_anything_is_sent(peer: Peer) -> None:
    code, _, stderr = run("check", "-m", peer.address, "-i", "size=many")

    assert (code, peer.checks) == (ExitCode.USAGE, [])
    assert stderr.startswith("error: `many` is not a 64-bit whole number; -i size=many; write")


# ------------------------------------------------------------------ scripts written for mixc


def test_every_flag_of_mixc_is_taken(peer: Peer) -> None:
    code, _, stderr = run(
        "check", "--mixer", peer.address, "--repeat", "2", "--concurrency", "1", "--rate", "1000",
        "--print_response=true", "--report_batch_size", "1", "--string_attributes", "a=b",
        "--trace_zipkin_url", "http://zipkin/", "--trace_jaeger_url=http://jaeger/",
        "--trace_log_spans", "--log_output_level", "default:debug", "-q=rate=1", "-s=c=d",
    )  # fmt: skip

    assert code == ExitCode.DONE
    assert [line.split(" ")[:2] for line in stderr.splitlines()] == [
        ["warning:", "--report_batch_size"],
        ["warning:", "--trace_zipkin_url"],
        ["warning:", "--trace_jaeger_url"],
        ["warning:", "--trace_log_spans"],
        ["warning:", "--log_output_level"],
    ]
    assert [attributes_of(each.attributes) for each in peer.checks] == [{"a": "b", "c": "d"}] * 2
    assert list(peer.checks[0].quotas) == ["rate"]


def test_an_answer_can_be_printed_as_mixc_did(peer: Peer) -> None:
    answer = CheckResponse()
    answer.CopyFrom(DENIED)
    references = answer.precondition.referenced_attributes
    references.words.extend([b"source.uid", b"request.headers", b"x-user"])
    references.attribute_matches.add(name=-1, condition=1)  # type: ignore[arg-type]  # an enum
    references.attribute_matches.add(name=-2, map_key=-3, condition=2)  # type: ignore[arg-type]
    answer.quotas["visits"].granted_amount = 5
    answer.quotas["visits"].valid_duration.seconds = 90
    answer.quotas["a"].granted_amount = 10
    answer.quotas["a"].valid_duration.SetInParent()
    peer.answer = answer.SerializeToString()

    code, stdout, stderr = run("check", "-m", peer.address, "--output", "mixc", "-q", "visits=5")

    assert (code, stderr) == (ExitCode.DONE, "")
    assert stdout.split("\n") == [
        "Check RPC completed successfully. Check status was PERMISSION_DENIED (deny.shop: not today)",
        "  Valid use count: 0, valid duration: 1s",
        "  Referenced Attributes",
        "    request.headers::x-user EXACT",
        "    source.uid ABSENCE",
        "",
        "  Quota   Granted Amount  Duration",
        "  a       10              0s",
        "  visits  5               1m30s",
        "",
        "",
    ]


def test_a_code_of_an_adapter_s_own_is_a_number_as_with_mixc(peer: Peer) -> None:
    answer = CheckResponse()
    answer.precondition.status.code = 40001
    peer.answer = answer.SerializeToString()
    stdout = run("check", "-m", peer.address, "--output=mixc")[1]
    assert stdout.startswith("Check RPC completed successfully. Check status was Code 40001\n")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("check", "Check RPC failed with: InvalidArgument (no)\n"),
        ("report", "Report RPC returned InvalidArgument (no)\n"),
    ],
)
def test_as_mixc_a_call_without_an_answer_is_a_line_and_the_next_is_sent(
    peer: Peer, command: str, line: str
) -> None:
    peer.failure = (grpc.StatusCode.INVALID_ARGUMENT, "no")
    found = run(command, "-m", peer.address, "--output", "mixc", "--repeat", "2")
    assert found == (ExitCode.DONE, line * 2, "")


def test_as_mixc_each_sender_sends_all_requests(peer: Peer) -> None:
    found = run("report", "-m", peer.address, "--output", "mixc", "-r", "2", "-c", "2")
    assert found == (ExitCode.DONE, "Report RPC returned OK\n" * 4, "")
    assert len(peer.reports) == 4


def test_reports_can_be_sent_several_in_a_message(peer: Peer) -> None:
    code, _, _ = run("report", "-m", peer.address, "-r", "5", "--report_batch_size=2", "-s", "a=b")
    assert code == ExitCode.DONE
    assert [len(each.attributes) for each in peer.reports] == [2, 2, 1]
    bags = [bag for each in peer.reports for bag in decode_report(each).bags]
    assert [bag["a"] for bag in bags] == ["b"] * 5


@pytest.mark.parametrize("output", ["text", "json", "mixc"])
@pytest.mark.parametrize("command", ["check", "report"])
def test_answers_need_not_be_printed(peer: Peer, command: str, output: str) -> None:
    found = run(command, "-m", peer.address, "--print_response=false", "-r2", "-o", output)
    assert found == (ExitCode.DONE, "", "")

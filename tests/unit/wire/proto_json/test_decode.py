"""Strict decoding of a tree into a params dataclass, merged over defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import pytest

from remixer.attributes.values import Duration
from remixer.config import codes
from remixer.foundation.documents.yaml_documents import read_documents
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Problem
from remixer.sdk.params import DirectHttpResponse, Int32, RpcStatus
from remixer.wire.proto_json.decode import Place, decode
from remixer.wire.proto_json.numbers import UInt32


class Level(IntEnum):
    INFO = 0
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Inner:
    code: int = 9
    message: str = "default"


@dataclass(frozen=True, slots=True)
class Params:
    host_name: str = ""
    is_on: bool = False
    amount: int = 0
    small: Int32 = Int32(0)  # noqa: RUF009 - an immutable int
    count: UInt32 = UInt32(0)  # noqa: RUF009 - an immutable int
    ratio: float = 0.0
    key: bytes = b""
    timeout: Duration = Duration(0)  # noqa: RUF009 - an immutable int
    level: Level = Level.INFO
    names: tuple[str, ...] = ("a", "b")
    levels: Mapping[str, Level] = field(default_factory=lambda: {"x": Level.ERROR})
    inner: Inner = Inner()
    maybe: Inner | None = None
    limit: int | None = None
    inners: tuple[Inner, ...] = ()
    status: RpcStatus = RpcStatus()  # noqa: RUF009 - frozen
    from_: str = ""


def decoded(text: str, prototype: Params | None = None) -> tuple[Params | None, list[Problem]]:
    (root,) = read_documents(text.encode(), "f.yaml").roots
    problems: list[Problem] = []
    place = Place("spec.params", Findings("h.handler.n", problems))
    return decode(root, prototype or Params(), place), problems


def good(text: str, prototype: Params | None = None) -> Params:
    result, problems = decoded(text, prototype)
    assert problems == []
    assert result is not None
    return result


def bad(text: str) -> Problem:
    result, problems = decoded(text)
    assert result is None
    (problem,) = problems
    return problem


# ------------------------------------------------------------ spelling and merging


@pytest.mark.parametrize("key", ["host_name", "hostName"])
def test_both_spellings_of_a_field_are_taken(key: str) -> None:
    assert good(f"{key}: x").host_name == "x"


def test_both_spellings_at_once_are_a_problem() -> None:
    assert bad("host_name: x\nhostName: z").code == codes.FIELD_TWICE


def test_python_keyword_is_spelt_without_the_underscore() -> None:
    assert good("from: x").from_ == "x"


def test_unknown_field_is_a_problem_with_the_nearest_name() -> None:
    problem = bad("hostname: x")
    assert problem.code == codes.UNKNOWN_FIELD
    assert problem.field == "spec.params.hostname"
    assert problem.hint == "Did you mean `host_name`?"


def test_all_problems_are_found_at_once() -> None:
    result, problems = decoded("is_on: 5\nnonsense: 1\ninner: {code: x, nope: 1}\nlevel: LOUD")
    assert result is None
    assert [each.field for each in problems] == [
        "spec.params.is_on",
        "spec.params.nonsense",
        "spec.params.inner.code",
        "spec.params.inner.nope",
        "spec.params.level",
    ]
    assert [each.location.line for each in problems] == [1, 2, 3, 3, 4]


def test_nothing_given_leaves_the_defaults() -> None:
    prototype = Params(host_name="x")
    assert decode(None, prototype, Place("", Findings("", []))) is prototype


def test_null_leaves_the_default() -> None:
    assert good("names: ~\ninner: null").names == ("a", "b")


def test_message_merges_field_by_field() -> None:
    assert good("inner: {message: hi}").inner == Inner(code=9, message="hi")


def test_optional_message_starts_from_its_own_defaults() -> None:
    assert good("maybe: {message: hi}").maybe == Inner(code=9, message="hi")
    prototype = Params(maybe=Inner(code=5, message="x"))
    assert good("maybe: {message: hi}", prototype).maybe == Inner(code=5, message="hi")


def test_list_replaces_the_default() -> None:
    assert good("names: [z]").names == ("z",)


def test_map_replaces_the_default_as_a_whole() -> None:
    assert good("levels: {foo: ERROR}").levels == {"foo": Level.ERROR}


def test_optional_scalar_tells_zero_from_absent() -> None:
    assert good("limit: 0").limit == 0
    assert good("amount: 1").limit is None


# ------------------------------------------------------------ scalars


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5", 5),
        ("'5'", 5),
        ("'-9223372036854775808'", -(2**63)),
        ("9223372036854775807", 2**63 - 1),
        ("5.0", 5),
        ("1e3", 1000),
    ],
)
def test_int64_is_a_number_or_a_decimal_text(text: str, amount: int) -> None:
    found = good(f"amount: {text}").amount
    assert (found, type(found)) == (amount, int)


@pytest.mark.parametrize("text", ["9223372036854775808", "'9223372036854775808'"])
def test_int64_out_of_range_is_a_problem(text: str) -> None:
    assert bad(f"amount: {text}").code == codes.OUT_OF_RANGE


@pytest.mark.parametrize("text", ["1.5", "true", "five", "'0x10'", "[1]", ".nan", "' 5'", "'٣'"])
def test_what_is_no_whole_number_is_a_problem(text: str) -> None:
    assert bad(f"amount: {text}").code == codes.WRONG_TYPE


def test_int32_has_its_own_range() -> None:
    assert good("small: 2147483647").small == 2**31 - 1
    assert good("small: -2147483648").small == -(2**31)
    assert bad("small: 2147483648").code == codes.OUT_OF_RANGE
    assert bad("small: -2147483649").code == codes.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1.0), ("1.5", 1.5), ("'2.5'", 2.5), ("'-Infinity'", -float("inf"))]
)
def test_float_is_a_number_or_a_text_of_one(text: str, value: float) -> None:
    found = good(f"ratio: {text}").ratio
    assert (found, type(found)) == (value, float)


@pytest.mark.parametrize("text", ["abc", "true", "{}", "[1]", "'1_0'", "' 1'", "'inf'"])
def test_what_is_no_number_is_a_problem(text: str) -> None:
    assert bad(f"ratio: {text}").code == codes.WRONG_TYPE


def test_number_for_a_text_is_a_problem_that_says_how_to_quote_it() -> None:
    problem = bad("host_name: 8080")
    assert (problem.code, problem.hint) == (codes.WRONG_TYPE, 'Quote it: `"8080"`.')


def test_text_for_a_boolean_is_a_problem() -> None:
    assert good("is_on: yes").is_on is True
    assert bad("is_on: 'true'").code == codes.WRONG_TYPE


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m", 60.0), ("1h30m", 5400.0), ("500ms", 0.5), ("-5s", -5.0)]
)
def test_duration_is_gos_text(text: str, seconds: float) -> None:
    found = good(f"timeout: {text}").timeout
    assert (found, type(found)) == (round(seconds * 1e9), Duration)


def test_duration_without_unit_is_a_problem_that_names_one() -> None:
    problem = bad("timeout: 5")
    assert (problem.code, problem.hint) == (codes.BAD_DURATION, "Add a unit: `5s`.")
    assert bad("timeout: 5 seconds").code == codes.BAD_DURATION


def test_bytes_are_base64() -> None:
    assert good("key: aGk=").key == b"hi"
    assert bad("key: '*'").code == codes.BAD_BASE64
    assert bad("key: 5").code == codes.BAD_BASE64


def test_enum_is_a_name_or_a_number() -> None:
    assert good("level: ERROR").level is Level.ERROR
    assert good("level: 2").level is Level.ERROR


@pytest.mark.parametrize("text", ["EROR", "7", "true", "error", "[1]"])
def test_unknown_member_of_an_enum_is_a_problem(text: str) -> None:
    assert bad(f"level: {text}").code == codes.UNKNOWN_ENUM


def test_unknown_member_gets_a_hint() -> None:
    assert bad("level: EROR").hint == "Did you mean `ERROR`?"
    assert bad("level: 7").message == "found the number `7`; wanted `INFO` or `ERROR`"


# ------------------------------------------------------------ structure


@pytest.mark.parametrize(
    "text", ["names: a", "names: {a: 1}", "levels: [a]", "inner: 5", "status: {details: [5]}"]
)
def test_wrong_structure_is_a_problem(text: str) -> None:
    assert bad(text).code == codes.WRONG_TYPE


@pytest.mark.parametrize("text", ["names: [~]", "levels: {a: ~}", "inners: [~]"])
def test_null_inside_a_list_or_map_is_a_problem(text: str) -> None:
    assert bad(text).code == codes.WRONG_TYPE


def test_path_names_index_and_key() -> None:
    assert bad("inners: [{code: 1}, {code: x}]").field == "spec.params.inners[1].code"
    assert bad("levels: {a.b: LOUD}").field == "spec.params.levels[a.b]"


def test_any_is_told_by_its_type_url() -> None:
    url = DirectHttpResponse.TYPE_URL
    found = good(f"status: {{details: [{{'@type': {url}, code: 418, body: tea}}]}}")
    assert found.status.details == (DirectHttpResponse(code=418, body="tea"),)


def test_any_without_a_type_url_is_a_problem() -> None:
    problem = bad("status: {details: [{code: 418}]}")
    assert problem.code == codes.BAD_ANY_TYPE
    assert DirectHttpResponse.TYPE_URL in problem.hint


def test_any_of_an_unknown_type_is_a_problem() -> None:
    problem = bad("status: {details: [{'@type': type.googleapis.com/x.Y}]}")
    assert (problem.code, problem.field) == (
        codes.BAD_ANY_TYPE,
        "spec.params.status.details[0].@type",
    )


def test_root_that_is_no_mapping_is_a_problem() -> None:
    assert bad("[1]").code == codes.WRONG_TYPE


def test_message_with_a_type_url_may_carry_it_where_none_is_needed() -> None:
    (root,) = read_documents(b"'@type': x/istio.policy.v1beta1.DirectHttpResponse", "f").roots
    problems: list[Problem] = []
    place = Place("", Findings("", problems))
    assert decode(root, DirectHttpResponse(), place) == DirectHttpResponse()
    assert decode(root, Inner(), place) is None
    assert [each.code for each in problems] == [codes.UNKNOWN_FIELD]


@pytest.mark.parametrize("text", ["0", "4294967295", '"4294967295"'])
def test_an_unsigned_number_reaches_its_limits(text: str) -> None:
    assert good(f"count: {text}").count == int(text.strip('"'))


@pytest.mark.parametrize("text", ["-1", "4294967296"])
def test_an_unsigned_number_past_its_limits_is_out_of_range(text: str) -> None:
    result, (problem,) = decoded(f"count: {text}")
    assert result is None
    assert problem.code == codes.OUT_OF_RANGE
    assert "from 0 to 2^32-1" in problem.message

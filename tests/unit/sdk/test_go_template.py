"""Go's text templates: a table of texts and what they print, faults with their places, bounds."""

from typing import Any

import pytest

from remixer.attributes.values import Duration, PlainStringMap, Timestamp
from remixer.sdk.go_template import (
    LONGEST_OUTPUT,
    LONGEST_TEMPLATE,
    TemplateError,
    TemplateSyntaxError,
    parse_template,
)

_DATA: dict[str, Any] = {
    "name": "web",
    "empty": "",
    "count": 7,
    "zero": 0,
    "ratio": 0.5,
    "huge": 1e21,
    "tiny": 0.00001,
    "yes": True,
    "no": False,
    "at": Timestamp(1_622_543_045_250_000_000),  # 2021-06-01 10:24:05.25, a Tuesday
    "took": Duration(1_500_000_000),
    "ip": bytes([10, 0, 0, 1]),
    "headers": PlainStringMap({"host": "shop", "accept": "*/*"}),
}


def _rendered(text: str) -> str:
    return parse_template(text).render(_DATA)


# ---------------------------------------------------------------- what is printed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("plain } text { {", "plain } text { {"),
        ("{{.name}}", "web"),
        ("a{{ .name }}b{{.count}}c", "awebb7c"),
        ("{{.missing}}", "<no value>"),
        ("{{.missing.deeper}}", "<no value>"),
        ("{{.headers.host}}", "shop"),
        ("{{.headers.none}}", "<no value>"),
        ("{{$.name}}", "web"),
        ("{{(.headers).host}}", "shop"),
        ('{{"text"}} {{`raw\\n`}} {{1}} {{-2}} {{0x1F}} {{017}} {{1.50}} {{1e3}} {{\'a\'}}',
         "text raw\\n 1 -2 31 15 1.5 1000 97"),
        (r'{{"\t\"\\\x41\101\u00e9"}}', '\t"\\AAé'),
        ("{{true}}{{false}}", "truefalse"),
        ("{{.ratio}} {{.huge}} {{.tiny}}", "0.5 1e+21 1e-05"),
        ("{{.yes}} {{.no}} {{.took}} {{.ip}}", "true false 1.5s 10.0.0.1"),
        ("{{.at}}", "2021-06-01 10:24:05.25 +0000 UTC"),
        ("{{.headers}}", "stringmap[accept:*/* host:shop]"),
    ],
)  # fmt: skip
def test_values_print_as_go_prints_them(text: str, wanted: str) -> None:
    assert _rendered(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a {{- .name -}} b", "awebb"),
        ("a \n\t {{- .name}} b", "aweb b"),
        ("a {{.name -}} \r\n b", "a webb"),
        ("{{.count}}{{-3}}", "7-3"),
        ("a{{/* nothing .name }} */}}b", "ab"),
        ("a {{- /* nothing */ -}} b", "ab"),
        ('{{"}}"}}', "}}"),
    ],
)
def test_trim_markers_and_comments(text: str, wanted: str) -> None:
    assert _rendered(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{{or .missing "-"}}', "-"),
        ('{{or (.missing) "-"}}', "-"),
        ('{{or (.name) "-"}}', "web"),
        ('{{or .zero .empty "last"}}', "last"),
        ("{{or .zero .empty}}", ""),
        ("{{and .name .count}} {{and .name .zero .missing}}", "7 0"),
        ("{{not .name}} {{not .missing}}", "false true"),
        ("{{len .name}} {{len .headers}}", "3 2"),
        ('{{index .headers "host"}} {{index .headers "none"}}', "shop <no value>"),
        ('{{print .name "-" .count .count}}', "web-7 7"),
        ("{{print .count 1 .missing}}", "7 1 <nil>"),
        ("{{println .name .count}}", "web 7\n"),
        ('{{html "<a href=\\"x\\">&\'"}}', "&lt;a href=&#34;x&#34;&gt;&amp;&#39;"),
        ('{{urlquery "a b&c/~é"}}', "a+b%26c%2F~%C3%A9"),
        ("{{js \"it's <\\n\"}}", "it\\'s \\u003C\\u000A"),
        ('{{eq .name "web"}} {{eq .count 1 2 7}} {{ne .name "x"}} {{eq .missing "x"}}',
         "true true true false"),
        ("{{lt .count 8}} {{le .count 7}} {{gt .count 7}} {{ge .count 7}} {{lt .ratio 0.6}}",
         "true true false true true"),
        ('{{.name | printf "%s-%s" "a"}}', "a-web"),
        ('{{.name | len | printf "%d"}}', "3"),
        ('{{printf "%s" (print .name .name)}}', "webweb"),
    ],
)  # fmt: skip
def test_functions_and_pipelines(text: str, wanted: str) -> None:
    assert _rendered(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{if .name}}y{{end}}", "y"),
        ("{{if .missing}}y{{else}}n{{end}}", "n"),
        ("{{if .zero}}a{{else if .count}}b{{else}}c{{end}}", "b"),
        ("{{if and .name (not .no)}}y{{end}}", "y"),
        ("{{if .headers}}y{{end}}{{if .no}}z{{end}}", "y"),
        ("{{with .headers}}{{.host}}{{$.name}}{{else}}none{{end}}", "shopweb"),
        ("{{with .missing}}{{.}}{{else}}none{{end}}", "none"),
        ("{{range .headers}}[{{.}}]{{end}}", "[*/*][shop]"),
        ("{{range $k, $v := .headers}}{{$k}}={{$v}};{{end}}", "accept=*/*;host=shop;"),
        ("{{range $v := .headers}}{{$v}}{{else}}none{{end}}", "*/*shop"),
        ("{{range .missing}}x{{else}}none{{end}}", "none"),
        ("{{$x := .name}}{{$x}}{{$x = .count}}{{$x}}", "web7"),
        ("{{$x := 1}}{{if .yes}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if .yes}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("{{with $x := .name}}{{$x}}{{end}}", "web"),
    ],
)
def test_blocks_and_variables(text: str, wanted: str) -> None:
    assert _rendered(text) == wanted


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ('"%d|%5d|%-5d|%05d|%+d" .count .count .count .count .count', "7|    7|7    |00007|+7"),
        ('"%x %X %o %b %c" 255 255 8 5 65', "ff FF 10 101 A"),
        ('"%s|%6s|%-6s|%.2s|%q|%x" .name .name .name .name .name .name',
         'web|   web|web   |we|"web"|776562'),
        ('"%v %v %v %v" .name .ratio .missing .took', "web 0.5 <nil> 1.5s"),
        ('"%f %.1f %e %g %6.2f" .ratio .ratio .ratio .ratio .ratio',
         "0.500000 0.5 5.000000e-01 0.5   0.50"),
        ('"%t 100%%" .yes', "true 100%"),
        ('"%s %s" .ip .took', "10.0.0.1 1.5s"),
        ('"%d" .name', "%!d(string=web)"),
        ('"%s" .count', "%!s(int64=7)"),
        ('"%d %d" .count', "7 %!d(MISSING)"),
        ('"%d" .count .name', "7%!(EXTRA string=web)"),
        ('"%"', "%!(NOVERB)"),
        ('"%z" .yes', "%!z(bool=true)"),
    ],
)  # fmt: skip
def test_printf(call: str, wanted: str) -> None:
    assert _rendered("{{printf " + call + "}}") == wanted


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ('.at.Format "2006-01-02T15:04:05Z07:00"', "2021-06-01T10:24:05Z"),
        ('.at.Format "02/Jan/2006:15:04:05 -0700"', "01/Jun/2021:10:24:05 +0000"),
        ('.at.Format "Monday, 2-January-06 3:4:5.000 PM MST"',
         "Tuesday, 1-June-21 10:24:5.250 AM UTC"),
        ('.at.Format "Mon _2 01 .999999999 Month"', "Tue  1 06 .25 Month"),
        ('(.at.Format "2006")', "2021"),
        (".at.Unix", "1622543045"),
        (".at.UTC.UnixNano", "1622543045250000000"),
        (".took.Seconds", "1.5"),
        (".took.Milliseconds", "1500"),
        (".took.String", "1.5s"),
    ],
)  # fmt: skip
def test_methods_of_instants_and_durations(call: str, wanted: str) -> None:
    assert _rendered("{{" + call + "}}") == wanted


# ---------------------------------------------------------------- faults of the text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{.name", "line 1, column 8: the action has no }}"),
        ("ab\n  {{nope .name}}", "line 2, column 5: function `nope` is not defined"),
        ("{{}}", "unexpected }} in an action"),
        ("{{.a.b(}}", "unexpected `(` in an action"),
        ("{{.a | }}", "unexpected }} in an action"),
        ("{{(.a}}", "unexpected }} in parentheses"),
        ("{{if .a}}x", "a block has no {{end}}"),
        ("{{end}}", "{{end}} without a block"),
        ("{{else}}", "{{else}} without a block"),
        ("{{if .a}}{{else}}{{else}}{{end}}", "{{else}} without a block"),
        ("{{with .a}}{{else if .b}}{{end}}", "unexpected `if` in else"),
        ("{{if}}{{end}}", "unexpected }} in if"),
        ("{{$x}}", "variable `$x` is not defined"),
        ("{{$x = 1}}", "variable `$x` is not defined"),
        ("{{$x, $y := .a}}", "in a declaration"),
        ("{{if .a}}{{$x := 1}}{{end}}{{$x}}", "variable `$x` is not defined"),
        ('{{define "x"}}{{end}}', "`define` is not supported"),
        ("{{break}}", "`break` is not supported"),
        ("{{call .a}}", "function `call` is not defined"),
        ("{{nil}}", "`nil` is not a command"),
        ("{{1 .a}}", "a constant takes no argument"),
        ("{{.a | 1}}", "a constant takes no argument"),
        ('{{"open}}', "the quoted text has no end"),
        ("{{`open}}", "the quoted text has no end"),
        (r'{{"\z"}}', "unknown escape"),
        (r'{{"\ud800"}}', "unknown escape"),
        ("{{'ab'}}", "one character must stand between single quotes"),
        ("{{1x}}", "is not a number"),
        ("{{99999999999999999999}}", "is not a number"),
        ("{{/* open", "the comment has no end"),
        ("{{/* a */ .b}}", "a comment must end with"),
        ("{{.a & .b}}", "unexpected '&'"),
    ],
)
def test_a_fault_of_the_text_is_told_with_its_place(text: str, wanted: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse_template(text)
    assert wanted in str(caught.value)


def test_line_and_column_are_counted_from_one() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse_template("one\ntwo {{ .a ? }}")
    assert (caught.value.line, caught.value.column) == (2, 11)


# ---------------------------------------------------------------- faults of rendering


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{.name.more}}", "can't evaluate field more"),
        ("{{.name 1}}", "has arguments"),
        ("{{1 | .name}}", "has arguments"),
        ("{{. 1}}", "has arguments"),
        ("{{.at.Format 1}}", "Format wants one text"),
        ("{{.took.Seconds 1}}", "takes no argument"),
        ("{{range .name}}{{end}}", "range wants a map"),
        ("{{len .count}}", "len wants"),
        ("{{index .name 1}}", "index wants"),
        ('{{eq .name 1}}', "incompatible types"),
        ("{{lt .yes .no}}", "incompatible types"),
        ("{{eq .headers .headers}}", "non-comparable"),
        ("{{not}}", "not has 0 arguments, wanted 1"),
        ("{{eq 1}}", "eq has 1 arguments, wanted at least 2"),
        ("{{printf 1}}", "printf wants a text first"),
        ('{{printf "%9999d" 1}}', "too wide"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_with_the_data_is_an_error(text: str, wanted: str) -> None:
    with pytest.raises(TemplateError, match=wanted):
        _rendered(text)


def test_an_error_holds_no_value_of_the_data() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template("{{.a.b}}").render({"a": "secret"})
    assert "secret" not in str(caught.value)


# ---------------------------------------------------------------- bounds


def test_a_template_may_be_so_long_and_no_longer() -> None:
    assert parse_template("x" * LONGEST_TEMPLATE).render({}) == "x" * LONGEST_TEMPLATE
    with pytest.raises(TemplateSyntaxError, match="16384 are allowed"):
        parse_template("x" * (LONGEST_TEMPLATE + 1))


@pytest.mark.parametrize(("opening", "closing"), [("{{if 1}}", "{{end}}"), ("(", ")")])
def test_blocks_and_parentheses_nest_fifty_deep(opening: str, closing: str) -> None:
    def nested(depth: int) -> str:
        inside = opening * depth + ("1" if opening == "(" else "") + closing * depth
        return "{{" + inside + "}}" if opening == "(" else inside

    parse_template(nested(50)).render({})
    with pytest.raises(TemplateSyntaxError, match="50 levels"):
        parse_template(nested(51))


def test_what_is_printed_has_a_most() -> None:
    template = parse_template("{{.a}}")
    assert len(template.render({"a": "x" * LONGEST_OUTPUT})) == LONGEST_OUTPUT
    with pytest.raises(TemplateError, match="262144 characters"):
        template.render({"a": "x" * (LONGEST_OUTPUT + 1)})


def test_a_text_that_doubles_unseen_ends_early() -> None:
    doubling = "{{$x := .a}}" + "{{$x = print $x $x}}" * 60
    with pytest.raises(TemplateError, match="characters"):
        parse_template(doubling).render({"a": "x" * 1_000})


def test_ranges_within_ranges_end_early() -> None:
    entries = PlainStringMap({str(number): "" for number in range(100)})
    depth = 10
    text = "{{range $.m}}" * depth + "{{end}}" * depth
    with pytest.raises(TemplateError, match="10000 steps"):
        parse_template(text).render({"m": entries})


def test_a_template_may_be_rendered_again() -> None:
    template = parse_template("{{$x := .a}}{{$x}}")
    assert [template.render({"a": "1"}), template.render({"a": "2"})] == ["1", "2"]

"""What may stand in a message beyond the types of its fields.

Every fault is told at its place; nothing raises. Source, for specifications: what Istio 1.3 refused
when they were created.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Final

from remixer.foundation.durations import format_duration
from remixer.foundation.regex import PatternError, compile_pattern
from remixer.foundation.timestamps import parse_timestamp
from remixer.sidecar.client_config import codes
from remixer.sidecar.client_config.messages import (
    APIKey,
    Attributes,
    AttributeValue,
    HTTPAPISpec,
    HTTPAPISpecPattern,
    NetworkFailPolicy,
    Original,
    QuotaRule,
    QuotaSpec,
    ServiceConfig,
    StringMatch,
    TransportConfig,
)
from remixer.sidecar.client_config.spots import Spot
from remixer.sidecar.client_config.uri_templates import (
    TemplateError,
    TemplateTree,
    parse_template,
)

_NOT_REGEX: Final = "Patterns are RE2's: without look-around and back-references."


def check_service(service: ServiceConfig, spot: Spot) -> None:
    check_attributes(service.mixer_attributes, spot.field("mixer_attributes"))
    check_attributes(service.forward_attributes, spot.field("forward_attributes"))
    for index, api in enumerate(service.http_api_spec):
        check_api_spec(api, spot.field("http_api_spec").item(index))
    for index, quota in enumerate(service.quota_spec):
        check_quota_spec(quota, spot.field("quota_spec").item(index))
    if service.network_fail_policy is not None:
        inner = spot.field("network_fail_policy")
        check_fail_policy(service.network_fail_policy, inner)
        message = "a service's own policy is not looked at; that of `transport` counts"
        inner.warning(codes.WITHOUT_EFFECT, message, "Remove it, or move it to `transport`.")


def check_transport(transport: TransportConfig, spot: Spot) -> None:
    for name in ("stats_update_interval", "report_batch_max_time"):
        given = getattr(transport, name)
        holds = given is None or given >= 0
        spot.field(name).require(codes.BAD_SETTING, holds, "wanted a duration of at least 0s")
    if transport.network_fail_policy is not None:
        check_fail_policy(transport.network_fail_policy, spot.field("network_fail_policy"))
    if transport.attributes_for_mixer_proxy is not None:
        inner = spot.field("attributes_for_mixer_proxy")
        check_attributes(transport.attributes_for_mixer_proxy, inner)
        inner.warning(codes.WITHOUT_EFFECT, "clients since 1.1 do not use it", "Remove it.")


def check_fail_policy(policy: NetworkFailPolicy, spot: Spot) -> None:
    errors_before = spot.findings.error_count
    for name in ("base_retry_wait", "max_retry_wait"):
        holds = 0 <= getattr(policy, name) <= Original.LONGEST_RETRY_WAIT
        message = "wanted a duration from 0s to 24h"
        spot.field(name).require(codes.BAD_SETTING, holds, message)
    is_told = spot.findings.error_count > errors_before
    if policy.max_retry_wait < policy.base_retry_wait and not is_told:
        shorter, longer = map(format_duration, (policy.max_retry_wait, policy.base_retry_wait))
        message = f"{shorter} is less than `base_retry_wait`, {longer}"
        spot.field("max_retry_wait").error(codes.BAD_SETTING, message, "Exchange the two?")


def check_attributes(attributes: Attributes, spot: Spot) -> None:
    values = spot.field("attributes")
    for name, value in attributes.attributes.items():
        inner = values.item(name)
        inner.require(codes.BAD_SETTING, name, "the attribute has no name")
        given = _given(value)
        if len(given) != 1:
            known = ", ".join(f"`{each.name}`" for each in fields(AttributeValue))
            _not_one_of(given, inner, f"Give one of {known}.")
        text = value.timestamp_value
        if text is not None and parse_timestamp(text) is None:
            message = f"found the text `{text}`; wanted a time of RFC 3339"
            place = inner.field("timestamp_value")
            place.error(codes.BAD_SETTING, message, "Example: `2026-01-31T12:00:00Z`.")


def check_quota_spec(spec: QuotaSpec, spot: Spot) -> None:
    rules = spot.field("rules")
    rules.require(codes.BAD_SETTING, spec.rules, "it has no rule", "Add one, or remove it.")
    for index, rule in enumerate(spec.rules):
        _check_quota_rule(rule, rules.item(index))


def _check_quota_rule(rule: QuotaRule, spot: Spot) -> None:
    for index, match in enumerate(rule.match):
        clauses = spot.field("match").item(index).field("clause")
        for name, wanted in match.clause.items():
            inner = clauses.item(name)
            inner.require(codes.BAD_SETTING, name, "the attribute has no name")
            _check_match(wanted, inner)
    quotas = spot.field("quotas")
    quotas.require(codes.BAD_SETTING, rule.quotas, "the rule charges no quota")
    for index, quota in enumerate(rule.quotas):
        inner = quotas.item(index)
        message = "wanted the name of a quota"
        inner.field("quota").require(codes.BAD_SETTING, quota.quota, message)
        message = f"found {quota.charge}; wanted a charge of at least 1"
        inner.field("charge").require(
            codes.BAD_SETTING, quota.charge > 0, message, "Write `charge: 1`."
        )


def _check_match(wanted: StringMatch, spot: Spot) -> None:
    given = _given(wanted)
    if len(given) > 1:
        _not_one_of(given, spot, "Use several matches for several texts.")
    for name, text in given.items():
        hint = "Write `{}` to match every text."
        spot.field(name).require(codes.BAD_SETTING, text, "the text is empty", hint)
    if wanted.regex is not None:
        check_pattern(wanted.regex, spot.field("regex"))


def check_pattern(text: str, spot: Spot) -> None:
    try:
        compile_pattern(text)
    except PatternError as error:
        spot.error(codes.BAD_PATTERN, f"`{text}` is no pattern: {error}", _NOT_REGEX)


def check_api_spec(spec: HTTPAPISpec, spot: Spot) -> None:
    check_attributes(spec.attributes, spot.field("attributes"))
    seen = TemplateTree[int]()
    for index, pattern in enumerate(spec.patterns):
        inner = spot.field("patterns").item(index)
        check_attributes(pattern.attributes, inner.field("attributes"))
        hint = "Write a method such as `GET`, or `*` for any."
        place = inner.field("http_method")
        place.require(codes.BAD_SETTING, pattern.http_method, "wanted a method", hint)
        given = [name for name in ("uri_template", "regex") if getattr(pattern, name) is not None]
        if len(given) != 1:
            _not_one_of(given, inner, "Give one of `uri_template`, `regex`.")
        if pattern.regex is not None:
            check_pattern(pattern.regex, inner.field("regex"))
        _check_template(pattern, index, seen, inner.field("uri_template"))
    for index, source in enumerate(spec.api_keys):
        _check_key(source, spot.field("api_keys").item(index))


def _check_template(
    pattern: HTTPAPISpecPattern, index: int, seen: TemplateTree[int], spot: Spot
) -> None:
    if pattern.uri_template is None:
        return
    try:
        template = parse_template(pattern.uri_template)
    except TemplateError as error:
        message = f"`{pattern.uri_template}` is no URI template: {error}"
        spot.error(codes.BAD_TEMPLATE, message, "Example: `/shelves/{shelf}/books/*`.")
        return
    if not seen.add(template, pattern.http_method, index):
        message = f"an earlier pattern has `{pattern.uri_template}` for the same method"
        hint = "Remove one; what a variable is called makes no difference."
        spot.error(codes.TEMPLATE_TWICE, message, hint)


def _check_key(source: APIKey, spot: Spot) -> None:
    given = _given(source)
    if len(given) != 1:
        _not_one_of(given, spot, "Give one of `query`, `header`, `cookie`.")
    for name, text in given.items():
        spot.field(name).require(codes.BAD_SETTING, text, "the name is empty")


def _given(message: AttributeValue | StringMatch | APIKey) -> Mapping[str, object]:
    named = {each.name: getattr(message, each.name) for each in fields(message)}
    return {name: value for name, value in named.items() if value is not None}


def _not_one_of(given: Iterable[str], spot: Spot, hint: str) -> None:
    names = ", ".join(f"`{name}`" for name in given)
    message = f"{names} are given together" if names else "nothing is given"
    spot.error(codes.NOT_ONE_OF, message, hint)

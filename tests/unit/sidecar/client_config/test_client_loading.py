"""Files to a client's configuration: what is accepted, and every fault at its place."""

from pathlib import Path

import pytest

from remixer.attributes.bag import PlainBag
from remixer.attributes.values import Duration, Timestamp
from remixer.foundation.errors import StartupError
from remixer.foundation.problems import Problem, Severity
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.client_config.loading import (
    MAX_FILES,
    ClientConfigError,
    client_config_of,
    load_client_config,
)
from remixer.sidecar.client_config.messages import FailPolicy, NetworkFailPolicy
from remixer.sidecar.client_config.services import ClientConfig

SERVED = "service_configs: {default: {}}\ndefault_destination_service: default\n"


def read(*texts: str) -> ClientConfig:
    return client_config_of((f"f{n}.yaml", text.encode()) for n, text in enumerate(texts))


def faults(*texts: str) -> list[Problem]:
    with pytest.raises(ClientConfigError) as caught:
        read(*texts)
    return list(caught.value.problems)


def kubernetes(kind: str, name: str, spec: str) -> str:
    return (
        f"---\napiVersion: config.istio.io/v1alpha2\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )


LIMITS = kubernetes("QuotaSpec", "limits", "{rules: [{quotas: [{quota: q, charge: 1}]}]}")


# ---------------------------------------------------------------- what is accepted


def test_a_file_without_client_configuration_checks_and_reports_every_service() -> None:
    view = read("").for_service("web.shop.svc.cluster.local")
    assert view is not None
    assert (view.is_checked, view.is_reported) == (True, True)


def test_a_client_configuration_without_services_does_neither_and_says_so() -> None:
    config = read("transport: {}")
    assert config.for_service("web") is None
    (warning,) = config.warnings
    assert (warning.code, warning.severity) == ("CLNT012", Severity.WARNING)
    assert "default_destination_service: default" in warning.hint


def test_both_spellings_of_keys_and_json_are_read() -> None:
    texts = (
        "mixer_attributes: {attributes: {a: {string_value: x}}}\n" + SERVED,
        '{"mixerAttributes": {"attributes": {"a": {"stringValue": "x"}}},\n\t"serviceConfigs": '
        + '{"default": {}}, "defaultDestinationService": "default"}',
    )
    for text in texts:
        view = read(text).for_service("web")
        assert view is not None
        assert view.bag_for(PlainBag())["a"] == "x"


def test_every_type_of_attribute_is_read() -> None:
    text = """
    mixer_attributes:
      attributes:
        text: {string_value: ""}
        number: {int64_value: "-9223372036854775808"}
        part: {double_value: 0.5}
        flag: {bool_value: false}
        ip: {bytes_value: fwAAAQ==}
        time: {timestamp_value: "1970-01-01T00:00:01.5+00:00"}
        life: {duration_value: 1.5s}
        map: {string_map_value: {entries: {k: v}}}
    service_configs: {s: {}}
    """
    view = read(text).for_service("s")
    assert view is not None
    bag = view.bag_for(PlainBag())
    assert {name: bag[name] for name in bag.names()} == {
        "text": "", "number": -(2**63), "part": 0.5, "flag": False, "ip": b"\x7f\0\0\1",
        "time": Timestamp(1_500_000_000), "life": Duration(1_500_000_000), "map": {"k": "v"},
    }  # fmt: skip
    assert type(bag["time"]) is Timestamp
    assert type(bag["life"]) is Duration


def test_what_is_not_given_is_the_defaults_or_none() -> None:
    transport = read(SERVED).http.transport
    assert transport.report_batch_max_entries is None
    assert transport.report_batch_max_time is None
    assert transport.network_fail_policy is None
    assert transport.stats_update_interval == 10_000_000_000
    assert (transport.check_cluster, transport.report_cluster) == ("mixer_server", "mixer_server")


def test_zero_stands_for_the_originals_defaults() -> None:
    text = (
        "transport: {report_batch_max_entries: 0, report_batch_max_time: 0s, "
        'stats_update_interval: 0s, check_cluster: ""}\n'
    )
    transport = read(text + SERVED).http.transport
    assert transport.report_batch_max_entries == 100
    assert transport.report_batch_max_time == 1_000_000_000
    assert transport.stats_update_interval == 10_000_000_000
    assert transport.check_cluster == "mixer_server"


def test_a_given_failure_policy_fills_up_with_defaults() -> None:
    text = "transport: {network_fail_policy: {policy: FAIL_CLOSE, max_retry: 3}}\n"
    assert read(text + SERVED).http.transport.network_fail_policy == NetworkFailPolicy(
        policy=FailPolicy.FAIL_CLOSE,
        max_retry=3,  # type: ignore[arg-type] # any number will do to compare with
        base_retry_wait=Duration(80_000_000),
        max_retry_wait=Duration(1_000_000_000),
    )


@pytest.mark.parametrize(
    ("given", "interval_s"), [("", 10), ("-1s", 10), ("0s", 1), ("200ms", 1), ("90s", 90)]
)
def test_the_interval_of_connection_reports(given: str, interval_s: int) -> None:
    spec = f"{{report_interval: {given}}}" if given else "{}"
    config = read(f"kind: TcpClientConfig\nspec: {spec}")
    assert config.tcp.report_interval == interval_s * 1_000_000_000


def test_a_connection_has_quotas_and_attributes_of_its_own() -> None:
    text = """
    kind: TcpClientConfig
    spec:
      disable_report_calls: true
      mixer_attributes: {attributes: {a: {string_value: x}}}
      connection_quota_spec: {rules: [{quotas: [{quota: c, charge: 2}]}]}
    """
    view = read(text).for_connections()
    bag = view.bag_for(PlainBag({"source.uid": "u"}), forwarded={"source.uid": "told"})
    assert (view.is_checked, view.is_reported) == (True, False)
    assert (bag["a"], bag["source.uid"]) == ("x", "u")
    assert view.quotas(bag) == {"c": QuotaArgs(amount=2)}


def test_files_of_the_server_and_of_others_are_left_out() -> None:
    text = """
kind: handler
apiVersion: config.istio.io/v1alpha2
spec: {anything: 1}
---
kind: rule
---
kind: Deployment
apiVersion: apps/v1
"""
    assert read(text).warnings == ()


def test_a_list_has_its_items_read() -> None:
    items = (
        f"kind: List\nitems:\n- {LIMITS.replace('---', '').strip()}".replace(
            "\nkind: QuotaSpec", "\n  kind: QuotaSpec"
        )
        .replace("\nmetadata", "\n  metadata")
        .replace("\nspec", "\n  spec")
    )
    (warning,) = read(items).warnings
    assert warning.resource == "limits.QuotaSpec.shop"


# ---------------------------------------------------------------- faults

FAULTS = [
    ("transporte: {}", "CONF020", "transporte", "Did you mean `transport`?"),
    ("transport: []", "CONF021", "transport", ""),
    ("transport: {report_batch_max_entries: -1}", "CONF022", "transport.report_batch_max_entries", ""),
    ("transport: {report_batch_max_entries: 4294967296}", "CONF022", "transport.report_batch_max_entries", ""),
    ("transport: {report_batch_max_entries: 1.5}", "CONF021", "transport.report_batch_max_entries", ""),
    ("transport: {report_batch_max_time: 5}", "CONF024", "transport.report_batch_max_time", "Add a unit: `5s`."),
    ("transport: {report_batch_max_time: -5s}", "CLNT008", "transport.report_batch_max_time", ""),
    ("transport: {network_fail_policy: {policy: FAIL_CLOSED}}", "CONF023", "transport.network_fail_policy.policy", "Did you mean `FAIL_CLOSE`?"),
    ("transport: {network_fail_policy: {base_retry_wait: 25h}}", "CLNT008", "transport.network_fail_policy.base_retry_wait", ""),
    ("transport: {network_fail_policy: {base_retry_wait: 2s}}", "CLNT008", "transport.network_fail_policy.max_retry_wait", ""),
    ("transport: {a_b: 1}\ntransport: {}", "CONF008", "", ""),
    ("mixer_attributes: {attributes: {a.b: x}}", "CONF021", "mixer_attributes.attributes[a.b]", ""),
    ("mixer_attributes: {attributes: {a.b: {}}}", "CLNT004", "mixer_attributes.attributes[a.b]", "Give one of `string_value`"),
    ("mixer_attributes: {attributes: {a.b: {string_value: x, bool_value: true}}}", "CLNT004", "mixer_attributes.attributes[a.b]", ""),
    ("mixer_attributes: {attributes: {a.b: {int64_value: 9223372036854775808}}}", "CONF022", "mixer_attributes.attributes[a.b].int64_value", ""),
    ("mixer_attributes: {attributes: {a.b: {bytes_value: '%'}}}", "CONF025", "mixer_attributes.attributes[a.b].bytes_value", ""),
    ("mixer_attributes: {attributes: {a.b: {timestamp_value: yesterday}}}", "CLNT008", "mixer_attributes.attributes[a.b].timestamp_value", "Example"),
    ("mixer_attributes: {attributes: {'': {string_value: x}}}", "CLNT008", "mixer_attributes.attributes[]", ""),
    ("default_destination_service: web", "CLNT011", "default_destination_service", "Add one"),
    ("service_configs: {webb: {}}\ndefault_destination_service: web", "CLNT011", "default_destination_service", "Did you mean `webb`?"),
    ("service_configs: {s: {disable_check_calls: 'yes'}}", "CONF021", "service_configs[s].disable_check_calls", ""),
    ("service_configs: {s: {quota_spec: [{rules: []}]}}", "CLNT008", "service_configs[s].quota_spec[0].rules", ""),
    ("service_configs: {s: {quota_spec: [{rules: [{quotas: []}]}]}}", "CLNT008", "service_configs[s].quota_spec[0].rules[0].quotas", ""),
    ("service_configs: {s: {quota_spec: [{rules: [{quotas: [{quota: q}]}]}]}}", "CLNT008", "service_configs[s].quota_spec[0].rules[0].quotas[0].charge", "Write `charge: 1`."),
    ("service_configs: {s: {quota_spec: [{rules: [{quotas: [{charge: 1}]}]}]}}", "CLNT008", "service_configs[s].quota_spec[0].rules[0].quotas[0].quota", ""),
    ("service_configs: {s: {quota_spec: [{rules: [{match: [{clause: {a.b: {regex: '(?=x)'}}}], quotas: [{quota: q, charge: 1}]}]}]}}", "CLNT005", "service_configs[s].quota_spec[0].rules[0].match[0].clause[a.b].regex", "look-around"),
    ("service_configs: {s: {quota_spec: [{rules: [{match: [{clause: {a.b: {exact: ''}}}], quotas: [{quota: q, charge: 1}]}]}]}}", "CLNT008", "service_configs[s].quota_spec[0].rules[0].match[0].clause[a.b].exact", "`{}`"),
    ("service_configs: {s: {quota_spec: [{rules: [{match: [{clause: {a.b: {exact: x, prefix: z}}}], quotas: [{quota: q, charge: 1}]}]}]}}", "CLNT004", "service_configs[s].quota_spec[0].rules[0].match[0].clause[a.b]", ""),
    ("service_configs: {s: {http_api_spec: [{patterns: [{http_method: GET}]}]}}", "CLNT004", "service_configs[s].http_api_spec[0].patterns[0]", ""),
    ("service_configs: {s: {http_api_spec: [{patterns: [{http_method: GET, regex: x, uri_template: /x}]}]}}", "CLNT004", "service_configs[s].http_api_spec[0].patterns[0]", ""),
    ("service_configs: {s: {http_api_spec: [{patterns: [{regex: x}]}]}}", "CLNT008", "service_configs[s].http_api_spec[0].patterns[0].http_method", ""),
    ("service_configs: {s: {http_api_spec: [{patterns: [{http_method: GET, regex: '('}]}]}}", "CLNT005", "service_configs[s].http_api_spec[0].patterns[0].regex", ""),
    ("service_configs: {s: {http_api_spec: [{patterns: [{http_method: GET, uri_template: a}]}]}}", "CLNT006", "service_configs[s].http_api_spec[0].patterns[0].uri_template", "Example"),
    ("service_configs: {s: {http_api_spec: [{patterns: [{http_method: GET, uri_template: '/{a}'}, {http_method: GET, uri_template: '/{b}'}]}]}}", "CLNT007", "service_configs[s].http_api_spec[0].patterns[1].uri_template", "Remove one"),
    ("service_configs: {s: {http_api_spec: [{api_keys: [{}]}]}}", "CLNT004", "service_configs[s].http_api_spec[0].api_keys[0]", ""),
    ("service_configs: {s: {http_api_spec: [{api_keys: [{query: a, cookie: b}]}]}}", "CLNT004", "service_configs[s].http_api_spec[0].api_keys[0]", ""),
    ("service_configs: {s: {http_api_spec: [{api_keys: [{header: ''}]}]}}", "CLNT008", "service_configs[s].http_api_spec[0].api_keys[0].header", ""),
    ("- a", "CLNT001", "", ""),
    ("kind: TcpClientConfig\nspec: {report_interval: 1}", "CONF024", "spec.report_interval", ""),
    ("kind: QuotaSpecs\nspec: {}", "CLNT001", "", "Did you mean `QuotaSpec`?"),
    ("apiVersion: config.istio.io/v1alpha2\nspec: {}", "CLNT001", "", ""),
    ("kind: QuotaSpec\napiVersion: config.istio.io/v1\nmetadata: {name: a, namespace: b}", "CLNT001", "", "v1alpha2"),
    ("kind: QuotaSpec\nmetadata: {name: a}\nspec: {rules: []}", "CLNT002", "metadata.namespace", ""),
    ("kind: QuotaSpec\nmetadata: {name: 5, namespace: b}", "CLNT002", "metadata.name", ""),
    ("kind: QuotaSpecBinding\nmetadata: {name: a, namespace: b}\nspec: {quota_specs: [{name: x}], services: [{name: web}]}", "CLNT009", "spec.quota_specs[0]", ""),
    ("kind: QuotaSpecBinding\nmetadata: {name: a, namespace: b}\nspec: {services: [{name: web}]}", "CLNT009", "spec.quota_specs", ""),
    ("kind: HTTPAPISpecBinding\nmetadata: {name: a, namespace: b}\nspec: {services: web}", "CONF021", "spec.services", "Begin the item"),
    ("kind: HTTPAPISpec\nmetadata: {name: a, namespace: b}\nspec: {pattern: []}", "CONF020", "spec.pattern", "Did you mean `patterns`?"),
    ("a: {", "CONF004", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "field", "hint"), FAULTS, ids=[each[0] for each in FAULTS]
)
def test_a_fault_is_told_with_its_place(text: str, code: str, field: str, hint: str) -> None:
    found = [each for each in read_problems(text) if each.code == code]
    assert [each.field for each in found] == [field]
    assert found[0].location.file == "f0.yaml"
    assert found[0].location.line > 0
    assert hint in found[0].hint


def read_problems(text: str) -> list[Problem]:
    try:
        return list(read(text).warnings)
    except ClientConfigError as error:
        return list(error.problems)


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        """
transport: {report_batch_max_entries: x, colour: red}
ignore_forwarded_attributes: 1
---
kind: QuotaSpec
metadata: {name: limits, namespace: shop}
spec: {rules: [{quotas: [{quota: "", charge: 0}]}]}
""",
        "kind: QuotaSpecBinding\nmetadata: {name: b, namespace: shop}\n"
        "spec: {services: [{service: 'a*'}, {}], quota_specs: [{name: limit}]}",
    )
    errors = [each for each in found if each.severity is Severity.ERROR]
    assert [(each.location.file, each.location.line, each.code) for each in errors] == [
        ("f0.yaml", 2, "CONF021"),
        ("f0.yaml", 2, "CONF020"),
        ("f0.yaml", 3, "CONF021"),
        ("f0.yaml", 7, "CLNT008"),
        ("f0.yaml", 7, "CLNT008"),
        ("f1.yaml", 3, "CLNT010"),
        ("f1.yaml", 3, "CLNT010"),
        ("f1.yaml", 3, "CLNT009"),
    ]
    assert errors[-1].hint == "Did you mean `limits`?"


def test_the_error_says_where_what_and_what_next() -> None:
    with pytest.raises(StartupError, match=r"f0\.yaml:1:1: error CONF020: .*Did you mean"):
        read("transporte: {}")


def test_a_long_list_of_faults_is_cut_in_the_text_and_whole_in_the_list() -> None:
    with pytest.raises(ClientConfigError, match="and 30 more") as caught:
        read("\n".join(f"x{n}: 1" for n in range(50)))
    assert len(caught.value.problems) == 50


def test_two_client_configurations_are_a_fault() -> None:
    found = faults(SERVED, SERVED)
    assert [(each.code, each.location.file) for each in found] == [("CLNT003", "f1.yaml")]


def test_two_specifications_of_one_name_are_a_fault() -> None:
    found = [each for each in faults(LIMITS, LIMITS) if each.severity is Severity.ERROR]
    assert [(each.code, each.location.file) for each in found] == [("CLNT003", "f1.yaml")]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("service_configs: {s: {network_fail_policy: {}}}", "service_configs[s].network_fail_policy"),
        ("service_configs: {s: {}}\ntransport: {attributes_for_mixer_proxy: {}}",
         "transport.attributes_for_mixer_proxy"),
        (LIMITS, "spec"),
        (LIMITS + kubernetes("QuotaSpecBinding", "b", "{services: [{name: web, labels: {a: b}}], quota_specs: [{name: limits}]}"), "spec.services[0].labels"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_a_warning(text: str, field: str) -> None:
    (warning,) = read(text).warnings
    assert (warning.code, warning.field) == ("CLNT012", field)
    assert warning.severity is Severity.WARNING


# ---------------------------------------------------------------- files


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "client.yaml"
    path.write_text(SERVED)
    assert load_client_config(path).for_service("web") is not None
    assert load_client_config(str(path)).for_service("web") is not None


def test_a_directory_is_loaded_without_hidden_and_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVED)
    (tmp_path / "b.json").write_text('{"kind": "TcpClientConfig", "spec": {}}')
    (tmp_path / ".a.yaml.swp.yaml").write_text("{")
    (tmp_path / "README.md").write_text("{")
    assert load_client_config(tmp_path).warnings == ()


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ClientConfigError) as caught:
        load_client_config(tmp_path / "client.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.location.file) == ("CONF001", str(tmp_path / "client.yaml"))


def test_an_empty_directory_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ClientConfigError, match="CONF001"):
        load_client_config(tmp_path)


def test_a_directory_has_at_most_a_thousand_files(tmp_path: Path) -> None:
    for number in range(MAX_FILES):
        (tmp_path / f"{number:04}.yaml").write_text("")
    load_client_config(tmp_path)
    (tmp_path / "more.yaml").write_text("")
    with pytest.raises(ClientConfigError, match="more than 1000 files"):
        load_client_config(tmp_path)

"""Laws of sets of networks: they hold an address exactly when some network of theirs does."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.adapters.listchecker.addresses import parse_address, parse_network
from remixer.adapters.listchecker.networks import AddressSet

_MAPPED = 0xFFFF << 32

# Few beginnings, so that networks meet: side by side, one in another, at both ends of the space.
v4_numbers = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**12).map(lambda low: 0x0A010000 | low),
    st.sampled_from([0, 2**31, 2**32 - 1]),
)
v6_numbers = st.one_of(
    st.integers(0, 2**128 - 1),
    st.tuples(st.integers(0, 8), st.integers(0, 8)).map(
        lambda parts: 0x20010DB8 << 96 | parts[0] << 64 | parts[1]
    ),
    v4_numbers.map(lambda number: _MAPPED | number),
    st.sampled_from([0, 2**127, 2**128 - 1, _MAPPED - 1, _MAPPED + 2**32]),
)
v4_networks = st.builds(
    lambda number, bits: IPv4Network((number, bits), strict=False), v4_numbers, st.integers(0, 32)
)
v6_networks = st.builds(
    lambda number, bits: IPv6Network((number, bits), strict=False),
    v6_numbers,
    st.one_of(st.integers(0, 128), st.integers(60, 68), st.integers(94, 128)),
)
small_networks = st.builds(
    lambda number, bits: IPv4Network((number, bits), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(20, 32),
)
networks = st.one_of(
    st.lists(st.one_of(v4_networks, v6_networks), max_size=20),
    # Past 32 bounds the search begins with a table.
    st.lists(small_networks, min_size=30, max_size=40),
)


def _mapped(number: int, *, is_v4: bool) -> int:
    return _MAPPED | number if is_v4 else number


def _spans(listed: list[IPv4Network | IPv6Network]) -> list[tuple[int, int]]:
    """First and last addresses, as 128-bit numbers."""
    return [
        (
            _mapped(int(each.network_address), is_v4=each.version == 4),
            _mapped(int(each.broadcast_address), is_v4=each.version == 4),
        )
        for each in listed
    ]


@settings(max_examples=200)
@given(networks, st.lists(v4_numbers, max_size=10), st.lists(v6_numbers, max_size=10))
def test_a_set_answers_as_a_look_at_each_network(
    listed: list[IPv4Network | IPv6Network], v4: list[int], v6: list[int]
) -> None:
    found = AddressSet(parse_network(str(each)) for each in listed)
    spans = _spans(listed)
    edges = {edge + beside for span in spans for edge in span for beside in (-1, 0, 1)}
    edges -= {-1, 2**128}
    for number in {*v6, *(_MAPPED | each for each in v4), *edges}:
        is_listed = any(first <= number <= last for first, last in spans)
        packed = number.to_bytes(16)
        assert (packed in found) == is_listed, IPv6Address(number)
        if number >> 32 == 0xFFFF:
            assert (packed[-4:] in found) == is_listed


@given(st.one_of(v4_networks, v6_networks))
def test_a_network_is_read_as_the_standard_library_reads_it(
    network: IPv4Network | IPv6Network,
) -> None:
    first, prefix = parse_network(str(network))
    is_v4 = network.version == 4
    assert first == _mapped(int(network.network_address), is_v4=is_v4)
    assert prefix == network.prefixlen + (96 if is_v4 else 0)
    assert parse_address(str(network.network_address)) == network.network_address.packed


@given(networks)
def test_each_network_counts_once(listed: list[IPv4Network | IPv6Network]) -> None:
    texts = [str(each) for each in listed]
    assert AddressSet(map(parse_network, texts * 2)).count == len(
        {parse_network(text) for text in texts}
    )

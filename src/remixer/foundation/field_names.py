"""Names of fields as protobuf writes them in JSON."""


def lower_camel(name: str) -> str:
    """Proto JSON name: `api_version` to `apiVersion`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)

"""What grows with what: rules, namespaces, attributes, connections, lists. `python -m bench.growth`."""

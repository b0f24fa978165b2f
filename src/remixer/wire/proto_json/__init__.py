"""Protobuf's JSON form, decoded strictly from located trees into frozen dataclasses.

The dataclass is the schema: `schema` reads its annotations, `decode` fills it in and finds every
fault, `decode_scalars` knows the single values. Imports no protobuf.
"""

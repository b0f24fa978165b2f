from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FlushRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FlushResponse(_message.Message):
    __slots__ = ("dropped", "is_shared")
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    IS_SHARED_FIELD_NUMBER: _ClassVar[int]
    dropped: int
    is_shared: bool
    def __init__(self, dropped: _Optional[int] = ..., is_shared: _Optional[bool] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("match",)
    MATCH_FIELD_NUMBER: _ClassVar[int]
    match: str
    def __init__(self, match: _Optional[str] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("dropped", "is_shared")
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    IS_SHARED_FIELD_NUMBER: _ClassVar[int]
    dropped: int
    is_shared: bool
    def __init__(self, dropped: _Optional[int] = ..., is_shared: _Optional[bool] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("places",)
    PLACES_FIELD_NUMBER: _ClassVar[int]
    places: _containers.RepeatedCompositeFieldContainer[Place]
    def __init__(self, places: _Optional[_Iterable[_Union[Place, _Mapping]]] = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("name", "hits", "learned", "shapes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    LEARNED_FIELD_NUMBER: _ClassVar[int]
    SHAPES_FIELD_NUMBER: _ClassVar[int]
    name: str
    hits: int
    learned: int
    shapes: _containers.RepeatedCompositeFieldContainer[Shape]
    def __init__(self, name: _Optional[str] = ..., hits: _Optional[int] = ..., learned: _Optional[int] = ..., shapes: _Optional[_Iterable[_Union[Shape, _Mapping]]] = ...) -> None: ...

class Shape(_message.Message):
    __slots__ = ("attributes", "hits", "learned", "keys")
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    LEARNED_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    hits: int
    learned: int
    keys: int
    def __init__(self, attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ..., hits: _Optional[int] = ..., learned: _Optional[int] = ..., keys: _Optional[int] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("name", "is_absent", "harm")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_ABSENT_FIELD_NUMBER: _ClassVar[int]
    HARM_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_absent: bool
    harm: str
    def __init__(self, name: _Optional[str] = ..., is_absent: _Optional[bool] = ..., harm: _Optional[str] = ...) -> None: ...

class StatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatsResponse(_message.Message):
    __slots__ = ("is_on", "entries", "bytes", "counts", "places", "ages", "left")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    IS_ON_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    AGES_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    is_on: bool
    entries: int
    bytes: int
    counts: _containers.ScalarMap[str, int]
    places: _containers.RepeatedCompositeFieldContainer[Place]
    ages: Quantiles
    left: Quantiles
    def __init__(self, is_on: _Optional[bool] = ..., entries: _Optional[int] = ..., bytes: _Optional[int] = ..., counts: _Optional[_Mapping[str, int]] = ..., places: _Optional[_Iterable[_Union[Place, _Mapping]]] = ..., ages: _Optional[_Union[Quantiles, _Mapping]] = ..., left: _Optional[_Union[Quantiles, _Mapping]] = ...) -> None: ...

class Quantiles(_message.Message):
    __slots__ = ("least", "median", "p90", "most")
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    P90_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    least: float
    median: float
    p90: float
    most: float
    def __init__(self, least: _Optional[float] = ..., median: _Optional[float] = ..., p90: _Optional[float] = ..., most: _Optional[float] = ...) -> None: ...

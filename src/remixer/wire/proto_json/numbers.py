"""Whole numbers narrower than 64 bits, as annotations of fields."""

from typing import NewType

Int32 = NewType("Int32", int)
UInt32 = NewType("UInt32", int)

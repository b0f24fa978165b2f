"""Every code that reading and resolving configuration can give a `Problem`.

`CONF`: files, YAML, decoding, support in this version. `REF`: one resource naming another.
Codes of expressions (`EXPR`) belong to `remixer.expr`.
"""

from typing import Final

from remixer.foundation.documents.codes import (
    BAD_ANY_TYPE,
    BAD_BASE64,
    BAD_DURATION,
    DUPLICATE_KEY,
    FIELD_TWICE,
    FILE_TOO_LARGE,
    KEY_NOT_TEXT,
    KEY_READS_AS_BOOLEAN,
    NOT_UTF8,
    OUT_OF_RANGE,
    TOO_DEEP,
    TOO_MANY_DOCUMENTS,
    TOO_MANY_NODES,
    UNKNOWN_ENUM,
    UNKNOWN_FIELD,
    UNREADABLE,
    WRONG_TYPE,
    YAML_SYNTAX,
)

__all__ = [  # what is handed on; the codes below count themselves
    "BAD_ANY_TYPE",
    "BAD_BASE64",
    "BAD_DURATION",
    "DUPLICATE_KEY",
    "FIELD_TWICE",
    "FILE_TOO_LARGE",
    "KEY_NOT_TEXT",
    "KEY_READS_AS_BOOLEAN",
    "NOT_UTF8",
    "OUT_OF_RANGE",
    "TOO_DEEP",
    "TOO_MANY_DOCUMENTS",
    "TOO_MANY_NODES",
    "UNKNOWN_ENUM",
    "UNKNOWN_FIELD",
    "UNREADABLE",
    "WRONG_TYPE",
    "YAML_SYNTAX",
]

# Resources.
NOT_A_RESOURCE: Final = "CONF011"
"""A document is not a mapping with `kind`, `metadata` and `spec`."""
NAMELESS: Final = "CONF012"
"""`metadata.name` or `metadata.namespace` is missing or empty."""
KIND_NEAR_MISS: Final = "CONF013"
"""An ignored kind looks like a misspelt known one (warning)."""
DUPLICATE_RESOURCE: Final = "CONF014"
"""Two documents define one resource; the last in lexical order of files counts (warning)."""
EARLIER_KEPT: Final = "CONF015"
"""A file with unreadable documents; what only its last good content has stays (warning)."""

# What resources mean.
UNUSED_FIELD: Final = "CONF030"
"""A field that is accepted but has no effect (warning)."""
PARAMS_REJECTED: Final = "CONF031"
"""The adapter's own validation refuses the parameters."""
BROKEN_PLUGIN: Final = "CONF032"
"""A third party's adapter or template is itself faulty."""
ATTRIBUTE_CONFLICT: Final = "CONF033"
"""Two manifests declare one attribute with different types; the first by name counts (warning)."""
ATTRIBUTE_UNTYPED: Final = "CONF034"
"""A manifest declares an attribute without a type."""
NOT_SUPPORTED: Final = "CONF035"
"""A part of Mixer that this version does not have."""
LANGUAGE_NOT_SUPPORTED: Final = "CONF036"
"""Annotation `policy.istio.io/lang` asks for CEL or COMPAT."""
UNKNOWN_SEMANTICS: Final = "CONF037"
"""Annotation `remixer.dev/expression-semantics` has an unknown value."""
RESOURCE_FAULT: Final = "CONF038"
"""Reading one resource failed in a way that nobody foresaw."""
EXPRESSION_NOT_TEXT: Final = "CONF040"
"""An expression must be a quoted text; a bare number, boolean or structure was found."""
EMPTY_EXPRESSION: Final = "CONF041"
"""An entry of a map, or a header value, has an empty expression."""
BAD_HEADER_OPERATION: Final = "CONF042"
"""A header operation without a legal name, or without values (the latter is a warning)."""
BAD_BINDING: Final = "CONF043"
"""An attribute binding of an unknown attribute, or of a template that gives no attributes."""
BOUND_TWICE: Final = "CONF044"
"""Two instances generate one attribute for the same requests; the first counts (warning)."""

# Policies of our own API group.
FOREIGN_KIND: Final = "CONF045"
"""A kind in the wrong API group, or a version that does not exist."""
BAD_POLICY: Final = "CONF046"
"""A policy's settings are out of range, contradict each other, or concern nothing."""
POLICY_TWICE: Final = "CONF047"
"""Two policies of one kind for one target; the first by name counts."""

# Remembered verdicts.
USELESS_KEY: Final = "CONF050"
"""A rule's verdict depends on an attribute that no two requests share (warning)."""

# Out-of-process adapters.
NOT_A_DESCRIPTOR_SET: Final = "CONF060"
"""The bytes of a descriptor are no `FileDescriptorSet`, or too many."""
NO_TEMPLATE_FILE: Final = "CONF061"
"""No file of the set has the option `template_variety`."""
SEVERAL_TEMPLATE_FILES: Final = "CONF062"
"""Two files of the set have the option `template_variety`."""
BAD_TEMPLATE_NAME: Final = "CONF063"
"""The option `template_name` is missing, or holds other characters than letters."""
UNKNOWN_VARIETY: Final = "CONF064"
"""The option `template_variety` has a number that no variety has."""
DESCRIPTOR_INCOMPLETE: Final = "CONF065"
"""A message, enum or service that must be in the set is not."""
NO_ENCODER: Final = "CONF066"
"""A field of a type that cannot be set from configuration (a warning until an instance sets it)."""
IMPORT_LOOP: Final = "CONF067"
"""Files of the set import each other in a circle."""
MISSING_IMPORT: Final = "CONF068"
"""A type is defined by none of the files, and an imported file is not in the set."""
NO_PARAMS_MESSAGE: Final = "CONF069"
"""An adapter's descriptor set has no message `Params`."""
NO_PARAMS_TAKEN: Final = "CONF070"
"""A handler gives parameters to an adapter that takes none."""
BAD_CONNECTION: Final = "CONF071"
"""A handler's `connection` cannot be used."""
BAD_CONSTANT: Final = "CONF072"
"""A constant that its field cannot hold."""
UNKNOWN_SETTING: Final = "CONF073"
"""An annotation of an `adapter` resource has an unknown value."""
PARAMS_NOT_SENT: Final = "CONF074"
"""A handler gives parameters to a `session_based` adapter without sessions (warning)."""

# References.
NO_SUCH_HANDLER: Final = "REF001"
"""A rule names a handler that does not exist."""
NO_SUCH_INSTANCE: Final = "REF002"
"""A rule names an instance that does not exist."""
UNKNOWN_ADAPTER: Final = "REF003"
"""A handler names no adapter, or one that does not exist."""
UNKNOWN_TEMPLATE: Final = "REF004"
"""An instance names no template, or one that does not exist."""
TARGET_LEFT_OUT: Final = "REF005"
"""A rule names a handler or instance that was left out because of its own problems."""
INSTANCE_TWICE: Final = "REF006"
"""An action lists one instance twice; once counts (warning)."""
TEMPLATE_NOT_TAKEN: Final = "REF007"
"""The handler's adapter does not take the instance's template."""
ACTION_WITHOUT_INSTANCES: Final = "REF008"
"""An action lists no instance."""
RULE_LEFT_EMPTY: Final = "REF009"
"""Nothing of the rule is left: no action and no header operation."""
NOTHING_SELECTED: Final = "REF010"
"""A policy names a rule, handler or namespace that does not exist."""

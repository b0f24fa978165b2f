"""Numbers and names of Mixer's out-of-process adapter model.

Source: `istio.mixer.adapter.model.v1beta1` of release 1.3. Field number 72295727 serves twice: as
an option of files, and as the instance's name.
"""

from enum import IntEnum
from typing import Final

MODEL_PACKAGE: Final = "istio.mixer.adapter.model.v1beta1"
POLICY_PACKAGE: Final = "istio.policy.v1beta1"
TYPE_URL_PREFIX: Final = "type.googleapis.com/"

VARIETY_OPTION: Final = 72295727
TEMPLATE_NAME_OPTION: Final = 72295888
INSTANCE_NAME_FIELD: Final = 72295727
ATTRIBUTE_BINDINGS_FIELD: Final = 72295728

VALIDATE_PATH: Final = f"/{MODEL_PACKAGE}.InfrastructureBackend/Validate"
CREATE_SESSION_PATH: Final = f"/{MODEL_PACKAGE}.InfrastructureBackend/CreateSession"
CLOSE_SESSION_PATH: Final = f"/{MODEL_PACKAGE}.InfrastructureBackend/CloseSession"


class ServiceVariety(IntEnum):
    """`TemplateVariety`, as descriptors give it; the numbers of `templates.schema.Variety`."""

    CHECK = 0
    REPORT = 1
    QUOTA = 2
    ATTRIBUTE_GENERATOR = 3
    CHECK_WITH_OUTPUT = 4


HAS_OUTPUT: Final = frozenset(
    {ServiceVariety.ATTRIBUTE_GENERATOR, ServiceVariety.CHECK_WITH_OUTPUT}
)


def interface_name(carrier: str, template: str) -> str:
    """`ListEntry`, the template's name in the case that its service has.

    The carrier's class name if it is that name; a template of other people's may have a class of
    any name.
    """
    return carrier if carrier.lower() == template else template[:1].upper() + template[1:]


def handle_path(package: str, interface: str) -> str:
    """`/listentry.HandleListEntryService/HandleListEntry`."""
    return f"/{package}.Handle{interface}Service/Handle{interface}"

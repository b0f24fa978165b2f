"""What is wrong with a template, or with rendering one."""

from remixer.foundation.errors import RemixerError


class TemplateSyntaxError(RemixerError):
    """The text is no template. `str()` says where and what."""

    def __init__(self, reason: str, *, text: str, at: int) -> None:
        before = text[:at]
        self.reason = reason
        self.line = before.count("\n") + 1
        self.column = at - (before.rfind("\n") + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {reason}")


class TemplateError(RemixerError):
    """The template cannot be rendered with this data. Holds no values of the data."""

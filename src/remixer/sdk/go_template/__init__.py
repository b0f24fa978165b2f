"""Text templates as operators wrote them for Mixer: Go's `text/template`, over a map of values.

    template = parse_template('{{.source}}.{{or (.user) "nobody"}}')
    template.render({"source": "web"})  # web.nobody

`lexer` cuts the text, `parser` makes nodes of it, `execute` walks them over the data; `functions`
are the ones Go has built in, `formats` prints values as Go does, `methods` are those of instants
and durations. Pure, and bounded: a template can neither reach anything but its data nor run long.

Not there: `define`, `template`, `block`, `break`, `continue`, `call`, `slice`; naming one is an
error when the template is parsed. An IP address prints as such, not as Go's list of bytes, and a
string map may be looked into.
"""

from remixer.sdk.go_template.errors import TemplateError, TemplateSyntaxError
from remixer.sdk.go_template.execute import LONGEST_OUTPUT, Template
from remixer.sdk.go_template.lexer import LONGEST_TEMPLATE
from remixer.sdk.go_template.parser import parse_template

__all__ = [
    "LONGEST_OUTPUT",
    "LONGEST_TEMPLATE",
    "Template",
    "TemplateError",
    "TemplateSyntaxError",
    "parse_template",
]

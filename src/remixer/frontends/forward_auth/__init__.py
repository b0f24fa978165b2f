"""Authorization over HTTP/1.1, as proxies ask for it that are no Envoy, or an Envoy without gRPC.

`codec` turns the head of a proxy's request into a bag and an outcome into a response, `told` finds
out what the original request was, `destinations` which service it is for, `servicer` asks the Mixer.
"""

from remixer.frontends.forward_auth.destinations import Destinations
from remixer.frontends.forward_auth.servicer import forward_auth_handler

__all__ = ["Destinations", "forward_auth_handler"]

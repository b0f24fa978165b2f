"""A whole Mixer inside an application, or a client of one elsewhere: the same to the application.

`Remixer.local("policy/")` decides here, by rules from files. `Remixer.remote("127.0.0.1:9091")` asks
elsewhere and remembers here. Middleware takes either.
"""

from remixer.embedded.local import LocalMixer
from remixer.embedded.remixer import Remixer

__all__ = ["LocalMixer", "Remixer"]

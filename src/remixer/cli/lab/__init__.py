"""`remixer lab`: experiments on this machine, with real Envoys, that end in numbers.

`availability`: what caches are worth while a back end is down. `outages` says when it is, `gate`
makes it so, `backend` is what is behind, `mesh` starts the parts, `traffic` asks, `tally` counts.
Nothing leaves the machine.
"""

"""The embedded Rego engine, in a child process of its own since it may crash or take its time.

`engine` is the only module that knows `regopy`; `dialect` brings policies of 2019 to what it
understands; `worker` is what the child runs. The child imports this folder and little else: it
starts in a tenth of a second.
"""

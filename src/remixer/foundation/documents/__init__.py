"""Files of operators as trees of located values, with every fault a `Problem`.

`yaml_documents` reads a file (JSON is YAML, too) into `nodes`; `codes` names the faults.
"""

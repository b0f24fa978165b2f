"""Mixer's wire format: the dictionary, attribute compression, reports, references.

Pure: bytes and messages in, values out. `_pb` is generated from `protos/` and never edited.
Neighbours: `remixer.frontends` serve these formats, `remixer.tiers.remote` and the command
line speak them as clients.

| module | idea |
|---|---|
| `global_words`, `dictionary` | words and their indices |
| `bag` | a request's attributes, decoded on demand |
| `layout`, `spots`, `laid_out_bag`, `laid_out_map` | the same where equal maps of indices were seen before |
| `key_plan` | from such a request, all that an answer depends on at once |
| `compression` | attributes to `CompressedAttributes` |
| `report` | a `ReportRequest` to bags |
| `report_batch`, `report_chain` | a client's finished requests to `ReportRequest`s, as deltas |
| `references` | what an answer depends on, both ways |
| `client_codec` | the client's half of Check and Report |
| `forwarded` | attributes in plain form, as one header |
| `proto_json` | located trees to messages, strictly |
| `framing`, `durations`, `text` | small steps that codecs share |
| `published` | descriptors under the names that other people know |
"""

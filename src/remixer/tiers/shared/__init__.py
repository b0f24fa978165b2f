"""The tier that several processes share: verdicts in Valkey, Redis or memcached.

`opening` makes one from a URL, `mixer` is the Mixer around another. Below them: `keys`, `values`,
`bytes` and `seal` say what is written, `places` which keys a check may have, `cache`, `lane`,
`rounds`, `writes` and `breaker` how servers are asked, `revocations` what counts no more.
"""

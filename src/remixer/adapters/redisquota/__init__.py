"""`redisquota`: quotas counted in Redis or Valkey, shared by all that count there.

`keys` names the counters as Mixer 1.3 does, `limits` picks the limit, the two `.lua` files count
on the server in one atomic step, `handler` asks and answers.
"""

from remixer.adapters.redisquota.handler import INFO, RedisQuota
from remixer.adapters.redisquota.params import Override, Params, Quota, RateLimitAlgorithm

__all__ = ["INFO", "Override", "Params", "Quota", "RateLimitAlgorithm", "RedisQuota"]

-- Wakes sleeping Knative revisions through Remixer's `POST /activate`: nothing to build.
--
-- A route says in its metadata whose requests it carries:
--
--   metadata: {filter_metadata: {envoy.filters.http.lua: {revision: default/hello-00001}}}
--
-- The request goes on at once; Envoy retries it until a pod answers. Every worker has a state of
-- its own, so a revision may be told once per worker, and once a second while it sleeps.

local CLUSTER = "remixer_activate" -- where Remixer listens with --activate-address
local AWAKE_MS = 30000             -- shorter than the autoscaler's stable window
local REPEAT_MS = 1000             -- as often as the activator reports
local TIMEOUT_MS = 1000
local SPACE = "remixer.activate"

local awake_until = {} -- by revision: no longer than there are routes
local told_at = {}

function envoy_on_request(handle)
  local revision = handle:metadata():get("revision")
  if revision == nil then
    return
  end
  local now = tonumber(handle:timestamp())
  handle:streamInfo():dynamicMetadata():set(SPACE, "revision", revision)
  if (awake_until[revision] or 0) > now or (told_at[revision] or 0) + REPEAT_MS > now then
    return
  end
  told_at[revision] = now
  handle:httpCall(CLUSTER, {
    [":method"] = "POST",
    [":path"] = "/activate",
    [":authority"] = CLUSTER,
    ["x-remixer-revision"] = revision,
    ["content-length"] = "0",
  }, nil, TIMEOUT_MS, true) -- true: nobody waits for the answer
end

function envoy_on_response(handle)
  local noted = handle:streamInfo():dynamicMetadata():get(SPACE)
  if noted == nil then
    return
  end
  local status = handle:headers():get(":status")
  if status == "502" or status == "503" or status == "504" then
    awake_until[noted["revision"]] = 0
  else
    awake_until[noted["revision"]] = tonumber(handle:timestamp()) + AWAKE_MS
  end
end

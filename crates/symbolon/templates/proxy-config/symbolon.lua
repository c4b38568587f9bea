-- Asks Symbolon about a request. On its yes the request passes with the identity that Symbolon names;
-- any other answer is the client's.

local IDENTITY = {
{%- for header in identity %}
    "{{ header }}",
{%- endfor %}
}
local ASKED_WITH = { "authorization", "x-api-key", "user-agent" }
local REFUSALS = { [401] = true, [403] = true, [429] = true, [503] = true }
local TOLD = { "www-authenticate", "retry-after", "content-type", "cache-control" }

-- HAProxy hands out the values of a header counted from 0 and takes them counted from 1.
local function counted_from_one(values)
    local all, at = {}, 0
    while values[at] do
        all[at + 1] = values[at]
        at = at + 1
    end
    return all
end

local function question_about(txn)
    local given = txn.http:req_get_headers()
    local headers = {
        ["host"] = { "{{ facts.authority.address() }}" },
        ["x-forwarded-for"] = { txn.sf:src() },
        ["x-forwarded-proto"] = { txn.f:ssl_fc() and "https" or "http" },
        ["x-forwarded-host"] = { txn.sf:req_hdr("host") },
        ["x-forwarded-method"] = { txn.sf:method() },
        ["x-forwarded-uri"] = { txn.sf:pathq() },
    }
    for _, name in ipairs(ASKED_WITH) do
        -- All values, so that Symbolon sees it if there are several.
        headers[name] = given[name] and counted_from_one(given[name])
    end
    return headers
end

core.register_action("symbolon", { "http-req" }, function(txn)
    local answer = core.httpclient():get({
        url = "http://symbolon/authz/forward-auth{{ facts.demands.query() }}",
        dst = "abns@symbolon-{{ facts.listen_port }}",
        headers = question_about(txn),
        -- Longer than the listener's timeouts, for HAProxy would ask again.
        timeout = 10000,
    })
    local headers = answer and answer.headers or {}
    if answer and answer.status == 200 then
        for _, name in ipairs(IDENTITY) do
            txn.http:req_set_header(name, headers[name] and headers[name][0] or "")
        end
        txn:set_var("txn.symbolon_allowed", true)
    elseif answer and REFUSALS[answer.status] then
        local reply = txn:reply({ status = answer.status, body = answer.body })
        for _, name in ipairs(TOLD) do
            if headers[name] then
                reply:add_header(name, headers[name][0])
            end
        end
        txn:done(reply)
    end
end, 0)

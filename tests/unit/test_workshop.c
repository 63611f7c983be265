/* happn test: tests of scripts, and what becomes of those that fail. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "happn/workshop.h"
#include "test_folder.h"

static char root[TEST_FOLDER_SIZE], seen[16384], lines[4096];

static int make_folder(void **state)
{
    (void)state;
    test_folder_make(root);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_folder_remove(root);
    return 0;
}

static void put(const char *file, const char *text)
{
    test_folder_put(root, file, text);
}

static void tell(const happn_test_result *result, void *arg)
{
    (void)arg;
    size_t at = strlen(seen);
    const char *name = result->name != NULL ? result->name : result->file;
    if (result->is_ok) {
        snprintf(seen + at, sizeof seen - at, "%s: ok\n", name);
    } else {
        snprintf(seen + at, sizeof seen - at, "%s: %s @%s:%d\n%s", name, result->text, result->failed_file, result->failed_line, result->log);
    }
}

static void covered(const happn_test_coverage *coverage, void *arg)
{
    (void)arg;
    size_t at = strlen(lines);
    snprintf(lines + at, sizeof lines - at, "%s %d/%d %s\n", coverage->file, coverage->ran, coverage->lines, coverage->missing);
}

static happn_test_summary run(const char *filter)
{
    happn_error error = {0};
    happn_test_summary summary;
    happn_test_options options = {.size = sizeof options, .root = root, .filter = filter, .coverage = 1, .tell = tell, .covered = covered};
    seen[0] = lines[0] = '\0';
    if (happn_test(&options, &summary, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
    return summary;
}

/* Begins a file of tests, so that the first case is in line 2. */
#define TEST "local t = require 'happn.test'\n"

static void all_pass(const char *text)
{
    put("a_test.lua", text);
    happn_test_summary summary = run(NULL);
    if (summary.failed != 0 || summary.passed == 0) {
        fail_msg("%s", seen);
    }
}

static void clients_have_all_verbs(void **state)
{
    (void)state;
    all_pass(TEST "t.case('a', function()\n"
                  "  local s = t.server { seed = { ['/a/1'] = { n = 1 }, ['/a/2'] = { n = 2, list = happn.array{} } } }\n"
                  "  t.equal(s:get('/a/1'), { n = 1 })\n"
                  "  local doc, meta = s:get('/a/1')\n"
                  "  t.equal(meta.path, '/a/1')\n"
                  "  t.equal(s:get('/a/*'), { { n = 1 }, { n = 2, list = happn.array{} } })\n"
                  "  t.equal(s:get('/a/*', { fields = { n = 1 } })[2].n, 2)\n"
                  "  t.equal(s:get('/none'), nil)\n"
                  "  t.equal(s:count('/a/*'), 2)\n"
                  "  t.equal(s:paths('/a/*'), { '/a/1', '/a/2' })\n"
                  "  t.equal(s:set('/a/1', { m = 1 }, { merge = true }), { n = 1, m = 1 })\n"
                  "  t.equal(s:remove('/a/*'), 2)\n"
                  "  local c = t.client()\n"
                  "  local handle = c:on('/b/*', t.expect(2, function(data, meta) t.equal(meta.path, '/b/1') end))\n"
                  "  s:set('/b/1', { x = 1 })\n"
                  "  s:publish('/b/1', { x = 2 })\n"
                  "  t.equal(s:get('/b/1').x, 1)\n"
                  "  c:off(handle)\n"
                  "  s:set('/b/1', {})\n"
                  "  c:on('/c', t.expect(0))\n"
                  "  c:off('/c')\n"
                  "  s:set('/c', 1)\n"
                  "  t.equal(t.fails('BadPath', function() s:set('/bad/*', 1) end).name, 'BadPath')\n"
                  "  c:disconnect()\n"
                  "  t.fails(function() c:get('/b/1') end)\n"
                  "end)\n");
}

static void time_goes_on_when_a_test_says_so(void **state)
{
    (void)state;
    put("sweep.lua", "happn.every('10m', function()\n"
                     "  happn.log.info('sweeping at', happn.now() - 1767225600)\n"
                     "  happn.system.remove('/orders/*', { criteria = { age = { ['$gt'] = 30 } } })\n"
                     "end)\n"
                     "return {}\n");
    put("slow.lua", "return { actions = { 'set' }, inbound = function() happn.sleep('3s') end }\n");
    all_pass(TEST "t.case('timers', function()\n"
                  "  local s = t.server { scripts = { { script = 'sweep.lua', trusted = true } }, seed = { ['/orders/1'] = { age = 40 } } }\n"
                  "  t.equal(t.now(), 1767225600)\n"
                  "  t.advance('9m')\n"
                  "  t.ok(s:get('/orders/1'))\n"
                  "  t.advance('1m')\n"
                  "  t.equal(s:get('/orders/1'), nil)\n"
                  "  t.advance('1h')\n"
                  "  t.equal(#t.log(), 7)\n"
                  "  t.equal(t.log()[7], { level = 'info', message = 'sweep.lua:2: sweeping at 4200.0' })\n"
                  "  t.equal(#t.calls(), 7)\n"
                  "  t.equal(t.calls()[1], { action = 'remove', path = '/orders/*' })\n"
                  "end)\n"
                  "t.case('who waits lets time pass', function()\n"
                  "  local c = t.client { layers = { inbound = { 'slow.lua' } } }\n"
                  "  c:set('/x', 1)\n"
                  "  t.equal(t.now(), 1767225603)\n"
                  "end)\n");
}

/* os.time and os.date follow that clock, in the scripts and in the test; and a test may take as long as it likes in one piece. */
static void everybody_has_the_same_time(void **state)
{
    (void)state;
    put("time.lua", "return { ['GET /'] = function() return { time = os.time(), day = os.date('!%Y-%m-%d'), then_ = os.date('!%Y', 0),\n"
                    "  given = os.time({ year = 2000, month = 1, day = 1, hour = 12 }) > 9e8, now = happn.now() } end }\n");
    all_pass(TEST "t.case('time', function()\n"
                  "  t.server { routes = { 'time.lua' } }\n"
                  "  t.advance('36h')\n"
                  "  local answer = t.http('GET', '/').body\n"
                  "  t.equal(answer, { time = 1767355200, day = '2026-01-02', then_ = '1970', given = true, now = 1767355200 })\n"
                  "  t.equal(os.time(), 1767355200)\n"
                  "  t.equal(os.date('!%H'), '12')\n"
                  "end)\n"
                  "t.case('before there is a server it begins', function() t.equal(os.time(), 1767225600) end)\n"
                  "t.case('long', function() local list = {} for i = 1, 40000 do list[i] = i end\n"
                  "  for i = 1, 4 do table.sort(list, function(a, b) return a > b end) end end)\n");
}

static void users_have_their_rights(void **state)
{
    (void)state;
    put("who.lua", "return { ['GET /who'] = function(req) return { name = req.session.username, engineer = req.session:in_group('engineers') } end }\n");
    all_pass(TEST "t.case('users', function()\n"
                  "  local bob = t.client { user = 'bob', permissions = { ['/mine/*'] = { 'get', 'set' }, ['/@HTTP/*'] = { 'get' } },\n"
                  "                         groups = { 'engineers' }, routes = { 'who.lua' } }\n"
                  "  bob:set('/mine/1', { a = 1 })\n"
                  "  t.equal(t.fails('AccessDenied', function() bob:set('/yours/1', { a = 1 }) end).message, 'unauthorized')\n"
                  "  local ann = t.client { user = 'ann', password = 'hers' }\n"
                  "  ann:set('/yours/1', { a = 2 })\n"
                  "  t.equal(t.login('ann', 'hers'):get('/yours/1'), { a = 2 })\n"
                  "  t.fails('AccessDenied', function() t.login('ann', 'his') end)\n"
                  "  t.equal(t.http('GET', '/who').status, 401)\n"
                  "  t.equal(bob:http('GET', '/who').body, { name = 'bob', engineer = true })\n"
                  "  t.equal(ann:http('GET', '/who').body, { name = 'ann', engineer = false })\n"
                  "end)\n");
}

static void routes_are_asked_without_sockets(void **state)
{
    (void)state;
    put("orders.lua", "return {\n"
                      "  ['POST /'] = function(req) return 201, req:json(), { location = '/o/' .. req:json().id } end,\n"
                      "  ['GET /{id}'] = function(req) happn.sleep('1s') return { id = req.params.id, q = req.query.q, h = req.headers['x-h'] } end,\n"
                      "  ['GET /text'] = function() return 200, 'hello' end,\n"
                      "  ['GET /events'] = function(req)\n"
                      "    return req:events(function(out) for i = 1, 3 do out:send({ n = i }) happn.sleep('1m') end end)\n"
                      "  end }\n");
    all_pass(TEST "t.case('routes', function()\n"
                  "  t.server { routes = { { script = 'orders.lua', mount = '/o' } } }\n"
                  "  local made = t.http('POST', '/o', { id = '7' })\n"
                  "  t.equal(made.status, 201)\n"
                  "  t.equal(made.headers.location, '/o/7')\n"
                  "  t.equal(made.body, { id = '7' })\n"
                  "  t.equal(t.http('GET', '/o/8?q=a%20b', nil, { ['X-H'] = 'h' }).body, { id = '8', q = 'a b', h = 'h' })\n"
                  "  t.equal(t.http('GET', '/o/text').body, 'hello')\n"
                  "  t.equal(t.http('GET', '/o/events').text, 'data: {\"n\":1}\\n\\ndata: {\"n\":2}\\n\\ndata: {\"n\":3}\\n\\n')\n"
                  "  local bad = t.http('POST', '/o', '{bad')\n"
                  "  t.equal(bad.status, 400)\n"
                  "  t.equal(bad.body.error, { name = 'BadRequest', message = 'the body is not JSON: a mistake near byte 1', code = 400 })\n"
                  "  t.equal(t.http('DELETE', '/o/8').status, 405)\n"
                  "  t.equal(t.http('GET', '/nowhere').status, 404)\n"
                  "end)\n");
}

static void a_test_plays_other_servers(void **state)
{
    (void)state;
    put("hook.lua", "return { actions = { 'set' }, inbound = function(msg)\n"
                    "  local ok, answer = pcall(happn.http.post, 'https://hooks.example/x', { n = msg.data.n }, { headers = { ['X-A'] = 'a' } })\n"
                    "  if not ok then return happn.reply({ error = answer.name, text = answer.message }) end\n"
                    "  return happn.reply({ status = answer.status, text = answer.status == 200 and answer:json().text or answer.body, h = answer.headers['x-b'] })\n"
                    "end }\n");
    all_pass(TEST "local layers = { inbound = { 'hook.lua' } }\n"
                  "t.case('answers', function()\n"
                  "  local c = t.client { layers = layers }\n"
                  "  local seen\n"
                  "  t.on_http(function(request) seen = request return 200, { text = 'hello' }, { ['X-B'] = 'b' } end)\n"
                  "  t.equal(c:set('/x', { n = 1 }), { status = 200, text = 'hello', h = 'b' })\n"
                  "  t.equal(seen, { method = 'POST', url = 'https://hooks.example/x', body = { n = 1 }, headers = { ['X-A'] = 'a' } })\n"
                  "  t.on_http(function() return 503, 'later' end)\n"
                  "  t.equal(c:set('/x', { n = 1 }), { status = 503, text = 'later' })\n"
                  "  t.on_http(function() return { text = 'short' } end)\n"
                  "  t.equal(c:set('/x', { n = 1 }).text, 'short')\n"
                  "  t.on_http(function() error('the cable is broken', 0) end)\n"
                  "  t.equal(c:set('/x', { n = 1 }), { error = 'HttpError', text = 'the cable is broken' })\n"
                  "end)\n"
                  "t.case('nobody answers', function()\n"
                  "  t.ok(t.client { layers = layers }:set('/x', { n = 1 }).text:find('in a test no other server is asked', 1, true))\n"
                  "end)\n");
}

/* What plays another server may take its time, ask, and call us: as a real one. */
static void other_servers_take_their_time(void **state)
{
    (void)state;
    put("ask.lua", "local function ask(url, timeout)\n"
                   "  local ok, answer = pcall(happn.http.get, url, { timeout = timeout })\n"
                   "  return ok and answer.body or answer.message\n"
                   "end\n"
                   "return { actions = { 'set' }, paths = { '/x' }, inbound = function(msg)\n"
                   "  local d = msg.data\n"
                   "  if d.urls then\n"
                   "    local order, asks = {}, {}\n"
                   "    for i = 1, #d.urls do local url = d.urls[i] asks[i] = function() local text = ask(url) order[#order + 1] = text end end\n"
                   "    happn.together(table.unpack(asks))\n"
                   "    return happn.reply({ order = order })\n"
                   "  end\n"
                   "  return happn.reply({ text = ask(d.url, d.timeout) })\n"
                   "end }\n");
    put("hello.lua", "return { ['GET /'] = function() happn.sleep('1s') return 'hello' end }\n");
    all_pass(TEST "local layers = { inbound = { 'ask.lua' } }\n"
                  "t.case('verbs', function()\n"
                  "  local c = t.server { layers = layers, routes = { { script = 'hello.lua', mount = '/hello' } }, seed = { ['/a/1'] = { n = 1 } } }\n"
                  "  local before = t.now()\n"
                  "  t.on_http(function(request)\n"
                  "    local heard\n"
                  "    local handle = c:on('/a/*', function(data) heard = data.n end)\n"
                  "    t.advance('3s')\n"
                  "    c:publish('/a/2', { n = 7 })\n"
                  "    c:off(handle)\n"
                  "    c:remove('/a/3')\n"
                  "    local name = t.fails('BadPath', function() t.advance('1s') c:get('/*/**//') error({ name = 'BadPath' }) end).name\n"
                  "    local steps = coroutine.wrap(function() coroutine.yield(c:get('/a/1').n) coroutine.yield(c:count('/a/*')) end)\n"
                  "    return table.concat({ heard, name, steps(), steps(), c:paths('/a/*')[1], t.http('GET', '/hello').body }, ' ')\n"
                  "  end)\n"
                  "  t.equal(t.client():set('/x', { url = 'http://a/' }).text, '7 BadPath 1 1 /a/1 hello')\n"
                  "  t.equal(t.now() - before, 5)\n"
                  "end)\n"
                  "t.case('at the same time', function()\n"
                  "  local c = t.client { layers = layers }\n"
                  "  t.on_http(function(request)\n"
                  "    local pause = request.url:match('/(%d+s)')\n"
                  "    t.advance(pause)\n"
                  "    return pause\n"
                  "  end)\n"
                  "  t.equal(c:set('/x', { urls = { 'http://a/5s', 'http://a/1s', 'http://a/3s' } }).order, { '1s', '3s', '5s' })\n"
                  "end)\n"
                  "t.case('too late', function()\n"
                  "  local c = t.client { layers = layers }\n"
                  "  local before, ended = t.now(), false\n"
                  "  t.on_http(function() t.advance('5s') ended = true return 'late' end)\n"
                  "  t.equal(c:set('/x', { url = 'http://a/', timeout = '2s' }).text, 'GET http://a/: Operation timed out after 2000 milliseconds')\n"
                  "  t.equal(t.now() - before, 2)\n"
                  "  t.equal(ended, false)\n"
                  "  t.advance('3s')\n"
                  "  t.equal(ended, true)\n"
                  "end)\n"
                  "t.case('nobody waits any more', function()\n"
                  "  local c = t.client { layers = layers, config = { ['services.script.config.layerWallMs'] = 1000 } }\n"
                  "  local closed = 0\n"
                  "  t.on_http(function()\n"
                  "    local guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end })\n"
                  "    t.advance('5s')\n"
                  "  end)\n"
                  "  t.fails('ScriptError', function() c:set('/x', { url = 'http://a/' }) end)\n"
                  "  t.equal(closed, 0)\n"
                  "  t.advance('10s')\n"
                  "  t.equal(closed, 1)\n"
                  "  t.fails('ScriptError', function() c:set('/x', { url = 'http://a/' }) end)\n"
                  "end)\n"
                  "t.case('blocking', function()\n"
                  "  local c = t.client { layers = layers, users = {}, secure = true }\n"
                  "  t.on_http(function()\n"
                  "    local list = { 2, 1 }\n"
                  "    table.sort(list, function(a, b) t.advance('1s') return a < b end)\n"
                  "    return (t.client { user = 'ann' }:get('/none') == nil and 'none ' or '') .. list[1]\n"
                  "  end)\n"
                  "  t.equal(c:set('/x', { url = 'http://a/' }).text, 'none 1')\n"
                  "end)\n");
    put("a_test.lua", TEST "t.case('endless', function()\n"
                           "  local c = t.client { layers = { inbound = { 'ask.lua' } } }\n"
                           "  t.on_http(function() t.advance(1) pcall(function() while true do end end) end)\n"
                           "  pcall(c.set, c, '/x', { url = 'http://a/' })\n"
                           "end)\n"
                           "t.case('yields', function()\n"
                           "  local c = t.client { layers = { inbound = { 'ask.lua' } } }\n"
                           "  t.on_http(function() coroutine.yield(1) end)\n"
                           "  t.equal(c:set('/x', { url = 'http://a/' }).text, '?')\n"
                           "end)\n");
    happn_test_summary summary = run(NULL);
    assert_int_equal(summary.failed, 2);
    assert_non_null(strstr(seen, "the script ran too long and was stopped"));
    assert_non_null(strstr(seen, "coroutine.yield outside a coroutine"));
}

static void scripts_are_loaded_anew(void **state)
{
    (void)state;
    put("count.lua", "local count = 0\n"
                     "return { actions = { 'set' }, inbound = function() count = count + 1 return happn.reply({ count = count }) end,\n"
                     "  save = function() return count end, restore = function(n) count = n + 10 end }\n");
    all_pass(TEST "t.case('reload', function()\n"
                  "  local c = t.client { layers = { inbound = { 'count.lua' } } }\n"
                  "  t.equal(c:set('/x', 1).count, 1)\n"
                  "  t.reload()\n"
                  "  t.equal(c:set('/x', 1).count, 12)\n"
                  "end)\n");
}

static void members_that_are_not_there_are_told(void **state)
{
    (void)state;
    put("a_test.lua", TEST "t.case('verb', function()\n"
                           "  t.client():sett('/a', 1)\n"
                           "end)\n"
                           "t.case('other', function()\n"
                           "  t.eqal(1, 1)\n"
                           "end)\n"
                           "t.case('far', function()\n"
                           "  t.client().wobble = 1\n"
                           "end)\n"
                           "t.case('none', function()\n"
                           "  local x = t.xyzzyx\n"
                           "end)\n");
    assert_int_equal(run(NULL).failed, 4);
    assert_non_null(strstr(seen, "verb: a client has no sett; did you mean set? @a_test.lua:3\n"));
    assert_non_null(strstr(seen, "other: happn.test has no eqal; did you mean equal? @a_test.lua:6\n"));
    assert_non_null(strstr(seen, "none: happn.test has no xyzzyx @a_test.lua:12\n"));
}

/* Clients are told no more than that a script has failed; whoever tests it wants to know why. */
static void a_script_that_fails_is_told_with_its_reason(void **state)
{
    (void)state;
    put("bug.lua", "return { actions = { 'set' }, inbound = function(msg)\n  if msg.data.first then error({}) end\n  return nil + 1\nend }\n");
    put("a_test.lua", TEST "t.case('bug', function()\n"
                           "  local c = t.client { layers = { inbound = { 'bug.lua' } } }\n"
                           "  pcall(c.set, c, '/x', { first = true })\n"
                           "  c:set('/x.lua', {})\n"
                           "end)\n"
                           "t.case('other', function()\n"
                           "  local c = t.client { layers = { inbound = { 'bug.lua' } } }\n"
                           "  c:set('/x', { first = true })\n"
                           "end)\n");
    assert_int_equal(run(NULL).failed, 2);
    assert_non_null(strstr(seen, "bug: ScriptError: script failed\nbug.lua:3: attempt to perform arithmetic on a nil value @a_test.lua:5\n"));
    assert_non_null(strstr(seen, "other: ScriptError: script failed @a_test.lua:9\n"));
}

/* A test passes for a reason. */
static void failures_say_what_and_where(void **state)
{
    (void)state;
    put("bug.lua", "return { actions = { 'set' }, inbound = function(msg)\n  happn.log.warn('careful')\n  return nil + 1\nend }\n");
    put("a_test.lua", TEST "t.case('equal', function()\n"
                           "  t.equal({ b = { 1, 2 }, a = 'x' }, { a = 'x', b = { 1, 3 } }, 'the thing')\n"
                           "end)\n"
                           "t.case('fails', function()\n"
                           "  t.fails('X', function() end)\n"
                           "end)\n"
                           "t.case('fails otherwise', function()\n"
                           "  t.fails('X', function() happn.path('/a', '*') end)\n"
                           "end)\n"
                           "t.case('expect', function()\n"
                           "  local c = t.client()\n"
                           "  c:on('/x', t.expect(2))\n"
                           "  c:set('/x', 1)\n"
                           "end)\n"
                           "t.case('event', function()\n"
                           "  local c = t.client()\n"
                           "  c:on('/x', function(data)\n"
                           "    t.equal(data.n, 2)\n"
                           "  end)\n"
                           "  c:set('/x', { n = 1 })\n"
                           "end)\n"
                           "t.case('ok', function()\n"
                           "  t.ok(nil, 'it')\n"
                           "end)\n"
                           "t.case('no server', function() t.http('GET', '/') end)\n"
                           "t.case('no such script', function() t.server { scripts = { 'gone.lua' } } end)\n"
                           "t.case('no such option', function() t.server { layer = {} } end)\n"
                           "t.case('two servers', function() t.server() t.server() end)\n"
                           "t.case('ages', function() t.server { secure = true } t.advance('1000d') end)\n"
                           "t.case('endless', function() while true do pcall(next) end end)\n");
    happn_test_summary summary = run(NULL);
    assert_int_equal(summary.failed, 12);
    assert_int_equal(summary.passed, 0);
    assert_string_equal(seen, "equal: the thing: not equal\n     got: {\"a\":\"x\",\"b\":[1,2]}\nexpected: {\"a\":\"x\",\"b\":[1,3]} @a_test.lua:3\n"
                              "fails: nothing failed\nexpected: X @a_test.lua:6\n"
                              "fails otherwise: it failed otherwise\n     got: a_test.lua:9: bad argument #2 to 'path' (a part of a path cannot contain / or *)\n"
                              "expected: X @a_test.lua:9\n"
                              "expect: the function of t.expect was called 1 times\nexpected: 2 times @a_test.lua:13\n"
                              "event: not equal\n     got: 1\nexpected: 2 @a_test.lua:19\n"
                              "ok: it is nil @a_test.lua:24\n"
                              "no server: there is no server yet: t.server{ routes = { \"routes/orders.lua\" } } @a_test.lua:26\n"
                              "no such script: gone.lua: cannot be read: No such file or directory @a_test.lua:27\n"
                              "error: cannot load gone.lua: cannot be read: No such file or directory\n"
                              "no such option: there is no option layer; a server has layers, routes, scripts, seed, config, secure and users @a_test.lua:28\n"
                              "two servers: this case has a server already: say everything about it where it is made @a_test.lua:29\n"
                              "ages: the script ran too long and was stopped @a_test.lua:30\n"
                              "endless: the script ran too long and was stopped @a_test.lua:31\n");
    put("a_test.lua", TEST "t.case('bug', function()\n  t.client { layers = { inbound = { 'bug.lua' } } }:set('/x', 1)\nend)\n");
    run(NULL);
    assert_non_null(strstr(seen, "bug: ScriptError: script failed\nbug.lua:3: attempt to perform arithmetic on a nil value @a_test.lua:3\nwarn: bug.lua:2: careful\nerror: script error id="));
    assert_non_null(strstr(seen, "script=bug.lua line=3 hook=inbound action=set path=/x: bug.lua:3: attempt to perform arithmetic on a nil value"));
}

static void files_that_do_not_load_are_told(void **state)
{
    (void)state;
    put("a_test.lua", "local t = require 'happn.test'\nt.case('x',\n");
    put("b_test.lua", TEST "t.client()\n");
    put("c_test.lua", TEST "happn.get('/x')\n");
    put("d_test.lua", TEST "local kept\nt.case('first', function() kept = t.client() end)\nt.case('second', function() kept:get('/x') end)\n");
    happn_test_summary summary = run(NULL);
    assert_int_equal(summary.failed, 4);
    assert_string_equal(seen, "a_test.lua: a_test.lua:3: unexpected symbol near <eof> @:0\n"
                              "b_test.lua: b_test.lua:2: servers and clients live in a case: t.case(\"...\", function() ... end) @:0\n"
                              "c_test.lua: c_test.lua:2: attempt to call a nil value (field 'get') @:0\n"
                              "first: ok\n"
                              "second: this client belongs to a case that is over @d_test.lua:4\n");
}

static void filters_and_coverage(void **state)
{
    (void)state;
    put("a.lua", "-- a layer\n"
                 "local M = {}\n"
                 "function M.inbound(msg)\n"
                 "  if msg.data.big then\n"
                 "    local x = 1\n"
                 "\n"
                 "    return happn.reply({ x = x })\n"
                 "  end\n"
                 "  return msg\n"
                 "end\n"
                 "return M\n");
    put("b.lua", "return {}\n");
    put("a_test.lua", TEST "t.case('small ones', function() t.client { layers = { inbound = { 'a.lua' } } }:set('/x', { big = false }) end)\n"
                           "t.case('big ones', function() t.client { layers = { inbound = { 'a.lua' } } }:set('/x', { big = true }) end)\n");
    assert_int_equal(run("small").passed, 1);
    assert_string_equal(seen, "small ones: ok\n");
    assert_string_equal(lines, "a.lua 6/8 5-7\nb.lua 0/1 1\n");
    assert_int_equal(run(NULL).passed, 2);
    assert_string_equal(lines, "a.lua 8/8 \nb.lua 0/1 1\n");
    assert_int_equal(run("none").passed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_have_all_verbs, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(time_goes_on_when_a_test_says_so, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(everybody_has_the_same_time, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(users_have_their_rights, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(routes_are_asked_without_sockets, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_test_plays_other_servers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(other_servers_take_their_time, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(members_that_are_not_there_are_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(scripts_are_loaded_anew, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_script_that_fails_is_told_with_its_reason, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(failures_say_what_and_where, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_that_do_not_load_are_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(filters_and_coverage, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

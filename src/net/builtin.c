/* What every happn server answers: /ping, /version, the client for browsers, and the plain requests to Primus' path. */

#include <stdio.h>
#include <strings.h>

#include "net/browser_script.h"
#include "net/connection.h"
#include "happn/version.h"

static bool is_path(struct str path, const char *text)
{
    return path.len == strlen(text) && strncasecmp(path.ptr, text, path.len) == 0;
}

static void respond_text(happn_http *http, int status, const char *type, const char *text)
{
    happn_http_respond(http, status, type, text, strlen(text));
}

static void respond_upgrade(happn_http *http)
{
    (void)!happn_http_add_header(http, "Cache-Control", "no-store, no-cache, must-revalidate, max-age=0");
    (void)!happn_http_add_header(http, "Pragma", "no-cache");
    respond_text(http, 426, "text/plain", "Upgrade Required");
}

bool builtin_has(struct str path)
{
    return is_path(path, "/ping") || is_path(path, "/version") || str_is(path, "/browser_client") || str_starts(path, STR_LIT("/primus"));
}

bool builtin_route(happn_http *http, struct str path)
{
    char text[160];
    if (is_path(path, "/ping")) {
        respond_text(http, 200, "text/plain", "pong");
    } else if (is_path(path, "/version")) {
        snprintf(text, sizeof text, "{\"version\":\"%s\"}", happn_version());
        respond_text(http, 200, "application/json", text);
    } else if (str_is(path, "/browser_client")) {
        happn_http_respond(http, 200, "application/javascript; charset=utf-8", browser_script, browser_script_len);
    } else if (is_path(path, "/primus/spec")) {
        respond_text(http, 200, "application/json",
                     "{\"pingInterval\":30000,\"timeout\":35000,\"pathname\":\"/primus\",\"version\":\"8.0.9\","
                     "\"parser\":\"json\",\"transformer\":\"websockets\"}");
    } else if (str_starts(path, STR_LIT("/primus"))) {
        respond_upgrade(http);
    } else {
        return false;
    }
    return true;
}

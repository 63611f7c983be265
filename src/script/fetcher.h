/* One request of a script's to another server, as the files around fetch.c see it. */
#ifndef HAPPN_SCRIPT_FETCHER_H
#define HAPPN_SCRIPT_FETCHER_H

#include <curl/curl.h>

#include "script/calls.h"
#include "script/fetch.h"

struct fetcher {
    struct scripts *scripts;
    CURLM *multi;
    uv_timer_t timer;
    size_t count; /* under way */
};

struct fetch {
    struct fetcher *fetcher;
    struct task *task;
    CURL *easy;
    struct curl_slist *headers;
    struct buf sent;        /* the body of the request */
    struct buf head, body;  /* of the answer */
    long status;
    bool is_asked;          /* the stand-in, which has not answered yet */
    char what[200];         /* "GET https://...", for errors */
    char error[CURL_ERROR_SIZE];
};

/* The scripts' one, which is made when it is needed first. NULL: no memory. */
struct fetcher *fetcher_of(struct scripts *scripts);

/* Ends the call with an HttpError: only its text is to be set before. */
void fetch_fail(struct call *call, happn_error *error);

/* Takes everything that it may have from the options at 1, which it checks: an error is Lua's. */
void fetch_set_up(lua_State *L, struct fetch *fetch);
uint64_t fetch_timeout(lua_State *L);

#endif

/* What is behind the public happn_service. */
#ifndef HAPPN_SERVICE_SERVICE_H
#define HAPPN_SERVICE_SERVICE_H

#include "base/runtime.h"
#include "core/core.h"
#include "happn/auth.h"
#include "happn/provider.h"
#include "happn/service.h"
#include "net/listener.h"
#include "script/scripts.h"
#include "service/audit.h"
#include "service/control.h"
#include "service/config.h"

enum service_state { SERVICE_NEW, SERVICE_STARTING, SERVICE_OPEN, SERVICE_FAILED, SERVICE_CLOSING };
enum service_step { STEP_NEXT, STEP_IN_FLIGHT, STEP_SCRIPTS_CLOSED, STEP_LISTENER_CLOSED };

/* A provider of the host's. */
struct host_provider {
    struct host_provider *next;
    const happn_provider_ops *ops;
    void *host;
    char name[64];
};

typedef void (*service_secured_fn)(happn_service *service, happn_status status, const happn_error *error);

struct happn_service {
    struct runtime_part part;
    struct host_provider *providers;
    happn_runtime *runtime;
    struct config config;
    struct core core;
    struct listener *listener;
    struct scripts *scripts;
    struct control *control; /* NULL: none */
    struct audit *audit;
    struct watchdog *watchdog; /* NULL: none, or that of another service on the same loop */
    void (*on_line)(void *arg, const char *file, int line); /* of scripts, for coverage; NULL: nobody wants to know */
    void *on_line_arg;
    const struct script_outside *outside; /* in place of other servers, for tests; NULL: they are asked */
    happn_auth_fn auth; /* the host's own way to log in */
    void *auth_arg;
    struct core_stats told; /* the counters when somebody last asked */
    int64_t told_at, started_at;
    enum service_state state;
    bool is_starting, close_waits;
    service_secured_fn secured;
    happn_done_fn done;
    void *done_arg;
    /* closing */
    enum service_step step;
    int closed_steps;
    bool reconnect;
    int64_t deadline;
    uv_timer_t poll;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* The stores that the configuration names, one in memory when it names none. */
happn_status service_open_stores(happn_service *service, happn_error *error);

/* The clock of the statistics, and their route when there is one. */
happn_status service_open_stats(happn_service *service, happn_error *error);

/* Notices that the loop stands still, and says so in the log. Without it the service serves as well. */
void service_open_watchdog(happn_service *service);

void service_forget_providers(happn_service *service);

/* On a secured service: HAPPN_PENDING, and secured is called when the directory is read (maybe before this returns). HAPPN_OK: it is
 * not secured. Otherwise error says why not. */
happn_status service_open_security(happn_service *service, service_secured_fn secured, happn_error *error);

/* What the configuration says about listening. */
happn_status service_listener_options(happn_service *service, struct listener_options *out, happn_error *error);
/* What of the listener's options is about pages and files. */
happn_status service_http_options(happn_service *service, struct listener_options *out, happn_error *error);

/* The scripts that the configuration names; nothing when it names none. */
happn_status service_open_scripts(happn_service *service, happn_error *error);
void service_close_scripts(happn_service *service, void (*closed)(void *service));

#endif

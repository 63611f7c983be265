/* From the configuration to a secured service. */

#include <stdlib.h>

#include "base/error.h"
#include "base/utf8.h"
#include "core/gate.h"
#include "happn/auth.h"
#include "happn/security.h"
#include "json/scan.h"
#include "security/administration.h"
#include "security/security.h"
#include "service/service.h"

static bool is_production(void)
{
    const char *node = getenv("NODE_ENV"), *own = getenv("HAPPN_ENV");
    return (node != NULL && strcmp(node, "production") == 0) || (own != NULL && strcmp(own, "production") == 0);
}

/* The original's documents show the administrator at the top, its code reads it below the service: both count. */
static struct str either(struct str inner, struct str top)
{
    return inner.len != 0 ? inner : str_or_none(top);
}

static struct security_settings settings_of(const struct config *config, struct str name)
{
    return (struct security_settings){.name = name,
                                      .admin_password = either(config->admin_password, config->top_admin_password),
                                      .admin_public_key = either(config->admin_public_key, config->top_admin_public_key),
                                      .admin_custom_data = either(config->admin_custom_data, config->top_admin_custom_data),
                                      .token_secret = str_or_none(config->token_secret),
                                      .profiles = str_or_none(config->profiles),
                                      .private_key = str_or_none(config->private_key),
                                      .public_key = str_or_none(config->public_key),
                                      .encrypts_payloads = config->encrypts_payloads,
                                      .folds_names = config->folds_names,
                                      .folds_except = str_or_none(config->folds_except),
                                      .iterations = (int)config->iterations,
                                      .nonce_ms = config->nonce_ms,
                                      .keeps_permissions = config->keeps_permissions,
                                      .nests_permissions = config->nests_permissions || config->protocol_nests_permissions,
                                      .admin_stays_in = config->admin_stays_in || config->top_admin_stays_in,
                                      .locks_token_to_type = config->locks_token_to_type && config->compat == 13,
                                      .admits_anonymous = config->admits_anonymous,
                                      .is_production = is_production(),
                                      .logs_activity = config->logs_activity,
                                      .lockout_is_off = !config->lockout,
                                      .lockout_attempts = config->lockout_attempts,
                                      .lockout_retry_ms = config->lockout_retry_ms,
                                      .logins_per_minute = config->logins_per_minute};
}

static void loaded(happn_status status, const happn_error *error, void *arg)
{
    happn_service *service = arg;
    service->secured(service, status, error);
}

happn_status service_open_security(happn_service *service, service_secured_fn secured, happn_error *error)
{
    const struct config *config = &service->config;
    struct core *core = &service->core;
    if (!config->secure) {
        return HAPPN_OK;
    }
    struct security_settings settings = settings_of(config, str_of(core->name));
    happn_status status = security_new(core->loop, core->allocator, core->log, core->stores, &settings, &core->security, error);
    if (status != HAPPN_OK) {
        return status;
    }
    if (config->encrypts_payloads) {
        log_write(core->log, LOG_WARN, "security", "encryptPayloads is for old clients that cannot use TLS, and weak: use services.transport.config.mode https");
    }
    core->cookie_name = str_or_none(config->cookie_name);
    core->cookie_domain = str_or_none(config->cookie_domain);
    core->login_ms = config->login_ms;
    service->secured = secured;
    if (config->audit_file.len != 0) {
        status = audit_open(core, config->audit_file.ptr, &service->audit, error);
        if (status != HAPPN_OK) {
            return status;
        }
    }
    core->security->auth = service->auth;
    core->security->auth_arg = service->auth_arg;
    security_watch(core->security, &gate_host, core);
    gate_start(core);
    security_load(core->security, loaded, service);
    return HAPPN_PENDING;
}

struct asked {
    struct core *core;
    happn_security_fn done;
    void *arg;
};

static void answered(const happn_error *error, struct str result, void *arg)
{
    struct asked *asked = arg;
    struct core *core = asked->core;
    asked->done(error, result.ptr, result.len, asked->arg);
    memory_free(core->allocator, asked);
    core->request_count--;
}

happn_status happn_security_call(happn_service *service, const char *verb, const char *arguments, size_t len, happn_security_fn done, void *arg)
{
    struct str json = str_make(arguments, len);
    if (service->state != SERVICE_OPEN) {
        return HAPPN_E_CLOSED;
    }
    if (service->core.security == NULL) {
        return HAPPN_E_UNSUPPORTED;
    }
    if (!utf8_is_valid(json) || json_check(json, NULL) != HAPPN_OK || json_type_of(json) != JSON_OBJECT) {
        return HAPPN_E_ARGUMENT;
    }
    struct asked *asked = memory_alloc(service->core.allocator, sizeof *asked);
    if (asked == NULL) {
        return HAPPN_E_MEMORY;
    }
    *asked = (struct asked){&service->core, done, arg};
    service->core.request_count++; /* the service does not end before it is answered */
    administration_call(service->core.security, str_of(verb), json, answered, asked);
    return HAPPN_OK;
}

happn_status happn_service_set_auth(happn_service *service, happn_auth_fn fn, void *arg)
{
    if (service->state == SERVICE_CLOSING) {
        return HAPPN_E_ARGUMENT;
    }
    service->auth = fn;
    service->auth_arg = arg;
    if (service->core.security != NULL) {
        service->core.security->auth = fn;
        service->core.security->auth_arg = arg;
    }
    return HAPPN_OK;
}

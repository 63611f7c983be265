/* Plain Node-API, no classes: node-addon-api would throw where JavaScript can no longer run. */
#include "node/wake.h"

struct wake {
    happn_mailbox *mailbox;
    napi_threadsafe_function function;
};

static void call_js(napi_env env, napi_value function, void *, void *)
{
    if (env == nullptr || function == nullptr) {
        return; /* the environment is going away */
    }
    napi_value undefined, error;
    if (napi_get_undefined(env, &undefined) != napi_ok) {
        return;
    }
    if (napi_call_function(env, undefined, function, 0, nullptr, nullptr) == napi_pending_exception &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok) {
        napi_fatal_exception(env, error);
    }
}

/* On the loop's thread, with the mailbox locked. */
static void on_wake(void *context)
{
    struct wake *wake = static_cast<struct wake *>(context);
    napi_call_threadsafe_function(wake->function, nullptr, napi_tsfn_nonblocking);
}

/* After the first line no other thread touches us; the close joins, so the module may be unloaded. */
static void on_environment_exit(void *arg)
{
    struct wake *wake = static_cast<struct wake *>(arg);
    happn_mailbox_wake(wake->mailbox, nullptr, nullptr);
    napi_release_threadsafe_function(wake->function, napi_tsfn_abort);
    happn_mailbox_close(wake->mailbox);
    delete wake;
}

struct wake *wake_open(napi_env env, happn_mailbox *mailbox, napi_value function)
{
    struct wake *wake = new (struct wake);
    wake->mailbox = mailbox;
    wake->function = nullptr;
    napi_value name = nullptr;
    napi_create_string_utf8(env, "happn", NAPI_AUTO_LENGTH, &name);
    if (napi_create_threadsafe_function(env, function, nullptr, name, 0, 1, nullptr, nullptr, nullptr, call_js, &wake->function) !=
        napi_ok) {
        delete wake;
        return nullptr;
    }
    napi_unref_threadsafe_function(env, wake->function);
    napi_add_env_cleanup_hook(env, on_environment_exit, wake);
    happn_mailbox_wake(mailbox, on_wake, wake);
    return wake;
}

void wake_keep_alive(napi_env env, struct wake *wake, int keep)
{
    if (keep != 0) {
        napi_ref_threadsafe_function(env, wake->function);
    } else {
        napi_unref_threadsafe_function(env, wake->function);
    }
}

void wake_close(napi_env env, struct wake *wake)
{
    napi_remove_env_cleanup_hook(env, on_environment_exit, wake);
    on_environment_exit(wake);
}

/* What Python and Node see of the mailbox: flat functions, text and numbers. The layers in python/happn and node/index.js are
 * the only callers. */
#ifdef SWIGPYTHON
%module(threads=1, package="happn") _native
%nothread;                          /* short calls keep the interpreter's lock ... */
%thread happn_mailbox_close;        /* ... joins must not */
#else
%module happn_native
#endif

%{
#include "happn/mailbox.h"
#include "happn/status.h"
#include "happn/version.h"
#ifdef SWIGJAVASCRIPT
#include <string>
#include "node/wake.h"
#endif
%}

typedef unsigned long long uint64_t;
typedef unsigned long size_t;

/* --- Python */
#ifdef SWIGPYTHON
/* Text and its length from str, bytes or None. Nothing is copied: the text lives as long as the argument, and happn copies. */
%typemap(in) (const char *text, size_t text_len) (char *p = NULL, Py_ssize_t n = 0) {
    if (PyUnicode_Check($input)) {
        p = (char *)PyUnicode_AsUTF8AndSize($input, &n);
        if (p == NULL) SWIG_fail;
    } else if ($input != Py_None && PyBytes_AsStringAndSize($input, &p, &n) < 0) {
        SWIG_fail;
    }
    $1 = p;
    $2 = (size_t)n;
}
%apply (const char *text, size_t text_len) {
    (const char *options, size_t options_len), (const char *config, size_t config_len), (const char *json, size_t json_len)
}

%typemap(in, numinputs=0) happn_mailbox **out (happn_mailbox *mailbox = NULL) { $1 = &mailbox; }
%typemap(argout) happn_mailbox **out {
    Py_XDECREF($result);
    $result = result < 0 ? PyLong_FromLong(result) : SWIG_NewPointerObj(*$1, SWIGTYPE_p_happn_mailbox, 0);
}

/* A batch becomes a list of (kind, status, ticket, meta, body). */
%typemap(in, numinputs=0) happn_batch **out (happn_batch *batch = NULL) { $1 = &batch; }
%typemap(argout) happn_batch **out {
    size_t count = happn_batch_count(*$1);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        const happn_event *event = happn_batch_event(*$1, i);
        PyObject *meta = PyUnicode_DecodeUTF8(event->meta, (Py_ssize_t)event->meta_len, "replace"); /* an odd byte must not cost the whole batch */
        PyObject *body = PyUnicode_DecodeUTF8(event->body, (Py_ssize_t)event->body_len, "replace");
        PyObject *item = Py_BuildValue("iiKNN", (int)event->kind, (int)event->status, (unsigned long long)event->ticket, meta, body);
        if (item == NULL) {
            Py_DECREF(list);
            list = NULL;
        } else {
            PyList_SetItem(list, (Py_ssize_t)i, item);
        }
    }
    happn_batch_free(*$1);
    Py_XDECREF($result);
    $result = list;
    if (list == NULL) SWIG_fail;
}
#endif

/* --- Node */
#ifdef SWIGJAVASCRIPT
%typemap(in) (const char *text, size_t text_len) (std::string copy) {
    if ($input.IsString()) {
        copy = $input.As<Napi::String>().Utf8Value();
        $1 = (char *)copy.c_str();
        $2 = copy.size();
    } else {
        $1 = NULL;
        $2 = 0;
    }
}
%apply (const char *text, size_t text_len) {
    (const char *options, size_t options_len), (const char *config, size_t config_len), (const char *json, size_t json_len)
}
%typemap(in) uint64_t {
    if (!$input.IsNumber()) SWIG_exception_fail(SWIG_TypeError, "a ticket is a number");
    $1 = (uint64_t)$input.As<Napi::Number>().Int64Value();
}
%typemap(in, numinputs=0) happn_mailbox **out (happn_mailbox *mailbox = NULL) { $1 = &mailbox; }
%typemap(argout) happn_mailbox **out {
    $result = result < 0 ? (Napi::Value)Napi::Number::New(env, result)
                         : SWIG_NewPointerObj(*$1, SWIGTYPE_p_happn_mailbox, 0);
}
/* One flat array: kind, status, ticket, meta, body, kind, ... */
%typemap(in, numinputs=0) happn_batch **out (happn_batch *batch = NULL) { $1 = &batch; }
%typemap(argout) happn_batch **out {
    uint32_t count = (uint32_t)happn_batch_count(*$1);
    Napi::Array flat = Napi::Array::New(env, count * 5);
    for (uint32_t i = 0; i < count; i++) {
        const happn_event *event = happn_batch_event(*$1, i);
        flat.Set(i * 5, Napi::Number::New(env, event->kind));
        flat.Set(i * 5 + 1, Napi::Number::New(env, event->status));
        flat.Set(i * 5 + 2, Napi::Number::New(env, (double)event->ticket));
        flat.Set(i * 5 + 3, Napi::String::New(env, event->meta, event->meta_len));
        flat.Set(i * 5 + 4, Napi::String::New(env, event->body, event->body_len));
    }
    happn_batch_free(*$1);
    $result = flat;
}
%typemap(in) napi_value function { $1 = (napi_value)$input; }
%typemap(in, numinputs=0) napi_env env { $1 = env; }
#endif

typedef struct happn_mailbox happn_mailbox;
typedef struct happn_batch happn_batch;
typedef struct happn_runtime happn_runtime;

%inline %{
static int open_mailbox(const char *options, size_t options_len, happn_mailbox **out)
{
    return happn_mailbox_open(NULL, options, options_len, out);
}
static const char *status_name(int status) { return happn_status_name((happn_status)status); }
static const char *status_text(int status) { return happn_status_text((happn_status)status); }
%}

int happn_mailbox_fd(const happn_mailbox *mailbox);
int happn_mailbox_take(happn_mailbox *mailbox, size_t max, happn_batch **out);
void happn_mailbox_close(happn_mailbox *mailbox);
const char *happn_version(void);

int happn_mb_service_open(happn_mailbox *mailbox, uint64_t ticket, const char *config, size_t config_len);
int happn_mb_service_new(happn_mailbox *mailbox, uint64_t ticket, const char *config, size_t config_len);
int happn_mb_service_start(happn_mailbox *mailbox, uint64_t ticket, uint64_t service);
int happn_mb_service_reload(happn_mailbox *mailbox, uint64_t ticket, uint64_t service);
int happn_mb_service_close(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, int reconnect);
int happn_mb_client_open(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, const char *options, size_t options_len);
int happn_mb_client_close(happn_mailbox *mailbox, uint64_t ticket, uint64_t client);
int happn_mb_set(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *json, size_t json_len,
                 const char *options, size_t options_len);
int happn_mb_get(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options, size_t options_len);
int happn_mb_get_paths(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path);
int happn_mb_count(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options, size_t options_len);
int happn_mb_remove(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options,
                    size_t options_len);
int happn_mb_on(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *path, const char *options, size_t options_len);
int happn_mb_off(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, uint64_t subscription);
int happn_mb_layer_add(happn_mailbox *mailbox, uint64_t ticket, uint64_t service, const char *options, size_t options_len);
int happn_mb_hook_complete(happn_mailbox *mailbox, uint64_t ticket, uint64_t token, int verdict, const char *json, size_t json_len);
int happn_mb_administer(happn_mailbox *mailbox, uint64_t ticket, uint64_t object, const char *verb, const char *json, size_t json_len);
int happn_mb_change_password(happn_mailbox *mailbox, uint64_t ticket, uint64_t client, const char *json, size_t json_len);
int happn_mb_revoke_token(happn_mailbox *mailbox, uint64_t ticket, uint64_t client);

#ifdef SWIGJAVASCRIPT
struct wake *wake_open(napi_env env, happn_mailbox *mailbox, napi_value function);
void wake_keep_alive(napi_env env, struct wake *wake, int keep);
void wake_close(napi_env env, struct wake *wake);
#endif

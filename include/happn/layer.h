/* Layers: functions that see every request before it is carried out and every reply and publication before it leaves. */
#ifndef HAPPN_LAYER_H
#define HAPPN_LAYER_H

#include "happn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct happn_message happn_message;

typedef enum happn_verdict {
    HAPPN_NEXT = 0, /* go on, with whatever was changed */
    HAPPN_FAIL = 1, /* refuse: set the error with happn_message_set_error first */
    HAPPN_REPLY = 2, /* inbound: answer now with the message's data, skip the rest */
    HAPPN_DROP = 3, /* outbound publications: this recipient does not get it */
    HAPPN_LATER = 4 /* inbound: the layer calls happn_message_resume later, once */
} happn_verdict;

typedef enum happn_direction { HAPPN_INBOUND = 0, HAPPN_OUTBOUND_REPLY = 1, HAPPN_OUTBOUND_PUBLICATION = 2 } happn_direction;

typedef happn_verdict (*happn_layer_fn)(happn_message *message, void *arg);

/* What the message is. Texts are borrowed until the layer returns (until resume when it answered LATER);
 * *len gets the length in bytes. data and options are JSON text, NULL when absent. */
HAPPN_API happn_direction happn_message_direction(const happn_message *message);
HAPPN_API const char *happn_message_action(const happn_message *message, size_t *len);
HAPPN_API const char *happn_message_path(const happn_message *message, size_t *len);
HAPPN_API const char *happn_message_data(const happn_message *message, size_t *len);
HAPPN_API const char *happn_message_options(const happn_message *message, size_t *len);
HAPPN_API const char *happn_message_session_id(const happn_message *message, size_t *len);
/* Who is logged in there; NULL: nobody. */
HAPPN_API const char *happn_message_username(const happn_message *message, size_t *len);

/* Changes the message. The text is copied and checked: E_JSON, E_PATH, E_MEMORY leave it as it was. Outbound only data may change. */
HAPPN_API HAPPN_MUST_USE happn_status happn_message_set_path(happn_message *message, const char *path, size_t len);
HAPPN_API HAPPN_MUST_USE happn_status happn_message_set_data(happn_message *message, const char *json, size_t len);
HAPPN_API HAPPN_MUST_USE happn_status happn_message_set_options(happn_message *message, const char *json, size_t len);

/* The error that HAPPN_FAIL sends: name as in "ValidationError", text for people, code 0 for none. fields is the text of
 * a JSON object whose members are added to the error, or NULL. Copied. */
HAPPN_API void happn_message_set_error(happn_message *message, const char *name, const char *text, int code,
                                       const char *fields, size_t fields_len);

/* Ends HAPPN_LATER with NEXT, FAIL or REPLY. */
HAPPN_API void happn_message_resume(happn_message *message, happn_verdict verdict);

#ifdef __cplusplus
}
#endif
#endif

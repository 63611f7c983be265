/* What a layer's function may return beside nothing: happn.reply(value) and happn.drop(). */
#ifndef HAPPN_SCRIPT_ANSWERS_H
#define HAPPN_SCRIPT_ANSWERS_H

#include "script/vm.h"

bool answer_is_reply(lua_State *L, int index);
void answer_push_value(lua_State *L, int index);
bool answer_is_drop(lua_State *L, int index);

/* A refusal, taken from the error of happn.fail at index: name, text and further members as JSON. Texts live as long as the
 * value stays on the stack; fields until the next conversion. */
struct refusal {
    char name[48], text[460];
    int code;
    struct str fields; /* unset for none */
};
void refusal_read(lua_State *L, int index, struct refusal *refusal);

#endif

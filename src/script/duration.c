#include "script/duration.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    double ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", DURATION_DAY_MS}};

static int refuse(lua_State *L, int index)
{
    return luaL_argerror(L, index, "a duration is a whole number of milliseconds or a text such as \"100ms\", \"1.5s\", \"10m\", \"2h\", \"1d\"");
}

static double from_text(lua_State *L, int index)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    char *end;
    double value = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : -1;
    for (size_t i = 0; value >= 0 && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) == 0 && end + strlen(end) == text + len) {
            return value * units[i].ms;
        }
    }
    refuse(L, index);
    return 0;
}

uint64_t duration_check(lua_State *L, int index)
{
    double ms = -1;
    if (lua_type(L, index) == LUA_TSTRING) {
        ms = from_text(L, index);
    } else if (lua_isinteger(L, index)) {
        ms = (double)lua_tointeger(L, index);
    } else {
        refuse(L, index);
    }
    if (!(ms >= 0 && ms <= 1000.0 * DURATION_DAY_MS)) {
        luaL_argerror(L, index, "a duration is between 0 and 1000 days");
    }
    return (uint64_t)ms;
}

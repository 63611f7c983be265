/* What a new state needs before the first script: the metatables of everything scripts meet. */
#ifndef HAPPN_SCRIPT_API_H
#define HAPPN_SCRIPT_API_H

#include "script/http.h"
#include "script/message.h"
#include "script/sandbox.h"
#include "script/session.h"
#include "script/view.h"

#endif

/* The C layers inside which the scripts of the current generation run. */
#ifndef HAPPN_SCRIPT_LAYER_H
#define HAPPN_SCRIPT_LAYER_H

#include "core/layers.h"
#include "script/scripts.h"

happn_verdict layer_inbound(happn_message *message, void *scripts);
happn_verdict layer_authorized(happn_message *message, void *scripts);
happn_verdict layer_outbound(happn_message *message, void *scripts);
happn_verdict layer_published(happn_message *message, void *scripts);
/* What is left when the scripts are closed. */
happn_verdict layer_closed(happn_message *message, void *unused);

#endif

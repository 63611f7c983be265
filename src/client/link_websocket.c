#include "client/link.h"
happn_status link_websocket_open(struct loop *loop, const struct allocator *allocator, const struct link_options *options,
                                 const struct client_link_events *events, void *owner, struct client_link **out)
{ (void)loop,(void)allocator,(void)options,(void)events,(void)owner,(void)out; return HAPPN_E_UNSUPPORTED; }

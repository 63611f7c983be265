/* A socket in the file system, by which whoever may open it sees what scripts do, ends a call, and loads them anew. */
#ifndef HAPPN_SERVICE_CONTROL_H
#define HAPPN_SERVICE_CONTROL_H

#include "happn/service.h"

struct control;

/* A socket that nobody listens at any more is replaced. E_CONFLICT: somebody does; E_IO: it cannot be made; error says which and why. */
happn_status control_open(happn_service *service, const char *path, struct control **out, happn_error *error);
/* Closes later and removes the socket. NULL is fine. */
void control_close(struct control *control);

#endif

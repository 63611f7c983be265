/* Everything: realtime JSON documents in a process or over WebSockets. */
#ifndef HAPPN_H
#define HAPPN_H

#include "happn/auth.h"
#include "happn/client.h"
#include "happn/layer.h"
#include "happn/mailbox.h"
#include "happn/protocol.h"
#include "happn/provider.h"
#include "happn/route.h"
#include "happn/runtime.h"
#include "happn/security.h"
#include "happn/service.h"
#include "happn/status.h"
#include "happn/transfer.h"
#include "happn/version.h"
#include "happn/workshop.h"

#endif

/* A runtime: one event loop, on its own thread or stepped by the host. Services and clients live on one.
 *
 * Thread rule of all headers: functions that take an object of a runtime are called on that runtime's loop thread
 * (in a callback, or in a function given to happn_post). Only happn_post, happn_runtime_open, happn_runtime_close
 * and the functions of mailbox.h may be called from any thread. */
#ifndef HAPPN_RUNTIME_H
#define HAPPN_RUNTIME_H

#include "happn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct happn_runtime happn_runtime;

enum { HAPPN_RUNTIME_THREADED = 0, HAPPN_RUNTIME_STEPPED = 1 };

/* Opens a runtime; with HAPPN_RUNTIME_THREADED its loop runs on a thread of its own with all signals blocked.
 * Free with happn_runtime_close. */
HAPPN_API HAPPN_MUST_USE happn_status happn_runtime_open(int mode, happn_runtime **out);

/* Stops the loop, closes what is still open on it, joins the thread and frees. Not on the loop's thread when threaded. */
HAPPN_API void happn_runtime_close(happn_runtime *runtime);

/* Runs fn(arg) on the loop's thread, later. Any thread. When it fails fn never runs. */
HAPPN_API HAPPN_MUST_USE happn_status happn_post(happn_runtime *runtime, void (*fn)(void *arg), void *arg);

/* Stepped runtimes: handles what is ready; waits for something first when `wait` is not 0. Returns 1 while
 * there is more to come, 0 when nothing is left, below 0 a status. */
HAPPN_API int happn_runtime_step(happn_runtime *runtime, int wait);

/* Stepped runtimes: a descriptor that is readable when a step has something to do (after a first step), and the time in
 * milliseconds until a timer is due, -1 for never. */
HAPPN_API int happn_runtime_fd(const happn_runtime *runtime);
HAPPN_API int happn_runtime_timeout(const happn_runtime *runtime);

#ifdef __cplusplus
}
#endif
#endif

/* Who watches the loop, as the configuration says. */

#include "base/watchdog.h"

#include "service/service.h"

/* On either thread: the log can be written by both. */
static void tell(void *arg, const struct stall *stall)
{
    happn_service *service = arg;
    struct log *log = service->core.log;
    unsigned long long ms = (unsigned long long)stall->ms;
    if (!stall->is_over) {
        log_write(log, LOG_WARN, "watchdog", "the server stands still, for %llu ms so far: %s", ms, stall->place);
    } else {
        const char *note = stall->note;
        log_write(log, LOG_WARN, "watchdog", "the server goes on, after %llu ms or more: %s%s%s", ms, stall->place, note[0] != '\0' ? "; " : "", note);
    }
}

void service_open_watchdog(happn_service *service)
{
    struct loop *loop = service->core.loop;
    struct watchdog_options options = {.limit_ms = (uint64_t)service->config.watchdog_ms, .tell = tell, .arg = service};
    if (options.limit_ms == 0 || loop->watchdog != NULL || loop->clock.is_frozen) {
        return;
    }
    if (watchdog_open(loop, &options, &service->watchdog) != HAPPN_OK) {
        log_write(service->core.log, LOG_WARN, "watchdog", "there is no thread or memory for it");
    }
}

/* What a Lua layer adds to a set in memory, in CPU time of this thread; what a suspended call costs in memory.
 * usage: script_bench [sets [bytes]]     with bytes only documents of that size; builds with cmake -DHAPPN_BENCH=ON; compare only figures of one run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/layers.h"
#include "core/session.h"
#include "script/generation.h"
#include "script/task.h"
#include "store/datastores.h"
#include "store/memory.h"
#include "wire/message.h"

/* --- a core, a session that nobody reads, one layer */

static struct loop loop;
static struct core core;
static struct scripts *scripts;
static char root[64];

static struct buf out;

static struct buf *begin(struct link *link)
{
    (void)link;
    buf_clear(&out);
    return &out;
}

static void commit(struct link *link)
{
    (void)link;
}

static void send_payload(struct link *link, struct payload *payload)
{
    (void)link, (void)payload;
}

static void close_link(struct link *link, const char *reason)
{
    (void)link, (void)reason;
}

static const struct link_ops link_ops = {begin, commit, send_payload, close_link, NULL, NULL};
static struct link link_of_all = {&link_ops};

static void write_script(const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/layer.lua", root);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void open_core(const char *layer)
{
    happn_error error = {0};
    struct provider *provider;
    strcpy(root, "/tmp/happn-bench-XXXXXX");
    if (mkdtemp(root) == NULL || loop_init(&loop, NULL) != HAPPN_OK || core_init(&core, &loop, NULL) != HAPPN_OK ||
        store_memory_open(&loop, NULL, &provider) != HAPPN_OK) {
        exit(1);
    }
    core.wire = &wire_ops;
    core.stores = datastores_new(&loop, &memory_default);
    if (datastores_add(core.stores, "default", provider, true, NULL) != HAPPN_OK) {
        exit(1);
    }
    if (layer != NULL) {
        write_script(layer);
        struct script_entry entry = {.file = "layer.lua"};
        struct scripts_options options = {.root = root, .inbound = &entry, .inbound_count = 1};
        if (scripts_open(&core, &options, &scripts, &error) != HAPPN_OK) {
            fprintf(stderr, "%s\n", error.message);
            exit(1);
        }
    }
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void close_core(void)
{
    bool is_closed = scripts == NULL;
    if (scripts != NULL) {
        scripts_close(scripts, set_flag, &is_closed);
    }
    while (!is_closed) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    scripts = NULL;
    core_close_timer(&core);
    datastores_close(core.stores, set_flag, &is_closed);
    loop_fini(&loop);
    core_fini(&core);
    char path[100];
    snprintf(path, sizeof path, "%s/layer.lua", root);
    unlink(path);
    rmdir(root);
}

static double cpu(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- sets */

static char *make_set(size_t size)
{
    char *text = malloc(size + 200);
    int len = sprintf(text, "{\"action\":\"set\",\"eventId\":1,\"path\":\"/sensors/7/temperature\",\"data\":{\"value\":21.5,\"unit\":\"C\",\"serial\":\"a7-33\",\"list\":[");
    size_t start = (size_t)len;
    for (int i = 0; (size_t)len - start + 60 < size; i++) {
        len += sprintf(text + len, "%s{\"n\":%d,\"t\":\"x%d\"}", i != 0 ? "," : "", i, i);
    }
    sprintf(text + len, "]}}");
    return text;
}

/* Microseconds of CPU a set. */
static double measure(const char *layer, size_t size, long count)
{
    open_core(layer);
    struct session *session = core_session_open(&core, &link_of_all);
    session->protocol = core.wire->find(&core, STR_LIT("happn_4"));
    char *text = make_set(size);
    double start = 0;
    for (long i = -count / 10; i < count; i++) {
        start = i == 0 ? cpu() : start;
        core_receive(session, str_of(text));
    }
    double spent = (cpu() - start) / (double)count * 1e6;
    if (memmem(out.ptr, out.len, "\"status\":\"ok\"", 13) == NULL) {
        fprintf(stderr, "a set was refused: %.*s\n", (int)out.len, out.ptr);
        exit(1);
    }
    core_session_closed(session);
    free(text);
    close_core();
    return spent;
}

static const char touch[] = "return { actions = { 'set' }, paths = { '/sensors/*' }, inbound = function(msg)\n"
                            "  if msg.data.value > 80 or msg.data.serial == nil then happn.fail('no') end\n"
                            "  msg.data.unit = 'K'\n"
                            "end }";
static const char other[] = "return { actions = { 'set' }, paths = { '/other/*' }, inbound = function(msg) msg.data.x = 1 end }";

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

enum { ROUNDS = 7 };

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

static void layers(size_t size, long count)
{
    double without[ROUNDS], with[ROUNDS], idle[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) { /* in turns */
        without[i] = measure(NULL, size, count);
        with[i] = measure(touch, size, count);
        idle[i] = measure(other, size, count);
    }
    double base = median(without);
    printf("%6zu bytes: set %.3f us; a layer that looks at two fields and changes one adds %.3f us; one whose filter does not match %.3f us\n", size, base,
           median(with) - base, median(idle) - base);
}

/* --- calls that wait */

static size_t used;

static void *count_bytes(void *context, void *ptr, size_t size)
{
    (void)context;
    size_t *head = ptr != NULL ? (size_t *)ptr - 2 : NULL;
    used -= head != NULL ? *head : 0;
    if (size == 0) {
        free(head);
        return NULL;
    }
    head = realloc(head, size + 16);
    if (head == NULL) {
        return NULL;
    }
    *head = size;
    used += size;
    return head + 2;
}

static void waiting_calls(void)
{
    enum { CALLS = 10000 };
    static const struct allocator counting = {count_bytes, NULL};
    static struct session *sessions[CALLS];
    open_core("return { actions = { 'set' }, inbound = function(msg) happn.sleep('1h') end }");
    core.allocator = &counting; /* of tasks and sessions; the VM was made before */
    char *text = make_set(100);
    for (int i = 0; i < CALLS; i++) {
        sessions[i] = core_session_open(&core, &link_of_all);
        sessions[i]->protocol = core.wire->find(&core, STR_LIT("happn_4"));
    }
    size_t before = used, vm_before = scripts->current->vm.used;
    for (int i = 0; i < CALLS; i++) {
        core_receive(sessions[i], str_of(text));
    }
    size_t vm = scripts->current->vm.used - vm_before, outside = used - before;
    size_t call = sizeof(struct task);
    printf("%zu suspended calls: %zu bytes each (%zu in Lua, %zu outside); the message and its request, which any that waits has, %zu\n",
           scripts->current->task_count, vm / CALLS + call, vm / CALLS, call, outside / CALLS - call);
    fflush(stdout);
    _exit(0); /* what belongs to two allocators is not worth tidying */
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 200000;
    buf_init(&out, NULL, 1 << 26);
    if (argc > 2) {
        layers((size_t)atol(argv[2]), count);
        return 0;
    }
    layers(100, count);
    layers(18000, count / 20);
    waiting_calls();
    return 0;
}

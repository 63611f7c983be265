/* happn serve: a server until it is told to stop.
 *
 * The service lives on a runtime's thread; this thread only waits for signals: HUP loads the scripts anew, TERM and INT
 * stop in order, a second one at once. */

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/control_client.h"
#include "happn/service.h"

enum { NEWS = SIGUSR1, SETTINGS_MAX = 64 };

struct setting {
    const char *key;
    char *json;
};

struct server {
    const char *config_file;
    char *config, folder[4096];
    size_t config_len;
    struct setting settings[SETTINGS_MAX];
    size_t setting_count;
    happn_runtime *runtime;
    happn_service *service;
    happn_status status;
    happn_error error;
    volatile sig_atomic_t is_started, is_failed, is_closed;
};

static void print_help(void)
{
    puts("usage: happn serve [OPTIONS]\n"
         "\n"
         "  --config FILE       the configuration, a JSON file (docs/config.md)\n"
         "  --port N            the port for HTTP and WebSockets (default 55000; 0: any free one)\n"
         "  --host ADDRESS      the address to listen on (default 0.0.0.0: all of this machine)\n"
         "  --file DB           keep the documents in this database file (default: in memory only)\n"
         "  --compat 6|8|13     where the original's generations differ, behave like this one\n"
         "  --log-level LEVEL   off, fatal, error, warn, info, debug or trace\n"
         "  --set KEY=JSON      set any key of the configuration, such as --set utils.logFormat='\"json\"'\n"
         "\n"
         "  HUP (or happn reload) loads the scripts anew, TERM stops: what is in flight is answered, clients are told to come back.");
}

/* A JSON string of plain text. */
static char *quote(const char *text)
{
    char *out = malloc(strlen(text) * 6 + 3), *p = out;
    if (out == NULL) {
        return NULL;
    }
    *p++ = '"';
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        p += c < 0x20 || c == '"' || c == '\\' ? sprintf(p, "\\u%04x", c) : sprintf(p, "%c", c);
    }
    strcpy(p, "\"");
    return out;
}

static int add_setting(struct server *server, const char *key, const char *json, int is_text)
{
    if (server->setting_count == SETTINGS_MAX) {
        fprintf(stderr, "happn serve: more than %d settings: use a configuration file\n", SETTINGS_MAX);
        return EXIT_USAGE;
    }
    char *value = is_text ? quote(json) : strdup(json);
    if (value == NULL) {
        return EXIT_FAILED;
    }
    server->settings[server->setting_count++] = (struct setting){key, value};
    return EXIT_DONE;
}

static int add_pair(struct server *server, char *pair)
{
    char *equals = strchr(pair, '=');
    if (equals == NULL) {
        fprintf(stderr, "happn serve: --set needs KEY=JSON, not %s\n", pair);
        return EXIT_USAGE;
    }
    *equals = '\0';
    return add_setting(server, pair, equals + 1, 0);
}

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'}, {"port", required_argument, NULL, 'p'},
    {"host", required_argument, NULL, 'h'},   {"file", required_argument, NULL, 'f'},
    {"compat", required_argument, NULL, 'm'}, {"log-level", required_argument, NULL, 'l'},
    {"set", required_argument, NULL, 's'},    {"help", no_argument, NULL, 'H'},
    {NULL, 0, NULL, 0}};

static int read_option(struct server *server, int option)
{
    switch (option) {
    case 'c':
        server->config_file = optarg;
        return EXIT_DONE;
    case 'p':
        return add_setting(server, "port", optarg, 0);
    case 'h':
        return add_setting(server, "host", optarg, 1);
    case 'f': { /* of the working directory, wherever the configuration is */
        char *path = optarg[0] == '/' ? strdup(optarg) : NULL;
        char folder[4096];
        if (path == NULL && getcwd(folder, sizeof folder) != NULL &&
            asprintf(&path, "%s/%s", folder, optarg) < 0) {
            path = NULL;
        }
        int result = path != NULL ? add_setting(server, "services.data.config.filename", path, 1) : EXIT_FAILED;
        free(path);
        return result;
    }
    case 'm':
        return add_setting(server, "compat", optarg, 0);
    case 'l':
        return add_setting(server, "utils.logLevel", optarg, 1);
    case 's':
        return add_pair(server, optarg);
    default:
        fprintf(stderr, "happn serve: see happn serve --help\n");
        return EXIT_USAGE;
    }
}

static void tell_main(void)
{
    kill(getpid(), NEWS);
}

/* Where the configuration names none: by the port, for this user. */
static void open_control(happn_service *service)
{
    char path[256];
    happn_error error;
    int port = happn_service_port(service);
    if (port == 0 || control_path(port, path, sizeof path) != 0) {
        return;
    }
    happn_status status = happn_service_control(service, path, &error);
    if (status != HAPPN_OK && status != HAPPN_E_ARGUMENT) {
        fprintf(stderr, "happn: %s\n", error.message);
    }
}

static void started(happn_status status, const happn_error *error, void *arg)
{
    struct server *server = arg;
    server->status = status;
    if (error != NULL) {
        server->error = *error;
        server->is_failed = 1;
    } else {
        open_control(server->service);
    }
    server->is_started = 1;
    tell_main();
}

static happn_status configure(struct server *server)
{
    happn_error *error = &server->error;
    happn_status status = happn_service_new(server->runtime, server->config != NULL ? server->config : "",
                                            server->config_len, server->config != NULL ? server->folder : NULL,
                                            &server->service, error);
    if (status != HAPPN_OK && server->config_file != NULL) {
        happn_error cause = *error;
        snprintf(error->message, sizeof error->message, "%.100s: %.350s", server->config_file, cause.message);
    }
    for (size_t i = 0; i < server->setting_count && status == HAPPN_OK; i++) {
        status = happn_service_set(server->service, server->settings[i].key, server->settings[i].json, error);
    }
    return status;
}

static void start_on_loop(void *arg)
{
    struct server *server = arg;
    if (configure(server) != HAPPN_OK) {
        server->is_failed = 1;
        tell_main();
        return;
    }
    happn_service_start(server->service, started, server);
}

static void reload_on_loop(void *arg)
{
    struct server *server = arg;
    happn_error error; /* the service has logged it */
    happn_status status = happn_reload(server->service, &error);
    (void)status;
}

static void closed(void *arg)
{
    struct server *server = arg;
    server->is_closed = 1;
    tell_main();
}

static void close_on_loop(void *arg)
{
    struct server *server = arg;
    happn_service_close(server->service, 1, closed, server);
}

static int post(struct server *server, void (*fn)(void *arg))
{
    return happn_post(server->runtime, fn, server) == HAPPN_OK;
}

/* Returns when the service is closed. */
static void wait_for_signals(struct server *server, const sigset_t *signals)
{
    int is_stopping = 0;
    while (!server->is_closed) {
        int number = 0;
        if (sigwait(signals, &number) != 0) {
            continue;
        }
        if (number == SIGHUP && server->is_started && !is_stopping) {
            post(server, reload_on_loop);
        } else if ((number == SIGTERM || number == SIGINT) && is_stopping) {
            fprintf(stderr, "happn: stopped at once\n");
            _exit(EXIT_FAILED);
        } else if (server->is_failed) {
            return; /* closing the runtime closes what there is */
        } else if (number == SIGTERM || number == SIGINT) {
            is_stopping = post(server, close_on_loop);
        }
    }
}

static int run(struct server *server)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, NEWS);
    if (!post(server, start_on_loop)) {
        return EXIT_FAILED;
    }
    wait_for_signals(server, &signals);
    return server->is_failed ? EXIT_FAILED : EXIT_DONE;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A block of a megabyte goes back to the system when it is freed. By itself the C library keeps ever longer ones once it has seen some, and a
 * server through which a large document went would stay large. */
static void return_large_blocks(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

int command_serve(int argc, char **argv)
{
    struct server server = {0};
    int option, result = EXIT_DONE;
    while (result == EXIT_DONE && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == 'H') {
            print_help();
            return EXIT_DONE;
        }
        result = read_option(&server, option);
    }
    if (result == EXIT_DONE && optind < argc) {
        fprintf(stderr, "happn serve: %s is not an option; see happn serve --help\n", argv[optind]);
        result = EXIT_USAGE;
    }
    if (result != EXIT_DONE) {
        return result;
    }
    if (server.config_file != NULL) {
        server.config = config_file_read(server.config_file, &server.config_len, server.folder, sizeof server.folder);
        if (server.config == NULL) {
            return EXIT_FAILED;
        }
    }
    raise_file_limit();
    return_large_blocks();
    signal(SIGPIPE, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL); /* before the runtime's thread is there */
    happn_status status = happn_runtime_open(HAPPN_RUNTIME_THREADED, &server.runtime);
    if (status != HAPPN_OK) {
        fprintf(stderr, "happn: %s\n", happn_status_text(status));
        return EXIT_FAILED;
    }
    result = run(&server);
    happn_runtime_close(server.runtime);
    for (size_t i = 0; i < server.setting_count; i++) {
        free(server.settings[i].json);
    }
    free(server.config);
    if (server.is_failed) { /* the last line says why */
        fprintf(stderr, "happn: %s\n", server.error.message);
    }
    return result;
}

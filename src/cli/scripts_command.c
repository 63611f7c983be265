/* happn scripts: what the scripts of a running server do; happn reload: load them anew. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/control_client.h"
#include "cli/table.h"

struct asked {
    char path[256];
    int is_json;
};

static void print_help(const char *command)
{
    if (strcmp(command, "reload") == 0) {
        puts("usage: happn reload [--port N | --control SOCKET]\n"
             "\n"
             "  Loads the scripts of a running server anew, all or nothing: when one is broken the old ones serve on, and the\n"
             "  exit code is 1.");
    } else {
        puts("usage: happn scripts [list] [--json] [--port N | --control SOCKET]\n"
             "       happn scripts kill ID [--port N | --control SOCKET]\n"
             "\n"
             "  Lists the scripts of a running server with their calls, refusals and errors, and the calls that are under way:\n"
             "  script, hook, line, age in milliseconds, and what they wait for. kill ends one of them.");
    }
    puts("\n"
         "  --port N          the server on this port (55000), run by the same user\n"
         "  --control SOCKET  the server with this services.transport.config.control");
}

/* Below 0: go on; otherwise the exit code. */
static int read_options(const char *command, int argc, char **argv, struct asked *asked)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {"control", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},       {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int port = 55000;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'c':
            snprintf(asked->path, sizeof asked->path, "%s", optarg);
            break;
        case 'j':
            asked->is_json = 1;
            break;
        case 'h':
            print_help(command);
            return EXIT_DONE;
        default:
            fprintf(stderr, "happn %s: see happn %s --help\n", command, command);
            return EXIT_USAGE;
        }
    }
    if (asked->path[0] == '\0' && control_path(port, asked->path, sizeof asked->path) != 0) {
        return EXIT_FAILED;
    }
    return -1;
}

static void print_metrics(const cJSON *metrics)
{
    const cJSON *metric;
    cJSON_ArrayForEach(metric, metrics) {
        printf("%s = %.15g\n", metric->string, metric->valuedouble);
    }
    if (cJSON_GetArraySize(metrics) != 0) {
        puts("");
    }
}

static void print_stall(const char *which, const cJSON *stall)
{
    const char *place = cJSON_GetStringValue(cJSON_GetObjectItem(stall, "place")), *note = cJSON_GetStringValue(cJSON_GetObjectItem(stall, "note"));
    if (place != NULL && note != NULL) {
        printf("  %s %.0f ms: %s%s%s\n", which, cJSON_GetNumberValue(cJSON_GetObjectItem(stall, "ms")), place, note[0] != '\0' ? "; " : "", note);
    }
}

static void print_stalls(const cJSON *stalls)
{
    double count = cJSON_GetNumberValue(cJSON_GetObjectItem(stalls, "count"));
    if (count >= 1) {
        printf("stood still %.0f time%s\n", count, count == 1 ? "" : "s");
        print_stall("longest", cJSON_GetObjectItem(stalls, "longest"));
        print_stall("last   ", cJSON_GetObjectItem(stalls, "last"));
        puts("");
    }
}

static void print_scripts(const cJSON *result)
{
    printf("generation %.0f, %.0f of %.0f bytes, %.0f timers, %.0f listeners\n\n", cJSON_GetNumberValue(cJSON_GetObjectItem(result, "generation")),
           cJSON_GetNumberValue(cJSON_GetObjectItem(result, "memory")), cJSON_GetNumberValue(cJSON_GetObjectItem(result, "memoryLimit")),
           cJSON_GetNumberValue(cJSON_GetObjectItem(result, "timers")), cJSON_GetNumberValue(cJSON_GetObjectItem(result, "listeners")));
    table_print(cJSON_GetObjectItem(result, "scripts"), "script,calls,refusals,errors");
    puts("");
    print_metrics(cJSON_GetObjectItem(result, "metrics"));
    print_stalls(cJSON_GetObjectItem(result, "stalls"));
    table_print(cJSON_GetObjectItem(result, "tasks"), "id,script,hook,line,age,state,path");
}

static int list(const struct asked *asked)
{
    cJSON *result = control_ask("scripts", asked->path, "{\"do\":\"scripts\"}");
    if (result == NULL) {
        return EXIT_FAILED;
    }
    if (asked->is_json) {
        char *text = cJSON_Print(result);
        puts(text != NULL ? text : "null");
        free(text);
    } else {
        print_scripts(result);
    }
    cJSON_Delete(result);
    return EXIT_DONE;
}

static int kill_task(const struct asked *asked, const char *id)
{
    char line[80], *end;
    unsigned long long number = strtoull(id, &end, 10);
    if (*end != '\0' || number == 0) {
        fprintf(stderr, "happn scripts: kill wants the number of a call, not %s: happn scripts lists them\n", id);
        return EXIT_USAGE;
    }
    snprintf(line, sizeof line, "{\"do\":\"kill\",\"id\":%llu}", number);
    cJSON *result = control_ask("scripts", asked->path, line);
    cJSON_Delete(result);
    return result != NULL ? EXIT_DONE : EXIT_FAILED;
}

int command_scripts(int argc, char **argv)
{
    struct asked asked = {.is_json = 0};
    int code = read_options("scripts", argc, argv, &asked);
    if (code >= 0) {
        return code;
    }
    const char *verb = optind < argc ? argv[optind] : "list";
    if (strcmp(verb, "kill") == 0 && optind + 2 == argc) {
        return kill_task(&asked, argv[optind + 1]);
    }
    if (strcmp(verb, "list") == 0 && optind + 1 >= argc) {
        return list(&asked);
    }
    fprintf(stderr, "happn scripts: see happn scripts --help\n");
    return EXIT_USAGE;
}

int command_reload(int argc, char **argv)
{
    struct asked asked = {.is_json = 0};
    int code = read_options("reload", argc, argv, &asked);
    if (code >= 0) {
        return code;
    }
    cJSON *result = control_ask("reload", asked.path, "{\"do\":\"reload\"}");
    if (result == NULL) {
        return EXIT_FAILED;
    }
    cJSON_Delete(result);
    puts("the scripts were loaded anew");
    return EXIT_DONE;
}

#include "cli/transfer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

enum { SHOWN = 10 };

struct transfer {
    happn_transfer_options options;
    const char *name;     /* of the command */
    const char *file;     /* to read from, or to write */
    FILE *rejects;
    int as_json, is_quiet;
    unsigned printed;     /* rejected lines that were shown */
};

static void show_progress(const happn_transfer_report *report, void *arg)
{
    const struct transfer *transfer = arg;
    if (transfer->is_quiet || !isatty(STDERR_FILENO)) {
        return;
    }
    if (strcmp(transfer->name, "import") == 0) {
        fprintf(stderr, "\r%llu lines, %llu stored, %llu rejected ", (unsigned long long)report->lines,
                (unsigned long long)report->stored, (unsigned long long)report->rejected);
    } else if (strcmp(transfer->name, "backup") == 0) {
        fprintf(stderr, "\r%llu pages ", (unsigned long long)report->lines);
    } else {
        fprintf(stderr, "\r%llu documents ", (unsigned long long)report->stored);
    }
}

static void show_rejected(uint64_t line, const char *reason, const char *text, size_t len, void *arg)
{
    struct transfer *transfer = arg;
    if (transfer->rejects != NULL) {
        fwrite(text, 1, len, transfer->rejects);
        fputc('\n', transfer->rejects);
    }
    if (transfer->printed++ < SHOWN) {
        fprintf(stderr, "%s:%llu: rejected: %s\n", transfer->file, (unsigned long long)line, reason);
    } else if (transfer->printed == SHOWN + 1) {
        fprintf(stderr, "... and more: --rejects FILE keeps all of them\n");
    }
}

static int usage(const struct transfer *transfer, const char *text)
{
    fprintf(stderr, "happn %s: %s; happn %s --help tells more\n", transfer->name, text, transfer->name);
    return EXIT_USAGE;
}

static int refuse_option(const struct transfer *transfer, const char *option)
{
    char text[200];
    snprintf(text, sizeof text, "%.100s cannot be understood", option);
    return usage(transfer, text);
}

static int keep_rejects(struct transfer *transfer, const char *file)
{
    transfer->rejects = fopen(file, "wb");
    if (transfer->rejects == NULL) {
        fprintf(stderr, "happn %s: cannot write %s\n", transfer->name, file);
        return EXIT_FAILED;
    }
    return -1;
}

/* -1: go on; otherwise an exit code. */
static int take_option(struct transfer *transfer, int option, const char *word, const char *help)
{
    switch (option) {
    case 'd':
        transfer->options.database = optarg;
        return -1;
    case 'p':
        transfer->options.pattern = optarg;
        return -1;
    case 'r':
        return keep_rejects(transfer, optarg);
    case 'a':
        transfer->options.add = 1;
        return -1;
    case 'n':
        transfer->options.dry_run = 1;
        return -1;
    case 'f':
        transfer->options.force = 1;
        return -1;
    case 'j':
        transfer->as_json = 1;
        return -1;
    case 'q':
        transfer->is_quiet = 1;
        return -1;
    case 'h':
        puts(help);
        return EXIT_DONE;
    default:
        return refuse_option(transfer, word);
    }
}

/* Reads the command line. -1: go on; otherwise an exit code. */
static int read_options(struct transfer *transfer, int argc, char **argv, const char *help)
{
    static const struct option options[] = {
        {"db", required_argument, NULL, 'd'},   {"path", required_argument, NULL, 'p'}, {"rejects", required_argument, NULL, 'r'},
        {"add", no_argument, NULL, 'a'},        {"dry-run", no_argument, NULL, 'n'},    {"force", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},       {"quiet", no_argument, NULL, 'q'},      {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    transfer->options = (happn_transfer_options){.size = sizeof transfer->options, .progress = show_progress, .rejected = show_rejected, .arg = transfer};
    opterr = 0;
    optind = 1;
    int code = -1;
    for (int option; code < 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        code = take_option(transfer, option, argv[optind - 1], help);
    }
    if (code >= 0) {
        return code;
    }
    if (transfer->options.database == NULL) {
        return usage(transfer, "which database? name it with --db FILE");
    }
    if (optind != argc - 1) {
        return usage(transfer, optind < argc - 1 ? "one file at a time" : "which file? (- for standard input or output)");
    }
    transfer->file = argv[optind];
    return -1;
}

static void print_failure(const struct transfer *transfer, happn_status status, const happn_error *error)
{
    fprintf(stderr, "happn %s: %s\n", transfer->name, error->message[0] != '\0' ? error->message : happn_status_text(status));
    if (status == HAPPN_E_BUSY) {
        fprintf(stderr, "  stop the server that has it open, then try again\n");
    } else if (status == HAPPN_E_REFUSED) {
        fprintf(stderr, strcmp(transfer->name, "import") == 0 ? "  --add puts the documents beside them, and over those with the same path\n"
                                                               : "  --force replaces it\n");
    }
}

static void print_report(const struct transfer *transfer, const happn_transfer_report *report)
{
    FILE *out = strcmp(transfer->file, "-") == 0 && strcmp(transfer->name, "export") == 0 ? stderr : stdout;
    if (transfer->as_json) {
        fprintf(out, "{\"lines\":%llu,\"stored\":%llu,\"removed\":%llu,\"skipped\":%llu,\"rejected\":%llu,\"documents\":%llu}\n",
                (unsigned long long)report->lines, (unsigned long long)report->stored, (unsigned long long)report->removed,
                (unsigned long long)report->skipped, (unsigned long long)report->rejected, (unsigned long long)report->documents);
        return;
    }
    if (transfer->is_quiet) {
        return;
    }
    if (strcmp(transfer->name, "import") == 0) {
        fprintf(out, "%llu lines read: %llu writes, %llu removals, %llu skipped, %llu rejected%s; the database has %llu documents\n",
                (unsigned long long)report->lines, (unsigned long long)report->stored, (unsigned long long)report->removed,
                (unsigned long long)report->skipped, (unsigned long long)report->rejected,
                transfer->options.dry_run ? " (nothing was stored)" : "", (unsigned long long)report->documents);
    } else {
        fprintf(out, "%llu documents\n", (unsigned long long)report->documents);
    }
}

/* Prints the report, or why there is none. */
static int end(struct transfer *transfer, happn_status status, const happn_transfer_report *report, const happn_error *error)
{
    if (!transfer->is_quiet && isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    if (transfer->rejects != NULL && fclose(transfer->rejects) != 0) {
        fprintf(stderr, "happn %s: the rejected lines could not be kept\n", transfer->name);
    }
    if (status != HAPPN_OK) {
        print_failure(transfer, status, error);
        return EXIT_FAILED;
    }
    print_report(transfer, report);
    return report->rejected != 0 ? EXIT_REJECTS : EXIT_DONE;
}

int transfer_run(const char *name, transfer_fn carry_out, int argc, char **argv, const char *help)
{
    struct transfer transfer = {.name = name};
    int code = read_options(&transfer, argc, argv, help);
    if (code >= 0) {
        return code;
    }
    happn_error error = {.status = HAPPN_OK};
    happn_transfer_report report;
    happn_status status = carry_out(&transfer.options, transfer.file, &report, &error);
    return end(&transfer, status, &report, &error);
}

#include "cli/test_report.h"

#include <string.h>

/* TAP reads a # as the beginning of a directive. */
static void print_name(FILE *out, const happn_test_result *result)
{
    const char *name = result->name != NULL ? result->name : "cannot be loaded";
    fprintf(out, "%s: ", result->file);
    for (; *name != '\0'; name++) {
        if (*name == '#' || *name == '\\') {
            fputc('\\', out);
        }
        fputc((unsigned char)*name < 0x20 ? ' ' : *name, out);
    }
}

/* A block of YAML: every line indented. */
static void print_block(FILE *out, const char *key, const char *text)
{
    if (text[0] == '\0') {
        return;
    }
    fprintf(out, "  %s: |\n", key);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        fprintf(out, "    %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

void test_report_tap(FILE *out, const happn_test_result *result, size_t number)
{
    fprintf(out, "%s %zu - ", result->is_ok ? "ok" : "not ok", number);
    print_name(out, result);
    fputs("\n", out);
    if (result->is_ok) {
        return;
    }
    fputs("  ---\n", out);
    print_block(out, "message", result->text);
    if (result->failed_file[0] != '\0') {
        fprintf(out, "  at: %s:%d\n", result->failed_file, result->failed_line);
    }
    print_block(out, "log", result->log);
    fputs("  ...\n", out);
}

static void print_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc((unsigned char)*text < 0x20 && *text != '\n' ? ' ' : *text, out);
        }
    }
}

void test_report_xml(FILE *out, const happn_test_result *result)
{
    fputs("<testcase classname=\"", out);
    print_escaped(out, result->file);
    fputs("\" name=\"", out);
    print_escaped(out, result->name != NULL ? result->name : "cannot be loaded");
    fprintf(out, "\" file=\"%s\" line=\"%d\" time=\"%.6f\"", result->file, result->line, result->milliseconds / 1000);
    if (result->is_ok) {
        fputs("/>\n", out);
        return;
    }
    fputs("><failure message=\"", out);
    print_escaped(out, result->text);
    fprintf(out, "\">%s:%d\n", result->failed_file, result->failed_line);
    print_escaped(out, result->log);
    fputs("</failure></testcase>\n", out);
}

void test_report_xml_all(FILE *out, const happn_test_summary *summary, const char *cases)
{
    size_t count = summary->passed + summary->failed;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\">\n"
            "<testsuite name=\"happn test\" tests=\"%zu\" failures=\"%zu\">\n%s</testsuite>\n</testsuites>\n",
            count, summary->failed, count, summary->failed, cases);
}

#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_COLUMNS = 8, WIDEST = 60 };

struct table {
    char names[MOST_COLUMNS][40];
    int count, widths[MOST_COLUMNS];
};

static int is_time(const char *name)
{
    return strcmp(name, "timestamp") == 0 || strcmp(name, "lastActivity") == 0;
}

/* Freed by the caller. */
static char *cell(const cJSON *row, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(row, name);
    if (value == NULL) {
        return strdup("");
    }
    if (cJSON_IsString(value)) {
        return strdup(value->valuestring);
    }
    if (cJSON_IsNumber(value) && is_time(name)) {
        char text[40];
        time_t seconds = (time_t)(value->valuedouble / 1000);
        struct tm parts;
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &parts));
        return strdup(text);
    }
    char *printed = cJSON_PrintUnformatted(value);
    char *text = strdup(printed);
    cJSON_free(printed);
    return text;
}

static void read_columns(struct table *table, const char *columns)
{
    while (*columns != '\0' && table->count < MOST_COLUMNS) {
        size_t len = strcspn(columns, ",");
        snprintf(table->names[table->count], sizeof table->names[0], "%.*s", (int)len, columns);
        table->widths[table->count++] = (int)len;
        columns += len + (columns[len] == ',');
    }
}

static void measure(struct table *table, const cJSON *rows)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, rows) {
        for (int i = 0; i < table->count; i++) {
            char *text = cell(row, table->names[i]);
            int len = (int)strlen(text);
            len = len < WIDEST ? len : WIDEST;
            table->widths[i] = len > table->widths[i] ? len : table->widths[i];
            free(text);
        }
    }
}

static void print_cell(const struct table *table, int column, const char *text)
{
    int is_last = column == table->count - 1;
    if (is_last) {
        printf("%s\n", text);
    } else {
        printf("%-*s  ", table->widths[column], text);
    }
}

void table_print(const cJSON *rows, const char *columns)
{
    struct table table = {.count = 0};
    read_columns(&table, columns);
    measure(&table, rows);
    for (int i = 0; i < table.count; i++) {
        print_cell(&table, i, table.names[i]);
    }
    const cJSON *row;
    cJSON_ArrayForEach(row, rows) {
        for (int i = 0; i < table.count; i++) {
            char *text = cell(row, table.names[i]);
            print_cell(&table, i, text);
            free(text);
        }
    }
}

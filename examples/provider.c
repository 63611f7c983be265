/* A provider of your own, outside the library: documents in a sorted array.
 * The tests run happn's provider suite against it.
 *
 *   cc provider.c $(pkg-config --cflags --libs happn) -o provider && ./provider */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "happn/happn.h"

struct item {
    char *path, *data, *modified_by, *tag;
    size_t path_len, data_len, modified_by_len, tag_len;
    int64_t created, modified, rev;
};

struct shelf {
    struct item *items;
    size_t count, room;
    int64_t last_rev;
};

static happn_status out_of_memory(happn_error *error)
{
    error->status = HAPPN_E_MEMORY;
    snprintf(error->message, sizeof error->message, "the example has no memory left");
    return HAPPN_E_MEMORY;
}

static int compare(const struct item *item, happn_text path)
{
    size_t shorter = item->path_len < path.len ? item->path_len : path.len;
    int order = memcmp(item->path, path.ptr != NULL ? path.ptr : "", shorter);
    return order != 0 ? order : (item->path_len > path.len) - (item->path_len < path.len);
}

/* The place of the first path that is not before this one. */
static size_t find(const struct shelf *shelf, happn_text path)
{
    size_t low = 0, high = shelf->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&shelf->items[middle], path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static happn_document document_of(const struct item *item)
{
    return (happn_document){{item->path, item->path_len}, {item->data, item->data_len}, {item->modified_by, item->modified_by_len},
                            {item->tag, item->tag_len},   item->created,                item->modified, item->rev};
}

static void free_item(struct item *item)
{
    free(item->path);
    free(item->data);
    free(item->modified_by);
    free(item->tag);
}

static char *copy(happn_text text)
{
    char *out = text.ptr != NULL ? malloc(text.len + 1) : NULL;
    if (out != NULL) {
        memcpy(out, text.ptr, text.len);
    }
    return out;
}

static happn_status shelf_open(const char *settings, size_t len, void *host, void **store, happn_error *error)
{
    (void)settings, (void)len, (void)host;
    *store = calloc(1, sizeof(struct shelf));
    return *store != NULL ? HAPPN_OK : out_of_memory(error);
}

static happn_status shelf_read(void *store, happn_text path, happn_document *document, happn_error *error)
{
    (void)error;
    struct shelf *shelf = store;
    size_t at = find(shelf, path);
    if (at < shelf->count && compare(&shelf->items[at], path) == 0) {
        *document = document_of(&shelf->items[at]);
    }
    return HAPPN_OK;
}

static int make_room(struct shelf *shelf, size_t at)
{
    if (shelf->count == shelf->room) {
        size_t room = shelf->room == 0 ? 64 : shelf->room * 2;
        struct item *items = realloc(shelf->items, room * sizeof *items);
        if (items == NULL) {
            return 0;
        }
        shelf->items = items;
        shelf->room = room;
    }
    memmove(&shelf->items[at + 1], &shelf->items[at], (shelf->count - at) * sizeof *shelf->items);
    shelf->count++;
    return 1;
}

static happn_status shelf_write(void *store, const happn_document *document, happn_error *error)
{
    struct shelf *shelf = store;
    struct item item = {copy(document->path), copy(document->data), copy(document->modified_by), copy(document->tag),
                        document->path.len,   document->data.len,   document->modified_by.len,   document->tag.len,
                        document->created,    document->modified,   document->rev};
    size_t at = find(shelf, document->path);
    int is_there = at < shelf->count && compare(&shelf->items[at], document->path) == 0;
    if (item.path == NULL || item.data == NULL || (!is_there && !make_room(shelf, at))) {
        free_item(&item);
        return out_of_memory(error);
    }
    if (is_there) {
        free_item(&shelf->items[at]); /* what was read of it may have been used until here */
    }
    shelf->items[at] = item;
    shelf->last_rev = document->rev > shelf->last_rev ? document->rev : shelf->last_rev;
    return HAPPN_OK;
}

static happn_status shelf_erase(void *store, happn_text path, happn_error *error)
{
    (void)error;
    struct shelf *shelf = store;
    size_t at = find(shelf, path);
    if (at < shelf->count && compare(&shelf->items[at], path) == 0) {
        free_item(&shelf->items[at]);
        memmove(&shelf->items[at], &shelf->items[at + 1], (--shelf->count - at) * sizeof *shelf->items);
    }
    return HAPPN_OK;
}

static happn_status shelf_walk(void *store, happn_text from, happn_visit_fn visit, void *arg, happn_error *error)
{
    (void)error;
    struct shelf *shelf = store;
    for (size_t at = find(shelf, from); at < shelf->count; at++) {
        happn_document document = document_of(&shelf->items[at]);
        if (!visit(&document, arg)) {
            break;
        }
    }
    return HAPPN_OK;
}

static happn_status shelf_last_rev(void *store, int64_t *rev, happn_error *error)
{
    (void)error;
    *rev = ((struct shelf *)store)->last_rev;
    return HAPPN_OK;
}

static void shelf_close(void *store)
{
    struct shelf *shelf = store;
    for (size_t at = 0; at < shelf->count; at++) {
        free_item(&shelf->items[at]);
    }
    free(shelf->items);
    free(shelf);
}

const happn_provider_ops example_provider = {
    sizeof example_provider, shelf_open, shelf_read, shelf_write, shelf_erase, shelf_walk, shelf_last_rev, NULL, NULL, shelf_close};

#ifndef WITHOUT_MAIN
static void on_get(const happn_result *result, void *arg)
{
    printf("got %.*s\n", (int)result->data_len, result->data);
    *(int *)arg = 1;
}

int main(void)
{
    static const char config[] = "{\"deferListen\":true,\"utils\":{\"logLevel\":\"off\"},\"services\":{\"data\":{\"config\":{\"datastores\":["
                                 "{\"name\":\"mine\",\"provider\":\"example\"}]}}}}";
    happn_runtime *runtime;
    happn_service *service;
    happn_client *client;
    happn_error error;
    int done = 0;
    if (happn_runtime_open(HAPPN_RUNTIME_STEPPED, &runtime) != HAPPN_OK ||
        happn_service_new(runtime, config, strlen(config), NULL, &service, &error) != HAPPN_OK ||
        happn_service_add_provider(service, "example", &example_provider, NULL, &error) != HAPPN_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    happn_service_start(service, NULL, NULL);
    happn_runtime_step(runtime, 1);
    if (happn_client_open(service, NULL, NULL, &client) != HAPPN_OK ||
        happn_client_set(client, "/kept/by/me", "{\"x\":1}", 7, NULL, NULL, NULL) != HAPPN_OK ||
        happn_client_get(client, "/kept/by/me", NULL, on_get, &done) != HAPPN_OK) {
        return 1;
    }
    while (!done) {
        happn_runtime_step(runtime, 1);
    }
    happn_client_close(client, NULL, NULL);
    happn_service_close(service, 0, NULL, NULL);
    happn_runtime_close(runtime);
    return 0;
}
#endif

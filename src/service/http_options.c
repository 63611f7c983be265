/* From the configuration to what the listener needs to know of HTTP. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "json/scan.h"
#include "service/service.h"

static happn_status no_memory(happn_error *error)
{
    return error_set(error, HAPPN_E_MEMORY, "%s", happn_status_text(HAPPN_E_MEMORY));
}

static happn_status read_cors(const struct config *config, struct cors_options *out, happn_error *error)
{
    static struct str usual[] = {STR_LIT("GET"), STR_LIT("HEAD"), STR_LIT("POST"), STR_LIT("PUT"), STR_LIT("PATCH"), STR_LIT("DELETE")};
    bool has_methods = config->cors_methods.count != 0;
    *out = (struct cors_options){.origins = config->cors_origins.items, .origin_count = config->cors_origins.count,
                                 .methods = has_methods ? config->cors_methods.items : usual,
                                 .method_count = has_methods ? config->cors_methods.count : sizeof usual / sizeof usual[0],
                                 .headers = config->cors_headers.items, .header_count = config->cors_headers.count,
                                 .allows_credentials = config->cors_credentials, .max_age = config->cors_max_age};
    for (size_t i = 0; i < out->origin_count && out->allows_credentials; i++) {
        if (str_is(out->origins[i], "*")) {
            return error_set(error, HAPPN_E_CONFIG, "services.connect.config.cors: cookies cannot be allowed for the pages of all sites (*): name the origins");
        }
    }
    return HAPPN_OK;
}

static happn_status read_folder(struct config *config, struct str item, struct static_folder *out, happn_error *error)
{
    struct str mount = json_string(&config->arena, json_get(item, "mount")), folder = json_string(&config->arena, json_get(item, "folder"));
    if (!str_is_set(mount) || !str_starts(mount, STR_LIT("/")) || folder.len == 0) {
        return error_set(error, HAPPN_E_CONFIG, "services.connect.config.static: an entry is {\"mount\": \"/app\", \"folder\": \"public\"}");
    }
    struct stat found;
    out->mount = mount.len > 1 && str_ends(mount, STR_LIT("/")) ? str_make(mount.ptr, mount.len - 1) : mount;
    if (config_file_name(config, folder, &out->folder) != HAPPN_OK) {
        return no_memory(error);
    }
    bool is_folder = stat(out->folder.ptr, &found) == 0 && S_ISDIR(found.st_mode);
    return is_folder ? HAPPN_OK : error_set(error, HAPPN_E_CONFIG, "services.connect.config.static: there is no folder %.300s", out->folder.ptr);
}

static happn_status read_folders(struct config *config, struct listener_options *out, happn_error *error)
{
    if (config->folders.len == 0) {
        return HAPPN_OK;
    }
    if (json_type_of(config->folders) != JSON_ARRAY) {
        return error_set(error, HAPPN_E_CONFIG, "services.connect.config.static must be a list");
    }
    size_t count = 0;
    for (struct json_iter it = json_iter(config->folders); json_next(&it);) {
        count++;
    }
    out->folders = arena_alloc(&config->arena, (count + 1) * sizeof *out->folders);
    happn_status status = out->folders != NULL ? HAPPN_OK : no_memory(error);
    for (struct json_iter it = json_iter(config->folders); status == HAPPN_OK && json_next(&it);) {
        status = read_folder(config, it.value, &out->folders[out->folder_count++], error);
    }
    return status;
}

happn_status service_http_options(happn_service *service, struct listener_options *out, happn_error *error)
{
    happn_status status = read_cors(&service->config, &out->cors, error);
    return status == HAPPN_OK ? read_folders(&service->config, out, error) : status;
}

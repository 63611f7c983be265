/* Configurations: never a crash, and every refusal says something. */
#include <stdlib.h>

#include "service/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    happn_error error = {0};
    happn_status status = config_parse(&config, NULL, str_make((const char *)data, size), "/base", &error);
    if ((status != HAPPN_OK) != (error.message[0] != '\0') || (status == HAPPN_OK && (config.port < 0 || config.port > 65535))) {
        abort();
    }
    config_fini(&config);
    return 0;
}

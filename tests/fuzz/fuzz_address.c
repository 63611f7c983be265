/* Addresses: each line is one, a network, and a part of X-Forwarded-For. The client is the peer or somebody the header names. */
#include <stdint.h>

#include "security/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct network everybody, network;
    struct address address;
    (void)address_read(text, true, &address);
    (void)address_is_loopback(text);
    if (network_read(text, &network) && !network_has(&network, &network.address)) {
        __builtin_trap();
    }
    struct networks trusted = {&everybody, (size_t)network_read(STR_LIT("::/0"), &everybody)};
    struct str peer = STR_LIT("10.0.0.1"), client = address_of_client(peer, text, &trusted);
    bool is_inside = client.ptr == peer.ptr || (client.ptr >= text.ptr && client.ptr + client.len <= text.ptr + text.len);
    if (!is_inside || !address_read(client, false, &address)) {
        __builtin_trap();
    }
    return 0;
}

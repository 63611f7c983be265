#include "net/peer.h"

#include <stdio.h>
#include <strings.h>

#include "security/address.h"

enum { MOST_HEADER = 4096 };

static bool is_trusted(const struct listener *listener, const char *text, struct network networks[LISTENER_MOST_PROXIES], struct networks *out)
{
    struct address address;
    *out = (struct networks){networks, 0};
    for (size_t i = 0; i < listener->options.proxy_count && i < LISTENER_MOST_PROXIES; i++) {
        out->count += network_read(listener->options.proxies[i], &networks[out->count]);
    }
    return out->count != 0 && address_read(str_of(text), false, &address) && networks_have(out, &address);
}

/* The kernel is asked once for a connection. */
static const char *connected(struct lws *wsi, struct connection *connection)
{
    if (connection->peer[0] == '\0') {
        lws_get_peer_simple(wsi, connection->peer, sizeof connection->peer);
    }
    return connection->peer;
}

void peer_address(const struct listener *listener, struct lws *wsi, struct connection *connection, char out[64])
{
    struct network items[LISTENER_MOST_PROXIES];
    struct networks trusted;
    char forwarded[MOST_HEADER];
    strcpy(out, connected(wsi, connection));
    if (lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) <= 0 || !is_trusted(listener, out, items, &trusted)) {
        return;
    }
    int len = lws_hdr_copy(wsi, forwarded, sizeof forwarded, WSI_TOKEN_X_FORWARDED_FOR);
    if (len < 0) {
        snprintf(out, 64, "unknown");
        return;
    }
    char name[64];
    struct str client = address_of_client(str_of(out), str_make(forwarded, (size_t)len), &trusted);
    snprintf(name, sizeof name, "%.*s", (int)client.len, client.ptr);
    snprintf(out, 64, "%s", name);
}

bool peer_is_encrypted(const struct listener *listener, struct lws *wsi, struct connection *connection)
{
    static const char header[] = "x-forwarded-proto:";
    struct network items[LISTENER_MOST_PROXIES];
    struct networks trusted;
    char protocol[16];
    if (lws_is_ssl(wsi) || listener->options.proxy_count == 0) {
        return lws_is_ssl(wsi) != 0;
    }
    int len = lws_hdr_custom_copy(wsi, protocol, sizeof protocol, header, sizeof header - 1);
    return len > 0 && is_trusted(listener, connected(wsi, connection), items, &trusted) && (strcasecmp(protocol, "https") == 0 || strcasecmp(protocol, "wss") == 0);
}

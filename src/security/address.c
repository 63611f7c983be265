#include "security/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "json/scan.h"

enum { MOST_TEXT = 63, MOST_HOPS = 32, IPV4_BITS = 96 };

static const unsigned char ipv4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool read_plain(struct str text, struct address *out)
{
    char copy[MOST_TEXT + 1];
    if (text.len == 0 || text.len > MOST_TEXT || str_has(text, '\0')) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, out->bytes + sizeof ipv4_prefix) == 1) {
        memcpy(out->bytes, ipv4_prefix, sizeof ipv4_prefix);
        return true;
    }
    char *zone = strchr(copy, '%');
    if (zone != NULL && zone[1] != '\0') {
        *zone = '\0';
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

static bool is_port(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len >= 1 && text.len <= 5;
}

/* "[::1]:8080", "[::1]", "10.0.0.7:8080" lose what is no address; a bare IPv6 address has colons of its own. */
static struct str without_port(struct str text)
{
    if (text.len != 0 && text.ptr[0] == '[') {
        const char *end = memchr(text.ptr, ']', text.len);
        struct str tail = end != NULL ? str_skip(text, (size_t)(end - text.ptr) + 1) : STR_NONE;
        bool fits = end != NULL && (tail.len == 0 || (tail.ptr[0] == ':' && is_port(str_skip(tail, 1))));
        return fits ? str_make(text.ptr + 1, (size_t)(end - text.ptr) - 1) : STR_LIT("");
    }
    const char *colon = text.len != 0 ? memchr(text.ptr, ':', text.len) : NULL;
    size_t len = colon != NULL ? (size_t)(colon - text.ptr) : text.len;
    bool has_port = colon != NULL && memchr(text.ptr, '.', len) != NULL && is_port(str_skip(text, len + 1));
    return has_port ? str_make(text.ptr, len) : text;
}

bool address_read(struct str text, bool with_port, struct address *out)
{
    return read_plain(with_port ? without_port(text) : text, out);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool address_is_loopback(struct str text)
{
    struct address address, one;
    read_plain(STR_LIT("::1"), &one);
    if (!read_plain(text, &address)) {
        return false;
    }
    bool is_127 = memcmp(address.bytes, ipv4_prefix, sizeof ipv4_prefix) == 0 && address.bytes[12] == 127;
    return is_127 || address_equal(&address, &one);
}

/* --- networks */

static bool read_bits(struct str digits, int most, int *out)
{
    *out = 0;
    if (!is_port(digits) || digits.len > 3 || (digits.len > 1 && digits.ptr[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        *out = *out * 10 + (digits.ptr[i] - '0');
    }
    return *out <= most;
}

bool network_read(struct str text, struct network *out)
{
    const char *slash = text.len != 0 ? memchr(text.ptr, '/', text.len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - text.ptr) : text.len;
    out->bits = 128;
    if (!read_plain(str_make(text.ptr, len), &out->address)) {
        return false;
    }
    bool is_ipv4 = !str_has(str_make(text.ptr, len), ':');
    if (slash == NULL) {
        return true;
    }
    int bits;
    bool fits = read_bits(str_skip(text, len + 1), is_ipv4 ? 32 : 128, &bits);
    out->bits = is_ipv4 ? IPV4_BITS + bits : bits;
    return fits;
}

bool network_has(const struct network *network, const struct address *address)
{
    size_t bytes = (size_t)network->bits / 8;
    int rest = network->bits % 8;
    if (memcmp(network->address.bytes, address->bytes, bytes) != 0) {
        return false;
    }
    return rest == 0 || ((network->address.bytes[bytes] ^ address->bytes[bytes]) >> (8 - rest)) == 0;
}

/* The text of a JSON string without escapes, which no address has. */
static struct str plain_text(struct str json)
{
    bool is_plain = json_type_of(json) == JSON_STRING && !str_has(json, '\\');
    return is_plain ? str_make(json.ptr + 1, json.len - 2) : STR_NONE;
}

bool address_list_check(struct str json, struct str *wrong)
{
    struct network network;
    *wrong = json;
    if (json_type_of(json) != JSON_ARRAY) {
        return false;
    }
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        if (!network_read(plain_text(it.value), &network)) {
            *wrong = it.value;
            return false;
        }
    }
    return true;
}

bool address_is_listed(struct str json, struct str text)
{
    struct address address;
    struct network network;
    if (json_type_of(json) != JSON_ARRAY || !read_plain(text, &address)) {
        return false;
    }
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        if (network_read(plain_text(it.value), &network) && network_has(&network, &address)) {
            return true;
        }
    }
    return false;
}

bool networks_read(struct arena *arena, struct str json, struct networks *out, struct str *wrong)
{
    *out = (struct networks){NULL, 0};
    if (!str_is_set(json)) {
        return true;
    }
    if (!address_list_check(json, wrong)) {
        return false;
    }
    size_t count = 0;
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        count++;
    }
    out->items = arena_alloc(arena, (count + 1) * sizeof *out->items);
    if (out->items == NULL) {
        *wrong = STR_NONE;
        return false;
    }
    for (struct json_iter it = json_iter(json); json_next(&it);) {
        network_read(plain_text(it.value), &out->items[out->count++]);
    }
    return true;
}

bool networks_have(const struct networks *networks, const struct address *address)
{
    for (size_t i = 0; i < networks->count; i++) {
        if (network_has(&networks->items[i], address)) {
            return true;
        }
    }
    return false;
}

/* --- proxies */

static struct str trim(struct str text)
{
    while (text.len != 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = str_skip(text, 1);
    }
    while (text.len != 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* The last entry of a list with commas; *rest loses it. */
static struct str take_last(struct str *rest)
{
    const char *comma = rest->len != 0 ? memrchr(rest->ptr, ',', rest->len) : NULL;
    size_t start = comma != NULL ? (size_t)(comma - rest->ptr) + 1 : 0;
    struct str last = str_skip(*rest, start);
    rest->len = comma != NULL ? start - 1 : 0;
    return trim(last);
}

struct str address_of_client(struct str peer, struct str forwarded, const struct networks *trusted)
{
    struct address address;
    struct str client = peer, rest = forwarded;
    for (int hops = 0; hops < MOST_HOPS; hops++) {
        if (!address_read(client, false, &address) || !networks_have(trusted, &address) || rest.len == 0) {
            break;
        }
        struct str before = without_port(take_last(&rest));
        if (!read_plain(before, &address)) {
            break; /* what cannot be read came from before the proxy: the proxy is the last that is known */
        }
        client = before;
    }
    return client;
}

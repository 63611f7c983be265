/* Addresses of peers: are they in a list, and which one counts behind a proxy. IPv4 and ::ffff:IPv4 are the same address. */
#ifndef HAPPN_SECURITY_ADDRESS_H
#define HAPPN_SECURITY_ADDRESS_H

#include "base/arena.h"
#include "base/str.h"

/* Sixteen bytes of IPv6; IPv4 stands behind ::ffff: in it. */
struct address {
    unsigned char bytes[16];
};

/* "10.0.0.7", "::1", "fe80::1%eth0"; with_port: also "10.0.0.7:8080" and "[::1]:8080". False: it is none. */
bool address_read(struct str text, bool with_port, struct address *out);
bool address_equal(const struct address *a, const struct address *b);
bool address_is_loopback(struct str text);

/* An address, or a network such as "10.0.0.0/8" or "fd00::/8". */
struct network {
    struct address address;
    int bits; /* of 128 */
};
bool network_read(struct str text, struct network *out);
bool network_has(const struct network *network, const struct address *address);

/* A JSON list of addresses and networks, compiled. */
struct networks {
    struct network *items;
    size_t count;
};

/* False: wrong is the item that is none (or the list itself), or memory is out and wrong is not set. json not set: an empty list. */
bool networks_read(struct arena *arena, struct str json, struct networks *out, struct str *wrong);
bool networks_have(const struct networks *networks, const struct address *address);

/* The same on the JSON text, for lists that are asked seldom. */
bool address_list_check(struct str json, struct str *wrong);
bool address_is_listed(struct str json, struct str address);

/* Whose request this is. Only what a trusted proxy says of those before it is believed: from the right of X-Forwarded-For, the first that is no
 * trusted proxy itself. peer: who is connected; forwarded: the header, or not set. Points into one of the two. */
struct str address_of_client(struct str peer, struct str forwarded, const struct networks *trusted);

#endif

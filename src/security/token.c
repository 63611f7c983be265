#include "security/token.h"

#include "base/utf8.h"
#include "json/scan.h"
#include "json/write.h"
#include "security/crypto.h"
#include "security/jsonpack.h"

static void add_member(struct buf *out, const char *name, struct str text)
{
    if (str_is_set(text)) {
        buf_add_format(out, ",\"%s\":", name);
        json_add_string(out, text);
    }
}

int64_t token_expiry(const struct token *token)
{
    int64_t a = token->policy[0].ttl, b = token->policy[1].ttl;
    return a == 0 || b == 0 ? 0 : token->issued + (a > b ? a : b);
}

static void add_claims(const struct token *token, struct buf *out)
{
    buf_add_lit(out, "{\"jti\":");
    json_add_string(out, token->id);
    add_member(out, "sub", token->username);
    add_member(out, "uid", token->userid);
    add_member(out, "iss", token->origin);
    buf_add_format(out, ",\"iat\":%lld", (long long)(token->issued / 1000));
    if (token_expiry(token) != 0) {
        buf_add_format(out, ",\"exp\":%lld", (long long)((token_expiry(token) + 999) / 1000));
    }
    buf_add_format(out, ",\"ms\":%lld,\"typ\":%d,\"policy\":{\"0\":", (long long)token->issued, token->type);
    policy_add(out, &token->policy[0]);
    buf_add_lit(out, ",\"1\":");
    policy_add(out, &token->policy[1]);
    buf_add_lit(out, "},\"profiles\":[");
    json_add_string(out, token->profiles[0]);
    buf_add_char(out, ',');
    json_add_string(out, token->profiles[1]);
    buf_add_lit(out, "]}");
}

bool token_write(const struct token *token, const struct token_secret *secret, struct buf *out)
{
    struct buf text;
    buf_init(&text, out->allocator, TOKEN_MOST);
    buf_add_format(&text, "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"%s\"}", secret->id);
    size_t start = out->len, header = text.len;
    add_claims(token, &text);
    crypto_add_base64url(out, str_make(text.ptr, header));
    buf_add_char(out, '.');
    crypto_add_base64url(out, str_skip(buf_str(&text), header));
    unsigned char mac[SHA256_BYTES];
    bool fits = text.status == HAPPN_OK && out->status == HAPPN_OK &&
                crypto_hmac_sha256(secret->key, str_make(out->ptr + start, out->len - start), mac);
    buf_add_char(out, '.');
    crypto_add_base64url(out, str_make((char *)mac, sizeof mac));
    buf_fini(&text);
    return fits && out->status == HAPPN_OK && out->len - start <= TOKEN_MOST; /* else nobody would read it */
}

static bool is_json(struct str text, enum json_type type)
{
    return utf8_is_valid(text) && json_check(text, NULL) == HAPPN_OK && json_type_of(text) == type;
}

/* A token that names its key is good for that one only; those of happn-3 name none. */
static bool is_meant(struct arena *arena, const struct token_secret *secret, struct str header)
{
    struct str id = json_get(header, "kid");
    return secret->key.len != 0 && (!str_is_set(id) || str_is(json_string(arena, id), secret->id));
}

/* Three parts; of them only the header is looked at before the signature fits. */
struct parts {
    struct str header, claims, mac;
    struct str text; /* what is signed */
};

static bool split(struct arena *arena, struct str text, struct parts *out)
{
    const char *first = memchr(text.ptr, '.', text.len);
    const char *last = memrchr(text.ptr, '.', text.len);
    if (first == NULL || first == last) {
        return false;
    }
    out->text = str_make(text.ptr, (size_t)(last - text.ptr));
    out->header = crypto_base64url_decode(arena, str_make(text.ptr, (size_t)(first - text.ptr)));
    out->claims = crypto_base64url_decode(arena, str_make(first + 1, (size_t)(last - first - 1)));
    out->mac = crypto_base64url_decode(arena, str_make(last + 1, (size_t)(text.ptr + text.len - last - 1)));
    return str_is_set(out->header) && str_is_set(out->claims) && out->mac.len == SHA256_BYTES;
}

static bool is_signed(struct arena *arena, const struct parts *parts, const struct token_secret *secrets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char expected[SHA256_BYTES];
        if (is_meant(arena, &secrets[i], parts->header) && crypto_hmac_sha256(secrets[i].key, parts->text, expected) &&
            crypto_equal(str_make((char *)expected, sizeof expected), parts->mac)) {
            return true;
        }
    }
    return false;
}

/* No policy is no token, rather than one without limits. */
static bool read_policies(struct str json, struct token *out)
{
    struct str stateless = json_get(json, "0"), stateful = json_get(json, "1");
    out->policy[0] = policy_of(stateless);
    out->policy[1] = policy_of(stateful);
    return json_type_of(stateless) == JSON_OBJECT && json_type_of(stateful) == JSON_OBJECT && out->policy[0].ttl >= 0 &&
           out->policy[1].ttl >= 0 && out->policy[0].inactivity >= 0 && out->policy[1].inactivity >= 0;
}

static bool read_claims(struct arena *arena, struct str claims, struct token *out)
{
    *out = (struct token){.id = json_string(arena, json_get(claims, "jti")),
                          .username = json_string(arena, json_get(claims, "sub")),
                          .userid = json_string(arena, json_get(claims, "uid")),
                          .origin = json_string(arena, json_get(claims, "iss")),
                          .issued = json_int(json_get(claims, "ms"), 0),
                          .type = (int)json_int(json_get(claims, "typ"), -1)};
    bool is_whole = read_policies(json_get(claims, "policy"), out);
    struct str profiles = json_get(claims, "profiles");
    size_t i = 0;
    for (struct json_iter it = json_iter(profiles); json_type_of(profiles) == JSON_ARRAY && i < 2 && json_next(&it);) {
        out->profiles[i++] = json_string(arena, it.value);
    }
    bool is_type = out->type == SESSION_STATELESS || out->type == SESSION_STATEFUL;
    return is_whole && is_type && i == 2 && out->id.len != 0 && out->username.len != 0 && out->issued > 0;
}

/* Those of 6 have type 0 always and open any session. */
static bool read_original(struct arena *arena, struct str claims, struct token *out)
{
    struct buf text;
    buf_init(&text, arena->allocator, 4 * TOKEN_MOST);
    struct str packed = json_string(arena, claims);
    bool fits = packed.ptr != NULL && jsonpack_read(packed, &text) && is_json(buf_str(&text), JSON_OBJECT);
    struct str json = fits ? arena_str(arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    if (json.ptr == NULL) {
        return false;
    }
    *out = (struct token){.username = json_string(arena, json_get(json, "username")),
                          .userid = json_string(arena, json_get(json, "userid")),
                          .origin = json_string(arena, json_get(json, "origin")),
                          .profiles = {STR_LIT("original"), STR_LIT("original")},
                          .issued = json_int(json_get(json, "timestamp"), 0),
                          .type = -1,
                          .is_original = true};
    struct str parent = json_string(arena, json_get(json, "parentId"));
    out->id = str_is_set(parent) ? parent : json_string(arena, json_get(json, "id"));
    return read_policies(json_get(json, "policy"), out) && out->id.len != 0 && out->username.len != 0 && out->issued > 0;
}

bool token_read(struct arena *arena, struct str text, const struct token_secret *secrets, size_t count, struct token *out)
{
    struct parts parts;
    if (text.len == 0 || text.len > TOKEN_MOST || !split(arena, text, &parts) || !is_json(parts.header, JSON_OBJECT) ||
        !str_is(json_string(arena, json_get(parts.header, "alg")), "HS256") || !is_signed(arena, &parts, secrets, count)) {
        return false;
    }
    if (is_json(parts.claims, JSON_OBJECT)) {
        return read_claims(arena, parts.claims, out);
    }
    return is_json(parts.claims, JSON_STRING) && read_original(arena, parts.claims, out);
}

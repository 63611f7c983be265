#include "security/password.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/id.h"
#include "security/crypto.h"

enum { SALT_HEX = 128, KEY_BYTES = 64, KEY_HEX = 128, MOST_SALT = 256 };

bool password_hash(struct str password, int iterations, char out[PASSWORD_STORED])
{
    unsigned char random[SALT_HEX / 2], key[KEY_BYTES];
    char salt[SALT_HEX + 1], hex[KEY_HEX + 1];
    id_random(random, sizeof random);
    hex_write(salt, random, sizeof random);
    if (!crypto_pbkdf2("sha512", password, str_make((char *)random, sizeof random), iterations, key, sizeof key)) {
        return false;
    }
    hex_write(hex, key, sizeof key);
    OPENSSL_cleanse(key, sizeof key);
    snprintf(out, PASSWORD_STORED, "pbkdf2$%d$%s$%s$sha512", iterations, hex, salt);
    return true;
}

void password_dummy(int iterations, char out[PASSWORD_STORED])
{
    unsigned char random[KEY_BYTES];
    char key[KEY_HEX + 1], salt[SALT_HEX + 1];
    id_random(random, sizeof random);
    hex_write(key, random, sizeof random);
    id_random(random, sizeof random);
    hex_write(salt, random, sizeof random);
    snprintf(out, PASSWORD_STORED, "pbkdf2$%d$%s$%s$sha512", iterations, key, salt);
}

/* 0: these are no hexadecimal digits, or too many. */
static size_t read_hex(struct str text, unsigned char out[MOST_SALT])
{
    for (size_t i = 0; i < text.len; i++) {
        int digit = text.len <= 2 * MOST_SALT ? hex_value(text.ptr[i]) : -1;
        if (digit < 0) {
            return 0;
        }
        out[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return text.len % 2 == 0 ? text.len / 2 : 0;
}

struct stored {
    struct str fields[5];
    size_t count;
};

static struct stored split(struct str text)
{
    struct stored stored = {.count = 0};
    while (stored.count < 5) {
        const char *end = text.len != 0 ? memchr(text.ptr, '$', text.len) : NULL;
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        stored.fields[stored.count++] = str_make(text.ptr, len);
        if (end == NULL) {
            return stored;
        }
        text = str_skip(text, len + 1);
    }
    stored.count = 6; /* something follows the fifth */
    return stored;
}

static int read_iterations(struct str text)
{
    long number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || number > PASSWORD_MOST_ITERATIONS) {
            return 0;
        }
        number = number * 10 + (text.ptr[i] - '0');
    }
    return number <= PASSWORD_MOST_ITERATIONS ? (int)number : 0;
}

bool password_fits(struct str password, struct str text, int iterations, bool *is_weak)
{
    struct stored stored = split(text);
    *is_weak = false;
    int rounds = stored.count == 4 || stored.count == 5 ? read_iterations(stored.fields[1]) : 0;
    struct str digest = stored.count == 5 ? stored.fields[4] : STR_LIT("sha1");
    size_t bytes = stored.count >= 3 ? stored.fields[2].len / 2 : 0;
    unsigned char salt[MOST_SALT];
    size_t salt_len = rounds > 0 ? read_hex(stored.fields[3], salt) : 0;
    bool readable = salt_len != 0 && str_is(stored.fields[0], "pbkdf2") && bytes >= 16 && bytes <= KEY_BYTES * 2 &&
                    (str_is(digest, "sha512") || str_is(digest, "sha1")) && password.len <= PASSWORD_MOST;
    unsigned char key[KEY_BYTES * 2];
    char hex[KEY_HEX * 2 + 1];
    if (!readable) {
        (void)!crypto_pbkdf2("sha512", password, STR_LIT("nothing"), iterations, key, KEY_BYTES);
        return false;
    }
    bool is_old = str_is(digest, "sha1");
    if (!crypto_pbkdf2(is_old ? "sha1" : "sha512", password, str_make((char *)salt, salt_len), rounds, key, bytes)) {
        return false;
    }
    hex_write(hex, key, bytes);
    bool fits = crypto_equal(str_make(hex, bytes * 2), stored.fields[2]);
    *is_weak = fits && (is_old || rounds < iterations);
    if (!fits && rounds < iterations) { /* as long as for a name that does not exist */
        (void)!crypto_pbkdf2("sha512", password, STR_LIT("nothing"), iterations - rounds, key, KEY_BYTES);
    }
    OPENSSL_cleanse(key, sizeof key);
    return fits;
}

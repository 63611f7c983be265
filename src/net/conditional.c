#include "net/conditional.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

/* -- dates: with tables of our own, as strftime would speak the host's language */

static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void http_date_write(int64_t seconds, char out[HTTP_DATE_SIZE])
{
    struct tm tm;
    time_t when = (time_t)seconds;
    if (gmtime_r(&when, &tm) == NULL) {
        out[0] = '\0';
        return;
    }
    snprintf(out, HTTP_DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
             (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int month_of(const char name[4])
{
    for (int i = 0; i < 12; i++) {
        if (strncmp(months + 3 * i, name, 3) == 0) {
            return i;
        }
    }
    return -1;
}

bool http_date_read(struct str text, int64_t *out)
{
    char copy[HTTP_DATE_SIZE], month[4];
    struct tm tm = {0};
    int end = 0;
    if (text.len != 29) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (sscanf(copy + 3, ", %2d %3s %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 || end != 26) {
        return false;
    }
    tm.tm_mon = month_of(month);
    tm.tm_year -= 1900;
    bool is_date = tm.tm_mon >= 0 && tm.tm_mday >= 1 && tm.tm_mday <= 31 && tm.tm_hour <= 23 && tm.tm_min <= 59 && tm.tm_sec <= 60;
    *out = is_date ? (int64_t)timegm(&tm) : 0;
    return is_date;
}

/* -- tags */

static struct str trimmed(struct str text)
{
    while (text.len != 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = str_skip(text, 1);
    }
    while (text.len != 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* "a", W/"b", or *: what somebody on the way made weak is the same to a browser. */
static bool list_has(struct str list, const char *tag)
{
    while (list.len != 0) {
        struct str item = trimmed(str_take(&list, ',')); /* no tag of ours has a comma */
        item = str_starts(item, STR_LIT("W/")) ? str_skip(item, 2) : item;
        if (str_is(item, "*") || str_is(item, tag)) {
            return true;
        }
    }
    return false;
}

static bool is_known(const struct conditions *conditions, const struct file_facts *facts)
{
    int64_t since;
    if (str_is_set(conditions->none_match)) {
        return list_has(conditions->none_match, facts->tag);
    }
    return str_is_set(conditions->modified_since) && http_date_read(conditions->modified_since, &since) && facts->modified <= since;
}

/* -- ranges */

static bool take_number(struct str *text, uint64_t *out)
{
    size_t digits = 0;
    *out = 0;
    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9') {
        uint64_t digit = (uint64_t)(text->ptr[digits++] - '0');
        *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
    }
    *text = str_skip(*text, digits);
    return digits != 0;
}

enum found { NO_RANGE, RANGE, BEYOND };

/* "5-9", "5-", "-5". */
static enum found read_range(struct str text, uint64_t size, struct file_range *out)
{
    uint64_t first, last = UINT64_MAX;
    bool has_first = take_number(&text, &first);
    if (!str_starts(text, STR_LIT("-"))) {
        return NO_RANGE;
    }
    text = str_skip(text, 1);
    bool has_last = take_number(&text, &last);
    if (text.len != 0 || (!has_first && !has_last) || (has_first && has_last && last < first)) {
        return NO_RANGE;
    }
    if (!has_first) { /* so many of the last bytes */
        *out = (struct file_range){last < size ? size - last : 0, size};
        return last != 0 && size != 0 ? RANGE : BEYOND;
    }
    *out = (struct file_range){first, !has_last || last >= size ? size : last + 1};
    return first < size ? RANGE : BEYOND;
}

/* A part of another file than the one that is there now would be of no use. */
static bool is_same_file(struct str if_range, const struct file_facts *facts)
{
    int64_t date;
    return !str_is_set(if_range) || str_is(if_range, facts->tag) || (http_date_read(if_range, &date) && date == facts->modified);
}

int conditional_status(const struct conditions *conditions, const struct file_facts *facts, struct file_range *out)
{
    struct str range = conditions->range;
    *out = (struct file_range){0, facts->size};
    if (is_known(conditions, facts)) {
        return 304;
    }
    bool is_bytes = range.len > 6 && strncasecmp(range.ptr, "bytes=", 6) == 0;
    if (!is_bytes || memchr(range.ptr, ',', range.len) != NULL || !is_same_file(trimmed(conditions->if_range), facts)) {
        return 200;
    }
    struct file_range part = *out;
    enum found found = read_range(trimmed(str_skip(range, 6)), facts->size, &part);
    *out = found == RANGE ? part : *out;
    return found == NO_RANGE ? 200 : found == RANGE ? 206 : 416;
}

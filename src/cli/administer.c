#include "cli/administer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/http_client.h"
#include "happn/security.h"

struct administer {
    /* a running server */
    struct http_target target;
    char *token;
    /* a stopped one */
    happn_runtime *runtime;
    happn_service *service;
    bool is_ready, is_failed, is_closed;
    cJSON *result;
};

/* --- passwords */

static char *read_hidden(const char *prompt)
{
    FILE *terminal = fopen("/dev/tty", "r+");
    if (terminal == NULL) {
        return NULL;
    }
    struct termios before, hidden;
    bool is_terminal = tcgetattr(fileno(terminal), &before) == 0;
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(terminal, "%s: ", prompt);
    fflush(terminal);
    if (is_terminal) {
        tcsetattr(fileno(terminal), TCSAFLUSH, &hidden);
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t len = getline(&line, &room, terminal);
    if (is_terminal) {
        tcsetattr(fileno(terminal), TCSAFLUSH, &before);
    }
    fprintf(terminal, "\n");
    fclose(terminal);
    if (len <= 1) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

char *administer_ask_password(const char *prompt, bool twice)
{
    char *first = read_hidden(prompt);
    char *second = first != NULL && twice ? read_hidden("again") : NULL;
    if (first != NULL && twice && (second == NULL || strcmp(first, second) != 0)) {
        fprintf(stderr, "happn: the two passwords differ\n");
        free(first);
        first = NULL;
    }
    free(second);
    return first;
}

/* --- a running server */

static cJSON *post(struct administer *self, const char *path, const char *json, int *status)
{
    char why[300];
    char *text = http_post(&self->target, path, self->token, json, status, why);
    if (text == NULL) {
        fprintf(stderr, "happn: %s\n", why);
        return NULL;
    }
    cJSON *answer = cJSON_Parse(text);
    if (answer == NULL && *status == 404) {
        fprintf(stderr, "happn: this server is not secured, it has no users (\"secure\": true in its configuration)\n");
    } else if (answer == NULL) {
        fprintf(stderr, "happn: the server answered %d: %.300s\n", *status, text);
    }
    free(text);
    return answer;
}

static const char *error_text(const cJSON *answer)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(answer, "error");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "message"));
    return text != NULL ? text : "the server refused";
}

static char *password_of(const struct administer_options *options)
{
    const char *known = options->password != NULL ? options->password : getenv("HAPPN_PASSWORD");
    char prompt[200];
    snprintf(prompt, sizeof prompt, "password of %.100s", options->username);
    char *password = known != NULL ? strdup(known) : administer_ask_password(prompt, false);
    if (password == NULL) {
        fprintf(stderr, "happn: no password: use a terminal, HAPPN_PASSWORD, --password-file or --token\n");
    }
    return password;
}

static bool log_in(struct administer *self, const struct administer_options *options)
{
    char *password = password_of(options);
    if (password == NULL) {
        return false;
    }
    cJSON *credentials = cJSON_CreateObject();
    cJSON_AddStringToObject(credentials, "username", options->username);
    cJSON_AddStringToObject(credentials, "password", password);
    char *json = cJSON_PrintUnformatted(credentials);
    int status = 0;
    cJSON *answer = post(self, "/auth/login", json, &status);
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "data"));
    if (answer != NULL && token == NULL) {
        fprintf(stderr, "happn: cannot log in as %s: %s\n", options->username, error_text(answer));
    }
    self->token = token != NULL ? strdup(token) : NULL;
    cJSON_Delete(answer);
    cJSON_Delete(credentials);
    cJSON_free(json);
    free(password);
    return self->token != NULL;
}

static bool open_remote(struct administer *self, const struct administer_options *options)
{
    if (!http_read_url(options->url, &self->target)) {
        fprintf(stderr, "happn: %s is no address of a server: http://HOST:PORT or https://HOST:PORT\n", options->url);
        return false;
    }
    self->target.ca = options->ca;
    self->target.is_insecure = options->is_insecure;
    if (options->token != NULL) {
        self->token = strdup(options->token);
        return true;
    }
    return log_in(self, options);
}

/* --- the database of a stopped server */

static void started(happn_status status, const happn_error *error, void *arg)
{
    struct administer *self = arg;
    self->is_ready = true;
    self->is_failed = status != HAPPN_OK;
    if (self->is_failed) {
        fprintf(stderr, "happn: %s\n", error->message);
    }
}

static bool open_stopped(struct administer *self, const struct administer_options *options)
{
    happn_error error = {.status = HAPPN_OK};
    static const char config[] = "{\"secure\":true,\"deferListen\":true,\"utils\":{\"logLevel\":\"error\"}}";
    cJSON *file = cJSON_CreateString(options->file);
    char *json = cJSON_PrintUnformatted(file);
    bool opened = happn_runtime_open(HAPPN_RUNTIME_STEPPED, &self->runtime) == HAPPN_OK &&
                  happn_service_new(self->runtime, config, sizeof config - 1, NULL, &self->service, &error) == HAPPN_OK &&
                  happn_service_set(self->service, "services.data.config.filename", json, &error) == HAPPN_OK;
    cJSON_free(json);
    cJSON_Delete(file);
    if (!opened) {
        fprintf(stderr, "happn: %s\n", error.message);
        return false;
    }
    happn_service_start(self->service, started, self);
    while (!self->is_ready) {
        happn_runtime_step(self->runtime, 1);
    }
    return !self->is_failed;
}

static void answered(const happn_error *error, const char *json, size_t len, void *arg)
{
    struct administer *self = arg;
    self->is_ready = true;
    if (error != NULL) {
        fprintf(stderr, "happn: %s\n", error->message);
    } else {
        self->result = cJSON_ParseWithLength(json, len);
    }
}

static cJSON *call_stopped(struct administer *self, const char *verb, const char *json)
{
    self->is_ready = false;
    self->result = NULL;
    if (happn_security_call(self->service, verb, json, strlen(json), answered, self) != HAPPN_OK) {
        return NULL;
    }
    while (!self->is_ready) {
        happn_runtime_step(self->runtime, 1);
    }
    return self->result;
}

/* --- both */

struct administer *administer_open(const struct administer_options *options)
{
    struct administer *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    if (options->file != NULL && access(options->file, F_OK) != 0) {
        fprintf(stderr, "happn: there is no database %s\n", options->file);
        free(self);
        return NULL;
    }
    bool opened = options->file != NULL ? open_stopped(self, options) : open_remote(self, options);
    if (!opened) {
        administer_close(self);
        return NULL;
    }
    return self;
}

void administer_close(struct administer *administer)
{
    if (administer->runtime != NULL) {
        happn_runtime_close(administer->runtime);
    }
    free(administer->token);
    free(administer);
}

cJSON *administer_call(struct administer *administer, const char *verb, cJSON *args)
{
    char *json = cJSON_PrintUnformatted(args);
    char path[100];
    int status = 0;
    snprintf(path, sizeof path, "/_admin/%s", verb);
    cJSON_Delete(args);
    cJSON *answer = administer->service != NULL ? call_stopped(administer, verb, json) : post(administer, path, json, &status);
    cJSON_free(json);
    if (answer != NULL && administer->service == NULL && status != 200) {
        fprintf(stderr, "happn: %s\n", error_text(answer));
        cJSON_Delete(answer);
        return NULL;
    }
    return answer;
}

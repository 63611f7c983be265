/* happn user, group, permission, session, token: one table of what can be done, and how its answer is shown. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/administer.h"
#include "cli/commands.h"
#include "cli/table.h"

/* What the command line says besides how to reach the server. */
struct asked {
    struct administer_options reach;
    const char *custom_data, *public_key, *group, *user, *reason, *criteria;
    const char *new_password;
    char passwords[2][1100]; /* own, new: read from files */
    bool is_json, no_password;
    char **words; /* behind the verb */
    int count;
};

struct verb {
    const char *noun, *verb, *words; /* words: what follows, for help; a ? marks one that may be left out, a + one that may be repeated */
    int least, most;
    const char *call;                /* of docs/security.md */
    bool (*fill)(cJSON *args, struct asked *asked);
    const char *columns;             /* of the table; NULL: a line that says it is done */
    const char *text;
};

/* --- arguments */

static bool add_json(cJSON *args, const char *name, const char *text)
{
    if (text == NULL) {
        return true;
    }
    cJSON *value = cJSON_Parse(text);
    if (value == NULL) {
        fprintf(stderr, "happn: this is not JSON: %s\n", text);
        return false;
    }
    cJSON_AddItemToObject(args, name, value);
    return true;
}

static char *read_file(const char *name)
{
    static char text[65536];
    FILE *file = fopen(name, "rb");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file == NULL) {
        fprintf(stderr, "happn: cannot read %s\n", name);
        return NULL;
    }
    fclose(file);
    text[len] = '\0';
    return text;
}

static bool fill_name(cJSON *args, struct asked *asked)
{
    cJSON_AddStringToObject(args, "name", asked->count > 0 ? asked->words[0] : "*");
    return add_json(args, "criteria", asked->criteria);
}

static bool fill_username(cJSON *args, struct asked *asked)
{
    cJSON_AddStringToObject(args, "username", asked->words[0]);
    return true;
}

static bool take_password(cJSON *args, struct asked *asked)
{
    if (asked->no_password) {
        return true;
    }
    char *password = asked->new_password != NULL ? strdup(asked->new_password) : administer_ask_password("new password", true);
    if (password == NULL) {
        fprintf(stderr, "happn: no password: use a terminal, --new-password-file, or --public-key with --no-password\n");
        return false;
    }
    cJSON_AddStringToObject(args, "password", password);
    free(password);
    return true;
}

static bool fill_user(cJSON *args, struct asked *asked, bool is_new)
{
    cJSON *user = cJSON_AddObjectToObject(args, "user");
    cJSON_AddStringToObject(user, "username", asked->words[0]);
    if (is_new) {
        cJSON_AddBoolToObject(args, "overwrite", false);
    }
    const char *key = asked->public_key != NULL ? read_file(asked->public_key) : NULL;
    if (asked->public_key != NULL && key == NULL) {
        return false;
    }
    if (key != NULL) {
        cJSON_AddStringToObject(user, "publicKey", key);
    }
    bool wants_password = is_new || asked->new_password != NULL;
    return add_json(user, "custom_data", asked->custom_data) && (!wants_password || take_password(user, asked));
}

static bool fill_new_user(cJSON *args, struct asked *asked)
{
    return fill_user(args, asked, true);
}

static bool fill_changed_user(cJSON *args, struct asked *asked)
{
    return fill_user(args, asked, false);
}

static bool fill_password(cJSON *args, struct asked *asked)
{
    cJSON_AddStringToObject(args, "username", asked->words[0]);
    return take_password(args, asked);
}

static bool fill_group(cJSON *args, struct asked *asked)
{
    cJSON *group = cJSON_AddObjectToObject(args, "group");
    cJSON_AddStringToObject(group, "name", asked->words[0]);
    return add_json(group, "custom_data", asked->custom_data);
}

static bool fill_membership(cJSON *args, struct asked *asked)
{
    cJSON_AddStringToObject(args, "group", asked->words[0]);
    cJSON_AddStringToObject(args, "username", asked->words[1]);
    return true;
}

static bool fill_owner(cJSON *args, struct asked *asked)
{
    if ((asked->group == NULL) == (asked->user == NULL)) {
        fprintf(stderr, "happn: say whose permission it is: --group NAME or --user NAME\n");
        return false;
    }
    cJSON_AddStringToObject(args, asked->group != NULL ? "group" : "username", asked->group != NULL ? asked->group : asked->user);
    return true;
}

static bool fill_permission(cJSON *args, struct asked *asked)
{
    cJSON_AddStringToObject(args, "path", asked->words[0]);
    cJSON_AddStringToObject(args, "action", asked->words[1]);
    return fill_owner(args, asked);
}

static bool fill_prohibition(cJSON *args, struct asked *asked)
{
    cJSON_AddBoolToObject(args, "authorized", false);
    return fill_permission(args, asked);
}

static bool fill_id(cJSON *args, struct asked *asked)
{
    cJSON_AddStringToObject(args, "id", asked->words[0]);
    if (asked->reason != NULL) {
        cJSON_AddStringToObject(args, "reason", asked->reason);
    }
    return true;
}

static bool fill_token(cJSON *args, struct asked *asked)
{
    cJSON_AddStringToObject(args, "token", asked->words[0]);
    if (asked->reason != NULL) {
        cJSON_AddStringToObject(args, "reason", asked->reason);
    }
    return true;
}

static bool fill_criteria(cJSON *args, struct asked *asked)
{
    return add_json(args, "criteria", asked->criteria);
}

static const struct verb verbs[] = {
    {"user", "add", "NAME", 1, 1, "upsertUser", fill_new_user, NULL, "makes a user; asks for its password"},
    {"user", "change", "NAME", 1, 1, "upsertUser", fill_changed_user, NULL, "changes custom data, public key or password of a user"},
    {"user", "list", "PREFIX?", 0, 1, "listUsers", fill_name, "username,userid,custom_data", "lists users"},
    {"user", "show", "NAME", 1, 1, "getUser", fill_username, "*", "shows a user with groups and permissions"},
    {"user", "remove", "NAME", 1, 1, "deleteUser", fill_username, NULL, "removes a user; its sessions end"},
    {"user", "password", "NAME", 1, 1, "resetPassword", fill_password, NULL, "gives a user a new password"},
    {"group", "add", "NAME", 1, 1, "upsertGroup", fill_group, NULL, "makes a group, or changes its custom data"},
    {"group", "list", "PREFIX?", 0, 1, "listGroups", fill_name, "name,permissions,custom_data", "lists groups"},
    {"group", "show", "NAME", 1, 1, "getGroup", fill_name, "*", "shows a group with its permissions"},
    {"group", "remove", "NAME", 1, 1, "deleteGroup", fill_name, NULL, "removes a group"},
    {"group", "link", "GROUP USER", 2, 2, "linkGroup", fill_membership, NULL, "puts a user into a group"},
    {"group", "unlink", "GROUP USER", 2, 2, "unlinkGroup", fill_membership, NULL, "takes a user out of a group"},
    {"permission", "allow", "PATH ACTION+", 2, 20, "upsertPermission", fill_permission, NULL, "allows actions (get set on remove, or *) at a path"},
    {"permission", "prohibit", "PATH ACTION+", 2, 20, "upsertPermission", fill_prohibition, NULL, "prohibits actions at a path, whatever allows them"},
    {"permission", "remove", "PATH ACTION+", 2, 20, "removePermission", fill_permission, NULL, "takes what was allowed or prohibited away"},
    {"permission", "list", "", 0, 0, "listPermissions", fill_owner, "path,action,authorized", "lists the permissions of a group or user"},
    {"session", "list", "", 0, 0, "listActiveSessions", fill_criteria, "id,username,timestamp,lastActivity,uses", "lists who is connected"},
    {"session", "disconnect", "ID", 1, 1, "disconnectSession", fill_id, NULL, "ends a connection; its token stays good"},
    {"session", "revoke", "ID", 1, 1, "revokeSession", fill_id, NULL, "ends a session and its token for good"},
    {"token", "revoke", "TOKEN", 1, 1, "revokeToken", fill_token, NULL, "ends a token and what was opened with it"},
    {"token", "restore", "ID", 1, 1, "restoreToken", fill_id, NULL, "takes a revocation back"},
    {"token", "list", "", 0, 0, "listRevokedTokens", fill_criteria, "id,reason,timestamp,ttl", "lists revoked tokens"},
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static void print_help(const char *noun, FILE *out)
{
    fprintf(out, "usage: happn %s VERB [OPTIONS]\n\n", noun);
    for (int i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].noun, noun) == 0) {
            char left[80];
            snprintf(left, sizeof left, "%s %s", verbs[i].verb, verbs[i].words);
            fprintf(out, "  %-26s %s\n", left, verbs[i].text);
        }
    }
    fprintf(out, "\n"
                 "  --url URL                 the server (default http://127.0.0.1:55000)\n"
                 "  --as NAME                 who logs in (default _ADMIN); the password is asked for\n"
                 "  --password-file FILE      the password of who logs in; also HAPPN_PASSWORD\n"
                 "  --token TOKEN             instead of a login\n"
                 "  --ca FILE, --insecure     whom to trust with https\n"
                 "  --file DB                 the database of a server that is stopped, instead of a server\n"
                 "  --json                    the answer as JSON\n");
    if (strcmp(noun, "user") == 0) {
        fprintf(out, "  --new-password-file FILE  the user's new password\n  --public-key FILE         for digest logins\n"
                     "  --no-password             with --public-key: no logins by password\n");
    }
    if (strcmp(noun, "user") == 0 || strcmp(noun, "group") == 0) {
        fprintf(out, "  --custom-data JSON        kept with it\n");
    }
    if (strcmp(noun, "permission") == 0) {
        fprintf(out, "  --group NAME, --user NAME whose permissions\n");
    }
    if (strcmp(noun, "session") == 0 || strcmp(noun, "token") == 0) {
        fprintf(out, "  --reason TEXT             is kept, and told to the client\n");
    }
    fprintf(out, "  --criteria JSON           only what matches, in lists\n");
}

/* The first line of the file. */
static const char *read_password(const char *name, char out[1100])
{
    char *text = read_file(name);
    if (text == NULL) {
        return NULL;
    }
    text[strcspn(text, "\r\n")] = '\0';
    snprintf(out, 1100, "%s", text);
    return out;
}

/* -1: go on. */
static int read_options(struct asked *asked, const char *noun, int argc, char **argv)
{
    enum { URL = 256, AS, PASSWORD_FILE, TOKEN, CA, INSECURE, FILE_NAME, JSON, NEW_PASSWORD, PUBLIC_KEY, NO_PASSWORD, CUSTOM_DATA, GROUP, USER, REASON,
           CRITERIA, HELP };
    static const struct option options[] = {
        {"url", 1, NULL, URL}, {"as", 1, NULL, AS}, {"password-file", 1, NULL, PASSWORD_FILE}, {"token", 1, NULL, TOKEN}, {"ca", 1, NULL, CA},
        {"insecure", 0, NULL, INSECURE}, {"file", 1, NULL, FILE_NAME}, {"json", 0, NULL, JSON}, {"new-password-file", 1, NULL, NEW_PASSWORD},
        {"public-key", 1, NULL, PUBLIC_KEY}, {"no-password", 0, NULL, NO_PASSWORD}, {"custom-data", 1, NULL, CUSTOM_DATA}, {"group", 1, NULL, GROUP},
        {"user", 1, NULL, USER}, {"reason", 1, NULL, REASON}, {"criteria", 1, NULL, CRITERIA}, {"help", 0, NULL, HELP}, {NULL, 0, NULL, 0}};
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case URL: asked->reach.url = optarg; break;
        case AS: asked->reach.username = optarg; break;
        case PASSWORD_FILE: asked->reach.password = read_password(optarg, asked->passwords[0]); break;
        case TOKEN: asked->reach.token = optarg; break;
        case CA: asked->reach.ca = optarg; break;
        case INSECURE: asked->reach.is_insecure = true; break;
        case FILE_NAME: asked->reach.file = optarg; break;
        case JSON: asked->is_json = true; break;
        case NEW_PASSWORD: asked->new_password = read_password(optarg, asked->passwords[1]); break;
        case PUBLIC_KEY: asked->public_key = optarg; break;
        case NO_PASSWORD: asked->no_password = true; break;
        case CUSTOM_DATA: asked->custom_data = optarg; break;
        case GROUP: asked->group = optarg; break;
        case USER: asked->user = optarg; break;
        case REASON: asked->reason = optarg; break;
        case CRITERIA: asked->criteria = optarg; break;
        case HELP:
        case 'h':
            print_help(noun, stdout);
            return EXIT_DONE;
        default:
            fprintf(stderr, "happn %s: there is no option %s; happn %s --help tells more\n", noun, argv[optind - 1], noun);
            return EXIT_USAGE;
        }
    }
    return -1;
}

static void show(const struct verb *verb, const struct asked *asked, const cJSON *answer)
{
    if (asked->is_json || verb->columns == NULL || strcmp(verb->columns, "*") == 0) {
        bool is_plain = !asked->is_json && verb->columns == NULL;
        char *text = cJSON_Print(answer);
        printf("%s\n", is_plain ? "done" : text);
        cJSON_free(text);
        return;
    }
    table_print(answer, verb->columns);
}

static int carry_out(struct administer *administer, const struct verb *verb, struct asked *asked)
{
    cJSON *args = cJSON_CreateObject();
    if (!verb->fill(args, asked)) {
        cJSON_Delete(args);
        return EXIT_USAGE;
    }
    cJSON *answer = administer_call(administer, verb->call, args);
    if (answer == NULL) {
        return EXIT_FAILED;
    }
    bool is_nothing = cJSON_IsNull(answer);
    if (is_nothing) {
        fprintf(stderr, "happn: there is no %s %s\n", verb->noun, asked->count > 0 ? asked->words[0] : "");
    } else {
        show(verb, asked, answer);
    }
    cJSON_Delete(answer);
    return is_nothing ? EXIT_FAILED : EXIT_DONE;
}

/* A permission's actions are carried out one after another. */
static int run(const struct verb *verb, struct asked *asked)
{
    struct administer *administer = administer_open(&asked->reach);
    if (administer == NULL) {
        return EXIT_FAILED;
    }
    int code = carry_out(administer, verb, asked);
    for (int i = 2; code == EXIT_DONE && verb->most > 2 && i < asked->count; i++) {
        asked->words[1] = asked->words[i];
        code = carry_out(administer, verb, asked);
    }
    administer_close(administer);
    return code;
}

static int command(const char *noun, int argc, char **argv)
{
    struct asked asked = {.reach = {.url = "http://127.0.0.1:55000", .username = "_ADMIN"}};
    int code = read_options(&asked, noun, argc, argv);
    if (code >= 0) {
        return code;
    }
    const char *name = optind < argc ? argv[optind] : "";
    asked.words = argv + optind + 1;
    asked.count = argc - optind - 1;
    for (int i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].noun, noun) != 0 || strcmp(verbs[i].verb, name) != 0) {
            continue;
        }
        if (asked.count < verbs[i].least || asked.count > verbs[i].most) {
            fprintf(stderr, "usage: happn %s %s %s\n", noun, name, verbs[i].words);
            return EXIT_USAGE;
        }
        return run(&verbs[i], &asked);
    }
    print_help(noun, stderr);
    return EXIT_USAGE;
}

int command_user(int argc, char **argv)
{
    return command("user", argc, argv);
}

int command_group(int argc, char **argv)
{
    return command("group", argc, argv);
}

int command_permission(int argc, char **argv)
{
    return command("permission", argc, argv);
}

int command_session(int argc, char **argv)
{
    return command("session", argc, argv);
}

int command_token(int argc, char **argv)
{
    return command("token", argc, argv);
}

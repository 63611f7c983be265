#include "cli/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LATE_MS = 2000 };

/* A folder of somebody else could hold a socket of his. */
static int is_ours(const char *folder)
{
    struct stat info;
    return lstat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == getuid() && (info.st_mode & 077) == 0;
}

int control_path(int port, char *out, size_t size)
{
    char folder[80];
    snprintf(folder, sizeof folder, "/tmp/happn-%u", (unsigned)getuid());
    (void)mkdir(folder, 0700);
    if (!is_ours(folder)) {
        fprintf(stderr, "happn: %s is not a folder of yours alone: no control socket (services.transport.config.control names another)\n", folder);
        return -1;
    }
    snprintf(out, size, "%s/%d.sock", folder, port);
    return 0;
}

static int connect_to(const char *command, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "happn %s: %s: the name is too long\n", command, path);
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    fprintf(stderr, "happn %s: no server of yours listens at %s (%s): --port or --control says which one\n", command, path, strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* It may be at a long reload, or stuck. */
static void say_when_it_is_late(const char *command, int fd)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    if (poll(&answer, 1, LATE_MS) == 0) {
        fprintf(stderr, "happn %s: the server has not answered yet; when it stands still, its log says where\n", command);
    }
}

static char *exchange(const char *command, int fd, const char *line)
{
    char *answer = NULL;
    size_t room = 0;
    FILE *stream = fdopen(fd, "r+");
    if (stream == NULL) {
        close(fd);
        return NULL;
    }
    fprintf(stream, "%s\n", line);
    fflush(stream);
    say_when_it_is_late(command, fd);
    if (getline(&answer, &room, stream) <= 0) {
        free(answer);
        answer = NULL;
    }
    fclose(stream);
    return answer;
}

cJSON *control_ask(const char *command, const char *path, const char *line)
{
    int fd = connect_to(command, path);
    if (fd < 0) {
        return NULL;
    }
    char *text = exchange(command, fd, line);
    cJSON *answer = text != NULL ? cJSON_Parse(text) : NULL;
    free(text);
    if (answer == NULL) {
        fprintf(stderr, "happn %s: the server has not answered\n", command);
        return NULL;
    }
    cJSON *result = cJSON_DetachItemFromObject(answer, "result");
    if (!cJSON_IsTrue(cJSON_GetObjectItem(answer, "ok"))) {
        const char *error = cJSON_GetStringValue(cJSON_GetObjectItem(answer, "error"));
        fprintf(stderr, "happn %s: %s\n", command, error != NULL ? error : "refused");
        cJSON_Delete(result);
        result = NULL;
    } else if (result == NULL) {
        result = cJSON_CreateNull();
    }
    cJSON_Delete(answer);
    return result;
}

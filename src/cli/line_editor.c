/* libedit reads characters through a function of ours, and that is where the repl's loop has its turns. In a line Ctrl-C is a key like others; while a
 * statement runs it is a signal, whose handler writes into a pipe that the repl watches. */

#include "cli/line_editor.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { MOST_HISTORY = 1000, MOST_NAMES = 500, MOST_NAME = 80 };

struct line_editor {
    EditLine *el;
    History *history;
    HistEvent event;
    const char *history_file, *prompt;
    const happn_repl_desk *desk;
    mbstate_t state;
    bool is_editing, is_hidden, is_interrupted;
    int interrupt[2];
    char names[MOST_NAMES][MOST_NAME]; /* that a word may become */
    size_t name_count;
};

static struct line_editor *editor_of(EditLine *el)
{
    struct line_editor *editor = NULL;
    el_get(el, EL_CLIENTDATA, &editor);
    return editor;
}

/* -- characters -- */

static void show_again(struct line_editor *editor)
{
    if (editor->is_hidden) {
        editor->is_hidden = false;
        el_set(editor->el, EL_REFRESH);
    }
}

static int next_byte(struct line_editor *editor, char *out)
{
    while (!editor->desk->wait(editor->desk->repl)) {
        show_again(editor); /* something was written */
    }
    show_again(editor);
    ssize_t len;
    do {
        len = read(STDIN_FILENO, out, 1);
    } while (len < 0 && errno == EINTR);
    return len > 0;
}

static int next_character(EditLine *el, wchar_t *out)
{
    struct line_editor *editor = editor_of(el);
    char byte;
    size_t len = (size_t)-2;
    while (len == (size_t)-2) { /* a part of one */
        if (!next_byte(editor, &byte)) {
            return 0;
        }
        len = mbrtowc(out, &byte, 1, &editor->state);
        if (len == (size_t)-1) { /* none: it is left out */
            memset(&editor->state, 0, sizeof editor->state);
            len = (size_t)-2;
        }
    }
    return 1;
}

static char *prompt_of(EditLine *el)
{
    return (char *)editor_of(el)->prompt;
}

/* -- Ctrl-C -- */

static int interrupt_pipe; /* for the signal's handler, which is given nothing else */

static void on_signal(int number)
{
    int error = errno;
    (void)number;
    ssize_t written = write(interrupt_pipe, "", 1);
    (void)written; /* full: it was told before */
    errno = error;
}

static unsigned char on_key(EditLine *el, int key)
{
    const LineInfo *line = el_line(el);
    (void)key;
    el_cursor(el, (int)(line->lastchar - line->cursor)); /* ^C is shown behind it */
    el_set(el, EL_REFRESH);
    editor_of(el)->is_interrupted = true;
    return CC_EOF;
}

/* libedit's own handler puts the terminal in order before, and the line behind it. */
static unsigned char suspend(EditLine *el, int key)
{
    (void)el, (void)key;
    raise(SIGTSTP);
    return CC_REDISPLAY;
}

/* -- completion -- */

static void take_name(const char *name, size_t len, void *arg)
{
    struct line_editor *editor = arg;
    if (editor->name_count < MOST_NAMES && len < MOST_NAME) {
        snprintf(editor->names[editor->name_count++], MOST_NAME, "%.*s", (int)len, name);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t common_length(const struct line_editor *editor)
{
    size_t len = strlen(editor->names[0]);
    for (size_t i = 1; i < editor->name_count; i++) {
        size_t same = 0;
        while (same < len && editor->names[i][same] == editor->names[0][same]) {
            same++;
        }
        len = same;
    }
    return len;
}

static size_t columns(void)
{
    struct winsize size = {.ws_col = 0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void list_names(const struct line_editor *editor)
{
    size_t widest = 0;
    for (size_t i = 0; i < editor->name_count; i++) {
        size_t len = strlen(editor->names[i]);
        widest = len > widest ? len : widest;
    }
    size_t in_a_row = columns() / (widest + 2);
    in_a_row = in_a_row > 0 ? in_a_row : 1;
    for (size_t i = 0; i < editor->name_count; i++) {
        printf("%s%-*s", i % in_a_row == 0 ? "\n" : "", (int)widest + 2, editor->names[i]);
    }
    printf("\n");
    fflush(stdout);
}

/* The word before the cursor, with its dots. */
static size_t word_length(const char *start, const char *cursor)
{
    const char *p = cursor;
    while (p > start && (strchr("_.:", p[-1]) != NULL || (p[-1] >= '0' && p[-1] <= '9') || (p[-1] >= 'a' && p[-1] <= 'z') || (p[-1] >= 'A' && p[-1] <= 'Z'))) {
        p--;
    }
    return (size_t)(cursor - p);
}

/* Where no word is begun the key is what it is elsewhere: two blanks. */
static unsigned char complete(EditLine *el, int key)
{
    struct line_editor *editor = editor_of(el);
    const LineInfo *line = el_line(el);
    size_t len = word_length(line->buffer, line->cursor);
    (void)key;
    if (len == 0) {
        return el_insertstr(el, "  ") == 0 ? CC_REFRESH : CC_ERROR;
    }
    editor->name_count = 0;
    size_t typed = editor->desk->complete(editor->desk->repl, line->cursor - len, len, take_name, editor);
    if (editor->name_count == 0) {
        return CC_ERROR;
    }
    qsort(editor->names, editor->name_count, MOST_NAME, compare_names);
    size_t common = common_length(editor);
    if (common > typed) {
        char more[MOST_NAME];
        snprintf(more, sizeof more, "%.*s", (int)(common - typed), editor->names[0] + typed);
        return el_insertstr(el, more) == 0 ? CC_REFRESH : CC_ERROR;
    }
    if (editor->name_count > 1) {
        list_names(editor);
        return CC_REDISPLAY;
    }
    return CC_NORM;
}

/* -- lines -- */

static void keep_line(struct line_editor *editor, const char *line)
{
    if (strspn(line, " \t\r\n") != strlen(line)) {
        history(editor->history, &editor->event, H_ENTER, line);
    }
}

/* What is typed before the first line is asked for (a password, while it connects) is not ours, and Ctrl-C ends the program. */
static void take_signal(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

static int read_line(const char *prompt, const happn_repl_desk *desk, const char **line, size_t *len, void *arg)
{
    struct line_editor *editor = arg;
    int count = 0;
    take_signal();
    editor->prompt = prompt;
    editor->desk = desk;
    editor->is_editing = true;
    editor->is_hidden = editor->is_interrupted = false;
    el_set(editor->el, EL_PREP_TERM, 1); /* before the prompt invites keys */
    *line = el_gets(editor->el, &count);
    editor->is_editing = false;
    if (editor->is_interrupted) {
        fputs("^C\n", stdout);
        fflush(stdout);
        return -1;
    }
    if (*line == NULL || count <= 0) {
        fputs("\n", stdout);
        return 0;
    }
    keep_line(editor, *line);
    *len = (size_t)count;
    return 1;
}

void line_editor_write(struct line_editor *editor, const char *text, size_t len)
{
    if (editor->is_editing && !editor->is_hidden) {
        fputs("\r\033[J", stdout); /* the line that is being edited */
        editor->is_hidden = true;
    }
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

/* -- birth and death -- */

static void bind_keys(EditLine *el)
{
    static const char *const keys[][2] = {{"^I", "happn-complete"},        {"^C", "happn-interrupt"},      {"^Z", "happn-suspend"},
                                          {"^R", "em-inc-search-prev"},
                                          {"\\033[3~", "ed-delete-next-char"}, {"\\033[H", "ed-move-to-beg"},  {"\\033[F", "ed-move-to-end"},
                                          {"\\033[1~", "ed-move-to-beg"},  {"\\033[4~", "ed-move-to-end"}, {"\\033[1;5C", "em-next-word"},
                                          {"\\033[1;5D", "ed-prev-word"}};
    el_wset(el, EL_ADDFN, L"happn-complete", L"completes a name", complete); /* el_set would make copies that nobody frees */
    el_wset(el, EL_ADDFN, L"happn-interrupt", L"begins anew", on_key);
    el_wset(el, EL_ADDFN, L"happn-suspend", L"stops the program until it is told to go on", suspend);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        el_set(el, EL_BIND, keys[i][0], keys[i][1], NULL);
    }
}

static void open_history(struct line_editor *editor)
{
    history(editor->history, &editor->event, H_SETSIZE, MOST_HISTORY);
    history(editor->history, &editor->event, H_SETUNIQUE, 1);
    if (editor->history_file != NULL) {
        history(editor->history, &editor->event, H_LOAD, editor->history_file);
    }
    el_set(editor->el, EL_HIST, history, editor->history);
}

static void use_locale(void)
{
    if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1) {
        setlocale(LC_CTYPE, "C.UTF-8");
    }
}

struct line_editor *line_editor_new(const char *history_file)
{
    struct line_editor *editor = calloc(1, sizeof *editor);
    use_locale();
    if (editor == NULL || pipe2(editor->interrupt, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(editor);
        return NULL;
    }
    editor->history_file = history_file;
    editor->el = el_init("happn", stdin, stdout, stderr);
    editor->history = history_init();
    if (editor->el == NULL || editor->history == NULL) {
        line_editor_free(editor);
        return NULL;
    }
    interrupt_pipe = editor->interrupt[1];
    el_set(editor->el, EL_CLIENTDATA, editor);
    el_set(editor->el, EL_PROMPT, prompt_of);
    el_set(editor->el, EL_EDITOR, "emacs");
    el_set(editor->el, EL_SIGNAL, 1);
    el_set(editor->el, EL_GETCFN, next_character);
    el_set(editor->el, EL_SETTY, "-d", "-isig", NULL);
    open_history(editor);
    bind_keys(editor->el);
    el_source(editor->el, NULL);
    return editor;
}

void line_editor_free(struct line_editor *editor)
{
    if (editor == NULL) {
        return;
    }
    if (editor->history != NULL) {
        mode_t before = umask(077);
        if (editor->history_file != NULL) {
            history(editor->history, &editor->event, H_SAVE, editor->history_file);
        }
        umask(before);
        history_end(editor->history);
    }
    if (editor->el != NULL) {
        el_end(editor->el);
    }
    signal(SIGINT, SIG_DFL);
    close(editor->interrupt[0]);
    close(editor->interrupt[1]);
    free(editor);
}

happn_repl_editor line_editor_hooks(struct line_editor *editor)
{
    return (happn_repl_editor){.read_line = read_line, .arg = editor};
}

int line_editor_interrupt(const struct line_editor *editor)
{
    return editor->interrupt[0];
}

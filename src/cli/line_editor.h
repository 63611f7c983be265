/* Lines that a person types at a terminal, for happn repl: editing, history, completion, by libedit. While nobody types, the repl's events go on. */
#ifndef HAPPN_CLI_LINE_EDITOR_H
#define HAPPN_CLI_LINE_EDITOR_H

#include "happn/workshop.h"

struct line_editor;

/* NULL: it cannot be had, and lines are read as they come. history_file may be NULL. */
struct line_editor *line_editor_new(const char *history_file);
/* Writes the history. NULL is fine. */
void line_editor_free(struct line_editor *editor);

/* For the options of happn_repl. */
happn_repl_editor line_editor_hooks(struct line_editor *editor);
/* Becomes readable when the person wants the running statement to end: Ctrl-C. */
int line_editor_interrupt(const struct line_editor *editor);
/* Writes to the terminal, also in the middle of a line: that is shown again below. */
void line_editor_write(struct line_editor *editor, const char *text, size_t len);

#endif

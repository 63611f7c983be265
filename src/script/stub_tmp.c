#include "base/error.h"
#include "script/scripts.h"
happn_status scripts_open(struct core *core, const struct scripts_options *options, struct scripts **out, happn_error *error)
{ (void)core; (void)options; (void)out; return error_set(error, HAPPN_E_UNSUPPORTED, "no lua yet"); }
happn_status scripts_reload(struct scripts *scripts, happn_error *error) { (void)scripts; (void)error; return HAPPN_OK; }
void scripts_close(struct scripts *scripts, void (*closed)(void *arg), void *arg) { (void)scripts; (void)closed; (void)arg; }

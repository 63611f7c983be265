/* happn backup. */
#include "cli/commands.h"
#include "cli/transfer.h"

int command_backup(int argc, char **argv)
{
    struct transfer transfer = {.name = "backup"};
    int code = transfer_options(
        &transfer, argc, argv,
        "usage: happn backup --db DB [OPTIONS] FILE\n"
        "\n"
        "Copies the database as it is at this moment, also while a server writes to it. The copy is a database itself:\n"
        "happn serve --file COPY serves it.\n"
        "\n"
        "  --db DB          the database file\n"
        "  --force          over a file that is there already\n"
        "  --json           the report as JSON\n"
        "  --quiet          no progress, no report");
    if (code >= 0) {
        return code;
    }
    happn_error error = {.status = HAPPN_OK};
    happn_transfer_report report;
    happn_status status = happn_backup(&transfer.options, transfer.file, &report, &error);
    return transfer_end(&transfer, status, &report, &error);
}

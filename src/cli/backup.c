/* happn backup. */
#include "cli/commands.h"
#include "cli/transfer.h"

int command_backup(int argc, char **argv)
{
    return transfer_run(
        "backup", happn_backup, argc, argv,
        "usage: happn backup --db DB [OPTIONS] FILE\n"
        "\n"
        "Copies the database as it is at this moment, also while a server writes to it. The copy is a database itself:\n"
        "happn serve --file COPY serves it.\n"
        "\n"
        "  --db DB          the database file\n"
        "  --force          over a file that is there already\n"
        "  --json           the report as JSON\n"
        "  --quiet          no progress, no report");
}

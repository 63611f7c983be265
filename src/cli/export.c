/* happn export. */
#include "cli/commands.h"
#include "cli/transfer.h"

int command_export(int argc, char **argv)
{
    return transfer_run(
        "export", happn_export, argc, argv,
        "usage: happn export --db DB [OPTIONS] FILE\n"
        "\n"
        "Writes documents as JSON lines, in the order of their paths; - is standard output. A server may go on writing:\n"
        "what is exported is the moment of the start.\n"
        "\n"
        "  --db DB          the database file\n"
        "  --path PATTERN   only these paths (* is any text)\n"
        "  --force          over a file that is there already\n"
        "  --json           the report as JSON\n"
        "  --quiet          no progress, no report");
}

/* happn import. */
#include "cli/commands.h"
#include "cli/transfer.h"

int command_import(int argc, char **argv)
{
    return transfer_run(
        "import", happn_import, argc, argv,
        "usage: happn import --db DB [OPTIONS] FILE\n"
        "\n"
        "Reads documents into a database: a file of happn-3 (6, 8 or 13) or of happn export; - is standard input.\n"
        "A new database appears only when all is read; the same can be repeated at any time.\n"
        "\n"
        "  --db DB          the database file; no server may have it open\n"
        "  --add            into a database that has documents already\n"
        "  --dry-run        only read and check\n"
        "  --rejects FILE   keep the lines that could not be taken\n"
        "  --json           the report as JSON\n"
        "  --quiet          no progress, no report\n"
        "\n"
        "Exit codes: 0 all is in, 3 some lines were rejected, 1 it failed, 2 the command line is wrong.");
}

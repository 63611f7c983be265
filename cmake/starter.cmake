# The files of `happn init`, as a C source. Included by CMakeLists.txt for the list; run as a script (with SOURCE and OUT) it writes the source.
set(starter_files
    "happn.json|examples/starter/happn.json"
    "layers/notes.lua|examples/starter/layers/notes.lua"
    "routes/notes.lua|examples/starter/routes/notes.lua"
    "tests/notes_test.lua|examples/starter/tests/notes_test.lua"
    "README.md|examples/starter/README.md"
    ".luarc.json|examples/starter/.luarc.json"
    "types/happn.lua|lua/types/happn.lua"
    "types/happn_test.lua|lua/types/happn_test.lua")

if(CMAKE_SCRIPT_MODE_FILE)
    set(code "/* made by cmake/starter.cmake */\n#include \"cli/starter.h\"\n\n")
    set(table "const struct starter_file starter_files[] = {\n")
    set(index 0)
    foreach(entry ${starter_files})
        string(REPLACE "|" ";" entry "${entry}")
        list(GET entry 0 name)
        list(GET entry 1 file)
        file(READ "${SOURCE}/${file}" hex HEX)
        string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
        string(APPEND code "static const unsigned char file_${index}[] = {${bytes}};\n")
        string(APPEND table "    {\"${name}\", file_${index}, sizeof file_${index}},\n")
        math(EXPR index "${index} + 1")
    endforeach()
    file(WRITE "${OUT}" "${code}\n${table}};\nconst size_t starter_file_count = ${index};\n")
endif()

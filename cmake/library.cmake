# The scripts of lua/happn become part of the library: a C file of their bytes, written anew when one of them changes.
file(GLOB library_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lua/happn/*.lua)
list(FILTER library_scripts EXCLUDE REGEX "_test\\.lua$")
list(SORT library_scripts)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${library_scripts})

set(texts)
set(entries)
set(count 0)
foreach(script ${library_scripts})
    get_filename_component(name ${script} NAME)
    file(READ ${script} bytes HEX)
    string(LENGTH "${bytes}" length)
    math(EXPR length "${length} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND texts "static const unsigned char text_${count}[] = {${bytes}0};\n")
    string(APPEND entries "    {\"happn/${name}\", (const char *)text_${count}, ${length}},\n")
    math(EXPR count "${count} + 1")
endforeach()

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/script_library.c CONTENT "#include <stddef.h>

${texts}
struct library_file {
    const char *name;
    const char *text;
    size_t len;
};
extern const struct library_file library_files[];
const struct library_file library_files[] = {
${entries}};
extern const size_t library_count;
const size_t library_count = ${count};
")
set(library_source ${CMAKE_BINARY_DIR}/script_library.c)

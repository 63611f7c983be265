# The client for browsers becomes part of the library, which serves it at /browser_client: its files joined to one script, in the order in which
# they build on each other, and that script as bytes of a C file. happn.js lies in the build folder, too, for pages that are served elsewhere.
set(browser_files wire requests subscriptions client)
set(browser_script "// happn ${PROJECT_VERSION}: the client for browsers. HappnClient.create() gives a client of the server that the page came from.\n")
string(APPEND browser_script "(function (root) {\n'use strict';\n")
foreach(name ${browser_files})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bindings/browser/${name}.js)
    file(READ ${CMAKE_SOURCE_DIR}/bindings/browser/${name}.js text)
    string(APPEND browser_script "\n${text}")
endforeach()
string(APPEND browser_script "\nif (typeof module === 'object' && module.exports) module.exports = HappnClient;\nelse root.HappnClient = HappnClient;\n}(typeof self === 'object' ? self : this));\n")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/browser/happn.js CONTENT "${browser_script}" @ONLY)

file(READ ${CMAKE_BINARY_DIR}/browser/happn.js bytes HEX)
string(LENGTH "${bytes}" length)
math(EXPR length "${length} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/browser_script.c CONTENT "#include \"net/browser_script.h\"

const char browser_script[] = {${bytes}0};
const size_t browser_script_len = ${length};
" @ONLY)
set(browser_source ${CMAKE_BINARY_DIR}/browser_script.c)

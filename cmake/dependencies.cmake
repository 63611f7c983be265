# The libraries happn is made of: those that tools/deps builds, static; OpenSSL, PCRE2 and libcurl from the system.
find_package(OpenSSL REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit) # the program's alone, not the library's

add_library(happn_dependencies INTERFACE)
target_include_directories(happn_dependencies SYSTEM INTERFACE ${HAPPN_DEPS}/include)
foreach(name websockets uv lua sqlite3 cjson)
    if(NOT EXISTS ${HAPPN_DEPS}/lib/lib${name}.a)
        message(FATAL_ERROR "${HAPPN_DEPS}/lib/lib${name}.a is missing: run tools/deps")
    endif()
    target_link_libraries(happn_dependencies INTERFACE ${HAPPN_DEPS}/lib/lib${name}.a)
endforeach()
target_link_libraries(happn_dependencies INTERFACE OpenSSL::SSL OpenSSL::Crypto PkgConfig::PCRE2 PkgConfig::CURL m pthread dl)

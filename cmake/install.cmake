# make install: the program, the library with all it needs inside, headers, and what compilers ask.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# One shared library: the dependencies are inside and hidden, only what the headers declare can be seen.
add_library(happn_shared SHARED $<TARGET_OBJECTS:happn_objects>)
set_target_properties(happn_shared PROPERTIES OUTPUT_NAME happn VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME happn)
target_link_libraries(happn_shared PRIVATE happn_dependencies)
target_link_options(happn_shared PRIVATE -Wl,--exclude-libs,ALL -Wl,-Bsymbolic)
target_include_directories(happn_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS happn_shared EXPORT happn LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS happn RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/happn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/browser/happn.js DESTINATION ${CMAKE_INSTALL_DATADIR}/happn)
install(EXPORT happn NAMESPACE happn:: FILE happnConfig.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/happn)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/happnConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/happnConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/happn)
configure_file(cmake/happn.pc.in happn.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/happn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

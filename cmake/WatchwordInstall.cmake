# What `cmake --install` puts where, beside the libraries and headers of the modules (see WatchwordModule.cmake).
include(CMakePackageConfigHelpers)

watchword_install_library(watchword_proto)
install(DIRECTORY ${PROJECT_BINARY_DIR}/proto/watchword_proto/ DESTINATION include COMPONENT libraries
  FILES_MATCHING PATTERN "*.pb.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/watchword DESTINATION share/watchword/proto COMPONENT libraries)

set(CMAKE_INSTALL_DATADIR share)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/watchword-config.cmake.in
  ${PROJECT_BINARY_DIR}/watchword-config.cmake
  INSTALL_DESTINATION lib/cmake/watchword PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/watchword-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/watchword-config.cmake ${PROJECT_BINARY_DIR}/watchword-config-version.cmake
    ${PROJECT_SOURCE_DIR}/cmake/WatchwordProto.cmake
  DESTINATION lib/cmake/watchword COMPONENT libraries)
install(EXPORT watchword-targets NAMESPACE watchword:: DESTINATION lib/cmake/watchword COMPONENT libraries)

install(TARGETS watchword watchwordd RUNTIME DESTINATION bin COMPONENT programs)

# The target watchword_version: whoever links it can include "version/version.h", which holds the version and the commit
# that is built. The header is looked at in each build and written only when one of them has changed.
#
# Run with `cmake -P`, this file writes the header.

if(CMAKE_SCRIPT_MODE_FILE)
  if(NOT COMMIT)
    execute_process(COMMAND git describe --always --dirty --abbrev=12 "--exclude=*"
      WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(text ${VERSION})
  if(COMMIT)
    string(APPEND text " (${COMMIT})")
  endif()
  file(CONFIGURE OUTPUT ${HEADER} @ONLY CONTENT [[
#pragma once

namespace watchword {

// The version, and the commit in brackets unless it is not known.
inline constexpr char kVersion[] = "@text@";

// The two apart; the commit is empty if it is not known.
inline constexpr char kVersionNumber[] = "@VERSION@";
inline constexpr char kCommit[] = "@COMMIT@";

}  // namespace watchword
]])
  return()
endif()

set(WATCHWORD_COMMIT "" CACHE STRING "The commit that is built; default: what git says in the source folder")
set(header ${PROJECT_BINARY_DIR}/include_roots/watchword_version/version/version.h)
add_custom_target(watchword_version_header
  COMMAND ${CMAKE_COMMAND} -DVERSION=${PROJECT_VERSION} -DCOMMIT=${WATCHWORD_COMMIT} -DSOURCE_DIR=${PROJECT_SOURCE_DIR}
    -DHEADER=${header} -P ${CMAKE_CURRENT_LIST_FILE}
  BYPRODUCTS ${header}
  COMMENT "Looking at the version"
  VERBATIM)
add_library(watchword_version INTERFACE)
add_dependencies(watchword_version watchword_version_header)
target_include_directories(watchword_version INTERFACE ${PROJECT_BINARY_DIR}/include_roots/watchword_version)

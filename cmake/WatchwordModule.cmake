# watchword_module(NAME AT INCLUDE_PATH SOURCES … [PUBLIC …] [PRIVATE …])
#
# One library per folder. Its headers are included as INCLUDE_PATH/header.h, and only by targets that list the module as
# a dependency: the include root of each module is a folder of its own in the build tree, holding one symbolic link to
# the module's sources. An include that is not declared therefore does not compile.
#
# What is AT watchword/… is for other projects, too: it is installed, as watchword::NAME without its prefix.
function(watchword_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "AT" "SOURCES;PUBLIC;PRIVATE")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "watchword_module(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(root ${PROJECT_BINARY_DIR}/include_roots/${name})
  cmake_path(GET arg_AT PARENT_PATH parent)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${root}/${arg_AT} SYMBOLIC)
  if(NOT arg_SOURCES)
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${root})
    target_link_libraries(${name} INTERFACE ${arg_PUBLIC})
    return()
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${root}> $<INSTALL_INTERFACE:include>)
  target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:watchword_flags>)
  if(arg_AT MATCHES "^watchword/")
    watchword_install_library(${name})
    file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
    install(FILES ${headers} DESTINATION include/${arg_AT} COMPONENT libraries)
  endif()
endfunction()

# watchword_install_library(NAME): installs a library as watchword::NAME, without its prefix.
function(watchword_install_library name)
  string(REGEX REPLACE "^watchword_" "" export_name ${name})
  set_target_properties(${name} PROPERTIES EXPORT_NAME ${export_name})
  install(TARGETS ${name} EXPORT watchword-targets ARCHIVE DESTINATION lib COMPONENT libraries)
endfunction()

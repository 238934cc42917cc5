# watchword_proto_library(NAME ROOT FOLDER PROTOS a/b.proto … [IMPORTS FOLDER …] [DEPENDS TARGET …])
#
# A library of the messages and services generated from PROTOS, given relative to ROOT, which is their import path.
# (CMake 3.25's protobuf_generate only works on files below the current folder and knows no dependencies between them.)
function(watchword_proto_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "ROOT" "PROTOS;IMPORTS;DEPENDS")
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name})
  file(MAKE_DIRECTORY ${out})
  set(imports -I ${arg_ROOT})
  foreach(folder IN LISTS arg_IMPORTS)
    list(APPEND imports -I ${folder})
  endforeach()
  list(TRANSFORM arg_PROTOS PREPEND ${arg_ROOT}/ OUTPUT_VARIABLE inputs)
  set(sources)
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(outputs ${out}/${stem}.pb.cc ${out}/${stem}.pb.h ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc ${imports} --cpp_out=${out} --grpc_out=${out}
        --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${proto}
      DEPENDS ${inputs}
      COMMENT "Generating ${proto}"
      VERBATIM)
    list(APPEND sources ${outputs})
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}> $<INSTALL_INTERFACE:include>)
  target_link_libraries(${name} PUBLIC gRPC::grpc++ protobuf::libprotobuf ${arg_DEPENDS})
  if(TARGET watchword_generated_flags)
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:watchword_generated_flags>)
  endif()
endfunction()

# Flags for our own code. Generated code links watchword_generated_flags instead, which silences it.
add_library(watchword_flags INTERFACE)
target_compile_options(watchword_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers  # designated initializers name what they set; the rest has defaults
  -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees overlapping copies inside std::string where there are none (gcc.gnu.org/bugzilla 105651).
  target_compile_options(watchword_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(watchword_flags INTERFACE -Wthread-safety)
endif()

add_library(watchword_generated_flags INTERFACE)
target_compile_options(watchword_generated_flags INTERFACE -w)

if(WATCHWORD_SANITIZE)
  add_compile_options(-fsanitize=${WATCHWORD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WATCHWORD_SANITIZE})
  if(WATCHWORD_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)  # gcc warns that it does not model atomic_thread_fence
  endif()
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

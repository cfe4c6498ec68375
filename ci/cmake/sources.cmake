# SPDX-License-Identifier: MIT
# Unpacks the upstream tarballs of ci/sources.lock into the build tree; nothing is fetched here (ci/setup does) and nothing is patched.
#
#   ix_unpack(lwip)    sets lwip_SOURCE_DIR (the folder that holds the tarball's content) and lwip_VERSION in the caller's scope
#
# The tarballs lie in /var/cache/ix, or where the environment variable IX_SOURCES says when CMake is run.

set(IX_SOURCES_LOCK ${CMAKE_CURRENT_LIST_DIR}/../sources.lock)

if(DEFINED ENV{IX_SOURCES})
  set(IX_SOURCES $ENV{IX_SOURCES} CACHE PATH "folder of the upstream tarballs" FORCE)
else()
  set(IX_SOURCES /var/cache/ix CACHE PATH "folder of the upstream tarballs")
endif()

function(ix_unpack name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${IX_SOURCES_LOCK})
  file(STRINGS ${IX_SOURCES_LOCK} lines REGEX "^[a-z]+\t${name}\t")
  if(NOT lines MATCHES "^([a-z]+)\t${name}\t([^\t;]+)\t([^\t;]+)\t([0-9a-f]+)$")
    message(FATAL_ERROR "ci/sources.lock has no line, or more than one, for '${name}'")
  endif()
  set(set ${CMAKE_MATCH_1})
  set(version ${CMAKE_MATCH_2})
  set(file ${IX_SOURCES}/${CMAKE_MATCH_3})
  set(sha ${CMAKE_MATCH_4})
  set(setup "ci/setup")
  if(set STREQUAL "bench")
    set(setup "ci/setup --bench")
  endif()

  set(where ${CMAKE_BINARY_DIR}/third_party/${name}-${version})
  set(stamp ${where}.sha256)
  set(unpacked "")
  if(EXISTS ${stamp})
    file(READ ${stamp} unpacked)
  endif()
  if(NOT unpacked STREQUAL "${sha}")
    if(NOT EXISTS ${file})
      message(FATAL_ERROR "${file} is missing: run ${setup} (as root), or set IX_SOURCES to the folder that holds it")
    endif()
    file(SHA256 ${file} have)
    if(NOT have STREQUAL "${sha}")
      message(FATAL_ERROR "${file} has sha256 ${have}, ci/sources.lock wants ${sha}: remove the file and run ${setup}")
    endif()
    message(STATUS "Unpacking ${name} ${version}")
    file(REMOVE_RECURSE ${where})
    file(ARCHIVE_EXTRACT INPUT ${file} DESTINATION ${where})
    file(WRITE ${stamp} "${sha}")
  endif()

  # A tarball holds one folder, whatever its name.
  file(GLOB inside LIST_DIRECTORIES true ${where}/*)
  list(LENGTH inside count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "${where} should hold one folder but holds ${count} entries: remove it and run CMake again")
  endif()
  set(${name}_SOURCE_DIR ${inside} PARENT_SCOPE)
  set(${name}_VERSION ${version} PARENT_SCOPE)
endfunction()

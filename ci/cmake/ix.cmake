# SPDX-License-Identifier: MIT
# The three kinds of code that are built here, and their flags: ring 0, ring 3, host.

set(IX_WARNINGS -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual
	-Wvla -Wframe-larger-than=1024 -fno-common)

option(IX_CHECKED "Assertions on the packet path (kcheck)" OFF)

# Ring 0: freestanding, no vector registers, top 2 GiB.
add_library(ix_kernel_flags INTERFACE)
target_include_directories(ix_kernel_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(ix_kernel_flags INTERFACE
	-ffreestanding -fno-pic -fno-pie -mno-red-zone -mcmodel=kernel -fno-stack-protector
	-fno-asynchronous-unwind-tables -fomit-frame-pointer -fno-strict-aliasing -fno-builtin-printf
	-ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -g
	$<$<COMPILE_LANGUAGE:C>:-mgeneral-regs-only -fcf-protection=none>
	$<$<BOOL:${IX_CHECKED}>:-DIX_CHECKED>)
add_library(ix_kernel_warnings INTERFACE)
target_compile_options(ix_kernel_warnings INTERFACE $<$<COMPILE_LANGUAGE:C>:${IX_WARNINGS}>)

# Folders of ring 0 are optimised together, so that a packet's way does not pay for the walls between them. Not lwIP:
# the link script finds its data by the file it is in. Not base: its memcpy() must stay what the compiler calls. With
# clang each folder stays by itself.
set(IX_KERNEL_LTO "$<AND:$<COMPILE_LANGUAGE:C>,$<C_COMPILER_ID:GNU>>")
set(IX_KERNEL_CODE -mno-red-zone -mcmodel=kernel -mgeneral-regs-only -ffreestanding -fno-pic -fno-pie
	-fno-stack-protector -fno-asynchronous-unwind-tables -fomit-frame-pointer
	-fno-strict-aliasing -fcf-protection=none -fno-common)

# ix_kernel_folder(NAME SOURCE...): object library kernel_NAME of kernel/NAME (or boot), part of kernel.elf.
function(ix_kernel_folder name)
	add_library(kernel_${name} OBJECT ${ARGN})
	target_link_libraries(kernel_${name} PRIVATE ix_kernel_flags ix_kernel_warnings)
	if(NOT name STREQUAL "base")
		target_compile_options(kernel_${name} PRIVATE $<${IX_KERNEL_LTO}:-flto>)
	endif()
	set_property(GLOBAL APPEND PROPERTY IX_KERNEL_FOLDERS kernel_${name})
endfunction()

# Host code that is attacked: unit tests of logic, under ASan and UBSan, which memcheck does not go with.
option(IX_SANITIZERS "ASan and UBSan for what is tested on the host; off for ci/check-valgrind" ON)
add_library(ix_host_flags INTERFACE)
target_include_directories(ix_host_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(ix_host_flags INTERFACE ${IX_WARNINGS} -O1 -g -fno-omit-frame-pointer
	-fno-strict-aliasing -DIX_CHECKED)
add_library(ix_sanitizers INTERFACE)
if(IX_SANITIZERS)
	target_compile_options(ix_sanitizers INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
	target_link_options(ix_sanitizers INTERFACE -fsanitize=address,undefined)
else() # valgrind would put a program at 1 MiB, where tests have memory of their own, and below any partition
	target_link_options(ix_sanitizers INTERFACE -no-pie -Wl,-Ttext-segment=0x40000000)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "Clang") # where it comes by is what guides a fuzzer (test/fuzz)
	target_compile_options(ix_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()

# ix_unit_test(NAME SOURCES f... [LIBS l...] [DEFS d...] [INCLUDES i...]): cmocka program test_NAME
# from test/unit/... and the sources under test, spelled from the repository root.
function(ix_unit_test name)
	cmake_parse_arguments(A "" "" "SOURCES;LIBS;DEFS;INCLUDES" ${ARGN})
	list(TRANSFORM A_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/)
	add_executable(test_${name} ${A_SOURCES})
	set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
	target_include_directories(test_${name} PRIVATE ${A_INCLUDES})
	target_compile_definitions(test_${name} PRIVATE ${A_DEFS})
	target_link_libraries(test_${name} PRIVATE ix_host_flags ix_sanitizers cmocka ${A_LIBS})
	add_test(NAME unit.${name} COMMAND test_${name})
	set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77)
endfunction()

# SPDX-License-Identifier: MIT
# Ring-3 programs: flags, how one is linked, and the proof that it has one way into ring 0.

# Folder of the compiler's own headers (cpuid.h, immintrin.h), behind musl's.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=include OUTPUT_VARIABLE IX_COMPILER_HEADERS
	OUTPUT_STRIP_TRAILING_WHITESPACE)

# What all code in ring 3 has in common. Frame pointers are for the backtrace after a fault.
add_library(ix_ring3_machine INTERFACE)
target_compile_options(ix_ring3_machine INTERFACE -O2 -g -fno-pic -fno-pie -fcf-protection=none
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
	-ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -ffile-prefix-map=${CMAKE_BINARY_DIR}/=)
add_library(ix_ring3_flags INTERFACE)
target_link_libraries(ix_ring3_flags INTERFACE ix_ring3_machine)
target_include_directories(ix_ring3_flags INTERFACE ${CMAKE_SOURCE_DIR})

# ix_app(NAME [RAW] [SYSCALLS] SOURCES...): ring-3 program build/apps/NAME from sources with the C library and libix.
#   RAW       without libix: C library and ix_entry() (lib/libc/libc.h) only
#   SYSCALLS  the program has SYSCALL, SYSENTER or INT instructions of its own (hostile tests): not checked
function(ix_app name)
	cmake_parse_arguments(A "RAW;SYSCALLS" "" "" ${ARGN})
	add_executable(app_${name} ${A_UNPARSED_ARGUMENTS})
	set_target_properties(app_${name} PROPERTIES OUTPUT_NAME ${name}
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/apps
		LINK_DEPENDS ${CMAKE_SOURCE_DIR}/lib/libc/app.lds)
	target_link_options(app_${name} PRIVATE -nostdlib -static -no-pie -T ${CMAKE_SOURCE_DIR}/lib/libc/app.lds
		LINKER:-z,max-page-size=4096 LINKER:-z,noexecstack LINKER:--gc-sections LINKER:--build-id=none)
	set(libs ix_libc_a)
	if(NOT A_RAW)
		list(PREPEND libs ix_libix)
		target_link_libraries(app_${name} PRIVATE ix_libix)
	endif()
	target_link_libraries(app_${name} PRIVATE ix_libc ${libs} gcc)
	if(NOT A_SYSCALLS)
		add_test(NAME check.app_syscall.${name}
			COMMAND ${CMAKE_SOURCE_DIR}/ci/check-app-syscall $<TARGET_FILE:app_${name}>)
		set_tests_properties(check.app_syscall.${name} PROPERTIES LABELS check TIMEOUT 60)
	endif()
endfunction()

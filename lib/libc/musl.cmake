# SPDX-License-Identifier: MIT
# Builds musl, unmodified, into libc.a: which of its files, with which flags and headers. Sets in the caller's scope
#   MUSL_HEADERS   include folders of an application, in order
#   MUSL_INTERNAL  include folders of a file that looks inside musl, in order
# and makes the object library `musl`.
#
# Its 1,300 files are not named one by one: they are third-party, pinned by sha256 in ci/sources.lock, and musl's own
# Makefile takes them by the same rule: all of src/*/*.c, except where src/*/x86_64/ has a file of the same name.
ix_unpack(musl)
set(m ${musl_SOURCE_DIR})
set(gen ${CMAKE_CURRENT_BINARY_DIR}/musl)

# Assembly that executes `syscall` is left out; the C file of the same name in the folder above then serves, and that one
# goes through syscall_arch.h like everything else (arch/syscall_arch.h, ours, comes first in the include path).
file(GLOB arch_files ${m}/src/*/x86_64/*.c ${m}/src/*/x86_64/*.s ${m}/src/malloc/mallocng/x86_64/*.c)
foreach(file ${arch_files})
	file(STRINGS ${file} traps REGEX "^[ \t]+syscall")
	if(traps)
		list(REMOVE_ITEM arch_files ${file})
	endif()
endforeach()
# Not built: what is nothing without a kernel that has files, processes, users, terminals, sockets or queues behind it,
# the dynamic linker, and complex numbers. Of network/, linux/ and stat/ stays what is served or needs no kernel.
set(absent aio|complex|dirent|ipc|ldso|legacy|linux|mq|network|passwd|process|sched|stat|statvfs|temp|termios)
file(GLOB files ${m}/src/*/*.c ${m}/src/malloc/mallocng/*.c)
list(FILTER files EXCLUDE REGEX "/src/(${absent})/")
file(GLOB pure ${m}/src/network/[hn]to[hn][ls].c ${m}/src/network/inet_*.c ${m}/src/network/in6addr*.c
	${m}/src/linux/getrandom.c ${m}/src/linux/gettid.c
	${m}/src/stat/stat.c ${m}/src/stat/lstat.c ${m}/src/stat/fstat.c ${m}/src/stat/fstatat.c)
list(APPEND files ${pure})
list(FILTER arch_files EXCLUDE REGEX "/src/(${absent})/")
foreach(file ${arch_files})
	string(REGEX REPLACE "/x86_64/([^/]*)\\.[cs]$" "/\\1.c" replaced ${file})
	list(REMOVE_ITEM files ${replaced})
endforeach()

# The three generated headers, by musl's own recipes, and our table of the names of its system calls.
file(MAKE_DIRECTORY ${gen}/bits)
add_custom_command(OUTPUT ${gen}/bits/alltypes.h
	COMMAND sed -f ${m}/tools/mkalltypes.sed ${m}/arch/x86_64/bits/alltypes.h.in ${m}/include/alltypes.h.in
		> ${gen}/bits/alltypes.h
	DEPENDS ${m}/arch/x86_64/bits/alltypes.h.in VERBATIM)
add_custom_command(OUTPUT ${gen}/bits/syscall.h ${gen}/syscall_names.h
	COMMAND sed -e p -e s/__NR_/SYS_/ ${m}/arch/x86_64/bits/syscall.h.in > ${gen}/bits/syscall.h
	COMMAND sed -n "s/^#define __NR_\\([a-z0-9_]*\\)[ \t]*\\([0-9]*\\)$/[\\2] = \"\\1\",/p"
		${m}/arch/x86_64/bits/syscall.h.in > ${gen}/syscall_names.h
	DEPENDS ${m}/arch/x86_64/bits/syscall.h.in VERBATIM)
file(WRITE ${gen}/version.h "#define VERSION \"${musl_VERSION}\"\n")
add_custom_target(musl_headers DEPENDS ${gen}/bits/alltypes.h ${gen}/bits/syscall.h ${gen}/syscall_names.h)

set(MUSL_HEADERS ${m}/arch/x86_64 ${m}/arch/generic ${gen} ${m}/include)
set(MUSL_INTERNAL ${CMAKE_CURRENT_SOURCE_DIR}/arch ${m}/arch/x86_64 ${m}/arch/generic ${m}/src/include
	${m}/src/internal ${gen} ${m}/include)

add_library(musl OBJECT ${files} ${arch_files} ${m}/crt/crt1.c)
add_dependencies(musl musl_headers)
target_link_libraries(musl PRIVATE ix_ring3_machine)
target_include_directories(musl PRIVATE ${MUSL_INTERNAL})
target_compile_definitions(musl PRIVATE _XOPEN_SOURCE=700)
# musl's own flags [musl configure]; its warnings are its own business, hence -w.
target_compile_options(musl PRIVATE $<$<COMPILE_LANGUAGE:C>:-std=c99 -w> -nostdinc -ffreestanding -frounding-math
	-fno-strict-aliasing -fomit-frame-pointer -fno-unwind-tables -fno-stack-protector
	$<$<C_COMPILER_ID:GNU>:-fexcess-precision=standard -fno-tree-loop-distribute-patterns>)
set_source_files_properties(${m}/crt/crt1.c PROPERTIES COMPILE_DEFINITIONS CRT)

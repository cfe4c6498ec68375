# SPDX-License-Identifier: MIT
# Controls: for each wall a kernel, or a boot, without it. The cases that test the wall must then be reported as FAIL; a test
# that passes either way tests nothing. Built only when they are run (ci/test --long).
add_custom_target(guest_controls)
add_test(NAME guest.controls.build COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target guest_controls)
set_tests_properties(guest.controls.build PROPERTIES LABELS long TIMEOUT 900 FIXTURES_SETUP guest_controls RUN_SERIAL ON)

# ix_weak_kernel(NAME FOLDER): kernel_NAME.elf, with weaken/NAME.h in front of every source of kernel/FOLDER.
function(ix_weak_kernel name folder)
	get_target_property(sources kernel_${folder} SOURCES)
	get_target_property(where kernel_${folder} SOURCE_DIR)
	list(TRANSFORM sources PREPEND ${where}/)
	add_library(weak_${name} OBJECT EXCLUDE_FROM_ALL ${sources})
	foreach(property COMPILE_OPTIONS INCLUDE_DIRECTORIES LINK_LIBRARIES)
		get_target_property(value kernel_${folder} ${property})
		if(value)
			set_target_properties(weak_${name} PROPERTIES ${property} "${value}")
		endif()
	endforeach()
	target_compile_options(weak_${name} PRIVATE -include ${CMAKE_CURRENT_SOURCE_DIR}/weaken/${name}.h)

	add_executable(kernel_${name}.elf EXCLUDE_FROM_ALL $<TARGET_OBJECTS:weak_${name}>)
	get_property(folders GLOBAL PROPERTY IX_KERNEL_FOLDERS)
	foreach(other kernel_top ${folders})
		if(NOT other STREQUAL kernel_${folder})
			target_sources(kernel_${name}.elf PRIVATE $<TARGET_OBJECTS:${other}>)
		endif()
	endforeach()
	get_target_property(options kernel.elf LINK_OPTIONS)
	get_target_property(libraries kernel.elf LINK_LIBRARIES)
	target_link_options(kernel_${name}.elf PRIVATE ${options})
	target_link_libraries(kernel_${name}.elf PRIVATE ${libraries})
	set_target_properties(kernel_${name}.elf PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/weak)
	add_dependencies(kernel_${name}.elf kernel_lds)
endfunction()

# ix_control_test(NAME PROGRAM CASES ARGS...): the cases must fail.
function(ix_control_test name program cases)
	add_test(NAME guest.control.${name}
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/hostile.py ${program} --must-fail --cases ${cases} ${ARGN})
	set_tests_properties(guest.control.${name} PROPERTIES LABELS "long;guest;hostile" TIMEOUT 300 SKIP_RETURN_CODE 77
		FIXTURES_REQUIRED guest_controls ENVIRONMENT IX_BUILD=${CMAKE_BINARY_DIR})
endfunction()

# ix_control(NAME FOLDER PROGRAM CASES ARGS...): a kernel without the wall, the program on it, the cases that must fail.
function(ix_control name folder program cases)
	ix_weak_kernel(${name} ${folder})
	ix_guest_image(${program} kernel_${name}.elf ${name})
	add_dependencies(guest_controls guest_image_${program}-${name})
	ix_control_test(${name} ${program} ${cases} --image ${program}-${name} ${ARGN})
endfunction()

ix_control(no_execute mem memory run_stack,run_heap,run_data,run_zeroed,run_constant,run_lent,run_calls,run_events,run_info)
ix_control(all_writable mem memory
	write_code,write_constant,write_lent,write_receive_buffers,write_info,write_core_info,write_events,write_events_end)
ix_control(all_user mem memory
	read_direct_map,write_direct_map,read_kernel_text,read_kernel_constants,read_kernel_data,write_kernel_data,read_window,write_window,read_kernel_stack,write_kernel_stack,write_trap_stack,read_device_registers
	--qemu=-cpu --qemu=max,-smep,-smap)
ix_control(not_fresh user memory is_fresh --first dirty)
ix_control(flags_kept top cores flags_then_restart --cpus 2 --queues 2)
ix_control(not_zeroed user entry numbers,random_registers,flags_none)
ix_control(any_fs sys entry fs_refused)
ix_control(open_gates top instructions int3,syscall_32,int)
ix_control(open_ports top instructions in8,in16,out8,out16,insb,outsb)
ix_control(open_counters top instructions rdpmc)
ix_control(code_32 top segments jump_absent,call_absent,return_absent,iret_absent)
ix_control(any_address sys calls pointers,lent)
ix_control(any_form sys calls flags)
ix_control_test(no_umip instructions sgdt,sidt,sldt,str,smsw --qemu=-cpu --qemu=max,-umip)
ix_control_test(no_watchdog cores loop_here,loop_there,loop_both,loop_of_calls --cpus 2 --queues 2 --set watchdog_ms=0 --seconds 5)

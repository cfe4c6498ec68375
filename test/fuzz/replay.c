/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target without a fuzzer: every file of the given folders once, then each with a number of small damages from a seed.
 *   fuzz_NAME [-m MUTATIONS] [FILE|FOLDER]...
 * What is run is on standard error when it ends badly: the file, and the number of the damage.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)
#define DAMAGES 8u /* of one input, at most */

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
int __llvm_profile_write_file(void) __attribute__((weak)); /* where coverage is counted (test/fuzz/coverage) */

static char running[4096];
static unsigned long number, files, runs;
static unsigned long mutations;
static uint64_t rng = 88172645463325252ull;

static uint32_t rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return below ? (uint32_t)(rng >> 20) % below : 0;
}

/* Every bad end is an abort or a trap. */
const char *__asan_default_options(void)
{
	return "abort_on_error=1:handle_abort=0:handle_sigill=0";
}

const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1:handle_abort=0:handle_sigill=0";
}

static void say_where(int signal_number)
{
	fprintf(stderr, "FAIL %s, damage %lu\n", running, number);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

/* What is under test has no business to end the program. */
static void refuse_to_end(void)
{
	abort();
}

/* From a copy of its own, exactly as long: the sanitizer sees a step beyond. */
static void run(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	if (!copy)
		abort();
	memcpy(copy, data, bytes);
	LLVMFuzzerTestOneInput(copy, bytes);
	free(copy);
	runs++;
}

static size_t damage(uint8_t *data, size_t bytes)
{
	static const uint8_t borders[] = { 0, 1, 0x7f, 0x80, 0xff, 0xfe };

	for (unsigned n = 1 + rnd(DAMAGES); n && bytes; n--) {
		uint32_t at = rnd((uint32_t)bytes), part = rnd((uint32_t)(bytes - at) + 1);

		switch (rnd(6)) {
		case 0:
			data[at] ^= (uint8_t)(1u << rnd(8));
			break;
		case 1:
			data[at] = (uint8_t)rnd(256);
			break;
		case 2:
			data[at] = borders[rnd(sizeof(borders))];
			break;
		case 3: /* some go */
			part = part < 16 ? part : 16;
			memmove(data + at, data + at + part, bytes - at - part);
			bytes -= part;
			break;
		case 4: /* some come twice */
			part = part < 64 ? part : 64;
			if (bytes + part > INPUT_MAX)
				break;
			memmove(data + at + part, data + at, bytes - at);
			bytes += part;
			break;
		default:
			if (rnd(8) == 0)
				bytes = at;
			break;
		}
	}
	return bytes;
}

static void run_file(const char *path)
{
	static uint8_t whole[INPUT_MAX], changed[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t bytes;

	if (!f) {
		fprintf(stderr, "FAIL %s: cannot be read\n", path);
		exit(1);
	}
	bytes = fread(whole, 1, sizeof(whole), f);
	(void)fclose(f);
	snprintf(running, sizeof(running), "%s", path);
	files++;
	for (number = 0; number <= mutations; number++) {
		memcpy(changed, whole, bytes);
		run(changed, number ? damage(changed, bytes) : bytes);
	}
}

static void run_path(const char *path)
{
	struct dirent **names;
	struct stat s;
	char *below;
	int count;

	if (stat(path, &s) || !S_ISDIR(s.st_mode)) {
		run_file(path);
		return;
	}
	count = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.') {
			if (asprintf(&below, "%s/%s", path, names[i]->d_name) < 0)
				abort();
			run_path(below);
			free(below);
		}
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "m:")) != -1) {
		if (c != 'm')
			return 64;
		mutations = strtoul(optarg, NULL, 10);
	}
	signal(SIGABRT, say_where);
	signal(SIGILL, say_where);
	atexit(refuse_to_end);
	snprintf(running, sizeof(running), "an empty input");
	run((const uint8_t *)"", 0);
	for (int i = optind; i < argc; i++)
		run_path(argv[i]);
	if (!files)
		return 1;
	printf("PASS replay: %lu inputs, %lu runs\n", files, runs);
	fflush(stdout);
	if (__llvm_profile_write_file)
		(void)__llvm_profile_write_file();
	_exit(0);
}

/* SPDX-License-Identifier: MIT */
/*
 * In: what an operator asked for. Out: a record on disk that survives everything. PATHS_GUESTS/NAME/guest.json
 * beside the image, files and secrets it names. Who calls: ixd. Start reading at record.c.
 */
#pragma once
#include "hostctl/base/err.h"
#include "hostctl/sw/sw.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define GUEST_WORDS_MAX 64u
#define GUEST_FILES_MAX 32u

/* A file that the guest is given by fw_cfg opt/ix/NAME. */
struct guest_file {
	char *name;
	bool is_secret;
};

struct guest {
	char name[33];
	uint32_t cpus_min, cpus_max, memory_mib;
	uint8_t address[4], prefix, gateway[4]; /* all zero: DHCP */
	bool is_dhcp, is_autostart, is_wanted;  /* is_wanted: up, until `down` */
	struct sw_publish publish[SW_PUBLISH_MAX];
	unsigned publish_count;
	char *allow[SW_ALLOWED_MAX];
	unsigned allow_count;
	uint32_t rate_mbit;
	char *env[GUEST_WORDS_MAX], *set[GUEST_WORDS_MAX], *args[GUEST_WORDS_MAX];
	unsigned env_count, set_count, arg_count;
	bool has_args;
	struct guest_file files[GUEST_FILES_MAX];
	unsigned file_count;
	uint32_t generation; /* grows with each replace */
	char image_name[64], image_version[64];
	uint8_t image_sha256[32];
	bool has_previous; /* image.previous.ix is there */
};

/** guest_from_json() - check and take a request or a record; every field named in its error. The caller frees @out. */
int guest_from_json(struct guest *out, const json_t *from, struct err *err);
/** guest_to_json() - new reference. */
json_t *guest_to_json(const struct guest *g);
void guest_fini(struct guest *g);

/** guest_load(), guest_save() - the record of @name; saving is atomic (write, fsync, rename). */
int guest_load(struct guest *out, const char *name, struct err *err);
int guest_save(const struct guest *g, struct err *err);
/** guest_remove() - its folder and all in it. */
int guest_remove(const char *name, struct err *err);
/** guest_list() - names of all records, sorted, @out an array of strings (new reference). A damaged record is listed, too. */
int guest_list(json_t **out, struct err *err);

/** guest_lock() - alone with @name, across threads and processes; waits at most @timeout_s. Return: a descriptor to close, or -1. */
int guest_lock(const char *name, unsigned timeout_s, struct err *err);

/** guest_put_file() - what descriptor @from holds becomes file @file of the guest ("image.ix", "files/x", "secrets/y"), mode 0600 for secrets. */
int guest_put_file(const char *name, const char *file, int from, uint64_t max_bytes, struct err *err);

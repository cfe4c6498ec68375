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
#define GUEST_FILES_MAX 12u /* QEMU has room for 32, and uses many itself [QEMU hw/nvram/fw_cfg.c] */
#define GUEST_FILE_NAME_MAX 40u
#define GUEST_WORD_BYTES 1024u
#define GUEST_VCPUS_MAX 64u
#define GUEST_PRIORITY_MAX 100u
#define GUEST_PRIORITY 50u /* unless said otherwise */
#define GUEST_SCALING_BYTES 8

/* Users of guests, one each: nobody gives these to people, services or containers [systemd UIDS-GIDS.md, "unused"]. */
#define GUEST_UID_FIRST 0x70000000u
#define GUEST_UIDS 1024u

/* A file that the guest is given: by fw_cfg opt/ix/file/NAME, or opt/ix/secret/NAME. */
struct guest_file {
	char name[GUEST_FILE_NAME_MAX + 1];
	bool is_secret;
};

struct guest_words {
	char *word[GUEST_WORDS_MAX];
	unsigned count;
};

/* The QEMU that was seen last. Under emulation it ends when it has made more vCPUs in its life than it may have at once. */
struct guest_vcpus {
	int32_t pid;    /* 0: none so far */
	uint64_t start; /* domain_process_start() of it */
	uint32_t made;  /* threads that it has had, as far as they were seen, are about to be, or the guest says so */
	uint32_t count; /* of those that there were at the last look */
	int32_t threads[GUEST_VCPUS_MAX];
};

struct guest {
	char name[33];
	uint32_t cpus_min, cpus_max; /* 0: as the image says */
	uint32_t memory_mib;         /* 0: as the image says */
	uint8_t address[4], gateway[4];
	uint32_t prefix; /* 0: no address is said */
	uint8_t address6[16];
	uint32_t prefix6; /* 0: none beside what routers make */
	bool is_dhcp, is_autostart;
	bool is_wanted; /* up, until `down` */
	struct sw_publish publish[SW_PUBLISH_MAX];
	unsigned publish_count;
	struct guest_words allow;          /* guests that it may talk to */
	uint32_t rate_mbit;                /* 0: no limit */
	struct guest_words env, set, args; /* NAME=VALUE; KEY=VALUE; arguments */
	bool has_args;
	struct guest_file files[GUEST_FILES_MAX];
	unsigned file_count;
	uint32_t uid;        /* that its QEMU runs as, one of GUEST_UIDS; 0: libvirt's user */
	uint32_t generation; /* of its image (guest_image_path()), grows with each replace */
	uint32_t previous;   /* generation of the image before, 0: none */
	uint32_t older;      /* while is_trying: the one before that */
	bool is_trying;      /* its image has not been ready so far; if it does not become so, `previous` comes back */
	bool is_auto;        /* how many cores it has is decided by policy, not by hand */
	uint32_t priority;   /* 1..GUEST_PRIORITY_MAX, of its wish for cores */
	uint32_t cores;      /* that it is to have now, 0: cpus_min */
	char scaling[GUEST_SCALING_BYTES]; /* who wanted that, while it is not so yet; "": it is so */
	struct guest_vcpus vcpus;
	char image_name[64], image_version[64], image_sha256[65];
};

/**
 * guest_from_json() - take a request or a record, every field checked and named in its error; an unknown one is an error
 * @out: all of it is written; guest_fini() in every case. Return: 0, or -1 with @err.
 */
int guest_from_json(struct guest *out, const json_t *from, struct err *err);
/** guest_to_json() - new reference; guest_from_json() of it is the same guest. */
json_t *guest_to_json(const struct guest *g);
void guest_fini(struct guest *g);

/** guest_vcpus_from_json(), guest_vcpus_to_json() - that part of a record; as guest_from_json(). */
int guest_vcpus_from_json(struct guest_vcpus *out, const json_t *from, struct err *err);
json_t *guest_vcpus_to_json(const struct guest_vcpus *v);
/**
 * guest_vcpus_see() - QEMU @pid of @start has these threads now; those that are new count, of another QEMU all do
 * Return: whether there was anything new.
 */
bool guest_vcpus_see(struct guest_vcpus *v, int32_t pid, uint64_t start, const int32_t threads[GUEST_VCPUS_MAX]);

/** guest_load(), guest_save() - the record of a guest; saving is atomic and on disk when it returns. */
int guest_load(struct guest *out, const char *name, struct err *err);
int guest_save(const struct guest *g, struct err *err);
/** guest_exists() - whether there is a record, good or damaged. */
bool guest_exists(const char *name);
/** guest_remove() - its folder and all in it. Fine if there is none. */
int guest_remove(const char *name, struct err *err);
/** guest_list() - names of all records, sorted: an array of strings (new reference). A damaged record is listed, too. */
int guest_list(json_t **out, struct err *err);

/** guest_lock() - alone with @name, across threads and processes; waits at most @timeout_s. Return: a descriptor to close, or -1. */
int guest_lock(const char *name, unsigned timeout_s, struct err *err);

/**
 * guest_put_file() - what can be read from @from becomes @file of the guest ("image.1.ix", "files/NAME", "secrets/NAME"), whole or not at all
 * 0600: libvirt gives it to the guest's user while that runs. Return: 0, or -1 with @err.
 */
int guest_put_file(const char *name, const char *file, int from, uint64_t max_bytes, struct err *err);

/** guest_files_room() - guest memory that its files and secrets take, as they lie in its folder. */
uint64_t guest_files_room(const struct guest *g);

#define GUEST_IMAGE_NAME_BYTES 24
/** guest_image_name() - file of the image of @generation in the guest's folder; guest_image_path(): all of it, on the heap. */
void guest_image_name(uint32_t generation, char out[GUEST_IMAGE_NAME_BYTES]);
char *guest_image_path(const char *name, uint32_t generation);
/** guest_remove_images() - all that the record does not name. */
int guest_remove_images(const struct guest *g, struct err *err);

/* SPDX-License-Identifier: MIT */
/*
 * The control plane's daemon. In: requests of ixctl over a socket, guests' pages, libvirt's events. Out: guests that are as
 * asked for, and what is known of them. What it must not forget lies in records on disk, in libvirt and in the switch's
 * database: it may be killed at any moment. Start reading at main.c.
 *
 * Threads: the main one runs libvirt's event loop; sample.c reads pages ten times a second; check.c asks libvirt and the
 * switch once a second and mends what is missing; elastic.c asks the policy twenty times a second, pin.c gives vCPUs CPUs of the host;
 * each request has one (socket.c). All share ixd.guests under ixd.lock, which
 * nobody holds while waiting for anything. What changes a guest is done under guest_lock() of its name.
 */
#pragma once
#include "hostctl/base/err.h"
#include "hostctl/base/message.h"
#include "hostctl/domain/domain.h"
#include "hostctl/guest/guest.h"
#include "hostctl/host/host.h"
#include "hostctl/image/image.h"
#include "hostctl/ixd/elastic.h"
#include "hostctl/ixd/scale.h"
#include "hostctl/page/page.h"
#include "hostctl/sw/sw.h"
#include <pthread.h>

#define IXD_GUESTS_MAX 1024u
#define IXD_IMAGE_BYTES_MAX (1ull << 32)

enum health {
	HEALTH_STOPPED = 0, /* not wanted, off */
	HEALTH_STARTING,
	HEALTH_READY,
	HEALTH_DRAINING,
	HEALTH_STUCK,   /* no heartbeat for IXD_STUCK_MS while it should run */
	HEALTH_FAULTED, /* the application is down; the dataplane answers */
	HEALTH_STOPPING,
	HEALTH_CRASHED,   /* wanted, off, and nobody asked for that */
	HEALTH_UNMANAGED, /* runs, and its page cannot be believed */
	HEALTH_NR
};
#define IXD_STUCK_MS 3000

/* Frames that the switch did not let through, by why. */
enum refusal { REFUSED_SPOOFED, REFUSED_FORBIDDEN, REFUSED_FLOODED, REFUSED_LIMITED, REFUSED_NR };

/* What is known of a guest now. Under ixd.lock. */
struct known {
	char name[33];
	bool is_wanted;
	bool is_seen;      /* libvirt has been asked about it since we began */
	bool is_busy;      /* somebody is at work to make it run or end: that it is off is no crash */
	struct page *page; /* NULL: none, or not yet */
	enum page_trust trust;
	struct ix_page_guest guest; /* last believed, if has_guest */
	bool has_guest;
	char why[160];              /* it is not managed, "" if it is */
	struct ix_page_core *cores; /* IX_PAGE_CORES_MAX of them, last believed; at_us 0: never */
	int64_t beat_ms;            /* when `guest.beat` grew last, monotonic */
	struct domain_info domain;
	struct {
		enum health health; /* that there was an event of last */
		uint32_t restarts;
		unsigned notes; /* events less those that time has forgiven, at notes_ms */
		int64_t notes_ms;
	} said;
	struct sw_state port;
	bool is_port_old; /* its port was there before us, and what it counted was noted by an ixd before us */
	struct {
		uint64_t told; /* of the count, by an event */
		int64_t at_ms; /* monotonic, 0: never */
	} refused[REFUSED_NR];
	struct {
		uint8_t said[4];   /* by its page when we looked last, and not what its port has; if is_said */
		const char *noted; /* why it may not use it, by an event; NULL: not yet */
		int64_t noted_ms;  /* monotonic, 0: never */
		bool is_said;
		bool is_open; /* its port's address changed from `had`, and flows or published ports did not follow so far */
		uint8_t had[4];
	} lease;
	char image[64], version[64]; /* name and version of its image */
	unsigned portless;           /* looks in a row that found it running without a port */
	enum health health;
	struct history *history; /* NULL: none yet */
	struct scale_state scale;
	struct elastic_state elastic;
	uint32_t crash_seen;       /* faults whose report has been taken */
	bool is_crash_taken;       /* a thread is about to take one */
	int64_t crash_ms, core_ms; /* when the last one was, and the last with its core; monotonic, 0: never */
};

struct ixd {
	struct domains *domains;
	struct host host;
	pthread_mutex_t lock;
	struct known *guests[IXD_GUESTS_MAX];
	unsigned guest_count;
	int64_t began_ms; /* wall clock */
	/* For who watches us; read and written atomically. Times are monotonic, 0: never. */
	int64_t sampled_ms, checked_ms;
	uint64_t requests, http_requests;
};
extern struct ixd ixd;

/** now_ms() - monotonic. wall_ms() - since 1970. */
int64_t now_ms(void);
int64_t wall_ms(void);

/* ---- known.c: the table ---- */
/** known_find() - under the lock; NULL if there is none. known_add(): the same, made if there is none (NULL: table full). */
struct known *known_find(const char *name);
struct known *known_add(const char *name);
/** known_remove() - forget @name. Takes the lock. */
void known_remove(const char *name);
/** known_load() - a guest for each record on disk. Return: how many. */
unsigned known_load(void);
/** known_image() - the guest is of the image that record @g says. Takes the lock. */
void known_image(const struct guest *g);
const char *health_name(enum health health);
/** known_row() - summary for `ps` (new reference). Under the lock. */
json_t *known_row(const struct known *k);

/* ---- events.c ---- */
/** event_note() - append {utc, guest, event, detail} to the guest's log and tell who follows. @detail is taken over, NULL: none. */
void event_note(const char *guest, const char *event, json_t *detail);

/* ---- a request ---- */
struct request {
	int socket;
	bool is_late; /* too many others are being served */
	struct message message;
	json_t *result; /* of a success, owned; NULL: {} */
	int fd;         /* that goes with the result, owned; -1: none */
};
/** request_say() - progress for people. request_row(): one row of the answer, taken over. -1: the client went away. */
int request_say(struct request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int request_row(struct request *r, json_t *row);
/** request_waits() - for @ms at most, unless the client goes away or says that it wants no more: then false, at once. */
bool request_waits(const struct request *r, int ms);
/** request_name() - its guest's name, checked; NULL with @err. request_known(): the same of a guest that has a record. */
const char *request_name(const struct request *r, struct err *err);
const char *request_known(const struct request *r, struct err *err);

/* ---- socket.c ---- */
/** socket_open() - PATHS_SOCKET, 0660, group PATHS_GROUP if there is one; a thread that accepts. 0, or -1 with @err. */
int socket_open(struct err *err);

/* ---- deploy.c: a record becomes a guest that runs. Under guest_lock(). ---- */
/* How long a start took: until the domain ran, and from then on until the guest was ready. */
struct deploy_times {
	int64_t start_ms, boot_ms;
};
/** deploy_start() - port, page, seed, domain; waits until it is ready. @r: is told of progress, may be NULL, and so may @times. */
int deploy_start(const struct guest *g, struct request *r, struct deploy_times *times, struct err *err);
/** deploy_stop() - the domain is asked to end, then made to, and its port goes. */
int deploy_stop(const char *name, unsigned timeout_s, struct err *err);
/** deploy_port() - port and flows of a guest that runs are as its record says. */
int deploy_port(const struct guest *g, struct err *err);
/** deploy_publish() - published ports of all records [publish.c]. */
int deploy_publish(struct err *err);
/** deploy_image() - what descriptor @fd holds, loaded and checked. The caller frees. NULL with @err. */
struct image *deploy_image(int fd, struct err *err);

/* ---- crash.c ---- */
/** crash_look() - a thread takes what @k's page says of a fault, if that is new. Under the lock. */
void crash_look(struct known *k);

/* ---- replace.c ---- */
/** replace_resume_all() - in a thread: what was cut short by our death is brought to an end. Once, when libvirt answers. */
void replace_resume_all(void);

/* ---- verbs; each answers by r->result or @err ---- */
int verb_up(struct request *r, struct err *err);
int verb_down(struct request *r, struct err *err);
int verb_ps(struct request *r, struct err *err);
int verb_inspect(struct request *r, struct err *err);
int verb_events(struct request *r, struct err *err);
int verb_ping(struct request *r, struct err *err);
int verb_top(struct request *r, struct err *err);
int verb_logs(struct request *r, struct err *err);
int verb_console(struct request *r, struct err *err);
int verb_capture(struct request *r, struct err *err);

/** logs_keep_short() - the console's file of @name is set aside when it is long, and the one that was aside is forgotten. */
void logs_keep_short(const char *name);
/** capture_sweep() - mirrors that an ixd before us was killed with. */
void capture_sweep(void);
int verb_crash(struct request *r, struct err *err);
int verb_replace(struct request *r, struct err *err);
int verb_rollback(struct request *r, struct err *err);
int verb_scale(struct request *r, struct err *err);
int verb_cores(struct request *r, struct err *err);

/** sample_cores() - look at what the cores of @k say now, if it has a page that was believed. Under the lock. */
void sample_cores(struct known *k);
/** sample_guest() - look at the page of @k now, not when its turn comes. Under the lock. */
void sample_guest(struct known *k);

/* ---- threads ---- */
void sample_start(void);
void http_start(void);
void check_start(void);

/* SPDX-License-Identifier: MIT */
/* Verbs `up` and `down`: a new guest from an image, checked before anything is changed; and its end. */
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/settle.h"
#include "hostctl/ixd/user.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_S 5u
#define DOWN_S 10
#define DOWN_S_MAX 3600
#define FILE_BYTES_MAX (64ull << 20)

/* Whether @other has what @g wants. */
static int check_against(const struct guest *g, const struct guest *other, struct err *err)
{
	if (g->prefix != 0 && other->prefix != 0 && memcmp(g->address, other->address, 4) == 0)
		return err_set(err, STATUS_USAGE, "address %u.%u.%u.%u is %s's", g->address[0], g->address[1],
			       g->address[2], g->address[3], other->name);
	if (g->prefix6 != 0 && other->prefix6 != 0 && memcmp(g->address6, other->address6, 16) == 0)
		return err_set(err, STATUS_USAGE, "its IPv6 address is %s's", other->name);
	for (unsigned i = 0; i < g->publish_count; i++)
		for (unsigned k = 0; k < other->publish_count; k++)
			if (g->publish[i].host_port == other->publish[k].host_port &&
			    g->publish[i].is_udp == other->publish[k].is_udp)
				return err_set(err, STATUS_USAGE, "port %u of the host leads to %s already",
					       g->publish[i].host_port, other->name);
	return 0;
}

/* Nor may it take what a DHCP server gave to a guest that is up. */
static int check_leases(const struct guest *g, struct err *err)
{
	struct sw_states *ports = g->prefix != 0 ? sw_states(err) : NULL;
	int result = g->prefix != 0 && ports == NULL ? -1 : 0;

	if (ports != NULL)
		err_fini(err); /* the database has said all */
	for (unsigned i = 0; ports != NULL && i < ports->count && result == 0; i++)
		if (ports->guest[i].state.is_dhcp && strcmp(ports->guest[i].name, g->name) != 0 &&
		    memcmp(ports->guest[i].state.address, g->address, 4) == 0)
			result = err_set(err, STATUS_USAGE, "address %u.%u.%u.%u is %s's, by DHCP", g->address[0],
					 g->address[1], g->address[2], g->address[3], ports->guest[i].name);
	free(ports);
	return result;
}

static int check_against_all(const struct guest *g, struct err *err)
{
	json_t *names;
	int result = guest_list(&names, err);

	if (memcmp(g->address, ixd.host.address, 4) == 0)
		return err_set(err, STATUS_USAGE, "this is the host's own address");
	for (size_t i = 0; i < json_array_size(names) && result == 0; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		struct guest *other = calloc(1, sizeof(*other));
		struct err ignored = { 0 };

		if (other == NULL)
			abort();
		if (strcmp(name, g->name) != 0 && guest_load(other, name, &ignored) == 0)
			result = check_against(g, other, err);
		err_fini(&ignored);
		guest_fini(other);
		free(other);
	}
	json_decref(names);
	return result;
}

/* Guest memory that the files of the request take; one that did not come put_files() misses. */
static uint64_t files_room(const struct request *r, const struct guest *g)
{
	const json_t *files = json_object_get(r->message.object, "files");
	uint64_t room = 0;

	for (unsigned i = 0; i < g->file_count; i++) {
		json_int_t index = json_integer_value(json_array_get(files, i));
		struct stat st;

		if (index >= 0 && index < r->message.fd_count && fstat(r->message.fds[index], &st) == 0 &&
		    st.st_size >= 0)
			room += image_file_room((uint64_t)st.st_size);
	}
	return room;
}

/* Image and files of the request, into the guest's folder. */
static int put_files(struct request *r, const struct guest *g, int image, struct err *err)
{
	const json_t *files = json_object_get(r->message.object, "files");
	char file[GUEST_IMAGE_NAME_BYTES];

	guest_image_name(g->generation, file);
	if (lseek(image, 0, SEEK_SET) != 0 || guest_put_file(g->name, file, image, IXD_IMAGE_BYTES_MAX, err) != 0)
		return err_set(err, STATUS_DATA, "the image cannot be read again");
	for (unsigned i = 0; i < g->file_count; i++) {
		json_int_t index = json_integer_value(json_array_get(files, i));
		int fd = json_is_integer(json_array_get(files, i)) && index >= 0 && index < MESSAGE_FDS_MAX
				 ? message_take_fd(&r->message, (unsigned)index)
				 : -1;
		char *name;
		int result;

		if (fd < 0)
			return err_set(err, STATUS_USAGE, "file %s did not come with the request", g->files[i].name);
		if (asprintf(&name, "%s/%s", g->files[i].is_secret ? "secrets" : "files", g->files[i].name) < 0)
			abort();
		result = guest_put_file(g->name, name, fd, FILE_BYTES_MAX, err);
		free(name);
		close(fd);
		if (result != 0)
			return -1;
	}
	return 0;
}

static int take_name(const struct guest *g, struct err *err)
{
	struct domain_info info;

	if (guest_exists(g->name))
		return err_set(err, STATUS_USAGE,
			       "there is a guest '%s' already: ixctl down %s, or ixctl replace %s IMAGE", g->name,
			       g->name, g->name);
	if (domain_info(ixd.domains, g->name, &info, err) != 0)
		return -1;
	if (info.state != DOMAIN_ABSENT)
		return err_set(err, STATUS_USAGE, "libvirt has a domain '%s' that is not ours", g->name);
	return 0;
}

static int up(struct request *r, struct guest *g, int image_fd, struct err *err)
{
	struct image *image = deploy_image(image_fd, err);
	struct err ignored = { 0 };
	int result = -1;

	if (image == NULL)
		return -1;
	if (settle_guest(g, image, files_room(r, g), err) == 0 && take_name(g, err) == 0 &&
	    check_against_all(g, err) == 0 && check_leases(g, err) == 0) {
		settle_image(g, image);
		g->is_wanted = true;
		g->generation = 1;
		g->previous = g->older = 0;
		g->is_trying = false;
		g->cores = g->cpus_min;
		g->scaling[0] = '\0';
		g->vcpus = (struct guest_vcpus){ 0 };
		result = put_files(r, g, image_fd, err) == 0 && user_save(g, err) == 0 ? deploy_start(g, r, NULL, err)
										       : -1;
		if (result != 0) {
			guest_remove(g->name, &ignored);
			known_remove(g->name);
			err_fini(&ignored);
		}
	}
	image_free(image);
	return result;
}

int verb_up(struct request *r, struct err *err)
{
	struct guest *g = calloc(1, sizeof(*g));
	int image = message_take_fd(&r->message, 0), lock = -1, result = -1;

	if (g == NULL)
		abort();
	if (guest_from_json(g, json_object_get(r->message.object, "guest"), err) == 0 &&
	    (lock = guest_lock(g->name, LOCK_S, err)) >= 0)
		result = up(r, g, image, err);
	if (result == 0) {
		scale_know(g);
		event_note(g->name, "up", json_pack("{s:s, s:s}", "image", g->image_name, "sha256", g->image_sha256));
		r->result = guest_to_json(g);
	}
	if (image >= 0)
		close(image);
	if (lock >= 0)
		close(lock);
	guest_fini(g);
	free(g);
	return result;
}

int verb_down(struct request *r, struct err *err)
{
	const char *name = request_known(r, err);
	const json_t *timeout = json_object_get(r->message.object, "timeout_s");
	json_int_t timeout_s = timeout != NULL ? json_integer_value(timeout) : DOWN_S;
	int lock, result;

	if (name == NULL)
		return -1;
	if (timeout_s < 0 || timeout_s > DOWN_S_MAX)
		return err_set(err, STATUS_USAGE, "timeout: expected 0 to %d seconds", DOWN_S_MAX);
	lock = guest_lock(name, LOCK_S, err);
	if (lock < 0)
		return -1;
	request_say(r, "stopping %s", name);
	result = deploy_stop(name, (unsigned)timeout_s, err);
	if (result == 0 && (result = guest_remove(name, err)) == 0) {
		known_remove(name);
		event_note(name, "down", NULL);
		result = deploy_publish(err);
	}
	close(lock);
	return result;
}

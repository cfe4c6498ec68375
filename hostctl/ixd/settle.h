/* SPDX-License-Identifier: MIT */
/* What a record and an image say of each other. Private to hostctl/ixd. */
#pragma once
#include "hostctl/ixd/ixd.h"

/**
 * settle_guest() - what @g does not say @image says; what it says must be within what the image can do
 * @files_room: guest memory that files and secrets of the host take. Return: 0, or -1 with @err.
 */
int settle_guest(struct guest *g, const struct image *image, uint64_t files_room, struct err *err);
/** settle_image() - @g is of @image from now on. */
void settle_image(struct guest *g, const struct image *image);

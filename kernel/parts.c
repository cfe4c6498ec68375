/* SPDX-License-Identifier: MIT */
/* The parts that ixctl put into the image behind the kernel: where they are and whether they are whole. */
#include "kernel/parts.h"

#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/sha256.h"
#include "kernel/mem/mem.h"

void parts_reserve(const struct ix_image *image)
{
	if (image->magic != IX_IMAGE_MAGIC || image->version != IX_IMAGE_VERSION)
		panic("the image description is of version %u, this kernel reads %u: build the image again",
		      image->version, IX_IMAGE_VERSION);
	if (image->part_count == 0 || image->part_count > IX_PARTS_MAX)
		panic("this kernel carries no application: build an image with ixctl image build");
	for (uint32_t i = 0; i < image->part_count; i++) {
		const struct ix_image_part *p = &image->parts[i];

		if (p->pa % HUGE_BYTES || p->bytes == 0 || !mem_is_ram(p->pa, p->bytes))
			panic("part %u of the image is not inside memory: give the guest more", i);
		mem_reserve(p->pa, p->bytes);
	}
}

static const struct ix_image_part *find(const struct ix_image *image, enum ix_part_kind kind)
{
	for (uint32_t i = 0; i < image->part_count; i++)
		if (image->parts[i].kind == kind)
			return &image->parts[i];
	return NULL;
}

struct part parts_peek(const struct ix_image *image, enum ix_part_kind kind)
{
	const struct ix_image_part *p = find(image, kind);

	return p ? (struct part){ mem_va(p->pa), p->bytes } : (struct part){ NULL, 0 };
}

struct part parts_get(const struct ix_image *image, enum ix_part_kind kind)
{
	const struct ix_image_part *p = find(image, kind);
	uint8_t digest[32];

	if (!p)
		return (struct part){ NULL, 0 };
	sha256(mem_va(p->pa), p->bytes, digest);
	if (memcmp(digest, p->sha256, sizeof(digest)) != 0)
		panic("the image is damaged (sha256 of part %ld): build or copy it again", (long)(p - image->parts));
	return (struct part){ mem_va(p->pa), p->bytes };
}

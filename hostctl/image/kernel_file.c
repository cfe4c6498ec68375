/* SPDX-License-Identifier: MIT */
/*
 * The two notes that make an ELF file a kernel of ours: Xen's entry note, by which a PVH loader finds
 * the first instruction, and ours. An image file is such a kernel too. [Xen docs/misc/pvh]
 */
#include "hostctl/image/kernel_file.h"
#include <string.h>

#define XEN_ELFNOTE_PHYS32_ENTRY 18

static struct ix_connection_bytes connection_note(const struct kernel_file *k, const struct blob *file)
{
	struct ix_connection_bytes found = { 0 };
	size_t bytes, at = elf_note(&k->elf, "IX", IX_CONNECTION_NOTE, &bytes);

	if (at != 0 && bytes == sizeof(found))
		memcpy(&found, file->data + at, sizeof(found));
	return found;
}

int kernel_file_open(struct kernel_file *k, const struct blob *file, const char *path, struct err *err)
{
	size_t bytes;

	memset(k, 0, sizeof(*k));
	if (elf_open(&k->elf, file->data, file->bytes, path, err) != 0)
		return -1;
	if (elf_note(&k->elf, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &bytes) == 0)
		return err_set(err, STATUS_DATA, "%s: expected a bootable kernel, got an ELF file without a PVH note",
			       path);
	k->note_at = elf_note(&k->elf, "IX", IX_IMAGE_NOTE, &bytes);
	if (k->note_at == 0 || bytes < offsetof(struct ix_image, part_count))
		return err_set(err, STATUS_DATA, "%s: expected an IX kernel or image, got another kernel", path);
	memcpy(&k->note, file->data + k->note_at, bytes < sizeof(k->note) ? bytes : sizeof(k->note));
	if (k->note.magic != IX_IMAGE_MAGIC)
		return err_set(err, STATUS_DATA, "%s: expected an IX kernel or image, got a damaged note", path);
	if (k->note.version != IX_IMAGE_VERSION)
		return err_set(err, STATUS_DATA,
			       "%s: made for image version %u, this ixctl knows version %u: build it "
			       "again with this ixctl's `image build`",
			       path, k->note.version, IX_IMAGE_VERSION);
	if (bytes != sizeof(k->note) || !elf_load_span(&k->elf, true, &k->pa, &k->end_pa))
		return err_set(err, STATUS_DATA, "%s: expected a kernel, got one without contents", path);
	k->connection = connection_note(k, file);
	for (unsigned i = k->elf.count; i-- > 0;)
		if (k->elf.segments[i].p_type == PT_LOAD)
			k->va_offset = k->elf.segments[i].p_vaddr - k->elf.segments[i].p_paddr;
	return 0;
}

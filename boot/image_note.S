/* SPDX-License-Identifier: MIT */
/* Room for the image description (kernel/abi/image.h), empty but for its version until ixctl fills it in. */
	.section .note.ix, "a", @note
	.align 4
	.long 3				/* name bytes, padded to 4 */
	.long 2f - 1f			/* descriptor bytes */
	.long 0x4958			/* IX_IMAGE_NOTE */
	.asciz "IX"
	.align 4
	.globl boot_image_note
boot_image_note:
1:	.quad 0x31474d4958		/* IX_IMAGE_MAGIC */
	.long 6				/* IX_IMAGE_VERSION */
	.long 0				/* part_count */
	.fill 8 * 56, 1, 0
2:

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/* Commands to the device, one at a time, each waited for by the clock. [virtio-1.2 5.1.6.5] */
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"
#include "kernel/nic/virtio_net.h"

#define ANSWER_WAIT_US 1000000u
#define ANSWER_NONE 0xff

enum { CTRL_HEAD, CTRL_DATA, CTRL_ANSWER, CTRL_DESCS };

struct virtio_ctrl_memory {
	struct virtio_net_ctrl head;
	uint8_t answer; /* by device */
	union {
		le16_t pairs;
		struct virtio_net_rss rss;
	} data ALIGNED(64);
};

int virtio_ctrl_alloc(struct virtio_ctrl *c, uint16_t index, uint16_t size)
{
	if (size < CTRL_DESCS + 1)
		return KERR_UNSUPPORTED;
	c->memory = mem_boot_alloc(sizeof(*c->memory), CACHE_LINE);
	return c->memory ? virtq_alloc(&c->q, index, size) : KERR_NO_MEMORY;
}

/* The three parts of a command as one chain; always in the same descriptors, since only one is under way. */
static void offer(struct virtio_ctrl *c, uint32_t data_bytes)
{
	struct virtio_ctrl_memory *m = c->memory;
	struct virtq_desc *d = c->q.desc;

	d[CTRL_HEAD] = (struct virtq_desc){ mem_pa(&m->head), sizeof(m->head), VIRTQ_DESC_NEXT, CTRL_DATA };
	d[CTRL_DATA] = (struct virtq_desc){ mem_pa(&m->data), data_bytes, VIRTQ_DESC_NEXT, CTRL_ANSWER };
	d[CTRL_ANSWER] = (struct virtq_desc){ mem_pa(&m->answer), sizeof(m->answer), VIRTQ_DESC_WRITE, 0 };
	virtq_offer(&c->q, CTRL_HEAD);
	virtq_show(&c->q);
}

static int command(struct virtio_ctrl *c, uint8_t number, uint32_t data_bytes)
{
	tsc_t until = cpu_tsc() + cpu_us_to_tsc(ANSWER_WAIT_US);
	uint8_t answer;

	c->memory->head = (struct virtio_net_ctrl){ .class = VIRTIO_NET_CTRL_MQ, .command = number };
	c->memory->answer = ANSWER_NONE;
	offer(c, data_bytes);
	while (virtq_used_count(&c->q) == 0) {
		if (cpu_tsc() > until) {
			log_line("virtio-net: no answer to control command %u", number);
			virtio_net_want_reset(); /* it could come as the answer to the next one */
			return KERR_TIMEOUT;
		}
		cpu_pause();
	}
	c->q.used_next++;
	answer = READ_ONCE(c->memory->answer);
	if (answer != VIRTIO_NET_OK) {
		log_line("virtio-net: control command %u refused (%u)", number, answer);
		return KERR_UNSUPPORTED;
	}
	return 0;
}

int virtio_ctrl_pairs(struct virtio_ctrl *c, uint16_t pairs)
{
	c->memory->data.pairs = pairs;
	return command(c, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, sizeof(le16_t));
}

int virtio_ctrl_rss(struct virtio_ctrl *c, uint16_t pairs, const struct nic_steering *steering)
{
	struct virtio_net_rss *r = &c->memory->data.rss;

	r->hash_types = VIRTIO_NET_HASHES;
	r->table_mask = VIRTIO_NET_RSS_TABLE - 1;
	r->unclassified_queue = 0;
	for (unsigned i = 0; i < VIRTIO_NET_RSS_TABLE; i++)
		r->table[i] = steering->table[i];
	r->max_tx_vq = pairs;
	r->key_bytes = VIRTIO_NET_RSS_KEY;
	memcpy(r->key, steering->key, VIRTIO_NET_RSS_KEY);
	return command(c, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, sizeof(*r));
}

/* SPDX-License-Identifier: MIT */
/* As many connections as a core is ever to hold: all have a place in the demultiplexer, near where they are looked for. */
#include "kernel/mem/mem.h"
#include "kernel/net/demux.h"
#include "test/fake/slab.h"
#include "test/unit/net/world.h"

#define MANY 250000u
#define SOURCES 64u
#define BUCKETS_A_BLOCK 64u

static struct tcp_pcb *many[MANY];

static struct tcp_pcb *pcb_new(unsigned n)
{
	struct tcp_pcb *pcb = mem_alloc(PCB_BYTES + sizeof(struct conn));

	memset(pcb, 0, PCB_BYTES + sizeof(struct conn));
	ip_addr_set_ip4_u32_val(pcb->remote_ip, be32(PEER_ADDRESS + n % SOURCES));
	ip_addr_set_ip4_u32_val(pcb->local_ip, be32(WORLD_ADDRESS));
	pcb->remote_port = (u16_t)(1024 + n / SOURCES);
	pcb->local_port = 7;
	return pcb;
}

static struct tcp_pcb *look_up(const struct tcp_pcb *pcb)
{
	struct demux_tuple t = tuple_of(pcb);

	return demux_find(demux_hash(&t), &t);
}

/* The buckets that a round of splits has not reached are twice as full as the others: there is room even in those. */
static void test_all_have_a_place(void **state)
{
	size_t blocks;

	(void)state;
	world_begin(0);
	assert_int_equal(demux_init(MANY, 1), 0);
	assert_int_equal(demux_core_init(), 0);
	blocks = fake_slab_blocks;
	for (unsigned i = 0; i < MANY; i++) {
		many[i] = pcb_new(i);
		if (!demux_insert(many[i]))
			fail_msg("the demultiplexer refuses connection %u", i);
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(look_up(many[i]), many[i]);
	assert_in_range(fake_slab_blocks - blocks - MANY, 1, MANY / 2 / BUCKETS_A_BLOCK + 2);
	for (unsigned i = 0; i < MANY; i++) {
		demux_remove(conn_of(many[i]));
		mem_free(many[i]);
	}
	assert_int_equal(fake_slab_blocks, blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_have_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

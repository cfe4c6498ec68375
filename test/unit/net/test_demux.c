/* SPDX-License-Identifier: MIT */
/* The hash table of connections against a plain list, while it grows and shrinks; sums against a plain sum. */
#include "kernel/mem/mem.h"
#include "kernel/net/checksum.h"
#include "kernel/net/demux.h"
#include "test/fake/slab.h"
#include "test/unit/net/world.h"

#define PCBS 2200u /* the tables' directories are made for 1,000 connections */

static struct tcp_pcb *pcbs[PCBS];
static bool is_in[PCBS];
static uint64_t rng = 88172645463325252ull;

static uint32_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 13);
}

static struct tcp_pcb *pcb_new(unsigned n)
{
	struct tcp_pcb *pcb = mem_alloc(PCB_BYTES + sizeof(struct conn));

	memset(pcb, 0, PCB_BYTES + sizeof(struct conn));
	ip4_addr_set_u32(ip_2_ip4(&pcb->remote_ip), rnd());
	ip4_addr_set_u32(ip_2_ip4(&pcb->local_ip), be32(WORLD_ADDRESS));
	pcb->remote_port = (u16_t)(n % 7 ? rnd() : 1000);
	pcb->local_port = 7;
	return pcb;
}

static struct tcp_pcb *look_up(const struct tcp_pcb *pcb)
{
	struct demux_tuple t = tuple_of(pcb);

	return demux_find(demux_hash(&t), &t);
}

static unsigned visited;

static void count_one(struct conn *c)
{
	(void)c;
	visited++;
}

static void check_all(void)
{
	unsigned in = 0;

	for (unsigned i = 0; i < PCBS; i++) {
		assert_ptr_equal(look_up(pcbs[i]), is_in[i] ? pcbs[i] : NULL);
		in += is_in[i];
	}
	visited = 0;
	demux_each(count_one);
	assert_int_equal(visited, in);
}

static void test_against_a_list(void **state)
{
	unsigned refused = 0;

	(void)state;
	world_begin(0);
	for (unsigned i = 0; i < PCBS; i++)
		pcbs[i] = pcb_new(i);
	for (unsigned step = 0; step < 40000; step++) {
		unsigned i = rnd() % PCBS;

		if (!is_in[i]) {
			is_in[i] = demux_insert(pcbs[i]);
			refused += !is_in[i];
		} else if (rnd() % 3 == 0) {
			demux_remove(conn_of(pcbs[i]));
			demux_remove(conn_of(pcbs[i])); /* twice does no harm */
			is_in[i] = false;
		}
		if (step % 4000 == 0)
			check_all();
	}
	assert_int_equal(refused, 0);
	for (unsigned i = 0; i < PCBS; i++) {
		demux_remove(conn_of(pcbs[i]));
		is_in[i] = false;
	}
	check_all();
	for (unsigned i = 0; i < PCBS; i++)
		mem_free(pcbs[i]);
	world_end();
}

/* A wave of connections comes and goes: look-ups are right at every size, and the memory comes back. */
static void test_grows_and_shrinks(void **state)
{
	size_t blocks;

	(void)state;
	world_begin(0);
	for (unsigned i = 0; i < PCBS; i++)
		pcbs[i] = pcb_new(i);
	blocks = fake_slab_blocks;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < PCBS; i++) {
			is_in[i] = demux_insert(pcbs[i]);
			assert_true(is_in[i]);
			if (i % 211 == 0)
				check_all();
		}
		assert_true(fake_slab_blocks >= blocks + PCBS / 3 / 64 - 2);
		for (unsigned i = 0; i < PCBS; i++) {
			demux_remove(conn_of(pcbs[i]));
			is_in[i] = false;
			if (i % 211 == 0)
				check_all();
		}
		assert_int_equal(fake_slab_blocks, blocks);
	}
	for (unsigned i = 0; i < PCBS; i++)
		mem_free(pcbs[i]);
	world_end();
}

/* Without memory to grow the table fills up and says so; nothing that is in it is lost. */
static void test_refuses_without_memory(void **state)
{
	unsigned in = 0;

	(void)state;
	world_begin(0);
	for (unsigned i = 0; i < PCBS; i++)
		pcbs[i] = pcb_new(i);
	fake_slab_fail_from = 0;
	for (unsigned i = 0; i < PCBS; i++) {
		is_in[i] = demux_insert(pcbs[i]);
		in += is_in[i];
	}
	assert_in_range(in, 64 * 4, PCBS - 1);
	check_all();
	fake_slab_fail_from = SIZE_MAX;
	for (unsigned i = 0; i < PCBS; i++) {
		is_in[i] = is_in[i] || demux_insert(pcbs[i]);
		assert_true(is_in[i]);
	}
	check_all();
	for (unsigned i = 0; i < PCBS; i++) {
		demux_remove(conn_of(pcbs[i]));
		is_in[i] = false;
		mem_free(pcbs[i]);
	}
	world_end();
}

static struct conn *seen[PCBS];
static unsigned seen_count;

static void remove_it(struct conn *c)
{
	seen[seen_count++] = c;
	demux_remove(c);
}

static void test_each_may_remove(void **state)
{
	(void)state;
	world_begin(0);
	for (unsigned i = 0; i < PCBS; i++) {
		pcbs[i] = pcb_new(i);
		assert_true(demux_insert(pcbs[i]));
	}
	demux_each(remove_it);
	assert_int_equal(seen_count, PCBS);
	check_all();
	for (unsigned i = 0; i < PCBS; i++)
		mem_free(pcbs[i]);
	world_end();
}

static uint32_t plain_sum(const uint8_t *bytes, unsigned count)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += (uint32_t)bytes[i] << (i & 1 ? 8 : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void test_checksum_against_a_plain_sum(void **state)
{
	static uint8_t bytes[1600];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i < 800 ? rnd() : 0xff);
	for (unsigned from = 0; from < 9; from++)
		for (unsigned count = 0; from + count <= sizeof(bytes); count += count < 300 ? 1 : 37)
			assert_int_equal(port_chksum(bytes + from, (int)count), plain_sum(bytes + from, count));
}

/* Words that carry all the way through: of ones, of zeros, a single one anywhere among either. */
static void test_checksum_carries(void **state)
{
	static uint8_t bytes[400];

	(void)state;
	for (unsigned fill = 0; fill < 2; fill++) {
		memset(bytes, fill ? 0xff : 0, sizeof(bytes));
		for (unsigned at = 0; at < sizeof(bytes); at++) {
			uint8_t was = bytes[at];

			bytes[at] = (uint8_t)(was ^ 1);
			for (unsigned count = 120; count <= sizeof(bytes); count += 7)
				assert_int_equal(port_chksum(bytes, (int)count), plain_sum(bytes, count));
			bytes[at] = was;
		}
	}
	for (unsigned i = 0; i < 20000; i++) {
		unsigned from = rnd() % 16, count = rnd() % (sizeof(bytes) - 16);

		for (unsigned k = 0; k < sizeof(bytes) / 4; k++) {
			uint32_t word = rnd() % 4 ? 0u - rnd() % 2 : rnd();

			memcpy(bytes + 4 * k, &word, sizeof(word));
		}
		assert_int_equal(port_chksum(bytes + from, (int)count), plain_sum(bytes + from, count));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_list),
		cmocka_unit_test(test_grows_and_shrinks),
		cmocka_unit_test(test_refuses_without_memory),
		cmocka_unit_test(test_each_may_remove),
		cmocka_unit_test(test_checksum_against_a_plain_sum),
		cmocka_unit_test(test_checksum_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What Open vSwitch 3.1 says of ports and flows, as it says it, cut short; and what else could stand there. */
#include "hostctl/sw/flows.h"
#include "hostctl/sw/meters.h"
#include "hostctl/sw/states.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char interfaces[] =
	"[{\"name\":\"ix0\",\"ofport\":65534,\"link_state\":\"down\",\"error\":[],\"statistics\":{\"rx_packets\":3},"
	"\"external_ids\":{}},"
	"{\"name\":\"ixa\",\"ofport\":3,\"link_state\":\"up\",\"error\":[],\"statistics\":{\"rx_bytes\":1200,"
	"\"rx_dropped\":1,\"rx_packets\":12,\"tx_bytes\":2400,\"tx_dropped\":7,\"tx_packets\":24,"
	"\"ovs_tx_failure_drops\":7,\"ovs_rx_qos_drops\":6},\"ingress_policing_rate\":5000,\"external_ids\":{\"ix-"
	"guest\":\"web\",\"ix-mac\":\"02:49:58:00:00:02\"}},"
	"{\"name\":\"ixb\",\"ofport\":2,\"link_state\":\"down\",\"error\":[],\"statistics\":{},"
	"\"external_ids\":{\"ix-guest\":\"db\",\"ix-dhcp\":\"true\",\"ix-address\":\"0.0.0.0\"}},"
	"{\"name\":\"ixc\",\"ofport\":-1,\"link_state\":[],\"error\":\"could not open network device ixc\","
	"\"statistics\":{\"rx_packets\":-5},\"external_ids\":{\"ix-guest\":\"late\"}}]";

static const char dump[] =
	"OFPST_FLOW reply (OF1.4) (xid=0x2):\n"
	" cookie=0x4958000000000000, duration=5.2s, table=0, n_packets=4, n_bytes=300, priority=0 actions=drop\n"
	" cookie=0x4958000100000003, duration=5.2s, table=0, n_packets=10, n_bytes=600, priority=94,icmp6,in_port=ixa "
	"actions=drop\n"
	" cookie=0x4958000100000003, duration=5.2s, table=0, n_packets=32, n_bytes=600, priority=80,in_port=ixa "
	"actions=drop\n"
	" cookie=0x0, duration=5.2s, table=1, n_packets=999, n_bytes=1, priority=60,in_port=ixa actions=output:1\n"
	" cookie=0x4958000200000002, duration=5.2s, table=2, n_packets=5, n_bytes=1, priority=50,in_port=ixb "
	"actions=drop\n"
	" cookie=0x4958000100000063, duration=5.2s, table=0, n_packets=77, n_bytes=1, priority=80,in_port=99 "
	"actions=drop\n"
	" cookie=0x4958000300000002, duration=1.2s, table=5, n_packets=0, n_bytes=0, hard_timeout=600, "
	"ip,in_port=ixb,nw_src=10.77.0.77 actions=drop\n"
	" cookie=0x4958000300000002, duration=1.2s, table=5, n_packets=0, n_bytes=0, "
	"ip,in_port=ixb,nw_src=10.77.0.0/16 "
	"actions=drop\n"
	" cookie=0x4958000100000002, duration=5.2s, table=0, n_packets=8, n_bytes=1, priority=80,in_port=ixb "
	"actions=drop";

static struct sw_states *read_all(const char *rows_text, const char *flows)
{
	json_error_t why;
	json_t *rows = json_loads(rows_text, 0, &why);
	struct sw_states *s;

	assert_non_null(rows);
	s = states_read(rows, flows);
	json_decref(rows);
	return s;
}

static void test_ports(void **state)
{
	struct sw_states *s = read_all(interfaces, dump);
	const struct sw_state *web = sw_states_of(s, "web"), *late = sw_states_of(s, "late");

	(void)state;
	assert_int_equal(s->count, 3);
	assert_true(web->is_there && web->is_linked);
	assert_int_equal(web->number, 3);
	assert_int_equal(web->rx_frames, 12);
	assert_int_equal(web->tx_bytes, 2400);
	assert_int_equal(web->tx_dropped, 7);
	assert_false(sw_states_of(s, "db")->is_linked);
	/* What was offered to the one that asks for it; a whole network is no address. */
	assert_false(web->is_dhcp);
	assert_int_equal(web->offered_count, 0);
	assert_true(sw_states_of(s, "db")->is_dhcp);
	assert_int_equal(sw_states_of(s, "db")->offered_count, 1);
	assert_memory_equal(sw_states_of(s, "db")->offered[0], ((uint8_t[]){ 10, 77, 0, 77 }), 4);
	assert_int_equal(late->number, -1);
	assert_int_equal(late->rx_frames, 0);
	assert_string_equal(late->error, "could not open network device ixc");
	assert_false(sw_states_of(s, "nobody")->is_there);
	assert_int_equal(sw_states_of(s, "nobody")->number, -1);
	free(s);
}

static void test_counts(void **state)
{
	struct sw_states *s = read_all(interfaces, dump);

	(void)state;
	assert_true(s->has_flows);
	assert_int_equal(sw_states_of(s, "web")->spoofed, 42);
	assert_int_equal(sw_states_of(s, "web")->forbidden, 0);
	assert_int_equal(sw_states_of(s, "db")->spoofed, 8);
	assert_int_equal(sw_states_of(s, "db")->forbidden, 5);
	assert_int_equal(sw_states_of(s, "late")->spoofed, 0);
	free(s);
}

/* After the daemon was away: the ports are there, their flows are not. */
static void test_flows_are_gone(void **state)
{
	struct sw_states *s = read_all(interfaces, "OFPST_FLOW reply (OF1.4) (xid=0x2):");

	(void)state;
	assert_false(s->has_flows);
	assert_int_equal(sw_states_of(s, "web")->spoofed, 0);
	free(s);
	s = read_all("[]", "");
	assert_int_equal(s->count, 0);
	assert_false(s->has_flows);
	free(s);
}

/* The database missed that db's port came up, and web's went; OpenFlow did not. */
static void test_links(void **state)
{
	static const char show[] =
		"OFPT_FEATURES_REPLY (xid=0x2): dpid:00001635933ec942\n"
		"n_tables:254, n_buffers:0\n"
		" 1(ixhost-br): addr:c2:4a:44:cb:47:82\n     config:     0\n     state:      0\n"
		" 2(ixb): addr:00:00:00:00:00:00\n     config:     0\n     state:      0\n"
		"     speed: 0 Mbps now, 0 Mbps max\n"
		" 3(ixa): addr:00:00:00:00:00:00\n     config:     0\n     state:      LINK_DOWN\n"
		" LOCAL(ix0): addr:16:35:93:3e:c9:42\n     config:     PORT_DOWN\n     state:      0\n"
		"OFPT_GET_CONFIG_REPLY (xid=0x4): frags=normal miss_send_len=0";
	struct sw_states *s = read_all(interfaces, dump);

	(void)state;
	states_read_links(s, show);
	assert_true(sw_states_of(s, "db")->is_linked);
	assert_false(sw_states_of(s, "web")->is_linked);
	assert_false(sw_states_of(s, "late")->is_linked);
	states_read_links(s, " 3(ixa): addr\n 2(\n state:\n -1(x)\n state: 0\n7");
	assert_false(sw_states_of(s, "web")->is_linked);
	assert_false(sw_states_of(s, "late")->is_linked);
	free(s);
}

static void test_rates(void **state)
{
	struct sw_states *s = read_all(interfaces, dump);

	(void)state;
	assert_int_equal(sw_states_of(s, "web")->limited, 6);
	assert_int_equal(sw_states_of(s, "web")->rate_mbit, 5);
	assert_int_equal(sw_states_of(s, "db")->limited, 0);
	assert_int_equal(sw_states_of(s, "db")->rate_mbit, 0);
	free(s);
}

static void test_meters(void **state)
{
	static const char stats[] =
		"OFPST_METER reply (OF1.4) (xid=0x2):\n"
		"meter:3 flow_count:1 packet_in_count:900 byte_in_count:54000 duration:9.026s bands:\n"
		"0: packet_count:400 byte_count:24000\n\n"
		"meter:99 flow_count:1 packet_in_count:9 byte_in_count:1 duration:9.026s bands:\n"
		"0: packet_count:5 byte_count:300\n\n"
		"meter:2 flow_count:1 packet_in_count:9 byte_in_count:1 duration:9.026s bands:\n"
		"0: packet_count:";
	struct sw_states *s = read_all(interfaces, dump);

	(void)state;
	states_read_meters(s, stats);
	assert_int_equal(sw_states_of(s, "web")->flooded, 400);
	assert_int_equal(sw_states_of(s, "db")->flooded, 0);
	states_read_meters(s,
			   "meter:\nmeter:-3\n0: packet_count:1\nmeter:3\n0: packet_count:99999999999999999999999\n");
	assert_int_equal(sw_states_of(s, "web")->flooded, 400);
	free(s);
}

static void test_meters_that_are_there(void **state)
{
	struct meters *m = meters_read("OFPST_METER_CONFIG reply (OF1.4) (xid=0x2):\n"
				       "meter=2 pktps burst stats bands=\ntype=drop rate=500 burst_size=500\n\n"
				       "meter=65535 pktps bands=\nmeter=65536 bands=\nmeter= bands=\nmeter=-1\nmeter");
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < METERS_NUMBERS; i++)
		count += m->is_there[i];
	assert_true(m->is_there[2] && m->is_there[65535]);
	assert_int_equal(count, 2);
	free(m);
}

/* What is not as it should be is passed over. */
static void test_odd_words(void **state)
{
	static const char rows[] = "[1,{},{\"external_ids\":[]},{\"external_ids\":{\"ix-guest\":\"\"}},"
				   "{\"ofport\":99999999999,\"external_ids\":{\"ix-guest\":\"far\"}},"
				   "{\"external_ids\":{\"ix-guest\":\"a234567890123456789012345678901234567890\"}}]";
	struct sw_states *s = read_all(rows, "cookie=0x\ncookie=0x4958000000000000\nn_packets=7\n"
					     " cookie=0x49580001ffffffff, n_packets=99999999999999999999999\n"
					     " cookie=0x4958000000000001, n_packets=1\n\n");

	(void)state;
	assert_int_equal(s->count, 1);
	assert_int_equal(sw_states_of(s, "far")->number, -1);
	assert_false(s->has_flows);
	free(s);
}

/* A number that comes late, or changes, is seen; counters are not. */
static void test_ports_change(void **state)
{
	struct sw_states *a = read_all("[{\"name\":\"ixa\",\"ofport\":[],\"external_ids\":{}}]", "");
	struct sw_states *b = read_all("[{\"name\":\"ixa\",\"ofport\":3,\"external_ids\":{}}]", "");
	struct sw_states *c = read_all("[{\"name\":\"ixa\",\"ofport\":3,\"statistics\":{\"rx_packets\":1}}]", "");

	(void)state;
	assert_true(a->ports != b->ports);
	assert_true(b->ports == c->ports);
	free(a);
	free(b);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_flows_are_gone),
		cmocka_unit_test(test_odd_words),
		cmocka_unit_test(test_ports_change),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_meters),
		cmocka_unit_test(test_meters_that_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

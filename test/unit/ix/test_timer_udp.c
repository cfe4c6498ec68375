/* SPDX-License-Identifier: MIT */
/*
 * Timers that are stopped, set anew and expire around each other; datagrams there and back.
 */
#include "test/unit/ix/begin.h"

static unsigned fired;
static struct ix_timer *to_stop;

static void on_timer(struct ix_timer *t)
{
	(void)t;
	fired++;
	if (to_stop)
		ix_timer_stop(to_stop);
}

static void a_timer_fires_once(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct ix_timer t = { .fn = on_timer };

	(void)state;
	fired = 0;
	to_stop = NULL;
	ix_timer_start(&t, 5000);
	ix_round(core);
	assert_int_equal(fake.timer_delay_ns, 5000);
	fake_timer();
	ix_round(core);
	ix_round(core);
	assert_int_equal(fired, 1);
	assert_int_equal(t.err, 0);
}

static void a_stopped_timer_is_silent(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct ix_timer t = { .fn = on_timer };

	(void)state;
	fired = 0;
	to_stop = NULL;
	ix_timer_start(&t, 1);
	ix_timer_stop(&t); /* before ring 0 knew */
	ix_round(core);
	assert_false(fake.is_timer_armed);
	assert_int_equal(fake.ops[IX_OP_NONE], 1);

	ix_timer_start(&t, 1);
	ix_round(core);
	ix_timer_start(&t, 2);
	ix_timer_stop(&t); /* while it is set anew */
	ix_round(core);
	assert_false(fake.is_timer_armed);
	assert_int_equal(fake.ops[IX_OP_TIMER_CANCEL], 1);

	ix_timer_start(&t, 3);
	ix_round(core);
	ix_timer_start(&t, 4);
	ix_timer_start(&t, 5);
	ix_round(core);
	assert_int_equal(fake.timer_delay_ns, 5);
	assert_int_equal(fake.bad, 0);
	ix_timer_stop(&t);
	ix_round(core);
	assert_int_equal(fired, 0);
}

static void one_timer_stops_another_that_expired_with_it(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct ix_timer a = { .fn = on_timer }, b = { .fn = on_timer };

	(void)state;
	fired = 0;
	to_stop = &a;
	ix_timer_start(&a, 1);
	ix_round(core);
	fake_timer();
	fake.timer_handle = 100; /* the fake has one timer at a time */
	ix_timer_start(&b, 1);
	/* Both expire in one array: b's function runs first, as the last to expire, and stops a. */
	core->calls->count = 0;
	ix_batch_run(core, IX_CALL);
	fake_timer();
	ix_round(core);
	assert_int_equal(fired, 1);
}

static void a_timer_ring_0_has_no_room_for_is_called_with_an_error(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct ix_timer t = { .fn = on_timer };

	(void)state;
	fired = 0;
	to_stop = NULL;
	fake.fail_op = IX_OP_TIMER_ARM;
	fake.fail_status = IX_NO_MEMORY;
	ix_timer_start(&t, 1);
	ix_round(core);
	assert_int_equal(fired, 1);
	assert_int_equal(t.err, IX_NO_MEMORY);
}

static void echo_datagram(struct ix_udp *u, const struct ix_datagram *d)
{
	char copy[64];

	if (*(const char *)d->data == 's') {
		memcpy(copy, d->data, d->bytes); /* a stack: must be copied before the handler returns */
		assert_int_equal(ix_udp_send(u, d->remote, copy, d->bytes), 0);
		memset(copy, 0, sizeof(copy));
		return;
	}
	assert_int_equal(ix_udp_send(u, d->remote, d->data, d->bytes), 0);
}

static void datagrams_are_answered_and_given_back(void **state)
{
	struct ix_core *core = begin(&no_service);
	struct ix_udp *u;

	(void)state;
	assert_int_equal(ix_udp_bind(7, echo_datagram, core, &u), 0);
	assert_ptr_equal(ix_udp_user(u), core);
	for (unsigned i = 0; i < 200; i++)
		fake_datagram("hello", 6);
	ix_round(core);
	ix_round(core);
	assert_int_equal(fake.datagrams_out, 200);
	assert_int_equal(fake.datagrams_done, 200);
	assert_int_equal(fake.ops[IX_OP_UDP_RECV_DONE], 1);
	assert_string_equal((char *)fake.datagram, "hello");
	assert_int_equal(fake.datagram_to.port, 1199);
	fake_datagram("stack", 6);
	ix_round(core);
	ix_round(core);
	assert_string_equal((char *)fake.datagram, "stack");
	assert_int_equal(ix_udp_send(u, &fake.datagram_to, fake.datagram, 65508), IX_BAD_LENGTH);
}

static unsigned stops;

static void on_stop(void *arg)
{
	(void)arg;
	stops++;
}

static void the_program_is_told_to_stop(void **state)
{
	static const struct ix_service service = { .stop = on_stop };
	struct ix_core *core = begin(&service);

	(void)state;
	fake_signal();
	ix_round(core);
	assert_int_equal(stops, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_fires_once),
		cmocka_unit_test(a_stopped_timer_is_silent),
		cmocka_unit_test(one_timer_stops_another_that_expired_with_it),
		cmocka_unit_test(a_timer_ring_0_has_no_room_for_is_called_with_an_error),
		cmocka_unit_test(datagrams_are_answered_and_given_back),
		cmocka_unit_test(the_program_is_told_to_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

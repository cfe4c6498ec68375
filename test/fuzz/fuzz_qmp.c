/* SPDX-License-Identifier: MIT */
/* What QEMU, or whoever sits behind its socket, says to ixctl: the input comes through a socket, in pieces as its first byte says. */
#include <sys/socket.h>
#include <unistd.h>
#include "hostctl/machine/qmp.h"
#include "test/fuzz/fuzz.h"

#define READS_MAX 100000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	size_t part = 1 + feed_u8(&f) * 4u;
	static uint8_t answer[4096];
	struct qmp q;
	int ends[2];

	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends) && qmp_init(&q, ends[0]));
	while (feed_left(&f) && !q.is_closed) {
		size_t n = feed_left(&f) < part ? feed_left(&f) : part;

		FUZZ_CHECK(send(ends[1], f.at, n, MSG_DONTWAIT) == (ssize_t)n);
		f.at += n;
		for (size_t read = 0; read < n && !q.is_closed; read += 512)
			qmp_read(&q);
		(void)recv(ends[1], answer, sizeof(answer), MSG_DONTWAIT);
		FUZZ_CHECK(q.line_bytes <= QMP_LINE_MAX && memchr(q.version, 0, sizeof(q.version)));
	}
	close(ends[1]);
	for (unsigned i = 0; i < READS_MAX && !q.is_closed; i++)
		qmp_read(&q);
	FUZZ_CHECK(q.is_closed);
	close(ends[0]);
	qmp_fini(&q);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Which core answers, and nothing else. */
#include "bench/which/serve.h"
#include <stddef.h>

int main(void)
{
	return which_serve("which", NULL);
}

/* SPDX-License-Identifier: MIT */
/* What a core did between two looks at its page. Private to hostctl/ixd, and to its unit test. */
#pragma once
#include "kernel/abi/page.h"
#include <jansson.h>

/**
 * rates_row() - a row of `top` without its guest (new reference)
 * Rates are a second, of the guest's own clock; null where there is nothing to compare: the core wrote nothing between the two
 * looks, or the guest began anew.
 */
json_t *rates_row(unsigned core, const struct ix_page_core *before, const struct ix_page_core *after);

/* SPDX-License-Identifier: MIT */
/*
 * What has a Twisted profile, in it.  The valve, which is FileDescriptor, keeps all that is not
 * marked as strict only.  The proxies and the memory transport are call by call what pcp and
 * StringTransport are, and break some rules besides: which, and why, stands here, and in
 * docs/twisted.md.
 */
#include "tck_claims.h"
#include "tck_memory.h"
#include "tck_stages.h"

static void test_the_valve_keeps_what_is_not_marked_strict(void **state)
{
	struct weir_tck_subject subject = box_subject;

	(void)state;
	subject.name = "valve, Twisted";
	subject.arg = &subject;
	subject.traits.twisted = true;
	subject.numbers = (struct weir_tck_numbers){
		.high = WEIR_TWISTED_HIGH,
		.finish_wait_ns = WEIR_NEVER,
	};
	assert_claims(&subject, 1000,
	              &(struct claims){.rules = SINK_RULES, .without = NOT_TWISTED});
}

/* ---- the proxies ---- */

#define PROXY_BREAKS                                                                                     \
	/* it has its consumer for good, and writes to it also when that has let it go */                \
	"REG-5 " /* an unregister is passed on at once: who pauses the proxy then resumes it no more */  \
	"REG-7 " /* a pull is outstanding, and answered by the write that comes later, without a wake */ \
	"FLOW-5 "

/*
 * Random calls may come to these: a finish lets the producer go, and tells it nothing (REG-1),
 * and overtakes what is held (END-1, END-3); a pull producer is asked when the consumer resumes,
 * and one that takes bytes as they come never does (FLOW-4, FLOW-6, MEM-3).  What is broken hides
 * others.
 */
#define PROXY_PERHAPS "REG-1 REG-8 FLOW-4 FLOW-6 FLOW-7 MEM-3 END-1 END-3 "

static void test_the_proxies_break_what_pcp_breaks(void **state)
{
	static const struct chain_plan plain = {.kinds = {&twisted_plain_proxy_kind}};
	static const struct chain_plan buffering = {.kinds = {&twisted_buffering_proxy_kind}};
	struct weir_tck_subject basic =
		open_chain("proxy, Twisted", &plain, (struct weir_tck_numbers){0});
	struct weir_tck_subject full =
		open_chain("buffering proxy, Twisted", &buffering,
	                   (struct weir_tck_numbers){.high = WEIR_HIGH_DEFAULT});

	(void)state;
	basic.traits.twisted = full.traits.twisted = true;
	basic.traits.counts_behind = full.traits.counts_behind = false;
	assert_claims(
		&basic, 300,
		&(struct claims){
			.rules = PROCESSOR_RULES,
			.without = NOT_TWISTED "MEM-1 ",
			/* a plain one asks a pull producer for nothing when that is registered */
			.broken = PROXY_BREAKS "REG-3 ",
			.perhaps = PROXY_PERHAPS,
		});
	assert_claims(&full, 300,
	              &(struct claims){
			      .rules = PROCESSOR_RULES,
			      .without = NOT_TWISTED,
			      .broken = PROXY_BREAKS,
			      .perhaps = PROXY_PERHAPS,
		      });
}

/* ---- StringTransport ---- */

#define MEMORY_BREAKS                                                                              \
	/* it tells a producer nothing: neither to go on nor to stop */                            \
	"REG-3 FLOW-4 " /* an end is noted, and never completes */                                 \
	"END-1 END-3 END-6 "

/* And it never holds bytes, is at an end, or loses its peer. */
#define MEMORY_HAS_NOT "REG-2 FLOW-5 FLOW-7 MEM-1 MEM-2 MEM-5 END-2 END-4 END-5 END-8 "

static void test_the_memory_transport_breaks_what_stringtransport_breaks(void **state)
{
	struct weir_tck_subject subject = {
		.name = "memory sink, Twisted",
		.arg = &subject,
		.make = memory_make,
		.destroy = memory_destroy,
		.traits.twisted = true,
	};

	(void)state;
	assert_claims(&subject, 300,
	              &(struct claims){
			      .rules = SINK_RULES,
			      .without = NOT_TWISTED MEMORY_HAS_NOT,
			      .broken = MEMORY_BREAKS,
			      .perhaps = "FLOW-6 MEM-3 ",
		      });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_valve_keeps_what_is_not_marked_strict),
		cmocka_unit_test(test_the_proxies_break_what_pcp_breaks),
		cmocka_unit_test(test_the_memory_transport_breaks_what_stringtransport_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

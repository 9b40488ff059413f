/* SPDX-License-Identifier: MIT */
/*
 * Join a source to a sink and be told the outcome.
 *
 *   copy [SOURCE SINK]     any two endpoints, as the command names them
 */
#include <stdio.h>
#include <stdlib.h>

#include "weir/weir.h"

struct copy {
	struct weir_loop *loop;
	struct weir_endpoint *sink_name;
	struct weir_transport *source, *sink;
	int status;
};

static void finished(struct weir_join *join, const struct weir_outcome *outcome, void *arg)
{
	struct copy *copy = arg;

	printf("%s after %llu bytes: %s\n", weir_end_name(outcome->end),
	       (unsigned long long)outcome->offset, weir_err_text(outcome->cause));
	copy->status = outcome->end == WEIR_FINISHED ? 0 : 1;
	weir_join_destroy(join);
}

static void sink_opened(void *arg, int rc, struct weir_transport *sink)
{
	struct copy *copy = arg;
	struct weir_join_options options = {.on_done = finished, .arg = copy};
	struct weir_join *join;

	copy->sink = sink;
	if (rc == 0)
		rc = weir_join_create(weir_loop_context(copy->loop),
				      weir_transport_source(copy->source),
				      weir_transport_sink(sink), &options, &join);
	if (rc < 0)
		fprintf(stderr, "sink: %s\n", weir_err_text(rc));
}

static void source_opened(void *arg, int rc, struct weir_transport *source)
{
	struct copy *copy = arg;

	copy->source = source;
	if (rc == 0)
		rc = weir_endpoint_open(copy->loop, copy->sink_name, WEIR_ROLE_SINK, NULL,
					sink_opened, copy, NULL);
	if (rc < 0)
		fprintf(stderr, "source: %s\n", weir_err_text(rc));
}

int main(int argc, char **argv)
{
	struct copy copy = {.status = 1};
	struct weir_endpoint *source_name = NULL;
	int rc = weir_loop_create(NULL, &copy.loop);

	if (rc == 0)
		rc = weir_endpoint_parse(argc > 2 ? argv[1] : "random:10Mi?seed=1", &source_name,
					 NULL);
	if (rc == 0)
		rc = weir_endpoint_parse(argc > 2 ? argv[2] : "null:", &copy.sink_name, NULL);
	if (rc == 0)
		rc = weir_endpoint_open(copy.loop, source_name, WEIR_ROLE_SOURCE, NULL,
					source_opened, &copy, NULL);
	if (rc == 0)
		weir_loop_run(copy.loop);
	else
		fprintf(stderr, "%s\n", weir_err_text(rc));
	weir_transport_close(copy.source);
	weir_transport_close(copy.sink);
	weir_endpoint_destroy(source_name);
	weir_endpoint_destroy(copy.sink_name);
	weir_loop_destroy(copy.loop);
	return copy.status;
}

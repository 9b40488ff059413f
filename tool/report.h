/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOL_REPORT_H
#define WEIR_TOOL_REPORT_H
/* report.h -- tells what came of a job: to people, and as JSON. */
#include "job.h"

/*
 * Tell all that the options ask for.  `peer` is the name of the one of many whom the
 * job served, or NULL; `quiet` leaves out the line about a failure.
 * Returns  the exit status: the result's, unless it could not be told.
 */
int report(const struct app *app, const struct result *r, const char *peer, bool quiet);

/* The line of --verbose about memory, of all threads when they have ended. */
void report_memory(const struct app *app);

/* Print the object of --json.  Returns 0, or a negative code: it did not get out. */
int report_json(const struct app *app, const struct result *r, const char *peer);

/* Tell that a sink has failed while others go on.  Returns false if that is not to be told
 * now. */
bool report_sink_early(const struct job *job, size_t side, const struct sink_result *s);

#endif

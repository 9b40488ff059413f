/* SPDX-License-Identifier: MIT */
/* What a join says, in words. */
#include "weir/join.h"

const char *weir_end_name(enum weir_end end)
{
	static const char *const names[] = {
		[WEIR_RUNNING] = "running",	      [WEIR_FINISHED] = "finished",
		[WEIR_SOURCE_FAILED] = "source failed", [WEIR_SINK_FAILED] = "sink failed",
		[WEIR_STOPPED] = "stopped",
	};

	return names[end];
}

const char *weir_cause_name(enum weir_cause cause)
{
	static const char *const names[WEIR_CAUSES] = {
		[WEIR_CAUSE_FULL] = "full",
		[WEIR_CAUSE_BUDGET] = "budget",
		[WEIR_CAUSE_RATE] = "rate",
		[WEIR_CAUSE_USER] = "user",
	};

	return names[cause];
}

const char *weir_path_name(enum weir_path path)
{
	static const char *const names[] = {
		[WEIR_PATH_COPY] = "copy",
		[WEIR_PATH_SPLICE] = "splice",
		[WEIR_PATH_SENDFILE] = "sendfile",
		[WEIR_PATH_COPY_RANGE] = "copy_file_range",
	};

	return names[path];
}

/* SPDX-License-Identifier: MIT */
/*
 * In place of the fuzzer: runs a target on the files of the folders that are named, so that
 * what a fuzzer once found stays found, with any compiler.
 *
 *   replay-NAME FOLDER...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"

static long run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc((size_t)1 << 20);
	size_t size;

	if (!f || !data) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, (size_t)1 << 20, f);
	fclose(f);
	/* A copy of the exact size, so that sanitizers see a read past its end. */
	data = realloc(data, size ? size : 1);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

static long run_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[4096];
	long count = 0;

	if (!dir) {
		perror(folder);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		count += run_file(path);
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	long count = 0;

	for (int i = 1; i < argc; i++)
		count += run_folder(argv[i]);
	printf("%ld inputs\n", count);
	return count > 0 ? 0 : 1;
}

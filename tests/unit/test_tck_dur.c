/* SPDX-License-Identifier: MIT */
/*
 * DUR-1 in the contract kit: a sink that writes to a file and, after a kill, goes on behind what
 * is there keeps it; ones that are wrong in one thing are found out.
 */
#include "tck_subjects.h"

#include <errno.h>
#include <unistd.h>

#define FLAWS(X)                                                                                   \
	X(NONE)                                                                                    \
	X(BEGINS_ANEW)                                                                             \
	X(REPEATS_A_BYTE)                                                                          \
	X(LEAVES_A_HOLE)                                                                           \
	X(MAKES_ROOM_AHEAD)                                                                        \
	X(WRITES_OUT_OF_ORDER)                                                                     \
	X(FLUSHES_AFTER_ITS_DEATH)                                                                 \
	X(FORGETS_THE_LAST_BYTE)                                                                   \
	X(FAILS_AFTER_A_KILL)

enum flaw {
#define FLAW_ENUM(name) name,
	FLAWS(FLAW_ENUM)
#undef FLAW_ENUM
		FLAW_COUNT,
};

static const char *const flaw_names[] = {
#define FLAW_NAME(name) #name,
	FLAWS(FLAW_NAME)
#undef FLAW_NAME
};

/* What outlives a process. */
struct disk {
	FILE *file;
	int fd;
	bool killed; /* the last one was */
	enum flaw flaw;
};

struct writer {
	struct weir_valve valve; /* first */
	struct weir_tck *kit;
	struct disk *disk;
	size_t window;
	off_t at; /* where the next byte goes */
	bool second_life;
};

/* Neither pread(2) nor pwrite(2) is everywhere. */
static bool write_at(struct disk *disk, const void *data, size_t n, off_t at)
{
	return lseek(disk->fd, at, SEEK_SET) == at && write(disk->fd, data, n) == (ssize_t)n;
}

static struct writer *writer_from(struct weir_valve *v)
{
	return (struct writer *)v;
}

static void put(struct writer *w, const unsigned char *data, size_t n)
{
	off_t at = w->at;

	if (w->disk->flaw == WRITES_OUT_OF_ORDER && n > 1) {
		assert_true(write_at(w->disk, data + 1, n - 1, at));
		assert_true(write_at(w->disk, data, 1, at + (off_t)n - 1));
	} else {
		assert_true(write_at(w->disk, data, n, at));
	}
	w->at += (off_t)n;
	if (w->disk->flaw == MAKES_ROOM_AHEAD)
		assert_int_equal(ftruncate(w->disk->fd, w->at + 100), 0);
	weir_tck_out(w->kit, data, n);
}

static int64_t writer_drain(struct weir_valve *v, const struct weir_chunk *chunks, size_t count)
{
	struct writer *w = writer_from(v);
	int64_t taken = 0;

	for (size_t i = 0; i < count && w->window; i++) {
		size_t n = chunks[i].len < w->window ? chunks[i].len : w->window;

		if (w->window != SIZE_MAX)
			w->window -= n;
		put(w, chunks[i].data, n);
		taken += (int64_t)n;
		if (n < chunks[i].len)
			break;
	}
	return taken;
}

static void writer_end(struct weir_valve *v, int why)
{
	struct writer *w = writer_from(v);
	int rc = w->second_life && w->disk->flaw == FAILS_AFTER_A_KILL ? -EIO : 0;

	if (why == 0 && w->disk->flaw == FORGETS_THE_LAST_BYTE && w->at && w->second_life)
		assert_int_equal(ftruncate(w->disk->fd, w->at - 1), 0);
	if (why == 0 && w->disk->flaw == MAKES_ROOM_AHEAD)
		assert_int_equal(ftruncate(w->disk->fd, w->at), 0);
	weir_tck_out_end(w->kit, why ? why : rc);
	if (why == 0)
		weir_valve_done(v, rc);
}

static const struct weir_valve_ops writer_ops = {
	.name = "file",
	.drain = writer_drain,
	.end = writer_end,
};

/* Where the last one was killed, or from the beginning. */
static off_t begin_at(struct disk *disk)
{
	off_t end;

	if (!disk->killed || disk->flaw == BEGINS_ANEW)
		assert_int_equal(ftruncate(disk->fd, 0), 0);
	end = lseek(disk->fd, 0, SEEK_END);
	if (disk->killed && disk->flaw == REPEATS_A_BYTE && end > 0)
		return end + write_at(disk, "x", 1, end);
	if (disk->killed && disk->flaw == LEAVES_A_HOLE && end > 0)
		return end + 1;
	return end;
}

static int writer_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	struct writer *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->kit = kit;
	w->disk = arg;
	w->window = SIZE_MAX;
	w->second_life = w->disk->killed;
	w->at = begin_at(w->disk);
	w->disk->killed = false;
	weir_valve_init(&w->valve, &writer_ops, weir_tck_context(kit));
	out->flow.sink = &w->valve.base;
	out->self = w;
	return 0;
}

static void writer_destroy(void *self)
{
	struct writer *w = self;

	weir_valve_fini(&w->valve);
	free(w);
}

static void writer_crash(void *self)
{
	struct writer *w = self;

	w->disk->killed = true;
	if (w->disk->flaw == FLUSHES_AFTER_ITS_DEATH)
		assert_true(write_at(w->disk, "half", 4, w->at));
	writer_destroy(self);
}

static void writer_take(void *self, size_t max)
{
	struct writer *w = self;

	w->window = max;
	weir_valve_ready(&w->valve);
}

static void writer_die(void *self, int why)
{
	weir_valve_die(&((struct writer *)self)->valve, why);
}

static size_t disk_read(void *arg, uint64_t offset, void *data, size_t len)
{
	struct disk *disk = arg;
	ssize_t n = -1;

	if (lseek(disk->fd, (off_t)offset, SEEK_SET) == (off_t)offset)
		n = read(disk->fd, data, len);
	assert_true(n >= 0);
	return (size_t)n;
}

static struct weir_tck_subject writer_subject(struct disk *disk, enum flaw flaw)
{
	*disk = (struct disk){.file = tmpfile(), .flaw = flaw};
	assert_non_null(disk->file);
	disk->fd = fileno(disk->file);
	return (struct weir_tck_subject){
		.name = "a file",
		.arg = disk,
		.make = writer_make,
		.destroy = writer_destroy,
		.numbers = VALVE_NUMBERS,
		.take = writer_take,
		.die = writer_die,
		.crash = writer_crash,
		.far_side = disk_read,
	};
}

static void test_a_file_that_is_gone_on_with_keeps_every_rule(void **state)
{
	struct disk disk;
	struct weir_tck_subject subject = writer_subject(&disk, NONE);

	(void)state;
	assert_kept(&subject, SINK_RULES "DUR-1 ");
	fclose(disk.file);
}

static void test_each_wrong_resumption_is_found_out(void **state)
{
	(void)state;
	for (enum flaw flaw = NONE; flaw < FLAW_COUNT; flaw++) {
		struct disk disk;
		struct weir_tck_subject subject = writer_subject(&disk, flaw);
		struct tally tally = {.prints = getenv("WEIR_TCK_VERBOSE") != NULL};

		assert_true(weir_tck_run(&subject, &(struct weir_tck_options){
							   .effort = 1,
							   .ids = "DUR",
							   .report = tally_report,
							   .arg = &tally,
						   }) >= 0);
		fclose(disk.file);
		if (flaw == BEGINS_ANEW)
			assert_string_equal(tally.broken, ""); /* it is slow, but not wrong */
		else if (strcmp(tally.broken, flaw == NONE ? "" : "DUR-1 "))
			fail_msg("%s: broken are %s\n%s", flaw_names[flaw], tally.broken,
			         tally.calls);
	}
}

static void test_one_who_cannot_be_killed_is_not_held_to_it(void **state)
{
	struct tally tally = {.prints = false};

	(void)state;
	assert_int_equal(tck_run(&box_subject, 1, &tally), 0);
	assert_non_null(strstr(tally.missing, "DUR-1 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_that_is_gone_on_with_keeps_every_rule),
		cmocka_unit_test(test_each_wrong_resumption_is_found_out),
		cmocka_unit_test(test_one_who_cannot_be_killed_is_not_held_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

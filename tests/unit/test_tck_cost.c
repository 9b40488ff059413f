/* SPDX-License-Identifier: MIT */
/*
 * MEM-5 of the contract kit: consumers whose bytes cost the more the more of them are held.
 * Each is a right one behind a wrap, with a store of its own beside, which does the work that
 * a clumsy queue would do.
 */
#include "tck_subjects.h"

enum queue {
	NONE,
	DOUBLES,       /* an array that is copied when it is full, to twice the room: right */
	COPIES_ALL,    /* an array that is copied at each write */
	MOVES_ALL,     /* an array from whose front each byte is taken by moving the others */
	WALKS_TO_END,  /* a list of bytes without a pointer to its last */
};

struct node {
	struct node *next;
	char byte;
};

struct clumsy {
	struct weir_wrap wrap; /* first */
	struct box box;
	enum queue queue;
	char *bytes;
	size_t held, room;
	struct node *list;
};

static struct clumsy *clumsy_from(struct weir_consumer *c)
{
	return (struct clumsy *)c;
}

static void grow(struct clumsy *u, size_t room)
{
	char *bytes = malloc(room);

	assert_non_null(bytes);
	if (u->held)
		/* Several times: a sanitizer makes everything else dear. */
		for (volatile int i = 0; i < 6; i++)
			memcpy(bytes, u->bytes, u->held);
	free(u->bytes);
	u->bytes = bytes;
	u->room = room;
}

static void add_node(struct clumsy *u, char byte)
{
	struct node *node = calloc(1, sizeof(*node));
	struct node **last = &u->list;

	assert_non_null(node);
	node->byte = byte;
	while (*last)
		last = &(*last)->next;
	*last = node;
}

static void put(struct clumsy *u, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (u->queue == WALKS_TO_END)
			add_node(u, data[i]);
		else if (u->queue == COPIES_ALL || (u->queue != NONE && u->held == u->room))
			grow(u, u->queue == COPIES_ALL ? u->held + 1 : 2 * u->held + 1);
		if (u->bytes)
			u->bytes[u->held] = data[i];
		u->held++;
	}
}

static void pop(struct clumsy *u, size_t n)
{
	if (u->queue == WALKS_TO_END) {
		for (size_t i = 0; i < n; i++) {
			struct node *node = u->list;

			u->list = node->next;
			free(node);
		}
	} else if (u->queue == MOVES_ALL) {
		memmove(u->bytes, u->bytes + n, u->held - n);
	}
	u->held -= n;
}

static void follow(struct clumsy *u)
{
	size_t held = weir_valve_held(&u->box.valve);

	if (u->held > held)
		pop(u, u->held - held);
}

static int clumsy_write(struct weir_consumer *c, const void *data, size_t len)
{
	struct clumsy *u = clumsy_from(c);
	int rc = weir_wrap_consumer_ops.write(c, data, len);

	if (rc == 0)
		put(u, data, len);
	follow(u);
	return rc;
}

static void clumsy_take(void *self, size_t max)
{
	box_take(&((struct clumsy *)self)->box, max);
	follow(self);
}

static int clumsy_make(void *arg, struct weir_tck *kit, struct weir_tck_made *out)
{
	static struct weir_consumer_ops ops;
	struct clumsy *u = calloc(1, sizeof(*u));

	assert_non_null(u);
	u->queue = *(const enum queue *)arg;
	u->box.kit = kit;
	u->box.window = SIZE_MAX;
	weir_valve_init(&u->box.valve, &box_ops, weir_tck_context(kit));
	ops = weir_wrap_consumer_ops;
	ops.write = clumsy_write;
	weir_wrap_init(&u->wrap, &u->box.valve.base, &ops, &weir_wrap_producer_ops);
	out->flow.sink = &u->wrap.front;
	out->self = u;
	return 0;
}

static void clumsy_destroy(void *self)
{
	struct clumsy *u = self;

	weir_wrap_fini(&u->wrap);
	weir_valve_fini(&u->box.valve);
	if (u->queue == WALKS_TO_END)
		pop(u, u->held);
	free(u->bytes);
	free(u);
}

/* Whether MEM-5 is kept. */
static bool keeps(enum queue queue, struct tally *tally)
{
	struct weir_tck_subject subject = {
		.name = "clumsy",
		.arg = &queue,
		.make = clumsy_make,
		.destroy = clumsy_destroy,
		.numbers = VALVE_NUMBERS,
		.take = clumsy_take,
	};
	struct weir_tck_options options = {
		.effort = 1,
		.ids = "MEM-5",
		.report = tally_report,
		.arg = tally,
	};

	tally->prints = getenv("WEIR_TCK_VERBOSE") != NULL;
	assert_true(weir_tck_run(&subject, &options) >= 0);
	assert_string_equal(tally->missing, "");
	assert_true(!*tally->broken || strcmp(tally->broken, "MEM-5 ") == 0);
	return !*tally->broken;
}

static void test_a_steady_cost_is_kept(void **state)
{
	struct tally tally = {0};

	(void)state;
	assert_true(keeps(NONE, &tally));
}

static void test_a_cost_that_is_steady_on_average_is_kept(void **state)
{
	struct tally tally = {0};

	(void)state;
	assert_true(keeps(DOUBLES, &tally));
}

/* Not by chance: as often as WEIR_TCK_TIMES says. */
static void assert_broken(enum queue queue)
{
	const char *times = getenv("WEIR_TCK_TIMES");

	for (int i = times ? atoi(times) : 1; i > 0; i--) {
		struct tally tally = {0};

		assert_false(keeps(queue, &tally));
		assert_string_equal(tally.calls,
				    "take 0\nwrite 1, again and again\ntake 1, again and again\n");
	}
}

static void test_copying_all_at_each_write_is_found(void **state)
{
	(void)state;
	assert_broken(COPIES_ALL);
}

static void test_moving_all_at_each_take_is_found(void **state)
{
	(void)state;
	assert_broken(MOVES_ALL);
}

static void test_walking_to_the_end_at_each_write_is_found(void **state)
{
	(void)state;
	assert_broken(WALKS_TO_END);
}

/* Under a debugger or a sanitizer time says little, and takes minutes. */
static bool time_tells(void)
{
#ifdef __SANITIZE_ADDRESS__
	return false;
#else
	return !tck_is_quick();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_steady_cost_is_kept),
		cmocka_unit_test(test_a_cost_that_is_steady_on_average_is_kept),
		cmocka_unit_test(test_copying_all_at_each_write_is_found),
		cmocka_unit_test(test_moving_all_at_each_take_is_found),
		cmocka_unit_test(test_walking_to_the_end_at_each_write_is_found),
	};

	if (!time_tells())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

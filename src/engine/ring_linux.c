/* SPDX-License-Identifier: MIT */
/*
 * The ring: one for a loop, with COOP_TASKRUN, so that completions come when the thread is in
 * the kernel anyway and never interrupt it.  Its descriptor is polled by libuv; with
 * DEFER_TASKRUN that would never be readable.
 */
#include "engine/ring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/loop_priv.h"

/* What can be asked for before a system call, and what can complete before the kernel keeps
 * the rest in lists of its own. */
#define SUBMISSIONS 512
#define COMPLETIONS 4096

/* Provided buffers: a power of two, no more than an eighth of the budget. */
#define BUFFERS_MAX 256
#define BUFFERS_MIN 16
#define GROUP 0

/* How often completions that are there already are told before the loop polls again. */
#define ROUNDS 8

/* Completions that are taken from the kernel at once. */
#define BATCH 64

#define OP_MASK ((uint64_t)7)

enum provision { NOT_TRIED, PROVIDED, NOT_PROVIDED };

struct weir__ring {
	struct io_uring uring;
	struct weir_loop *loop;
	uv_poll_t poll;
	uv_prepare_t prepare;
	unsigned under_way;              /* operations whose last completion is to come */
	struct weir__ring_target **unsettled;
	size_t unsettled_count, unsettled_cap;
	uint8_t provision;               /* enum provision */
	uint16_t count;                  /* of provided buffers */
	struct io_uring_buf_ring *group;
	unsigned char *buffers;          /* count * WEIR__RING_BUFFER, charged */
	struct weir__ring_kept *kept;
};

/* ---- asking ---- */

/* An entry to fill.  When there is none, and no memory in the kernel to take those that there
 * are, wait for it: nothing can be asked for otherwise, not even an end. */
static struct io_uring_sqe *entry(struct weir__ring *ring)
{
	struct io_uring_sqe *sqe;

	while ((sqe = io_uring_get_sqe(&ring->uring)) == NULL)
		if (io_uring_submit(&ring->uring) <= 0)
			poll(NULL, 0, 1);
	return sqe;
}

/* Something is waited for: so the loop goes on. */
static void one_more(struct weir__ring *ring)
{
	if (ring->under_way++ == 0)
		uv_ref((uv_handle_t *)&ring->poll);
}

static void one_less(struct weir__ring *ring)
{
	if (--ring->under_way == 0)
		uv_unref((uv_handle_t *)&ring->poll);
}

static void begin(struct weir__ring *ring, struct io_uring_sqe *sqe, struct weir__ring_target *t,
		  unsigned op)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)t | op);
	one_more(ring);
}

/* Nobody waits for it, and only failures complete, which say that there was nothing to do. */
static void silently(struct io_uring_sqe *sqe)
{
	io_uring_sqe_set_data64(sqe, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void weir__ring_poll(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd,
		     unsigned events, bool again)
{
	struct io_uring_sqe *sqe = entry(ring);

	if (again)
		io_uring_prep_poll_multishot(sqe, fd, events);
	else
		io_uring_prep_poll_add(sqe, fd, events);
	begin(ring, sqe, t, op);
}

void weir__ring_receive(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd)
{
	struct io_uring_sqe *sqe = entry(ring);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	begin(ring, sqe, t, op);
}

void weir__ring_send(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd,
		     const void *data, size_t len)
{
	struct io_uring_sqe *sqe = entry(ring);

	io_uring_prep_send(sqe, fd, data, len, MSG_NOSIGNAL | MSG_WAITALL);
	begin(ring, sqe, t, op);
}

void weir__ring_accept(struct weir__ring *ring, struct weir__ring_target *t, unsigned op, int fd)
{
	struct io_uring_sqe *sqe = entry(ring);

	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	begin(ring, sqe, t, op);
}

void weir__ring_nothing(struct weir__ring *ring, struct weir__ring_target *t, unsigned op)
{
	struct io_uring_sqe *sqe = entry(ring);

	io_uring_prep_nop(sqe);
	begin(ring, sqe, t, op);
}

/* A list would cost each connection a pointer, and few are to be settled in one turn. */
static bool has_room_to_settle(struct weir__ring *ring)
{
	size_t cap = ring->unsettled_cap ? 2 * ring->unsettled_cap : 64;
	struct weir__ring_target **more;

	if (ring->unsettled_count < ring->unsettled_cap)
		return true;
	more = realloc(ring->unsettled, cap * sizeof(struct weir__ring_target *));
	if (!more)
		return false;
	ring->unsettled = more;
	ring->unsettled_cap = cap;
	return true;
}

void weir__ring_settle(struct weir__ring *ring, struct weir__ring_target *t)
{
	if (!has_room_to_settle(ring)) {
		t->done(t, WEIR__RING_SETTLE, 0, false, WEIR__RING_NONE);
		return;
	}
	ring->unsettled[ring->unsettled_count++] = t;
	one_more(ring);
}

void weir__ring_cancel(struct weir__ring *ring, struct weir__ring_target *t, unsigned op)
{
	struct io_uring_sqe *sqe = entry(ring);

	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)t | op, 0);
	silently(sqe);
}

void weir__ring_flush(struct weir__ring *ring)
{
	if (io_uring_sq_ready(&ring->uring))
		io_uring_submit(&ring->uring);
}

/* ---- completions ---- */

struct completion {
	uint64_t data;
	int32_t res;
	uint32_t flags;
};

static void tell(struct weir__ring *ring, const struct completion *cqe)
{
	bool more = cqe->flags & IORING_CQE_F_MORE;
	unsigned id = WEIR__RING_NONE;
	struct weir__ring_target *t = (struct weir__ring_target *)(uintptr_t)(cqe->data & ~OP_MASK);

	if (!t)
		return;
	if (cqe->flags & IORING_CQE_F_BUFFER)
		id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	if (!more)
		one_less(ring);
	t->done(t, cqe->data & OP_MASK, cqe->res, more, id);
}

/* Tell what has completed.  Copies first: who is told may ask for more, which may need the
 * places. */
static void reap(struct weir__ring *ring)
{
	for (unsigned left = io_uring_cq_ready(&ring->uring); left > 0; ) {
		struct io_uring_cqe *found[BATCH];
		struct completion batch[BATCH];
		unsigned n = io_uring_peek_batch_cqe(&ring->uring, found,
						     left < BATCH ? left : BATCH);

		if (n == 0)
			break;
		for (unsigned i = 0; i < n; i++)
			batch[i] = (struct completion){
				.data = io_uring_cqe_get_data64(found[i]),
				.res = found[i]->res,
				.flags = found[i]->flags,
			};
		io_uring_cq_advance(&ring->uring, n);
		for (unsigned i = 0; i < n; i++)
			tell(ring, &batch[i]);
		left -= n;
	}
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	reap(handle->data);
}

static void settle_all(struct weir__ring *ring)
{
	while (ring->unsettled_count) {
		struct weir__ring_target *t = ring->unsettled[--ring->unsettled_count];

		one_less(ring);
		t->done(t, WEIR__RING_SETTLE, 0, false, WEIR__RING_NONE);
	}
}

static void submit(struct weir__ring *ring)
{
	settle_all(ring);
	if (io_uring_sq_ready(&ring->uring))
		io_uring_submit_and_get_events(&ring->uring);
}

/* Before the loop sleeps.  What has completed by the time that it was submitted is told at
 * once, without asking the kernel whether there is something.  Then the poll does not sleep: who
 * runs the loop once wants to see what has come of it. */
static void on_prepare(uv_prepare_t *handle)
{
	struct weir__ring *ring = handle->data;

	submit(ring);
	for (int i = 0; i < ROUNDS && io_uring_cq_ready(&ring->uring); i++) {
		reap(ring);
		weir__loop_turn(ring->loop);
		submit(ring);
		weir__loop_stay_awake(ring->loop);
	}
}

/* ---- provided buffers ---- */

static void provide(struct weir__ring *ring, unsigned id)
{
	io_uring_buf_ring_add(ring->group, weir__ring_buffer(ring, id), WEIR__RING_BUFFER,
			      (unsigned short)id, io_uring_buf_ring_mask(ring->count), 0);
	io_uring_buf_ring_advance(ring->group, 1);
}

static size_t group_size(unsigned count)
{
	return count * sizeof(struct io_uring_buf);
}

static void release_memory(struct weir__ring *ring)
{
	if (ring->group)
		munmap(ring->group, group_size(ring->count));
	free(ring->buffers);
	free(ring->kept);
	ring->group = NULL;
	ring->buffers = NULL;
	ring->kept = NULL;
}

static int register_group(struct weir__ring *ring)
{
	struct io_uring_buf_reg reg = {.ring_entries = ring->count, .bgid = GROUP};

	ring->buffers = malloc(ring->count * WEIR__RING_BUFFER);
	ring->kept = calloc(ring->count, sizeof(*ring->kept));
	ring->group = mmap(NULL, group_size(ring->count), PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (ring->group == MAP_FAILED)
		ring->group = NULL;
	if (!ring->buffers || !ring->kept || !ring->group)
		return -ENOMEM;
	reg.ring_addr = (uintptr_t)ring->group;
	return io_uring_register_buf_ring(&ring->uring, &reg, 0);
}

static bool make_buffers(struct weir__ring *ring)
{
	struct weir_budget *budget = &ring->loop->budget;
	size_t most = weir__loop_part(ring->loop) / 8, size;

	ring->count = BUFFERS_MAX;
	while (ring->count >= BUFFERS_MIN && ring->count * WEIR__RING_BUFFER > most)
		ring->count /= 2;
	size = ring->count * WEIR__RING_BUFFER;
	if (ring->count < BUFFERS_MIN || !weir_budget_charge(budget, size))
		return false;
	if (register_group(ring) < 0) {
		release_memory(ring);
		weir_budget_credit(budget, size);
		return false;
	}
	ring->loop->provided = size;
	io_uring_buf_ring_init(ring->group);
	for (unsigned id = 0; id < ring->count; id++)
		provide(ring, id);
	return true;
}

bool weir__ring_provides(struct weir__ring *ring)
{
	if (ring->provision == NOT_TRIED)
		ring->provision = make_buffers(ring) ? PROVIDED : NOT_PROVIDED;
	return ring->provision == PROVIDED;
}

void weir__ring_provide_none(struct weir__ring *ring)
{
	ring->provision = NOT_PROVIDED;
}

unsigned char *weir__ring_buffer(struct weir__ring *ring, unsigned id)
{
	return ring->buffers + id * WEIR__RING_BUFFER;
}

struct weir__ring_kept *weir__ring_kept(struct weir__ring *ring, unsigned id)
{
	return &ring->kept[id];
}

void weir__ring_return(struct weir__ring *ring, unsigned id)
{
	if (id != WEIR__RING_NONE)
		provide(ring, id);
}

/* ---- making it ---- */

/* Whether the kernel has all that is always needed.  6.0, which has them, is not a feature
 * of its own: the newest of these operations, and a setup flag, stand for it. */
static bool is_capable(struct io_uring *uring)
{
	static const int needed[] = {
		IORING_OP_POLL_ADD, IORING_OP_RECV, IORING_OP_SEND,
		IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL, IORING_OP_NOP,
		IORING_OP_SEND_ZC, /* not used: came with 6.0, as receiving again and again did */
	};
	struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
	bool all = probe && (uring->features & IORING_FEAT_CQE_SKIP) &&
		   (uring->features & IORING_FEAT_NODROP);

	for (size_t i = 0; all && i < sizeof(needed) / sizeof(*needed); i++)
		all = io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	return all;
}

static int open_uring(struct io_uring *uring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = COMPLETIONS,
	};
	int rc = io_uring_queue_init_params(SUBMISSIONS, uring, &params);

	if (rc < 0)
		return rc;
	if (!is_capable(uring)) {
		io_uring_queue_exit(uring);
		return -ENOSYS;
	}
	return 0;
}

int weir__ring_create(struct weir_loop *loop, struct weir__ring **out)
{
	struct weir__ring *ring = calloc(1, sizeof(*ring));
	int rc;

	if (!ring)
		return -ENOMEM;
	ring->loop = loop;
	rc = open_uring(&ring->uring);
	if (rc == 0) {
		rc = uv_poll_init(loop->uv, &ring->poll, ring->uring.ring_fd);
		if (rc < 0)
			io_uring_queue_exit(&ring->uring);
	}
	if (rc < 0) {
		free(ring);
		return rc;
	}
	ring->poll.data = ring->prepare.data = ring;
	uv_poll_start(&ring->poll, UV_READABLE, on_readable);
	uv_unref((uv_handle_t *)&ring->poll);
	uv_prepare_init(loop->uv, &ring->prepare);
	uv_prepare_start(&ring->prepare, on_prepare);
	uv_unref((uv_handle_t *)&ring->prepare);
	*out = ring;
	return 0;
}

static void on_prepare_closed(uv_handle_t *handle)
{
	struct weir__ring *ring = handle->data;

	weir__loop_release(ring->loop);
	free(ring->unsettled);
	free(ring);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct weir__ring *ring = handle->data;

	io_uring_queue_exit(&ring->uring);
	release_memory(ring);
	uv_close((uv_handle_t *)&ring->prepare, on_prepare_closed);
}

void weir__ring_destroy(struct weir__ring *ring)
{
	if (!ring)
		return;
	assert(ring->under_way == 0);
	weir_budget_credit(&ring->loop->budget, ring->loop->provided);
	ring->loop->provided = 0;
	weir__loop_retain(ring->loop);
	uv_prepare_stop(&ring->prepare);
	uv_close((uv_handle_t *)&ring->poll, on_poll_closed);
}

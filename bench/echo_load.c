/* SPDX-License-Identifier: MIT */
/*
 * The load of an echo server: on each connection a message, and the next one when it has come
 * back.  By io_uring, so that it costs less than the server does and is not the limit.
 *
 *   echo_load PORT SECONDS CONNECTIONS SIZE
 */
#include <liburing.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "bench.h"

#define BUFFERS     1024 /* a power of two */
#define MESSAGE_MAX 4096
#define SLOTS       200000 /* of the histogram, 0.1 us each */

struct peer {
	int fd;
	size_t came;
	double asked;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static unsigned char (*room)[MESSAGE_MAX];
static unsigned char message[MESSAGE_MAX];
static uint32_t histogram[SLOTS];
static size_t size;
static uint64_t messages;

static struct io_uring_sqe *take_entry(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit(&ring);
	return sqe;
}

static void listen_to(struct peer *peer)
{
	struct io_uring_sqe *sqe = take_entry();

	io_uring_prep_recv_multishot(sqe, peer->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	io_uring_sqe_set_data(sqe, peer);
}

static void ask(struct peer *peer, double now)
{
	struct io_uring_sqe *sqe = take_entry();

	io_uring_prep_send(sqe, peer->fd, message, size, MSG_NOSIGNAL | MSG_WAITALL);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data(sqe, NULL);
	peer->came = 0;
	peer->asked = now;
}

static void give_buffer(int id)
{
	io_uring_buf_ring_add(buffers, room[id], MESSAGE_MAX, (unsigned short)id,
	                      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffers, 1);
}

/* DEFER_TASKRUN where the kernel has it (6.1). */
static void open_ring(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
	                 IORING_SETUP_CQSIZE,
		.cq_entries = 8192,
	};
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
	void *memory;
	int rc = io_uring_queue_init_params(1024, &ring, &params);

	errno = -rc;
	if (rc < 0)
		give_up("io_uring");
	room = malloc(sizeof(*room) * BUFFERS);
	if (!room || posix_memalign(&memory, 4096, BUFFERS * sizeof(struct io_uring_buf)))
		give_up("malloc");
	reg.ring_addr = (uintptr_t)memory;
	rc = io_uring_register_buf_ring(&ring, &reg, 0);
	errno = -rc;
	if (rc < 0)
		give_up("io_uring_register_buf_ring");
	buffers = memory;
	io_uring_buf_ring_init(buffers);
	for (int i = 0; i < BUFFERS; i++)
		give_buffer(i);
}

static void on_answer(struct peer *peer, size_t len, double now)
{
	long slot;

	peer->came += len;
	if (peer->came < size)
		return;
	slot = (long)((now - peer->asked) * 1e7);
	histogram[slot < SLOTS ? slot : SLOTS - 1]++;
	messages++;
	ask(peer, now);
}

static void on_completion(struct io_uring_cqe *cqe, double now)
{
	struct peer *peer = io_uring_cqe_get_data(cqe);

	if (!peer || (cqe->res <= 0 && cqe->res != -ENOBUFS)) {
		errno = -cqe->res;
		give_up(cqe->res == 0 ? "the server closed" : "recv");
	}
	if (cqe->res > 0) {
		on_answer(peer, (size_t)cqe->res, now);
		give_buffer((int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		listen_to(peer);
}

/* Microseconds within which so much of the answers came. */
static double within(double part)
{
	uint64_t seen = 0;

	for (int i = 0; i < SLOTS; i++) {
		seen += histogram[i];
		if ((double)seen >= part * (double)messages)
			return i / 10.0;
	}
	return SLOTS / 10.0;
}

static void report(double took)
{
	struct rusage usage;
	double cpu;

	getrusage(RUSAGE_SELF, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
	printf("{\"messages\": %llu, \"seconds\": %.6f, \"p50\": %.1f, \"p99\": %.1f, "
	       "\"load\": %.3f}\n",
	       (unsigned long long)messages, took, within(0.5), within(0.99), cpu / took);
}

int main(int argc, char **argv)
{
	double start, now, end;
	struct peer *peers;
	long count;

	if (argc != 5) {
		fprintf(stderr, "usage: echo_load PORT SECONDS CONNECTIONS SIZE\n");
		return 2;
	}
	count = number(argv[3]);
	size = (size_t)number(argv[4]);
	peers = calloc((size_t)count, sizeof(*peers));
	if (count < 1 || size < 1 || size > MESSAGE_MAX || !peers)
		return 2;
	memset(message, 'w', size);
	open_ring();
	for (long i = 0; i < count; i++)
		peers[i].fd = connect_to_port((int)number(argv[1]));
	now = start = seconds();
	end = start + atof(argv[2]);
	for (long i = 0; i < count; i++) {
		listen_to(&peers[i]);
		ask(&peers[i], start);
	}
	while (now < end) {
		struct io_uring_cqe *cqe;
		unsigned head, done = 0;

		io_uring_submit_and_wait(&ring, 1);
		now = seconds();
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			on_completion(cqe, now);
			done++;
		}
		io_uring_cq_advance(&ring, done);
	}
	report(now - start);
	return 0;
}

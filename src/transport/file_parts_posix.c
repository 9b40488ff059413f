/* SPDX-License-Identifier: MIT */
/* Parts of a file, and the bytes between them, as the pieces that the source gives. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "transport/file_priv.h"

/* Where the pieces are written to, and the text after them, in one block. */
struct writer {
	struct weir__file_piece *piece;
	unsigned char *text;
	uint64_t total;
};

static void add_piece(struct writer *w, const unsigned char *text, uint64_t offset, uint64_t len)
{
	*w->piece++ = (struct weir__file_piece){.text = text, .offset = offset, .len = len};
	w->total += len;
}

static void add_text(struct writer *w, const void *text, size_t len)
{
	if (len)
		memcpy(w->text, text, len);
	add_piece(w, w->text, 0, len);
	w->text += len;
}

/* The length of a part of a file of `size` bytes, or a negative code. */
static int64_t part_length(const struct weir_file_range *range, uint64_t size)
{
	if (!weir__file_range_is_valid(range))
		return -EINVAL;
	if (range->offset > size || range->length > size - range->offset)
		return WEIR_ETRUNCATED;
	return (int64_t)(range->length ? range->length : size - range->offset);
}

/* What must hold before anything is allocated; the text's bytes go to *text_len. */
static int check_parts(const struct weir_file_parts *what, uint64_t size, size_t *text_len)
{
	uint64_t total = what->after_len;

	if (what->count == 0)
		return -EINVAL;
	*text_len = what->after_len;
	for (size_t i = 0; i < what->count; i++) {
		const struct weir_file_part *part = &what->parts[i];
		int64_t len = part_length(&part->range, size);

		if (len < 0)
			return (int)len;
		*text_len += part->before_len;
		total += part->before_len + (uint64_t)len;
		if (total > INT64_MAX)
			return -EINVAL;
	}
	return 0;
}

static int make_pieces(struct weir__file_source_config *config, const struct weir_file_parts *what)
{
	size_t count = 2 * what->count + 1;
	struct writer w = {.total = 0};
	size_t text_len;
	int rc = check_parts(what, config->size, &text_len);

	if (rc < 0)
		return rc;
	config->pieces = malloc(count * sizeof(*config->pieces) + text_len);
	if (!config->pieces)
		return -ENOMEM;
	w.piece = config->pieces;
	w.text = (unsigned char *)(config->pieces + count);
	for (size_t i = 0; i < what->count; i++) {
		const struct weir_file_part *part = &what->parts[i];

		add_text(&w, part->before, part->before_len);
		add_piece(&w, NULL, part->range.offset,
			  (uint64_t)part_length(&part->range, config->size));
	}
	add_text(&w, what->after, what->after_len);
	config->piece_count = count;
	config->wanted = 0;
	config->length = (int64_t)w.total;
	return 0;
}

int weir_file_read_parts(struct weir_loop *loop, int fd, const struct weir_file_parts *what,
			 struct weir_transport **out)
{
	struct weir__file_source_config config = {.mode = WEIR_PULL};
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	int rc;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!weir__file_is_regular(&st))
		return -ESPIPE;
	rc = weir__file_configure(&config, fd, &st);
	if (rc == 0 && what)
		rc = make_pieces(&config, what);
	if (rc < 0)
		return rc;
	rc = weir__file_create(loop, &config, NULL, out);
	if (rc < 0)
		free(config.pieces);
	return rc;
}

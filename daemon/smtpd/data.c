/*
 * data - the decoder between DATA and CRLF.CRLF, or of the chunks of BDAT.
 *
 * Most bytes are the inside of lines and are copied in runs; the automaton only sees what stands
 * at a line's ends.
 */
#include "daemon/smtpd/data.h"

#include <string.h>

#define LOOK_AHEAD_SIZE 1024

enum { LINE_START, INSIDE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR };

struct output {
	uint8_t *at;
};

void
data_init(struct data *data, enum data_framing framing, uint64_t line_max)
{
	*data = (struct data){
	    .state = LINE_START, .is_chunked = framing == DATA_CHUNKS, .line_max = line_max};
}

static void
put(struct output *out, uint8_t byte)
{
	*out->at++ = byte;
}

static void
lengthen_line(struct data *data, size_t size)
{
	data->line_length += size;
	if (data->line_length > data->line_max)
		data->faults |= DATA_LONG_LINE;
}

static void
end_line(struct data *data, struct output *out)
{
	put(out, '\r');
	put(out, '\n');
	data->state = LINE_START;
	data->line_length = 0;
}

/* A byte that is neither the first of a line nor behind a CR. */
static void
step_inside(struct data *data, uint8_t byte, struct output *out)
{
	data->state = INSIDE;
	if (byte == '\r') {
		data->state = AFTER_CR;
		return;
	}
	if (byte == '\n')
		data->faults |= DATA_BARE_LF;
	else if (byte == '\0')
		data->faults |= DATA_NUL;
	lengthen_line(data, 1);
	put(out, byte);
}

static void
step_after_cr(struct data *data, uint8_t byte, struct output *out)
{
	if (byte != '\n') {
		data->faults |= DATA_BARE_CR;
		put(out, '\r');
		step_inside(data, byte, out);
		return;
	}
	end_line(data, out);
}

/* The dot of `.CR` without LF was a stuffed one, and the CR is a bare one. */
static void
step_after_dot_cr(struct data *data, uint8_t byte, struct output *out)
{
	if (byte == '\n')
		data->is_done = true;
	else
		step_after_cr(data, byte, out);
}

static void
step(struct data *data, uint8_t byte, struct output *out)
{
	switch (data->state) {
	case AFTER_CR:
		step_after_cr(data, byte, out);
		break;
	case AFTER_DOT_CR:
		step_after_dot_cr(data, byte, out);
		break;
	case AFTER_DOT:
		if (byte == '\r')
			data->state = AFTER_DOT_CR;
		else
			step_inside(data, byte, out);
		break;
	case LINE_START:
		if (byte == '.' && !data->is_chunked) {
			data->state = AFTER_DOT;
			break;
		}
		/* fall through */
	default:
		step_inside(data, byte, out);
	}
}

/* How many bytes there are before the next CR or LF; there is no NUL. It looks ahead no further than a long
 * line, or a text of nothing but bare LFs would be searched for a CR once for each of them. */
static size_t
run_length(const uint8_t *bytes, size_t size)
{
	const uint8_t *found;

	if (size > LOOK_AHEAD_SIZE)
		size = LOOK_AHEAD_SIZE;
	found = memchr(bytes, '\r', size);
	if (found != NULL)
		size = (size_t)(found - bytes);
	found = memchr(bytes, '\n', size);
	return found != NULL ? (size_t)(found - bytes) : size;
}

/* Where the next NUL is, from `at` on: once for all lines before it. */
static size_t
find_nul(const uint8_t *bytes, size_t at, size_t size)
{
	const uint8_t *found = memchr(bytes + at, '\0', size - at);

	return found != NULL ? (size_t)(found - bytes) : size;
}

/* The ordinary rest of a line, with its CRLF if all of it is there. Returns how many bytes that are;
 * 0: the next one is for the automaton. */
static size_t
pass_line(struct data *data, const uint8_t *bytes, size_t size)
{
	size_t run;

	if (data->state != INSIDE && (data->state != LINE_START || bytes[0] == '.'))
		return 0;
	run = run_length(bytes, size);
	if (run > 0) {
		data->state = INSIDE;
		lengthen_line(data, run);
	}
	if (size - run < 2 || bytes[run] != '\r' || bytes[run + 1] != '\n')
		return run;
	data->state = LINE_START;
	data->line_length = 0;
	return run + 2;
}

/* As many ordinary lines as there are, in one go. */
static size_t
copy_lines(struct data *data, const uint8_t *bytes, size_t size, struct output *out)
{
	size_t passed = 0, line = 1;

	while (passed < size && line > 0) {
		line = pass_line(data, bytes + passed, size - passed);
		passed += line;
	}
	memcpy(out->at, bytes, passed);
	out->at += passed;
	return passed;
}

size_t
data_decode(
    struct data *data, const uint8_t *bytes, size_t size, uint8_t *out_bytes, size_t *out_size_out)
{
	struct output out = {.at = out_bytes};
	size_t read = 0, reach = size > 0 ? find_nul(bytes, 0, size) : 0;

	while (read < size && !data->is_done) {
		size_t copied;

		if (read > reach)
			reach = find_nul(bytes, read, size);
		copied = copy_lines(data, bytes + read, reach - read, &out);
		read += copied;
		if (copied == 0)
			step(data, bytes[read++], &out);
	}
	*out_size_out = (size_t)(out.at - out_bytes);
	return read;
}

void
data_finish(struct data *data, uint8_t *out_bytes, size_t *out_size_out)
{
	struct output out = {.at = out_bytes};

	if (data->state == AFTER_CR) {
		data->faults |= DATA_BARE_CR;
	} else if (data->state == INSIDE) {
		put(&out, '\r');
		put(&out, '\n');
	}
	data->is_done = true;
	*out_size_out = (size_t)(out.at - out_bytes);
}

const char *
data_fault_text(const struct data *data)
{
	if (data->faults & DATA_BARE_LF)
		return "bare LF";
	if (data->faults & DATA_BARE_CR)
		return "bare CR";
	if (data->faults & DATA_NUL)
		return "NUL";
	return data->faults & DATA_LONG_LINE ? "line too long" : NULL;
}

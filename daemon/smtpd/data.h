/*
 * data - the text of a message on the wire: dots are unstuffed, CRLF is all that ends a line
 *
 * Behind DATA the text ends with CRLF.CRLF; behind BDAT (RFC 3030) chunks of known sizes make it
 * up, a dot is nothing but a dot, and a line may go over the border of two chunks.
 *
 * Role     smtpd; bytes in, bytes out, no session
 * Owns     nothing
 * Units    octets; a line's length is without its CRLF
 * Fails    never: what is wrong with the text is noted in `faults`, and reading goes on until
 *          CRLF.CRLF, so that the rest of a bad message is never taken for commands
 *
 * RFC 5321 2.3.8, 4.1.1.4, 4.5.2. A bare CR or LF, or a NUL, makes the message one that is
 * refused: somebody down the road could take it for the end of a line and see another message
 * there (SMTP smuggling).
 */
#ifndef POSTERN_SMTPD_DATA_H
#define POSTERN_SMTPD_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum data_fault { DATA_BARE_CR = 1, DATA_BARE_LF = 2, DATA_NUL = 4, DATA_LONG_LINE = 8 };
enum data_framing { DATA_DOTS, DATA_CHUNKS };

struct data {
	uint8_t state;
	uint8_t faults; /* enum data_fault */
	bool is_chunked;
	bool is_done; /* the end of data has been read */
	uint64_t line_length, line_max;
};

/* The output never needs more room than the input and this. */
#define DATA_EXTRA_SIZE 2

void data_init(struct data *data, enum data_framing framing, uint64_t line_max);
/* Returns how many bytes were read: all of them unless the end of data is among them. Writes what
 * they mean to `out`. */
size_t data_decode(
    struct data *data, const uint8_t *bytes, size_t size, uint8_t *out, size_t *out_size_out);
/* Behind the last chunk: writes the CRLF that its last line lacks, at most DATA_EXTRA_SIZE. RFC 3030
 * lets a text end without one, but it can't leave so: DATA knows whole lines only. */
void data_finish(struct data *data, uint8_t *out, size_t *out_size_out);
/* "bare CR", "bare LF", "NUL", "line too long", or NULL. */
const char *data_fault_text(const struct data *data);

#endif

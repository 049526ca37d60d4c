/* format - the few conversions that are needed often, without printf's streams and locale. */
#include "common/format.h"

#include "common/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#define DIGITS_MAX 20

struct output {
	char *bytes;
	size_t size;
	size_t length; /* of what was put, also where there was no room */
	va_list args;
};

struct conversion {
	bool has_precision;
	unsigned width; /* padded with zeros */
	unsigned precision;
	char size; /* of a number: 'i' int, 'l' long, 'L' long long, 'z' size_t */
	char kind;
};

static void
put(struct output *out, const char *bytes, size_t size)
{
	if (out->length < out->size) {
		size_t room = out->size - out->length;

		memcpy(out->bytes + out->length, bytes, size < room ? size : room);
	}
	out->length += size;
}

static void
put_number(struct output *out, uint64_t value, bool is_negative, unsigned width)
{
	char digits[DIGITS_MAX + 1];
	size_t at = sizeof(digits), least = width - (is_negative && width > 0);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	while (sizeof(digits) - at < least)
		digits[--at] = '0';
	if (is_negative)
		digits[--at] = '-';
	put(out, digits + at, sizeof(digits) - at);
}

static unsigned
read_number(const char **at)
{
	unsigned number = 0;

	while (**at >= '0' && **at <= '9' && number < 1000)
		number = number * 10 + (unsigned)(*(*at)++ - '0');
	return number;
}

static char
read_size(const char **at)
{
	if (**at == 'z') {
		(*at)++;
		return 'z';
	}
	if (**at != 'l')
		return 'i';
	(*at)++;
	if (**at != 'l')
		return 'l';
	(*at)++;
	return 'L';
}

/* `at` is behind the %. False: it is for vsnprintf. */
static bool
read_conversion(const char **at, struct output *out, struct conversion *conversion)
{
	int asked;

	*conversion = (struct conversion){0};
	if (**at == '0')
		conversion->width = read_number(at);
	if (**at == '.') {
		(*at)++;
		conversion->has_precision = true;
		if (**at == '*') {
			(*at)++;
			asked = va_arg(out->args, int);
			conversion->has_precision = asked >= 0;
			conversion->precision = asked >= 0 ? (unsigned)asked : 0;
		} else {
			conversion->precision = read_number(at);
		}
	}
	conversion->size = read_size(at);
	conversion->kind = **at;
	if (conversion->kind == '\0')
		return false;
	(*at)++;
	if (conversion->kind == 'd' || conversion->kind == 'u')
		return !conversion->has_precision && conversion->width <= DIGITS_MAX;
	return conversion->size == 'i' && conversion->width == 0 &&
	       (conversion->kind == 's' || conversion->kind == 'c' || conversion->kind == '%');
}

static int64_t
take_signed(struct output *out, char size)
{
	switch (size) {
	case 'L':
		return va_arg(out->args, long long);
	case 'l':
		return va_arg(out->args, long);
	case 'z':
		return va_arg(out->args, ssize_t);
	default:
		return va_arg(out->args, int);
	}
}

static uint64_t
take_unsigned(struct output *out, char size)
{
	switch (size) {
	case 'L':
		return va_arg(out->args, unsigned long long);
	case 'l':
		return va_arg(out->args, unsigned long);
	case 'z':
		return va_arg(out->args, size_t);
	default:
		return va_arg(out->args, unsigned);
	}
}

static void
put_text(struct output *out, const char *text, const struct conversion *conversion)
{
	if (text == NULL)
		text = "(null)";
	put(out, text,
	    conversion->has_precision ? strnlen(text, conversion->precision) : strlen(text));
}

static void
put_conversion(struct output *out, const struct conversion *conversion)
{
	int64_t number;
	char c = '%';

	switch (conversion->kind) {
	case 's':
		put_text(out, va_arg(out->args, const char *), conversion);
		break;
	case 'd':
		number = take_signed(out, conversion->size);
		put_number(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0,
		    conversion->width);
		break;
	case 'u':
		put_number(out, take_unsigned(out, conversion->size), false, conversion->width);
		break;
	default:
		if (conversion->kind == 'c')
			c = (char)va_arg(out->args, int);
		put(out, &c, 1);
	}
}

/* False: something in it is for vsnprintf. */
static bool
put_all(struct output *out, const char *format)
{
	const char *at = format;

	for (;;) {
		const char *percent = strchrnul(at, '%');
		struct conversion conversion;

		put(out, at, (size_t)(percent - at));
		if (*percent == '\0')
			return true;
		at = percent + 1;
		if (!read_conversion(&at, out, &conversion))
			return false;
		put_conversion(out, &conversion);
	}
}

size_t
format_arguments(char *buffer, size_t size, const char *format, va_list args)
{
	struct output out = {.bytes = buffer, .size = size};
	bool is_done;
	int length;

	va_copy(out.args, args);
	is_done = put_all(&out, format);
	va_end(out.args);
	if (!is_done) {
		length = vsnprintf(buffer, size, format, args);
		ensure(length >= 0);
		return (size_t)length;
	}
	if (size > 0)
		buffer[out.length < size ? out.length : size - 1] = '\0';
	return out.length;
}

size_t
format_text(char *buffer, size_t size, const char *format, ...)
{
	va_list args;
	size_t length;

	va_start(args, format);
	length = format_arguments(buffer, size, format, args);
	va_end(args);
	return length;
}

const char *
format_seconds(int64_t value_ms, char buffer[static FORMAT_SECONDS_SIZE])
{
	uint64_t ms = value_ms < 0 ? 0 - (uint64_t)value_ms : (uint64_t)value_ms;

	(void)format_text(buffer, FORMAT_SECONDS_SIZE, "%s%llu.%03u", value_ms < 0 ? "-" : "",
	    (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
	return buffer;
}

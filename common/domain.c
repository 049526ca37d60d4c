/* domain - mail domains; libidn2 turns what isn't ASCII into A-labels. */
#include "common/domain.h"

#include <ctype.h>
#include <idn2.h>
#include <string.h>
#include <strings.h>

static bool
is_label(const char *text, size_t length)
{
	if (length == 0 || length > 63 || text[0] == '-' || text[length - 1] == '-')
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_'))
			return false;
	}
	return true;
}

bool
domain_is_ascii(const char *text, size_t length)
{
	if (length == 0 || length >= DOMAIN_SIZE)
		return false;
	while (length > 0) {
		const char *dot = memchr(text, '.', length);
		size_t label = dot != NULL ? (size_t)(dot - text) : length;

		if (!is_label(text, label))
			return false;
		if (dot == NULL)
			return true;
		text += label + 1;
		length -= label + 1;
	}
	return false; /* a dot at the end */
}

static bool
is_ascii(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

#define SOURCE_SIZE (4u * DOMAIN_SIZE) /* a code point that fits is at most four octets */

static int
convert(
    const char *text, size_t length, int flags, char out[static DOMAIN_SIZE], struct err *err_out)
{
	char source[SOURCE_SIZE];
	uint8_t *ascii = NULL;
	size_t size;
	int rc;

	if (length >= sizeof(source) || memchr(text, '\0', length) != NULL)
		return err_set(err_out, "domain is too long (at most 255 octets)");
	memcpy(source, text, length);
	source[length] = '\0';
	rc = idn2_lookup_u8((const uint8_t *)source, &ascii, flags);
	if (rc != IDN2_OK)
		return err_set(err_out, "`%s` is no domain: %s", source, idn2_strerror(rc));
	size = strlen((const char *)ascii);
	if (size >= DOMAIN_SIZE) {
		idn2_free(ascii);
		return err_set(err_out, "domain is too long (at most 255 octets)");
	}
	memcpy(out, ascii, size + 1);
	idn2_free(ascii);
	return 0;
}

int
domain_normalise(const char *text, size_t length, char out[static DOMAIN_SIZE], struct err *err_out)
{
	if (length == 0)
		return err_set(err_out, "domain is empty");
	if (!is_ascii(text, length)) {
		if (convert(text, length, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL, out, err_out) != 0)
			return -1;
		length = strlen(out);
	} else if (length < DOMAIN_SIZE) {
		memcpy(out, text, length);
		out[length] = '\0';
	} else {
		return err_set(err_out, "domain is too long (at most 255 octets)");
	}
	if (!domain_is_ascii(out, length))
		return err_set(err_out,
		    "`%s` is no domain: labels of letters, digits and hyphens with dots between",
		    out);
	for (size_t i = 0; i < length; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	return 0;
}

/* Latin, Greek and Cyrillic capitals; of other letters only the small ones are taken as they are. */
static unsigned
fold_letter(unsigned letter)
{
	static const struct {
		unsigned first, last, step, offset;
	} capitals[] = {
	    {0xc0, 0xd6, 1, 32},
	    {0xd8, 0xde, 1, 32},
	    {0x100, 0x12e, 2, 1},
	    {0x132, 0x136, 2, 1},
	    {0x139, 0x147, 2, 1},
	    {0x14a, 0x176, 2, 1},
	    {0x179, 0x17d, 2, 1},
	    {0x391, 0x3a9, 1, 32},
	    {0x400, 0x40f, 1, 80},
	    {0x410, 0x42f, 1, 32},
	};

	for (size_t i = 0; i < sizeof(capitals) / sizeof(capitals[0]); i++)
		if (letter >= capitals[i].first && letter <= capitals[i].last &&
		    (letter - capitals[i].first) % capitals[i].step == 0)
			return letter + capitals[i].offset;
	return letter;
}

/* All of these capitals are two octets, and so are their small letters. */
static void
fold_case(const char *text, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned letter;

		out[i] = (char)(c < 0x80 ? tolower(c) : c);
		if ((c & 0xe0) != 0xc0 || i + 1 == length)
			continue;
		letter = fold_letter((c & 0x1fu) << 6 | ((unsigned char)text[i + 1] & 0x3fu));
		if (((unsigned char)text[i + 1] & 0xc0) == 0x80) {
			out[i] = (char)(0xc0 | letter >> 6);
			out[++i] = (char)(0x80 | (letter & 0x3f));
		}
	}
}

int
domain_normalise_exact(
    const char *text, size_t length, char out[static DOMAIN_SIZE], struct err *err_out)
{
	char folded[SOURCE_SIZE], exact[DOMAIN_SIZE];

	if (domain_normalise(text, length, out, err_out) != 0)
		return -1;
	if (is_ascii(text, length))
		return 0;
	fold_case(text, length, folded);
	if (convert(folded, length, IDN2_NO_TR46, exact, err_out) != 0)
		return -1;
	if (!domain_equals(out, exact))
		return err_set(
		    err_out, "`%.*s` can be read as another domain, `%s`", (int)length, text, out);
	return 0;
}

bool
domain_equals(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

bool
domain_matches(const char *rule, const char *domain)
{
	size_t rule_length, domain_length;

	if (rule[0] != '*' || rule[1] != '.')
		return domain_equals(rule, domain);
	rule++; /* now `.example.com` */
	rule_length = strlen(rule);
	domain_length = strlen(domain);
	return domain_length > rule_length &&
	       domain_equals(rule, domain + domain_length - rule_length);
}

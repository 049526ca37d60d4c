/*
 * charset - the charsets that mail is written in, as a table of iconv(3) converters.
 *
 * `kind` says what may be done without decoding: see charset.h. A charset that this system's C
 * library lacks is as one that nobody knows.
 */
#include "daemon/mime/charset.h"

#include "common/err.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define NO_CONVERTER ((iconv_t)-1)

enum kind { ASCII, UTF8, PLAIN, STATEFUL, WIDE };

struct charset {
	const char *name;    /* as iconv knows it */
	const char *aliases; /* others that mail has, with a blank before and behind each */
	enum kind kind;
	iconv_t to_utf8, from_utf8;
};

/* clang-format off */
static struct charset charsets[] = {
	{"US-ASCII", " ascii ansi_x3.4-1968 iso646-us us iso-ir-6 cp367 ", ASCII, 0, 0},
	{"UTF-8", " utf8 unicode-1-1-utf-8 ", UTF8, 0, 0},
	{"ISO-8859-1", " latin1 iso8859-1 iso_8859-1 l1 cp819 ibm819 ", PLAIN, 0, 0},
	{"ISO-8859-2", " latin2 iso8859-2 iso_8859-2 ", PLAIN, 0, 0},
	{"ISO-8859-3", " latin3 iso8859-3 ", PLAIN, 0, 0},
	{"ISO-8859-4", " latin4 iso8859-4 ", PLAIN, 0, 0},
	{"ISO-8859-5", " cyrillic iso8859-5 ", PLAIN, 0, 0},
	{"ISO-8859-6", " arabic iso8859-6 iso-8859-6-i iso-8859-6-e ", PLAIN, 0, 0},
	{"ISO-8859-7", " greek iso8859-7 ", PLAIN, 0, 0},
	{"ISO-8859-8", " hebrew iso8859-8 iso-8859-8-i iso-8859-8-e ", PLAIN, 0, 0},
	{"ISO-8859-9", " latin5 iso8859-9 ", PLAIN, 0, 0},
	{"ISO-8859-10", " latin6 iso8859-10 ", PLAIN, 0, 0},
	{"ISO-8859-11", " iso8859-11 ", PLAIN, 0, 0},
	{"ISO-8859-13", " iso8859-13 ", PLAIN, 0, 0},
	{"ISO-8859-14", " latin8 iso8859-14 ", PLAIN, 0, 0},
	{"ISO-8859-15", " latin-9 latin9 iso8859-15 ", PLAIN, 0, 0},
	{"ISO-8859-16", " latin10 iso8859-16 ", PLAIN, 0, 0},
	{"WINDOWS-1250", " cp1250 x-cp1250 ", PLAIN, 0, 0},
	{"WINDOWS-1251", " cp1251 x-cp1251 ", PLAIN, 0, 0},
	{"WINDOWS-1252", " cp1252 x-cp1252 ", PLAIN, 0, 0},
	{"WINDOWS-1253", " cp1253 ", PLAIN, 0, 0},
	{"WINDOWS-1254", " cp1254 ", PLAIN, 0, 0},
	{"WINDOWS-1255", " cp1255 ", PLAIN, 0, 0},
	{"WINDOWS-1256", " cp1256 ", PLAIN, 0, 0},
	{"WINDOWS-1257", " cp1257 ", PLAIN, 0, 0},
	{"WINDOWS-1258", " cp1258 ", PLAIN, 0, 0},
	{"WINDOWS-874", " cp874 ", PLAIN, 0, 0},
	{"TIS-620", " tis620 ", PLAIN, 0, 0},
	{"KOI8-R", " koi8_r koi8 ", PLAIN, 0, 0},
	{"KOI8-U", " koi8_u ", PLAIN, 0, 0},
	{"IBM437", " cp437 437 ", PLAIN, 0, 0},
	{"IBM850", " cp850 850 ", PLAIN, 0, 0},
	{"IBM852", " cp852 852 ", PLAIN, 0, 0},
	{"IBM866", " cp866 866 ", PLAIN, 0, 0},
	{"MACINTOSH", " mac x-mac-roman ", PLAIN, 0, 0},
	{"EUC-JP", " x-euc-jp ujis ", PLAIN, 0, 0},
	{"EUC-KR", " ks_c_5601-1987 ks_c_5601-1989 korean ksc5601 ", PLAIN, 0, 0},
	{"CP949", " uhc windows-949 ", PLAIN, 0, 0},
	{"GB2312", " gb_2312-80 euc-cn x-euc-cn chinese ", PLAIN, 0, 0},
	{"EUC-TW", " x-euc-tw ", PLAIN, 0, 0},
	/* The second octet of a character may look like ASCII: only whole texts are put together. */
	{"GBK", " cp936 x-gbk windows-936 ", STATEFUL, 0, 0},
	{"GB18030", " gb-18030 ", STATEFUL, 0, 0},
	{"BIG5", " big-5 x-x-big5 cn-big5 cp950 ", STATEFUL, 0, 0},
	{"BIG5-HKSCS", " big5hkscs ", STATEFUL, 0, 0},
	{"CP932", " shift_jis shift-jis sjis x-sjis ms_kanji windows-31j ", STATEFUL, 0, 0},
	{"ISO-2022-JP", " csiso2022jp iso-2022-jp-1 ", STATEFUL, 0, 0},
	{"ISO-2022-JP-2", " csiso2022jp2 ", STATEFUL, 0, 0},
	{"ISO-2022-KR", " csiso2022kr ", STATEFUL, 0, 0},
	{"ISO-2022-CN", " csiso2022cn ", STATEFUL, 0, 0},
	{"UTF-7", " unicode-1-1-utf-7 utf7 ", STATEFUL, 0, 0},
	{"UTF-16BE", " utf-16 utf16 utf16be ucs-2 ucs2 iso-10646-ucs-2 unicode ", WIDE, 0, 0},
	{"UTF-16LE", " utf16le unicodefffe ", WIDE, 0, 0},
	{"UTF-32BE", " utf-32 utf32 ucs-4 iso-10646-ucs-4 ", WIDE, 0, 0},
	{"UTF-32LE", " utf32le ", WIDE, 0, 0},
};
/* clang-format on */

#define CHARSET_COUNT (sizeof(charsets) / sizeof(charsets[0]))

void
charset_open_all(void)
{
	static bool is_open;

	if (is_open)
		return;
	is_open = true;
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		charsets[i].to_utf8 = iconv_open("UTF-8", charsets[i].name);
		charsets[i].from_utf8 = iconv_open(charsets[i].name, "UTF-8");
	}
}

static bool
has_alias(const struct charset *charset, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = charset->aliases; (at = strcasestr(at, name)) != NULL; at++)
		if (at[-1] == ' ' && at[length] == ' ')
			return true;
	return false;
}

const struct charset *
charset_find(const char *name)
{
	if (*name == '\0' || strchr(name, ' ') != NULL)
		return NULL;
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		const struct charset *charset = &charsets[i];

		if (strcasecmp(charset->name, name) != 0 && !has_alias(charset, name))
			continue;
		if (charset->to_utf8 == NO_CONVERTER || charset->from_utf8 == NO_CONVERTER)
			return NULL;
		return charset;
	}
	return NULL;
}

bool
charset_is_ascii(const struct charset *charset)
{
	return charset->kind == ASCII;
}

bool
charset_is_utf8(const struct charset *charset)
{
	return charset->kind == UTF8;
}

bool
charset_is_plain(const struct charset *charset)
{
	return charset->kind <= PLAIN;
}

bool
charset_is_wide(const struct charset *charset)
{
	return charset->kind == WIDE;
}

/* The whole of `bytes`, with the way back to the charset's first state. */
static bool
convert(iconv_t converter, const char *bytes, size_t size, struct buf *out)
{
	char piece[4096];
	char *in = (char *)(uintptr_t)bytes;
	bool is_ending = false;

	(void)iconv(converter, NULL, NULL, NULL, NULL);
	for (;;) {
		char *to = piece;
		size_t room = sizeof(piece);
		size_t result =
		    iconv(converter, is_ending ? NULL : &in, is_ending ? NULL : &size, &to, &room);

		buf_append(out, piece, sizeof(piece) - room);
		if (result == (size_t)-1) {
			if (errno != E2BIG)
				return false;
		} else if (result != 0) {
			return false; /* something was replaced by what is like it */
		} else if (is_ending) {
			return true;
		} else {
			is_ending = true;
		}
	}
}

/* The byte order mark decides, and is no part of the text. */
static const struct charset *
by_mark(const struct charset *charset, const char **bytes, size_t *size)
{
	static const struct {
		const char *mark;
		size_t size;
		const char *name;
	} marks[] = {
	    {"\xff\xfe\0\0", 4, "UTF-32LE"},
	    {"\0\0\xfe\xff", 4, "UTF-32BE"},
	    {"\xfe\xff", 2, "UTF-16BE"},
	    {"\xff\xfe", 2, "UTF-16LE"},
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (strncmp(charset->name, marks[i].name, 6) != 0 || *size < marks[i].size ||
		    memcmp(*bytes, marks[i].mark, marks[i].size) != 0)
			continue;
		*bytes += marks[i].size;
		*size -= marks[i].size;
		return charset_find(marks[i].name);
	}
	return charset;
}

bool
charset_to_utf8(const struct charset *charset, const char *bytes, size_t size, struct buf *out)
{
	if (charset->kind == WIDE)
		charset = by_mark(charset, &bytes, &size);
	return charset != NULL && convert(charset->to_utf8, bytes, size, out);
}

bool
charset_from_utf8(const struct charset *charset, const char *text, size_t size, struct buf *out)
{
	return convert(charset->from_utf8, text, size, out);
}

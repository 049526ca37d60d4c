/*
 * reply_rules_private - the inside of the rules, for the files that make them up
 *
 * replyfile.c reads them, reply_rules.c finds the one that fits, reply_pattern.c has their parts.
 * Nobody else includes this.
 */
#ifndef POSTERN_CONFIG_REPLY_RULES_PRIVATE_H
#define POSTERN_CONFIG_REPLY_RULES_PRIVATE_H

#include "daemon/config/reply_rules.h"

#include <regex.h>

#define CODES_MAX 8
#define ENHANCED_MAX 8
#define PATTERN_MAX 400

/* Codes from `first` to `last`. */
struct code_range {
	unsigned first, last;
};

/* An enhanced code, or several that differ in a part. */
struct enhanced_range {
	unsigned class; /* 0: any */
	unsigned subject_first, subject_last;
	unsigned detail_first, detail_last;
};

struct pattern {
	char *source; /* NULL: any text */
	regex_t regex;
	unsigned uses; /* since it was compiled */
};

struct rule {
	struct reply_rule public; /* first */
	char *provider;           /* names, with blanks between them; NULL: any */
	char *advice;
	unsigned phases; /* bits; 0: any */
	struct code_range codes[CODES_MAX];
	size_t code_count; /* 0: any */
	struct enhanced_range enhanced[ENHANCED_MAX];
	size_t enhanced_count; /* 0: any, also none */
	struct pattern text;
};

struct reply_rules {
	unsigned references;
	struct rule **rows;
	size_t count;
};

/* Each: -1 when the text is none of these. */
int code_ranges_parse(const char *text, struct code_range *ranges_out, size_t *count_out);
int enhanced_ranges_parse(const char *text, struct enhanced_range *ranges_out, size_t *count_out);
int phases_parse(const char *text, unsigned *phases_out);
bool enhanced_ranges_have(const struct enhanced_range *ranges, size_t count, const char *enhanced);

/* -1 and *err_out: what is wrong with it. */
int pattern_compile(struct pattern *pattern, const char *source, struct err *err_out);
bool pattern_fits(struct pattern *pattern, const char *text);
void pattern_fini(struct pattern *pattern);

void rule_free(struct rule *rule);

#endif

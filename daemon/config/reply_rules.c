/* reply_rules - finds the rule that a reply fits. */
#include "daemon/config/reply_rules_private.h"

#include "common/utf8.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
rule_free(struct rule *rule)
{
	pattern_fini(&rule->text);
	free(rule->provider);
	free(rule->advice);
	free(rule);
}

struct reply_rules *
reply_rules_hold(struct reply_rules *rules)
{
	if (rules != NULL)
		rules->references++;
	return rules;
}

void
reply_rules_release(struct reply_rules *rules)
{
	if (rules == NULL || --rules->references > 0)
		return;
	for (size_t i = 0; i < rules->count; i++)
		rule_free(rules->rows[i]);
	free(rules->rows);
	free(rules);
}

size_t
reply_rules_count(const struct reply_rules *rules)
{
	return rules->count;
}

static bool
has_code(const struct rule *rule, unsigned code)
{
	for (size_t i = 0; i < rule->code_count; i++)
		if (code >= rule->codes[i].first && code <= rule->codes[i].last)
			return true;
	return rule->code_count == 0;
}

static bool
is_for_provider(const struct rule *rule, const char *provider)
{
	const char *at = rule->provider;

	if (at == NULL)
		return true;
	for (size_t size; *(at += strspn(at, " ")) != '\0'; at += size) {
		size = strcspn(at, " ");
		if (size == strlen(provider) && strncasecmp(at, provider, size) == 0)
			return true;
	}
	return false;
}

/* What is cheap first: few rules are left when the text is looked at. */
static bool
fits(struct rule *rule, const struct reply_seen *seen, const char *text)
{
	if (rule->phases != 0 && (rule->phases & (1u << seen->phase)) == 0)
		return false;
	if (!has_code(rule, seen->code))
		return false;
	if (!is_for_provider(rule, seen->provider))
		return false;
	if (rule->enhanced_count > 0 &&
	    !enhanced_ranges_have(rule->enhanced, rule->enhanced_count, seen->enhanced))
		return false;
	return pattern_fits(&rule->text, text);
}

const struct reply_rule *
reply_rules_find(struct reply_rules *rules, const struct reply_seen *seen)
{
	char text[REPLY_TEXT_MAX + 1];
	size_t size = utf8_cut(seen->text, strlen(seen->text), REPLY_TEXT_MAX);

	memcpy(text, seen->text, size);
	text[size] = '\0';
	for (size_t i = 0; rules != NULL && i < rules->count; i++)
		if (fits(rules->rows[i], seen, text))
			return &rules->rows[i]->public;
	return NULL;
}

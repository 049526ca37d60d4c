/* connects - the generic cell rate algorithm (ITU-T I.371), once for each rule. */
#include "daemon/relay/connects.h"

static int64_t
at_once(const struct rate_rule *rule)
{
	return rule->count < 4 ? 1 : rule->count / 4;
}

/* From one to the next. One less than would do leaves room for what was opened before a start. */
static int64_t
distance_us(const struct rate_rule *rule)
{
	int64_t evenly = rule->count < 4 ? rule->count : rule->count - at_once(rule);

	return (rule->period_ms * 1000 + evenly - 1) / evenly;
}

/* So far ahead of an even pace may it be. */
static int64_t
ahead_us(const struct rate_rule *rule)
{
	return (at_once(rule) - 1) * distance_us(rule);
}

static bool
is_same(const struct rate *one, const struct rate *other)
{
	if (one->rule_count != other->rule_count)
		return false;
	for (size_t i = 0; i < one->rule_count; i++)
		if (one->rules[i].count != other->rules[i].count ||
		    one->rules[i].period_ms != other->rules[i].period_ms)
			return false;
	return true;
}

void
connects_set(struct connects *connects, const struct rate *rate, int64_t now_ms)
{
	if (is_same(&connects->rate, rate))
		return;
	connects->rate = *rate;
	for (size_t i = 0; i < rate->rule_count; i++)
		connects->even_us[i] = now_ms * 1000 + ahead_us(&rate->rules[i]);
}

int64_t
connects_wait_ms(const struct connects *connects, int64_t now_ms)
{
	int64_t longest_us = 0;

	for (size_t i = 0; i < connects->rate.rule_count; i++) {
		const struct rate_rule *rule = &connects->rate.rules[i];
		int64_t wait_us = connects->even_us[i] - ahead_us(rule) - now_ms * 1000;

		if (wait_us > longest_us)
			longest_us = wait_us;
	}
	return (longest_us + 999) / 1000;
}

void
connects_note(struct connects *connects, int64_t now_ms)
{
	for (size_t i = 0; i < connects->rate.rule_count; i++) {
		int64_t *even_us = &connects->even_us[i];

		if (*even_us < now_ms * 1000)
			*even_us = now_ms * 1000;
		*even_us += distance_us(&connects->rate.rules[i]);
	}
}

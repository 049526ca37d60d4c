/*
 * routes_learned - what an upstream takes that refuses too much and never says until when
 *
 * Each class of refusal is one of a period: a minute, an hour, a day. The first refusal of a class has
 * what goes in its period counted; a day always is, since one that is over when it's begun to be counted
 * is too late for a provider that bans for longer each time. At a later one it is known how much the upstream took in the
 * period before, in messages and in recipients: nine tenths of that are kept to from then on, and half
 * of it after a further refusal, since then it minds something else. It is raised by a twentieth
 * after a day without a refusal, and after twice as long for each that there was. A profile with rates
 * of its own learns nothing.
 */
#include "daemon/queue/routes_private.h"

#include <stdio.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define STEP_MAX_MS (16 * DAY_MS)
#define WORTH_COUNTING 10 /* messages in a period: of fewer it isn't their number that is minded */
/* The same, where one quota that is used up may be all that happened: by others, who use the account too. */
#define WORTH_COUNTING_AT_ONCE 100

static int64_t period_of(enum reply_class class)
{
	switch (class) {
	case REPLY_RATE:
		return MINUTE_MS;
	case REPLY_QUOTA_HOUR:
		return HOUR_MS;
	case REPLY_QUOTA_DAILY:
		return DAY_MS;
	default:
		return 0;
	}
}

static bool
has_own_rates(const struct profile *profile)
{
	return profile->rate.rule_count + profile->recipient_rate.rule_count > 0;
}

void
profile_set_rates(struct routes *routes, struct profile *profile)
{
	bool is_own = has_own_rates(profile);

	budget_set(&profile->budget, is_own ? &profile->rate : &profile->learned.messages,
	    is_own ? &profile->recipient_rate : &profile->learned.recipients, profile->reserve,
	    routes_steady_ms(routes));
	if (!is_own)
		budget_watch(&profile->budget, DAY_MS, routes_steady_ms(routes));
}

/* The rule of the period, which is made if there is none: then its count is 0. */
static struct rate_rule *
rule_of(struct rate *rate, int64_t period_ms)
{
	size_t at = rate->rule_count;

	for (size_t i = 0; i < rate->rule_count; i++)
		if (rate->rules[i].period_ms == period_ms)
			return &rate->rules[i];
	for (rate->rule_count++; at > 0 && rate->rules[at - 1].period_ms > period_ms; at--)
		rate->rules[at] = rate->rules[at - 1];
	rate->rules[at] = (struct rate_rule){.period_ms = period_ms};
	return &rate->rules[at];
}

/* Less than went, and than was allowed so far. */
static void
lower(struct rate *rate, int64_t period_ms, uint32_t went)
{
	struct rate_rule *rule = rule_of(rate, period_ms);
	uint32_t most = rule->count == 0 ? went - went / 10 : rule->count / 2;

	rule->count = most > 0 ? most : 1;
}

static void
raise_all(struct rate *rate)
{
	for (size_t i = 0; i < rate->rule_count; i++)
		rate->rules[i].count += rate->rules[i].count / 20 + 1;
}

/* From so many messages in the period on; if they weren't counted they are from now on. */
static void
learn(struct routes *routes, struct profile *profile, int64_t period_ms, uint32_t least)
{
	struct learned *learned = &profile->learned;
	int64_t now_ms = routes_steady_ms(routes);
	struct usage_count went;

	if (!budget_watched(&profile->budget, period_ms, now_ms, &went)) {
		budget_watch(&profile->budget, period_ms, now_ms);
		return;
	}
	if (went.messages < least)
		return;
	lower(&learned->messages, period_ms, went.messages);
	lower(&learned->recipients, period_ms, went.recipients);
	learned->changed_at_ms = now_ms;
	learned->step_ms = learned->step_ms == 0 ? DAY_MS : learned->step_ms * 2;
	if (learned->step_ms > STEP_MAX_MS)
		learned->step_ms = STEP_MAX_MS;
	profile_set_rates(routes, profile);
}

static bool
has_rule(const struct rate *rate, int64_t period_ms)
{
	for (size_t i = 0; i < rate->rule_count; i++)
		if (rate->rules[i].period_ms == period_ms)
			return true;
	return false;
}

/* A day is watched always: the first refusal of it would be learned from otherwise. */
void
profile_learn_rate(struct routes *routes, struct profile *profile, enum reply_class class)
{
	struct learned *learned = &profile->learned;
	int64_t period_ms = period_of(class);
	bool is_first = period_ms == DAY_MS && !learned->has_heard_day;

	if (period_ms == 0 || has_own_rates(profile))
		return;
	learned->has_heard_day |= period_ms == DAY_MS;
	if (!is_first)
		learn(routes, profile, period_ms, WORTH_COUNTING);
}

/* Who looks whether it is over proves nothing about how much may go in a minute, but what went in the day
 * before is known still, and a provider that bans for longer each time is not to be asked all day. */
void
profile_learn_day(struct routes *routes, struct profile *profile, enum reply_class class)
{
	struct learned *learned = &profile->learned;

	if (period_of(class) != DAY_MS || has_own_rates(profile) || !learned->has_heard_day ||
	    has_rule(&learned->messages, DAY_MS))
		return;
	learn(routes, profile, DAY_MS, WORTH_COUNTING_AT_ONCE);
}

bool
profile_raise_rate(struct routes *routes, struct profile *profile)
{
	struct learned *learned = &profile->learned;
	int64_t now_ms = routes_steady_ms(routes);

	if (learned->messages.rule_count == 0 || now_ms - learned->changed_at_ms < learned->step_ms)
		return false;
	raise_all(&learned->messages);
	raise_all(&learned->recipients);
	learned->changed_at_ms = now_ms;
	profile_set_rates(routes, profile);
	return true;
}

static void
save(const struct rate *rate, char text[static RATE_TEXT_SIZE])
{
	if (rate->rule_count > 0)
		(void)rate_format(rate, text);
	else
		text[0] = '\0';
}

void
profile_save_rate(const struct profile *profile, struct profile_row *row)
{
	save(&profile->learned.messages, row->rate);
	save(&profile->learned.recipients, row->recipient_rate);
	row->rate_step_ms = profile->learned.step_ms;
}

/* What can't be read was not learned. */
static void
read_back(const char *text, struct rate *rate)
{
	struct err err;

	if (*text == '\0' || rate_parse(text, rate, &err) != 0)
		*rate = (struct rate){0};
}

void
profile_remember_rate(struct routes *routes, struct profile *profile, const struct profile_row *row)
{
	struct learned *learned = &profile->learned;

	read_back(row->rate, &learned->messages);
	read_back(row->recipient_rate, &learned->recipients);
	learned->step_ms = row->rate_step_ms;
	learned->changed_at_ms = routes_steady_ms(routes);
	learned->has_heard_day = has_rule(&learned->messages, DAY_MS);
	profile_set_rates(routes, profile);
}

void
profile_forget_rate(struct routes *routes, struct profile *profile)
{
	profile->learned = (struct learned){0};
	profile_set_rates(routes, profile);
}

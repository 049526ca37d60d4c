/* settlement: what a report means for each recipient and for the message. */
#include "common/clock.h"
#include "daemon/core/values.h"
#include "daemon/queue/settlement.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW_MS 1700000000000
#define LIFETIME_MS 1000000
#define NONE 255 /* the report does not name this recipient */

struct row {
	const char *name;
	int64_t age_ms;
	bool is_lost;
	uint8_t fates[3];
	uint8_t states[3];
	bool is_over;
	uint8_t state;
	uint32_t failed;
};

static const struct row rows[] = {
    {"all delivered", 0, false, {FATE_DELIVERED, FATE_DELIVERED, FATE_DELIVERED},
	{RECIPIENT_DELIVERED, RECIPIENT_DELIVERED, RECIPIENT_DELIVERED}, true, MAIL_WAITING, 0},
    {"one each", 0, false, {FATE_DELIVERED, FATE_DEFERRED, FATE_FAILED},
	{RECIPIENT_DELIVERED, RECIPIENT_PENDING, RECIPIENT_FAILED}, false, MAIL_WAITING, 1},
    {"all failed", 0, false, {FATE_FAILED, FATE_FAILED, FATE_FAILED},
	{RECIPIENT_FAILED, RECIPIENT_FAILED, RECIPIENT_FAILED}, true, MAIL_WAITING, 3},
    {"one uncertain", 0, false, {FATE_DELIVERED, FATE_UNCERTAIN, FATE_DELIVERED},
	{RECIPIENT_DELIVERED, RECIPIENT_UNCERTAIN, RECIPIENT_DELIVERED}, false, MAIL_UNCERTAIN, 0},
    {"over time", LIFETIME_MS, false, {FATE_DELIVERED, FATE_DEFERRED, FATE_UNCERTAIN},
	{RECIPIENT_DELIVERED, RECIPIENT_FAILED, RECIPIENT_FAILED}, true, MAIL_WAITING, 2},
    {"just in time", LIFETIME_MS - 1, false, {FATE_DELIVERED, FATE_DEFERRED, FATE_DEFERRED},
	{RECIPIENT_DELIVERED, RECIPIENT_PENDING, RECIPIENT_PENDING}, false, MAIL_WAITING, 0},
    {"not named", 0, false, {FATE_DELIVERED, NONE, FATE_DELIVERED},
	{RECIPIENT_DELIVERED, RECIPIENT_PENDING, RECIPIENT_DELIVERED}, false, MAIL_WAITING, 0},
    {"lost with relay", LIFETIME_MS, true, {NONE, NONE, NONE},
	{RECIPIENT_UNCERTAIN, RECIPIENT_UNCERTAIN, RECIPIENT_UNCERTAIN}, false, MAIL_UNCERTAIN, 0},
};

static struct settlement *
report(const uint8_t *fates, bool is_lost)
{
	struct msg_list_builder builder = {0};
	struct msg_report message = {
	    .message_id = 1, .attempt = 2, .upstream = "", .tls = "", .transcript = ""};
	struct settlement *settlement;

	for (uint16_t i = 0; i < 3; i++) {
		struct rec_fate fate = {
		    .index = i, .fate = fates[i], .enhanced = "4.0.0", .reply = "words"};

		if (fates[i] != NONE)
			message_list_add(&builder, REC_FATE, &fate);
	}
	message.fates = message_list_value(&builder);
	settlement = settlement_new(&message);
	settlement->is_lost = is_lost;
	message_list_fini(&builder);
	return settlement;
}

static struct routes routes; /* with the profiles of a test */

static void
decide_through(struct settlement *settlement, const struct mail *mail, const struct config *config,
    const struct profile *profile)
{
	struct settlement_basis basis = {
	    .config = config, .routes = &routes, .profile = profile, .now_ms = NOW_MS};

	settlement_decide(settlement, mail, &basis);
}

static void
decide(struct settlement *settlement, const struct mail *mail, const struct config *config)
{
	decide_through(settlement, mail, config, NULL);
}

static uint32_t
count_failed(const struct settlement *settlement)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < settlement->job.row_count; i++)
		count += settlement->job.rows[i].state == RECIPIENT_FAILED;
	return count;
}

static void
check_row(const struct row *row)
{
	struct config config = {
	    .queue = {.lifetime_ms = LIFETIME_MS, .retry_ms = {60000}, .retry_count = 1}};
	struct settlement *settlement = report(row->fates, row->is_lost);
	struct mail *mail = rig_mail(1, 3);

	mail->received_at_ms = mail->begins_at_ms = NOW_MS - row->age_ms;
	decide(settlement, mail, &config);
	assert_int_equal(settlement->job.row_count, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(settlement->job.rows[i].state, row->states[i]);
	assert_int_equal(settlement->job.is_over, row->is_over);
	assert_int_equal(count_failed(settlement), row->failed);
	if (!row->is_over) {
		assert_int_equal(settlement->job.state, row->state);
		assert_true(settlement->job.next_at_ms > NOW_MS);
	}
	settlement_free(settlement);
	free(mail);
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].name);
		check_row(&rows[i]);
	}
}

static void
test_what_was_delivered_before_stays(void **state)
{
	static const uint8_t fates[] = {FATE_FAILED, FATE_DELIVERED, NONE};
	struct config config = {.queue = {.lifetime_ms = LIFETIME_MS}};
	struct settlement *settlement = report(fates, false);
	struct mail *mail = rig_mail(1, 2);

	mail->received_at_ms = mail->begins_at_ms = NOW_MS;
	mail->recipients[0].state = RECIPIENT_DELIVERED;
	decide(settlement, mail, &config);
	assert_int_equal(settlement->job.row_count, 1);
	assert_int_equal(settlement->job.rows[0].index, 1);
	assert_int_equal(count_failed(settlement), 0);
	assert_true(settlement->job.is_over);
	settlement_free(settlement);
	free(mail);
}

static void
test_lifetime_counts_from_the_time_that_the_client_named(void **state)
{
	static const uint8_t fates[] = {FATE_DEFERRED, NONE, NONE};
	struct config config = {.queue = {.lifetime_ms = LIFETIME_MS}};

	for (int64_t more_ms = 0; more_ms < 2; more_ms++) {
		struct settlement *settlement = report(fates, false);
		struct mail *mail = rig_mail(1, 1);

		mail->received_at_ms = mail->begins_at_ms = NOW_MS - 5 * LIFETIME_MS;
		mail->begins_at_ms = NOW_MS - LIFETIME_MS + 1 - more_ms;
		decide(settlement, mail, &config);
		assert_int_equal(count_failed(settlement), more_ms);
		settlement_free(settlement);
		free(mail);
	}
}

static void
test_who_is_told(void **state)
{
	static char bounce_sender[] = "bounce@example.org";
	static struct profile profile = {.id = 5, .bounce_sender = bounce_sender};
	static const struct {
		const char *name;
		uint8_t fate, notify;
		bool has_dsn, is_notice, has_null_sender, has_no_bounces, is_captured;
		bool is_from_bounce_sender, is_to_bounce_sender;
		uint8_t action;
	} cases[] = {
	    {.name = "failure, nothing said", FATE_FAILED, .action = DSN_FAILED},
	    {.name = "failure, wanted", FATE_FAILED, NOTIFY_FAILURE, .action = DSN_FAILED},
	    {.name = "failure, never", FATE_FAILED, NOTIFY_NEVER, .action = DSN_NONE},
	    {.name = "failure, success only", FATE_FAILED, NOTIFY_SUCCESS, .action = DSN_NONE},
	    {.name = "failure, delay only", FATE_FAILED, NOTIFY_DELAY, .action = DSN_NONE},
	    {.name = "failure of a notice", FATE_FAILED, .is_notice = true, .action = DSN_NONE},
	    {.name = "failure, null sender",
		FATE_FAILED,
		NOTIFY_FAILURE,
		.has_null_sender = true,
		.action = DSN_NONE},
	    {.name = "failure, from a bounce sender",
		FATE_FAILED,
		.is_from_bounce_sender = true,
		.action = DSN_NONE},
	    {.name = "failure, to a bounce sender",
		FATE_FAILED,
		NOTIFY_FAILURE,
		.is_to_bounce_sender = true,
		.action = DSN_NONE},
	    {.name = "failure, bounces off",
		FATE_FAILED,
		NOTIFY_FAILURE,
		.has_no_bounces = true,
		.action = DSN_NONE},
	    {.name = "success, nothing said", FATE_DELIVERED, .action = DSN_NONE},
	    {.name = "success, failure only", FATE_DELIVERED, NOTIFY_FAILURE, .action = DSN_NONE},
	    {.name = "success, wanted",
		FATE_DELIVERED,
		NOTIFY_SUCCESS | NOTIFY_FAILURE,
		.action = DSN_RELAYED},
	    {.name = "success, the upstream tells",
		FATE_DELIVERED,
		NOTIFY_SUCCESS,
		.has_dsn = true,
		.action = DSN_NONE},
	    {.name = "success, captured",
		FATE_DELIVERED,
		NOTIFY_SUCCESS,
		.is_captured = true,
		.action = DSN_DELIVERED},
	    {.name = "success of a notice",
		FATE_DELIVERED,
		NOTIFY_SUCCESS,
		.is_notice = true,
		.action = DSN_NONE},
	    {.name = "success, null sender",
		FATE_DELIVERED,
		NOTIFY_SUCCESS,
		.has_null_sender = true,
		.action = DSN_NONE},
	    {.name = "put off",
		FATE_DEFERRED,
		NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY,
		.action = DSN_NONE},
	};

	idmap_put(&routes.profiles, 5, &profile);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t fates[] = {cases[i].fate, NONE, NONE};
		struct config config = {.queue = {.lifetime_ms = LIFETIME_MS,
					    .retry_ms = {60000},
					    .retry_count = 1,
					    .has_bounces = !cases[i].has_no_bounces}};
		struct settlement *settlement = report(fates, false);
		struct mail *mail = rig_mail(1, 1);

		print_message("%s\n", cases[i].name);
		free(settlement->upstream);
		settlement->upstream = strdup(cases[i].is_captured ? "" : "mx[192.0.2.1]:25");
		settlement->job.rows[0].has_dsn = cases[i].has_dsn;
		mail->received_at_ms = mail->begins_at_ms = NOW_MS;
		mail->is_notice = cases[i].is_notice;
		mail->recipients[0].notify = cases[i].notify;
		if (cases[i].has_null_sender)
			mail->sender = "";
		if (cases[i].is_from_bounce_sender)
			mail->sender = "Bounce@EXAMPLE.org";
		if (cases[i].is_to_bounce_sender)
			mail->recipients[0].address = bounce_sender;
		decide(settlement, mail, &config);
		assert_int_equal(settlement->actions[0], cases[i].action);
		assert_int_equal(settlement->told_count, cases[i].action != DSN_NONE);
		settlement_free(settlement);
		free(mail);
	}
	idmap_fini(&routes.profiles);
}

static void
test_profile_has_a_schedule_of_its_own(void **state)
{
	static const uint8_t fates[] = {FATE_DEFERRED, NONE, NONE};
	static const struct profile profile = {.retry_ms = {1000, 7000}, .retry_count = 2};
	static const int64_t waits_ms[] = {1000, 7000, 7000};
	struct config config = {
	    .queue = {.lifetime_ms = LIFETIME_MS, .retry_ms = {60000}, .retry_count = 1}};

	for (uint32_t i = 0; i < 3; i++) {
		struct settlement *settlement = report(fates, false);
		struct mail *mail = rig_mail(1, 1);
		int64_t wait_ms;

		mail->begins_at_ms = NOW_MS;
		mail->attempts = i;
		decide_through(settlement, mail, &config, &profile);
		wait_ms = settlement->job.next_at_ms - NOW_MS;
		/* 10 % more or less, by chance. */
		assert_in_range(wait_ms, waits_ms[i] * 9 / 10, waits_ms[i] * 11 / 10);
		settlement_free(settlement);
		free(mail);
	}
}

static void
test_uncertain_recipients_wait_for_an_operator_if_the_profile_says_so(void **state)
{
	static const struct {
		const char *name;
		int64_t age_ms;
		bool is_lost;
		uint8_t fates[2], states[2], state;
		bool is_tried_again, is_over;
	} cases[] = {
	    {"alone", 0, false, {FATE_DELIVERED, FATE_UNCERTAIN},
		{RECIPIENT_DELIVERED, RECIPIENT_UNDECIDED}, MAIL_UNCERTAIN, false, false},
	    {"the others go on", 0, false, {FATE_DEFERRED, FATE_UNCERTAIN},
		{RECIPIENT_PENDING, RECIPIENT_UNDECIDED}, MAIL_UNCERTAIN, true, false},
	    {"lost with relay", 0, true, {NONE, NONE}, {RECIPIENT_UNDECIDED, RECIPIENT_UNDECIDED},
		MAIL_UNCERTAIN, false, false},
	    {"never expires", LIFETIME_MS, false, {FATE_DEFERRED, FATE_UNCERTAIN},
		{RECIPIENT_FAILED, RECIPIENT_UNDECIDED}, MAIL_UNCERTAIN, false, false},
	};
	static const struct profile profile = {.is_uncertain_held = true};
	struct config config = {
	    .queue = {.lifetime_ms = LIFETIME_MS, .retry_ms = {60000}, .retry_count = 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t fates[] = {cases[i].fates[0], cases[i].fates[1], NONE};
		struct settlement *settlement = report(fates, cases[i].is_lost);
		struct mail *mail = rig_mail(1, 2);

		print_message("%s\n", cases[i].name);
		mail->begins_at_ms = NOW_MS - cases[i].age_ms;
		decide_through(settlement, mail, &config, &profile);
		assert_int_equal(settlement->job.rows[0].state, cases[i].states[0]);
		assert_int_equal(settlement->job.rows[1].state, cases[i].states[1]);
		assert_int_equal(settlement->job.state, cases[i].state);
		assert_int_equal(settlement->job.is_over, cases[i].is_over);
		assert_int_equal(settlement->job.next_at_ms > NOW_MS, cases[i].is_tried_again);
		settlement_free(settlement);
		free(mail);
	}
}

/* The pending one is tried again without the undecided one, and leaves it as it is. */
static void
test_undecided_recipient_is_not_due(void **state)
{
	static const uint8_t fates[] = {FATE_DELIVERED, NONE, NONE};
	struct config config = {.queue = {.lifetime_ms = LIFETIME_MS}};
	struct settlement *settlement = report(fates, false);
	struct mail *mail = rig_mail(1, 2);

	mail->begins_at_ms = NOW_MS;
	mail->recipients[0].attempts = mail->recipients[1].attempts = 1;
	mail->recipients[1].state = RECIPIENT_UNDECIDED;
	assert_true(recipient_is_due(&mail->recipients[0], mail_round(mail)));
	assert_false(recipient_is_due(&mail->recipients[1], mail_round(mail)));
	decide(settlement, mail, &config);
	assert_int_equal(settlement->job.row_count, 1);
	assert_false(settlement->job.is_over);
	assert_int_equal(settlement->job.state, MAIL_UNCERTAIN);
	assert_int_equal(settlement->job.next_at_ms, 0);
	settlement_free(settlement);
	free(mail);
}

/* Three recipients, of which an upstream takes one at a time. */
static void
test_recipients_that_were_not_tried_go_at_once_and_before_the_others(void **state)
{
	static const uint8_t first[] = {FATE_DEFERRED, FATE_UNTRIED, FATE_UNTRIED};
	static const uint8_t second[] = {NONE, FATE_DELIVERED, FATE_UNTRIED};
	static const uint8_t third[] = {NONE, NONE, FATE_DEFERRED};
	struct config config = {
	    .queue = {.lifetime_ms = LIFETIME_MS, .retry_ms = {60000}, .retry_count = 1}};
	struct mail *mail = rig_mail(1, 3);
	const uint8_t *fates[] = {first, second, third};

	mail->received_at_ms = mail->begins_at_ms = NOW_MS;
	for (int i = 0; i < 3; i++) {
		struct settlement *settlement = report(fates[i], false);

		for (int j = 0; j < 3; j++)
			assert_int_equal(
			    recipient_is_due(&mail->recipients[j], mail_round(mail)), j >= i);
		decide(settlement, mail, &config);
		assert_int_equal(settlement->job.row_count, 1);
		assert_int_equal(settlement->job.rows[0].index, i);
		assert_false(settlement->job.is_over);
		assert_int_equal(settlement->job.attempts, i == 2);
		assert_int_equal(settlement->job.next_at_ms > NOW_MS, i == 2);
		settlement_apply(settlement, mail);
		settlement_free(settlement);
	}
	/* The next round is of those who are left. */
	assert_true(recipient_is_due(&mail->recipients[0], mail_round(mail)));
	assert_false(recipient_is_due(&mail->recipients[1], mail_round(mail)));
	assert_true(recipient_is_due(&mail->recipients[2], mail_round(mail)));
	free(mail);
}

/* What the rate has no place for is not given to relay, and no report names it. */
static void
test_recipients_that_were_not_given_were_not_tried(void **state)
{
	static const struct {
		const char *name;
		bool is_lost;
		uint8_t fates[2], states[2];
		bool goes_on;
	} cases[] = {
	    {"delivered", false, {FATE_DELIVERED, FATE_DELIVERED},
		{RECIPIENT_DELIVERED, RECIPIENT_DELIVERED}, true},
	    {"put off", false, {FATE_DEFERRED, FATE_FAILED}, {RECIPIENT_PENDING, RECIPIENT_FAILED},
		true},
	    {"not named", false, {FATE_DELIVERED, NONE}, {RECIPIENT_DELIVERED, RECIPIENT_PENDING},
		true},
	    /* Relay may have died of it: not in the same breath. */
	    {"lost with relay", true, {NONE, NONE}, {RECIPIENT_UNCERTAIN, RECIPIENT_UNCERTAIN},
		false},
	};
	struct config config = {
	    .queue = {.lifetime_ms = LIFETIME_MS, .retry_ms = {60000}, .retry_count = 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t fates[] = {cases[i].fates[0], cases[i].fates[1], NONE};
		struct settlement *settlement = report(fates, cases[i].is_lost);
		struct mail *mail = rig_mail(1, 3);

		print_message("%s\n", cases[i].name);
		mail->received_at_ms = mail->begins_at_ms = NOW_MS;
		settlement->given_count = 2;
		decide(settlement, mail, &config);
		assert_int_equal(settlement->job.row_count, 2);
		assert_int_equal(settlement->untried_count, 1);
		for (uint32_t j = 0; j < 2; j++)
			assert_int_equal(settlement->job.rows[j].state, cases[i].states[j]);
		assert_false(settlement->job.is_over);
		assert_int_equal(settlement->job.next_at_ms == 0, cases[i].goes_on);
		assert_int_equal(settlement->job.attempts, !cases[i].goes_on);
		settlement_apply(settlement, mail);
		assert_int_equal(mail_due_count(mail), 1);
		assert_true(recipient_is_due(&mail->recipients[2], mail_round(mail)));
		settlement_free(settlement);
		free(mail);
	}
}

static void
test_report_that_tried_nobody_waits(void **state)
{
	static const uint8_t fates[] = {FATE_UNTRIED, FATE_UNTRIED, FATE_UNTRIED};
	struct config config = {
	    .queue = {.lifetime_ms = LIFETIME_MS, .retry_ms = {60000}, .retry_count = 1}};
	struct settlement *settlement = report(fates, false);
	struct mail *mail = rig_mail(1, 3);

	mail->received_at_ms = mail->begins_at_ms = NOW_MS;
	decide(settlement, mail, &config);
	assert_int_equal(settlement->job.row_count, 0);
	assert_false(settlement->job.is_over);
	assert_true(settlement->job.next_at_ms > NOW_MS);
	settlement_free(settlement);
	free(mail);
}

static void
test_who_hears_of_a_delay(void **state)
{
	static const struct {
		const char *name;
		uint8_t notify, state;
		bool is_notice, has_null_sender, has_no_bounces;
		uint8_t action;
	} cases[] = {
	    {"nothing said", NOTIFY_UNSAID, .action = DSN_DELAYED},
	    {"wanted", NOTIFY_DELAY, .action = DSN_DELAYED},
	    {"never", NOTIFY_NEVER, .action = DSN_NONE},
	    {"failure only", NOTIFY_FAILURE, .action = DSN_NONE},
	    {"uncertain", NOTIFY_UNSAID, RECIPIENT_UNCERTAIN, .action = DSN_DELAYED},
	    {"undecided", NOTIFY_UNSAID, RECIPIENT_UNDECIDED, .action = DSN_NONE},
	    {"delivered", NOTIFY_DELAY, RECIPIENT_DELIVERED, .action = DSN_NONE},
	    {"failed", NOTIFY_DELAY, RECIPIENT_FAILED, .action = DSN_NONE},
	    {"a notice", NOTIFY_UNSAID, .is_notice = true, .action = DSN_NONE},
	    {"null sender", NOTIFY_DELAY, .has_null_sender = true, .action = DSN_NONE},
	    {"bounces off", NOTIFY_UNSAID, .has_no_bounces = true, .action = DSN_NONE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config config = {.queue = {.has_bounces = !cases[i].has_no_bounces}};
		struct mail *mail = rig_mail(1, 1);
		struct telling telling = {.config = &config, .routes = &routes, .mail = mail};

		print_message("%s\n", cases[i].name);
		mail->is_notice = cases[i].is_notice;
		mail->recipients[0].notify = cases[i].notify;
		mail->recipients[0].state = cases[i].state;
		if (cases[i].has_null_sender)
			mail->sender = "";
		assert_int_equal(telling_of_delay(&telling, &mail->recipients[0]), cases[i].action);
		free(mail);
	}
}

static void
test_why_mail_waits(void **state)
{
	static const struct profile paused = {.is_paused = true, .trouble = TROUBLE_LIMITED},
				    stopped = {.trouble = TROUBLE_STOPPED, .last_error = "secret"},
				    limited = {.trouble = TROUBLE_LIMITED,
					.until_ms = NOW_MS + 60000},
				    full = {.rate_until_ms = 1}, none = {0};
	char why[TELLING_WHY_SIZE];

	telling_explain(NULL, NOW_MS, why);
	assert_string_equal(why, "No server takes this mail just now; an operator was told.");
	telling_explain(&paused, NOW_MS, why);
	assert_string_equal(why, "An operator has paused the server that it goes through.");
	telling_explain(&stopped, NOW_MS, why);
	assert_non_null(strstr(why, "can't be used just now"));
	assert_null(strstr(why, "secret"));
	telling_explain(&limited, NOW_MS, why);
	assert_non_null(strstr(why, "takes no mail before Tue, 14 Nov 2023 22:14:20 +0000."));
	telling_explain(&full, NOW_MS, why);
	assert_string_equal(why, "More is to go through this server than it takes at a time.");
	telling_explain(&none, NOW_MS, why);
	assert_string_equal(why, "");
}

static void
test_overdue_message_fails_for_all_that_wait(void **state)
{
	struct config config = {.queue = {.lifetime_ms = LIFETIME_MS, .has_bounces = true}};
	static const uint8_t nobody[] = {NONE, NONE, NONE};
	struct settlement *settlement = report(nobody, false);
	struct mail *mail = rig_mail(1, 3);

	settlement->is_overdue = true;
	(void)snprintf(settlement->why, sizeof(settlement->why), "it was stopped");
	mail->begins_at_ms = NOW_MS - LIFETIME_MS;
	/* One had its turn in this round, one is another's to decide. */
	mail->recipients[0].attempts = 1;
	mail->recipients[2].state = RECIPIENT_UNDECIDED;
	decide(settlement, mail, &config);
	assert_int_equal(settlement->job.row_count, 2);
	assert_int_equal(count_failed(settlement), 2);
	assert_int_equal(settlement->told_count, 2);
	assert_string_equal(settlement->job.rows[0].reply, "it was stopped");
	assert_true(settlement->is_expired[0] && settlement->is_expired[1]);
	assert_false(settlement->job.is_over);
	assert_int_equal(settlement->job.next_at_ms, 0);
	assert_false(settlement_is_reported(settlement));
	settlement_free(settlement);
	free(mail);
}

/* ---- rules for replies ---- */

struct said {
	enum fate fate;
	enum reply_class class;
	struct reply_wait wait;
	const char *class_before; /* "": nothing was said */
};

static struct settlement *
settle_said(const struct said *said, int64_t age_ms)
{
	const uint8_t fates[] = {said[0].fate, said[1].fate, said[2].fate};
	struct config config = {
	    .queue = {.lifetime_ms = LIFETIME_MS, .retry_ms = {60000}, .retry_count = 1}};
	struct settlement *settlement = report(fates, false);
	struct mail *mail = rig_mail(1, 3);

	mail->received_at_ms = mail->begins_at_ms = NOW_MS - age_ms;
	for (int i = 0; i < 3; i++) {
		settlement->job.rows[i].class = said[i].class;
		settlement->job.rows[i].wait = said[i].wait;
		mail->recipients[i].class = said[i].class_before;
	}
	decide(settlement, mail, &config);
	free(mail);
	return settlement;
}

static void
test_recipients_wait_as_their_rules_say(void **state)
{
	const struct reply_wait hour = {3600, 14400, false}, day = {86400, 86400, false},
				none = {0};
	const struct {
		struct said said[3];
		int64_t least_ms, most_ms;
	} cases[] = {
	    {{{FATE_DEFERRED, REPLY_RATE_RCPT, hour, ""}, {FATE_DELIVERED, 0, none, ""},
		 {FATE_DEFERRED, REPLY_RATE_RCPT, day, ""}},
		3600000, 3600000},
	    /* One that has no time of its own is not kept waiting. */
	    {{{FATE_DEFERRED, REPLY_RATE_RCPT, hour, ""},
		 {FATE_DEFERRED, REPLY_TEMPORARY, none, ""}, {FATE_DELIVERED, 0, none, ""}},
		54000, 66000},
	    {{{FATE_FAILED, REPLY_BAD_RECIPIENT, none, ""}, {FATE_DELIVERED, 0, none, ""},
		 {FATE_DEFERRED, REPLY_MAILBOX_FULL, day, ""}},
		86400000, 86400000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settlement *settlement = settle_said(cases[i].said, 0);

		assert_in_range(
		    settlement->job.next_at_ms - NOW_MS, cases[i].least_ms, cases[i].most_ms);
		assert_false(settlement->is_denied);
		settlement_free(settlement);
	}
}

static void
test_denied_sender_is_held(void **state)
{
	const struct reply_wait once = {300, 300, false}, none = {0};
	const struct {
		struct said first;
		int64_t age_ms;
		bool is_to_hold;
		unsigned failed;
	} cases[] = {
	    {{FATE_DEFERRED, REPLY_SENDER_DENIED, none, ""}, 0, true, 0},
	    {{FATE_DEFERRED, REPLY_SENDER_DENIED, once, ""}, 0, false, 0},
	    {{FATE_DEFERRED, REPLY_SENDER_DENIED, once, "temporary"}, 0, false, 0},
	    {{FATE_DEFERRED, REPLY_SENDER_DENIED, once, "sender-denied"}, 0, true, 0},
	    /* It waits for an operator, however long. */
	    {{FATE_DEFERRED, REPLY_SENDER_DENIED, none, ""}, LIFETIME_MS, true, 0},
	    {{FATE_DEFERRED, REPLY_TEMPORARY, none, ""}, LIFETIME_MS, false, 1},
	    {{FATE_DELIVERED, REPLY_SENDER_DENIED, none, ""}, 0, false, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct said said[3] = {
		    cases[i].first, {FATE_DELIVERED, 0, none, ""}, {FATE_DELIVERED, 0, none, ""}};
		struct settlement *settlement = settle_said(said, cases[i].age_ms);

		assert_int_equal(settlement->is_denied, cases[i].is_to_hold);
		assert_int_equal(count_failed(settlement), cases[i].failed);
		settlement_free(settlement);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_what_was_delivered_before_stays),
	    cmocka_unit_test(test_recipients_that_were_not_tried_go_at_once_and_before_the_others),
	    cmocka_unit_test(test_who_is_told),
	    cmocka_unit_test(test_recipients_that_were_not_given_were_not_tried),
	    cmocka_unit_test(test_report_that_tried_nobody_waits),
	    cmocka_unit_test(test_profile_has_a_schedule_of_its_own),
	    cmocka_unit_test(test_uncertain_recipients_wait_for_an_operator_if_the_profile_says_so),
	    cmocka_unit_test(test_undecided_recipient_is_not_due),
	    cmocka_unit_test(test_who_hears_of_a_delay),
	    cmocka_unit_test(test_why_mail_waits),
	    cmocka_unit_test(test_overdue_message_fails_for_all_that_wait),
	    cmocka_unit_test(test_recipients_wait_as_their_rules_say),
	    cmocka_unit_test(test_denied_sender_is_held),
	    cmocka_unit_test(test_lifetime_counts_from_the_time_that_the_client_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
